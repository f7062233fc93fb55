"""Updates of the real firmware: sent, tried, accepted, and gone back from whatever is wrong with the new version."""

import json

import pytest
from lockcase import RELEASE, compile_entrance, make_package, renumber

from firmware.core import event
from lobbylock import command
from lobbylock.console.client import Refused
from lobbylock.errors import UserError
from lobbylock.house import ROOT
from lobbylock.release import pack
from lobbylock.signature import Signer
from lobbylock.update import ACCEPTED, ALREADY, REVERTED

MINUTE_MS = 60_000
FIRST_LINE = "    async def run(self) -> None:\n"

# What a new version may do instead of running.
BROKEN = {
    "import": ("raise ValueError", "ValueError"),
    "missing": ("from nowhere import run", "ImportError"),
    "empty": ("", "ImportError"),
    "raises": ("def run(accept):\n    raise KeyError", "KeyError"),
    "exits": ("import sys\ndef run(accept):\n    sys.exit()", "SystemExit"),
    "later": ("import time\ndef run(accept):\n    time.sleep(50)\n    raise OSError(5)", "OSError"),
    "returns": ("def run(accept):\n    pass", "starts"),
    "resets": ("import machine\nmachine.reset()", "starts"),
    "hangs at import": ("import time\nwhile True:\n    time.sleep(1)", "starts"),
    "hangs": ("import time\ndef run(accept):\n    while True:\n        time.sleep(1)", "starts"),
    "never settles": (
        "import machine\nimport time\ndef run(accept):\n"
        "    while True:\n        machine.WDT(timeout=90_000)\n        time.sleep(60)",
        "starts",
    ),
    "eats the heap": ("kept = []\ndef run(accept):\n    while True:\n        kept.append(bytearray(4096))", None),
    "eats it at import": ("kept = []\nwhile True:\n    kept.append(bytearray(64))", None),
}


# In every run; the others in `make updatecut`.
OFTEN = ("import", "later", "returns", "hangs", "never settles", "eats the heap")


def until_back(lock, limit_ms: float) -> bool:
    """Lets time pass until the old version has recorded what became of the new one; it is never at a prompt."""
    return lock.board.run_until(lambda: lock.board.at_repl or lock.count(event.UPDATE_REVERTED) > 0, limit_ms)


def test_a_new_version_is_sent_runs_and_is_accepted(lock, package):
    kept = lock.kept_files()
    lock.begin(package, len(package.files) - 2)
    outcome = lock.update(package)
    assert (outcome.state, outcome.version) == (ACCEPTED, "0.2.0"), lock.said
    assert lock.slot == "b" and lock.kept_files() == kept
    assert lock.count(event.UPDATE_PROPOSED) == lock.count(event.UPDATE_ACCEPTED) == 1
    assert lock.last(event.BOOT).details[event.VERSION] == "0.2.0"
    assert lock.last(event.UPDATE_ACCEPTED).details == {event.VERSION: "0.2.0"}
    # It is there already, and what was before it is no more.
    assert lock.update(package).state == ALREADY
    with lock.client() as client:
        lock.session(client)
        older = renumber(package, "0.1.9").dump()
        with pytest.raises(Refused, match="older"):
            client.send("update", older)


@pytest.mark.parametrize(
    "kind", [kind if kind in OFTEN else pytest.param(kind, marks=pytest.mark.slow) for kind in BROKEN]
)
def test_a_version_that_does_not_run_is_gone_back_from(lock, kind):
    text, name = BROKEN[kind]
    kept = lock.kept_files()
    strikes = len(lock.board.strike.pulses)
    lock.put(compile_entrance(text))
    starts = len(lock.board.reset_causes)
    lock.board.power_on()
    assert until_back(lock, 100 * MINUTE_MS) and not lock.board.at_repl, lock.board.console[-20:]
    details = lock.last(event.UPDATE_REVERTED).details
    assert details[event.VERSION] == "0.2.0" and name in (None, details[event.NAME]), details
    # The start by power is none of the three; the one that goes back is another one.
    assert len(lock.board.reset_causes) - starts in (4, 5)
    assert lock.slot == f"a-0.2.0 {details[event.NAME]}" and lock.kept_files() == kept
    lock.board.run_for(3 * MINUTE_MS)
    assert lock.count(event.SAFE_MODE) == 0 and lock.count(event.UPDATE_REVERTED) == 1
    assert len(lock.board.strike.pulses) == strikes
    with lock.client() as client:
        assert client.hello().text("lobbylock") == "0.1.0"


