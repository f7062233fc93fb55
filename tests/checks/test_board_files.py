"""The check that finds a board's file that is wrong, and files that say something else than the boards."""

import shutil

import pytest

from checks import boards
from checks.finding import Finding
from lobbylock.house import ROOT

FILES = ("README.md", "docs/hardware.md", "firmware/board/pins.py", "boot.py")


@pytest.fixture
def copy(tmp_path):
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copytree(ROOT / "boards", tmp_path / "boards")
    return tmp_path


def change(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_repository_is_in_order_and_so_is_a_copy(copy):
    assert boards.check(ROOT) == [] == boards.check(copy)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("README.md", "| 26 |", "| 27 |"),
        ("docs/hardware.md", "| RSTPD | 8 |", "| RSTPD | 9 |"),
        ("firmware/board/pins.py", "STRIKE = 26", "STRIKE = 25"),
        ("boot.py", "value=0", "value=1"),
    ],
)
def test_a_file_that_differs_is_named(copy, path, old, new):
    change(copy / path, old, new)
    text = "differs from boards/; `lobbylock boards --write` renews it"
    assert boards.check(copy) == [Finding(path, 1, text)]


def test_a_wrong_board_is_named_with_its_sentence(copy):
    change(copy / "boards/olimex-esp32-poe.toml", "led = 4", "led = 6")
    expected = "olimex-esp32-poe.toml: indicator.led is GPIO 6, which belongs to the flash chip."
    assert boards.check(copy) == [Finding("boards/olimex-esp32-poe.toml", 1, expected)]


def test_a_page_that_lost_its_tables_is_a_finding(copy):
    (copy / "docs/hardware.md").write_text("# Hardware\n")
    assert boards.check(copy) == [Finding("boards", 1, "docs/hardware.md has no place for a wiring table.")]
