"""The hand-over sheet, the dialog with a person, and which port it is."""

import io
import re
from html.parser import HTMLParser

import pytest
from install_case import DOOR, NOW_S
from rich.console import Console
from scripted_board import ScriptedBoard

from lobbylock import install_port
from lobbylock.console import probe
from lobbylock.errors import UserError
from lobbylock.handover import Sheet, fingerprint, key_id, write_html, write_text
from lobbylock.install_dialog import Dialog
from lobbylock.install_results import FAILED, PASSED, Result

SHEET = Sheet(
    door=DOOR,
    public_key=b"\x11" * 32,
    owner_key=b"\x22" * 32,
    version="0.1.0",
    board="ESP32-DevKitC (esp32-devkitc)",
    date_s=NOW_S,
    settings_sha256="ab" * 32,
    wiring=[("part", "GPIO"), ("strike <gate>", "26")],
    results=[Result("strike", PASSED, "seen by the installer"), Result("camera", FAILED, "dark & blurred")],
    picture_sha256="cd" * 32,
    notes=["No broker is set."],
)
VOID = frozenset(("meta", "path", "br"))


class Reader(HTMLParser):
    """Checks that tags close in order, and collects text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data) -> None:
        self.text += data


def test_both_forms_say_the_same():
    page = Reader()
    page.feed(write_html(SHEET))
    text = write_text(SHEET)
    assert page.open == []
    for part in (
        "11" * 32,
        fingerprint(b"\x11" * 32),
        key_id(b"\x22" * 32),
        "ab" * 32,
        "cd" * 32,
        "strike <gate>",
        "26",
    ):
        assert part in text and part in page.text
    for part in ("FORCE=1 ERASE=1`. That destroys key, owner and record", "FORCE=1 alone keeps"):
        assert part in text and part in page.text
    for part in ("dark & blurred", "failed", "No broker is set.", "0.1.0", "lobbylock owner reset", "esp32-devkitc"):
        assert part in text and part in page.text


def test_the_page_needs_nothing_else_and_has_the_qr_code():
    page = Reader()
    html = write_html(SHEET)
    page.feed(html)
    assert "svg" in page.tags and "path" in page.tags
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert not [name for name, _ in page.attributes if name in ("src", "href")]
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", html) and "@import" not in html
    assert SHEET.link == "lobbylock:maple-12/front?key=" + "11" * 32
    assert SHEET.link in write_text(SHEET)


# The person at it.


def make_dialog(monkeypatch, typed: str) -> tuple[Dialog, io.StringIO]:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    return Dialog(Console(file=out, width=200)), out


def test_questions_are_asked_until_there_is_an_answer(monkeypatch):
    dialog, out = make_dialog(monkeypatch, "what?\nYES\nn\n")
    assert dialog.confirm("Did it click?") and not dialog.confirm("And again?")
    assert out.getvalue().count("Did it click? [y/n]") == 2
    with pytest.raises(UserError, match="nobody to answer"):
        dialog.confirm("Still there?")


def test_who_says_no_to_the_settings_changes_nothing(installer, board, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    installer.is_unattended = False
    with pytest.raises(UserError, match="Nothing was changed"):
        installer.run()
    assert board.settings is None and board.candidate is None and board.tested == []


def test_what_the_person_saw_is_the_result(installer, board, monkeypatch):
    # Settings, lamp, strike (not), picture.
    monkeypatch.setattr("sys.stdin", io.StringIO("y\ny\nn\ny\n"))
    installer.is_unattended = False
    board.counts["keypad"] = ("keys", 11)
    outcome = installer.run()
    found = {result.part: result.outcome for result in outcome.results}
    assert found == {
        "indicator": PASSED,
        "strike": FAILED,
        "contact": PASSED,
        "camera": PASSED,
        "reader": PASSED,
        "keypad": FAILED,
    }
    assert not outcome.is_good and "the board noticed 11 keys where 12 were to come" in installer.said


# Which port.


def choose(monkeypatch, seen: dict) -> str:
    def look(port, patience_ms):
        if isinstance(seen[port.name], Exception):
            raise seen[port.name]
        return seen[port.name]

    monkeypatch.setattr(probe, "port_names", lambda: list(seen))
    monkeypatch.setattr(probe, "probe", look)
    return install_port.choose_port(None, Dialog(Console(file=io.StringIO()))).name


def lock(door: str) -> probe.Sight:
    return probe.Sight(probe.LOCK, {"board": "esp32-devkitc", "door": door})


def test_the_only_board_is_found_among_other_ports(monkeypatch):
    seen = {
        "/dev/ttyUSB0": UserError("There is no right to use /dev/ttyUSB0."),
        "/dev/ttyUSB1": probe.Sight(probe.PROMPT),
        "/dev/ttyUSB2": lock(DOOR),
    }
    assert choose(monkeypatch, seen) == "/dev/ttyUSB2"


def test_several_boards_are_named(monkeypatch):
    with pytest.raises(UserError) as caught:
        choose(monkeypatch, {"/dev/ttyUSB0": lock("oak-3/front"), "/dev/ttyUSB1": lock(DOOR)})
    assert "oak-3/front" in str(caught.value) and DOOR in str(caught.value) and "--port" in str(caught.value)


def test_no_board_says_what_is_there_instead(monkeypatch):
    with pytest.raises(UserError, match="no LobbyLock on this board"):
        choose(monkeypatch, {"/dev/ttyUSB1": probe.Sight(probe.PROMPT)})
    with pytest.raises(UserError, match="no serial port on this machine"):
        choose(monkeypatch, {})


def test_a_scripted_board_is_a_lock():
    board = ScriptedBoard()
    assert probe.probe(board.port, 5_000).kind == probe.LOCK
