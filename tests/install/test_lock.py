"""From nothing to a delivery: command line, pseudo-terminal, the real firmware, a real broker, a real collector."""

import json
import stat
import threading

import pytest

from lobbylock import command, install_command
from lobbylock.demo.stage import DOOR, Stage
from visit import deliver

# On the board's clock, while a collector takes in what the lock sends as fast as the machine lets it.
_START_MS = 300_000
_TRIAL_MS = 125_000
_COMMAND_S = 100

BUILDING = """
building = "maple-12"
zone = "America/New_York"
ntp = "{ntp}"
[wifi]
ssid = "lobby"
[mqtt]
url = "{broker}"
[[door]]
name = "front"
board = "esp32-devkitc"
nfc = "uart"
release_s = 1
"""


class BareStage(Stage):
    """A stage with a board that nobody has claimed, and an issuer who knows no door."""

    def _make_home(self) -> None:
        self._must("issuer", "new")

    def start_lock(self) -> None:
        self.board.set_pace("real")
        self.board.power_on()


@pytest.fixture
def stage(tmp_path, monkeypatch):
    folder = tmp_path / "stage"
    folder.mkdir()
    with BareStage(folder) as opened:
        monkeypatch.setenv("LOBBYLOCK_HOME", str(opened.home))
        # The stage's clock stands at a noon, so that no code's window ends in the middle.
        monkeypatch.setattr(install_command, "now_s", lambda: opened.now_s)
        (folder / "building.toml").write_text(BUILDING.format(ntp=opened.time.address, broker=opened.broker.url))
        yield opened


class Command:
    """`lobbylock ARGUMENTS` in a thread, while the board goes on."""

    def __init__(self, *arguments: str) -> None:
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run, args=(list(arguments),))
        self._thread.start()

    def _run(self, arguments: list[str]) -> None:
        self.code = command.main(arguments)

    def is_over(self, wait_s: float) -> bool:
        self._thread.join(wait_s)
        return not self._thread.is_alive()


def at_the_board(stage, *arguments: str) -> int:
    """Runs the command with the board's pseudo-terminal as its port; returns the exit code.

    The two minutes of a trial of settings pass at once, while the lamp shows all that it can.
    """
    before = len(stage.board.console)
    running = Command(*arguments, "--port", stage.board.open_pty())
    is_skipped = False
    for _ in range(10 * _COMMAND_S):
        if running.is_over(0.1):
            break
        if not is_skipped and any('"pattern"' in line for line in stage.board.console[before:]):
            is_skipped = True
            stage.board.stop_pump()
            stage.skip(_TRIAL_MS)
            stage.board.start_pump()
    assert running.is_over(_COMMAND_S), stage.board.console[-10:]
    stage.board.stop_pump()
    stage.board.close_pty()
    assert running.code is not None
    return running.code


def install(stage, *options: str) -> int:
    building = str(stage.home.parent / "building.toml")
    return at_the_board(stage, "install", building, "--unattended", *options)


def settings_state(stage) -> tuple[int, int]:
    found = (stage.board.vfs / "settings.json").stat()
    return found.st_mtime_ns, found.st_ino


# Ten commands, each of which may be slow.
@pytest.mark.timeout(900)
def test_from_nothing_to_a_granted_delivery_and_the_same_again(stage, capsys):
    assert install(stage, "--json") == 0, capsys.readouterr().err
    told = json.loads(capsys.readouterr().out)
    assert told["door"] == DOOR and told["changed"][:2] == ["owner", "settings"] and not told["notes"]
    assert set(told["tests"]) == {"indicator", "strike", "contact", "camera", "reader", "keypad"}
    assert "failed" not in told["tests"].values()
    folder = stage.home / "handover" / DOOR
    assert (folder / "picture.jpg").read_bytes()[:2] == b"\xff\xd8"
    assert told["public_key"] in (folder / "sheet.txt").read_text()
    assert stat.S_IMODE((stage.home / "owner.json").stat().st_mode) == 0o600

    deliver(stage)
    assert stage.wait(lambda: bool(stage.events("access")), _START_MS)
    granted = stage.events("access")
    assert len(granted) == 1 and granted[0]["details"]["reason"] == "granted" and granted[0]["driver"] == "UPS 4711"
    assert len(stage.events("settings_proposed")) == 1 and len(stage.events("settings_accepted")) == 1
    assert len(stage.events("claimed")) == 1

    before, boots = settings_state(stage), len(stage.board.reset_causes)
    assert install(stage) == 0, capsys.readouterr().err
    assert "Nothing to change: the board is as the file says." in capsys.readouterr().out
    assert settings_state(stage) == before and len(stage.board.reset_causes) == boots
    assert not list(stage.board.vfs.glob("part.*")) and not (stage.board.vfs / "settings.new.json").exists()
    assert stage.wait(lambda: len(stage.events("session_opened")) >= 3, _START_MS)
    assert len(stage.events("settings_proposed")) == 1 and len(stage.events("tested")) == 6
    done = stage.run("audit", "verify", "--store", str(stage.store))
    assert done.returncode == 0, done.stdout + done.stderr

    # Who else may set it up, how it is, and its end.
    key = str(stage.home.parent / "anna.json")
    assert command.main(["owner", "installers", "key", key]) == 0
    assert at_the_board(stage, "owner", "installers", "add", key) == 0
    capsys.readouterr()
    assert at_the_board(stage, "owner", "installers", "list") == 0
    listed = capsys.readouterr().out.split()
    assert len(listed) == 1 and len(listed[0]) == 16
    assert install(stage, "--key", key) == 0, capsys.readouterr().err
    assert "Nothing to change: the board is as the file says." in capsys.readouterr().out
    assert at_the_board(stage, "doctor", "--json", "--key", key) in (0, 1)
    told = json.loads(capsys.readouterr().out)
    assert told["status"]["settings"]["running"] is True and told["hello"]["door"] == DOOR
    # This machine's clock is not the stage's.
    assert {found["code"] for found in told["findings"] if found["kind"] == "sick"} <= {"clock_off"}
    assert at_the_board(stage, "owner", "installers", "remove", listed[0]) == 0
    assert at_the_board(stage, "doctor", "--json", "--key", key) in (0, 1)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["findings"][-1]["code"] == "no_key"
    assert at_the_board(stage, "owner", "reset", "maple-12/back") == 2
    assert at_the_board(stage, "owner", "reset", DOOR) == 0, capsys.readouterr().err
    capsys.readouterr()
    assert at_the_board(stage, "doctor", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert [found["code"] for found in told["findings"]] == ["unclaimed"] and told["hello"]["door"] == "unset/unset"
