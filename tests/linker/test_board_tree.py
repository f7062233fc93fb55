"""The lock itself, linked: what lies on a board, for every kind of chip."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from linker import build_tree, bundles
from linker.errors import CompileError
from linker.tree import read_modules, read_tree

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {name: path.read_text() for name, path in read_tree(ROOT).items()}


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_table_names_modules_that_exist(texts):
    listed = {name for root, names in bundles.BUNDLES.items() for name in (root, *names)}
    assert listed <= set(texts)


def test_a_start_loads_what_it_needs_and_not_what_a_door_may_lack(texts):
    """The files that are loaded with another one, which is all that putting modules together could change."""
    modules = read_modules(texts)

    def loaded(root: str) -> set[str]:
        found: set[str] = set()
        waiting = [root]
        while waiting:
            file = bundles.root_of(waiting.pop())
            if file not in found:
                found.add(file)
                waiting += [other for name in texts if bundles.root_of(name) == file for other in modules[name].eager]
        return found

    assert loaded("firmware.build") == {"firmware.build"}
    for root in ("firmware.crew", "firmware.parts"):
        for lacking in (
            "board.keypad",
            "board.wiegand",
            "task.photographer",
            "task.tap",
            "task.uplink",
            "store.issuers",
        ):
            assert f"firmware.{lacking}" not in loaded(root)
    assert "firmware.store.trial" not in loaded("firmware.task.entry") | loaded("firmware.store.journal")


def run_linker(out: Path, seed: int) -> dict[str, bytes]:
    """Returns the files of a lock that is linked in a process of its own, where hashes have this seed."""
    command = [sys.executable, "-m", "linker", "--arch", "xtensawin", "--out", str(out)]
    seeded = {**os.environ, "PYTHONHASHSEED": str(seed)}
    subprocess.run(command, check=True, env=seeded, cwd=ROOT / "tools")
    return files(out)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, bytes]:
    return run_linker(tmp_path_factory.mktemp("linked") / "1", 1)


# Two processes that compile all there is.
@pytest.mark.timeout(600)
def test_equal_sources_give_equal_bytes(made, tmp_path):
    """Wherever they lie, and whatever order a dict or a folder has."""
    assert made == run_linker(tmp_path / "2", 2)
    assert {"firmware/build.mpy", "firmware/task/entry.mpy", "names.json"} <= set(made)
    folders = (str(ROOT), str(tmp_path.parent))
    assert not any(folder.encode() in data for data in made.values() for folder in folders)
    names = json.loads(made["names.json"])
    assert "firmware.build:run" in names["firmware.build"]["run"].split(" | ")


def test_another_text_takes_the_place_of_a_file(tmp_path):
    root = tmp_path / "root"
    for path, text in (
        ("main.py", "from firmware.build import run\nrun()\n"),
        ("firmware/build.py", "from firmware.board import pins\ndef run():\n    print(pins.TEXT)\n"),
        ("firmware/board/pins.py", "TEXT = 'a devkit, plainly'\n"),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    build_tree(root, "rv32imc", tmp_path / "as-is")
    build_tree(root, "rv32imc", tmp_path / "other", {"firmware/board/pins.py": "TEXT = 'another board'\n"})
    assert b"a devkit, plainly" in files(tmp_path / "as-is")["firmware/build.mpy"]
    assert b"another board" in files(tmp_path / "other")["firmware/build.mpy"]
    wrong = "def choose(x):\n    match x:\n        case 1:\n            return 2\nTEXT = choose\n"
    with pytest.raises(CompileError, match=r"firmware\.build"):
        build_tree(root, "rv32imc", tmp_path / "bad", {"firmware/board/pins.py": wrong})


def test_few_names_are_left_that_a_chip_does_not_have(made, texts):
    """Every one of them takes some 20 bytes of the heap: those that are said, not those that are only called so."""
    short = {name for names in json.loads(made["names.json"]).values() for name in names}
    assert len(short) > 50
    assert len([name for name in short if name.startswith("q") and name[1:2].isdigit()]) < 10
    assert 10 < len([path for path in made if path.endswith(".mpy")]) < len(texts) * 0.6