# Of a file that ends in the middle of a number MicroPython reads on for ever: then the watchdog of main.py bites.
@pytest.mark.parametrize("size", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_damaged_files_of_a_version_on_trial(lock, package, size):
    files = {file.path: file.data for file in package.files}
    lock.put({**files, "firmware/build.mpy": files["firmware/build.mpy"][:size]})
    lock.board.power_on()
    assert until_back(lock, 10 * MINUTE_MS) and not lock.board.at_repl
    assert lock.slot.startswith("a-0.2.0 ")


@pytest.mark.parametrize(
    "line", [b"b", b"", b"q", b"b?", b"b?x y z", b"b?3 60", b"\xff\xfe\x00", b"b!0.2.0 starts", b"b" * 4000]
)
def test_whatever_the_slot_file_says_a_whole_version_runs(lock, line):
    lock.board.power_off()
    lock.board.files.write("/slot", line)
    lock.board.power_on()
    lock.board.run_for(30_000)
    assert lock.board.reset_causes == [1, 1] and not lock.board.at_repl
    with lock.client() as client:
        assert client.hello().text("slot") == "a"


def test_without_a_whole_version_there_is_a_sentence_and_another_try(lock):
    lock.board.power_off()
    lock.board.files.write("/firmware/build.mpy", b"M")
    lock.board.files.write("/b/firmware/build.mpy", b"")
    lock.board.files.write("/slot", b"b")
    lock.board.power_on()
    lock.board.run_for(35_000)
    assert lock.board.reset_causes == [1, 1, 2, 2, 2] and not lock.board.at_repl
    assert lock.board.console[-1] == "No version of the lock starts: trying again in 10 s."
    assert not lock.board.strike.is_released


@pytest.mark.slow
def test_a_version_whose_task_fails_after_a_while_is_gone_back_from_and_may_be_tried_again(lock):
    path = "firmware/task/sealing.py"
    sound = (ROOT / path).read_text()
    text = sound.replace(FIRST_LINE, FIRST_LINE + "        await asyncio.sleep_ms(40_000)\n        raise ValueError\n")
    assert text != sound
    broken = make_package(replace={path: text})
    lock.begin(broken, len(broken.files) - 1)
    outcome = lock.update(broken)
    assert (outcome.state, outcome.version) == (REVERTED, "0.1.0") and "restarted three times" in outcome.say
    assert lock.count(event.TASK_FAILED) == 3 and lock.count(event.SAFE_MODE) == 0
    assert lock.last(event.UPDATE_REVERTED).details == {event.VERSION: "0.2.0", event.NAME: "starts"}
    # It may be tried again; nothing is sent twice.
    with lock.client() as client:
        lock.session(client)
        client.send("update", broken.dump())
        client.ask("update_commit")
    lock.board.run_for(4_000)
    assert lock.slot.startswith("b?")


def test_settings_wait_until_a_version_is_accepted(lock, package):
    lock.begin(package, len(package.files))
    with lock.client() as client:
        lock.session(client)
        client.send("update", package.dump())
        client.ask("update_commit")
    lock.board.run_for(8_000)
    text = json.dumps({**lock.settings, "release_ms": 3_000}).encode()
    with lock.client() as client:
        assert client.hello().text("lobbylock") == "0.2.0"
        lock.session(client)
        digest = client.send("settings", text)
        with pytest.raises(Refused, match="on trial"):
            client.ask("apply", sha256=digest)
        lock.board.run_for(130_000)
        assert client.ask("apply", sha256=digest, timeout_ms=20_000).number("changed") == 1


def test_a_board_takes_the_releases_of_the_key_that_its_owner_names(lock, package):
    other = Signer(b"p" * 32)
    foreign = pack("0.3.0", package.board, package.arch, list(package.files), other)
    with lock.client() as client:
        lock.session(client)
        with pytest.raises(Refused, match="release key"):
            client.send("update", foreign.dump())
        client.ask("release", key=other.public_key.hex())
        assert client.ask("release").text("key") == other.public_key.hex()
        with pytest.raises(Refused, match="release key"):
            client.send("update", package.dump())
    assert lock.count(event.RELEASE_KEY_CHANGED) == 1 and lock.count(event.UPDATE_PROPOSED) == 0
    # What is found out on the host is not sent.
    with pytest.raises(UserError, match="nothing was sent"):
        lock.update(foreign)


def test_the_command_at_a_port(lock, package, tmp_path, capsys):
    home = tmp_path / "home"
    home.mkdir()
    (home / "owner.json").write_text(json.dumps({"version": 1, "ed25519_seed": (b"o" * 32).hex()}))
    same, other = tmp_path / "same.lbu", tmp_path / "other.lbu"
    same.write_bytes(renumber(package, "0.1.0").dump())
    other.write_bytes(pack("0.2.0", "esp32-c3-devkitm-1", "rv32imc", list(package.files), RELEASE).dump())
    lock.board.set_pace("real")
    lock.board.start_pump()
    port = lock.board.open_pty()
    options = ["--port", port, "--home", str(home), "--release-key", RELEASE.public_key.hex()]
    assert command.main(["update", str(same), "--json", *options]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"state": ALREADY, "version": "0.1.0"} and "there already" in said.err
    assert command.main(["update", str(other), *options]) == 2
    assert "nothing was sent" in capsys.readouterr().err
    assert command.main(["update", str(same), *options[:-2]]) == 2
    assert "not signed by a release key" in capsys.readouterr().err
