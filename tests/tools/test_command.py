"""The command as a person meets it: what it makes, and what it says about mistakes."""

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator

import pytest
from scripted_door import ScriptedDoor
from typer.testing import CliRunner

from certificates import make_certificates
from firmware.core import keycode
from lobbylock import command
from lobbylock.home import Home
from lobbylock.journalkey import JournalKey

DOOR = "maple-12/front"
KEY = ScriptedDoor().public_key.hex()
# For processes, whose clock is the machine's: in the last hour of four weeks no window holds a code of an hour, and a
# slot whose code has ended is free.
LATER = ("--from", "2090-09-18T12:00Z")
# In this process.
pytestmark = pytest.mark.usefixtures("noon")


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """The path of an issuer's folder that is not there yet."""
    path = tmp_path / "deep" / "issuer"
    monkeypatch.setenv("LOBBYLOCK_HOME", str(path))
    return path


@pytest.fixture
def door(run) -> str:
    code, _, error = run("door", "new", DOOR)
    assert (code, error) == (0, "")
    return DOOR


def mode(path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def make_code(run, *arguments: str) -> dict:
    code, text, error = run("code", DOOR, *arguments, "--json")
    assert (code, error) == (0, "")
    return json.loads(text)


def checker(folder: Home) -> keycode.Checker:
    settings = folder.path / "s.json"
    assert command.main(["door", "settings", DOOR, "--out", str(settings)]) == 0
    value = json.loads(settings.read_text())
    return keycode.Checker(bytes.fromhex(value["code_key"]), value["tag"], value["day_start_s"])


def test_issuer_new(empty):
    result = CliRunner().invoke(command.app, ["issuer", "new", "--name", "Maple Street 12"])
    assert result.exit_code == 0
    assert mode(empty) == mode(empty.parent) == 0o700
    issuer, collector = (json.loads((empty / name).read_text()) for name in ("issuer.json", "collector.json"))
    assert mode(empty / "issuer.json") == mode(empty / "collector.json") == 0o600
    assert issuer["name"] == "Maple Street 12"
    secrets = {issuer["code_secret"], *issuer["ed25519_seeds"], collector["ed25519_seed"]}
    assert len(secrets) == 3 and all(len(bytes.fromhex(secret)) == 32 for secret in secrets)
    assert collector["public_key"] in result.output
    assert not any(secret in result.output for secret in secrets)


def test_issuer_is_never_overwritten(run, home):
    before = (home.path / "issuer.json").read_bytes()
    code, text, error = run("issuer", "new")
    assert (code, text) == (2, "") and "never overwritten" in error
    assert (home.path / "issuer.json").read_bytes() == before


def test_settings(run, home, tmp_path):
    out = tmp_path / "settings.json"
    ca = make_certificates(tmp_path).ca
    code, text, error = run(
        "door", "new", DOOR, "--mqtt", "mqtts://broker.example:8884", "--mqtt-ca", str(ca), "--mqtt-user", "front",
        "--mqtt-password", "geheim", "--wifi-ssid", "Lobby", "--wifi-password", "wlan-pass", "--ntp", "10.0.0.1:124",
        "--camera", "required", "--release-ms", "3000", "--held-ms", "60000", "--day-start", "04:30", "--no-contact",
        "--out", str(out),
    )  # fmt: skip
    assert code == 0, error
    value = json.loads(out.read_text("utf-8"))
    assert mode(out) == 0o600
    key = home.issuer().keys[0]
    assert value.pop("issuers") == [{"kid": key.kid.hex(), "name": "tester", "key": key.public_key.hex()}]
    assert value.pop("code_key") == home.code_key(home.door(DOOR)).hex()
    assert value.pop("collector_key") == home.collector().public_key.hex()
    assert value == {
        "version": 1, "building": "maple-12", "door": "front", "tag": 0, "mqtt_url": "mqtts://broker.example:8884",
        "mqtt_user": "front", "mqtt_password": "geheim", "mqtt_ca": ca.read_text(), "wifi_ssid": "Lobby",
        "wifi_password": "wlan-pass", "ntp": "10.0.0.1:124", "day_start_s": 16200, "release_ms": 3000,
        "held_ms": 60000, "camera": "required", "has_contact": False, "areas": ["lobby"], "zone": "UTC0",
        "bearer": "single-use", "bearer_s": 86400, "revoked": [], "nfc": "off", "keypad": "matrix", "ble": "on",
    }  # fmt: skip
    assert not any(secret in text + error for secret in ("geheim", "wlan-pass"))
    again = tmp_path / "again.json"
    assert run("door", "settings", DOOR, "--out", str(again))[0] == 0
    assert again.read_bytes() == out.read_bytes()
    assert run("door", "settings", DOOR, "--out", "-")[1].encode() == out.read_bytes()


def test_passwords_from_the_environment(run, home, monkeypatch):
    monkeypatch.setenv("LOBBYLOCK_WIFI_PASSWORD", "from-env")
    assert run("door", "new", DOOR, "--wifi-ssid", "x")[0] == 0
    assert home.door(DOOR).options.wifi_password == "from-env"


def test_tags_are_given_in_turn(run, home):
    for at in range(12):
        assert run("door", "new", f"building-{at}/front")[0] == 0
        assert run("door", "new", f"building-{at}/back")[0] == 0
    tags = {name: home.door(name).tag for name in home.door_names()}
    for at in range(12):
        assert tags[f"building-{at}/front"] == tags[f"building-{at}/back"] == at % 10
    rows = json.loads(run("door", "list", "--json")[1])
    assert {row["door"]: row["tag"] for row in rows} == tags


def test_enrol(run, home, door):
    assert run("door", "enrol", door, KEY)[0] == 0
    assert run("door", "enrol", door, KEY.upper())[0] == 0
    assert home.door(door).public_key.hex() == KEY
    other = ScriptedDoor(seed=b"\2" * 32).public_key.hex()
    code, _, error = run("door", "enrol", door, other)
    assert code == 2 and "--replace" in error
    assert home.door(door).public_key.hex() == KEY
    assert run("door", "enrol", door, other, "--replace")[0] == 0
    assert home.door(door).public_key.hex() == other
    assert [key.hex() for key in home.door(door).former_public_keys] == [KEY]


def test_enrol_from_the_console_line(run, home, door):
    line = json.dumps({"lobbylock": "0.1.0", "door": door, "public_key": KEY, "boot": 1})
    assert run("door", "enrol", door, "--console-line", line)[0] == 0
    assert home.door(door).public_key.hex() == KEY
    for wrong in (line.replace("front", "back"), line[:-5], "[]", "null", "[" * 900, '{"door": 1}', " " * 2000):
        code, text, error = run("door", "enrol", door, "--console-line", wrong)
        assert (code, text) == (2, "") and error.count("\n") == 1


def console_line(lock: ScriptedDoor, **changes) -> str:
    return json.dumps({**lock.console_line(), "boot": 1, **changes})


def test_enrol_with_the_journal_key(run, home, door):
    lock = ScriptedDoor()
    early = console_line(lock)
    lock.deliver()
    late = console_line(lock)
    assert run("door", "enrol", door, "--console-line", late) == (0, f"{door} is enrolled with key {KEY}.\n", "")
    assert home.door(door).journal_key == JournalKey(5, lock.keys[4])
    # The earliest one counts, and what follows from it changes nothing.
    for line in (early, late, console_line(lock, journal=None)):
        assert run("door", "enrol", door, "--console-line", line)[::2] == (0, "")
        assert home.door(door).journal_key == JournalKey(1, lock.keys[0])
    stranger = {"seq": 3, "key": "55" * 32}
    code, _, error = run("door", "enrol", door, "--console-line", console_line(lock, journal=stranger))
    assert code == 2 and "--replace" in error and "55" not in error
    assert home.door(door).journal_key == JournalKey(1, lock.keys[0])
    assert run("door", "enrol", door, "--replace", "--console-line", console_line(lock, journal=stranger))[0] == 0
    assert home.door(door).journal_key == JournalKey(3, bytes.fromhex("55" * 32))
    assert stat.S_IMODE((home.path / "doors" / f"{door}.json").stat().st_mode) == 0o600


def test_enrol_with_the_journal_key_by_hand(run, home, door):
    code, text, error = run("door", "enrol", door, KEY)
    assert code == 0 and "--journal" in error
    assert home.door(door).journal_key is None
    assert run("door", "enrol", door, KEY, "--journal", "7:" + "ab" * 32) == (0, text, "")
    assert home.door(door).journal_key == JournalKey(7, b"\xab" * 32)
    # A board that replaces it has keys of its own; those of the first one stay, for what it recorded.
    other = ScriptedDoor(seed=b"\2" * 32)
    assert run("door", "enrol", door, "--replace", "--console-line", console_line(other))[0] == 0
    record = home.door(door)
    assert record.journal_key == JournalKey(1, other.keys[0])
    assert record.journal_keys[bytes.fromhex(KEY)] == JournalKey(7, b"\xab" * 32)


@pytest.mark.parametrize(
    "journal", ["", "1", "1:", ":" + "ab" * 32, "0:" + "ab" * 32, "x:" + "ab" * 32, "1:" + "ab" * 31, "1:" + "zz" * 32]
    + ["9" * 19 + ":" + "ab" * 32, "-1:" + "ab" * 32, "1:" + " ab" * 32, "1:" + "ab" * 33],
)  # fmt: skip
def test_journal_keys_that_are_none(run, home, door, journal):
    code, text, error = run("door", "enrol", door, KEY, f"--journal={journal}")
    assert (code, text, error.count("\n")) == (2, "", 1)
    assert home.door(door).public_key is None


@pytest.mark.parametrize("journal", [5, [], {}, {"seq": 1}, {"seq": True, "key": "ab" * 32}, {"seq": 1, "key": 5}])
def test_console_lines_with_something_else(run, home, door, journal):
    code, text, error = run("door", "enrol", door, "--console-line", console_line(ScriptedDoor(), journal=journal))
    assert (code, text, error.count("\n")) == (2, "", 1)
    assert home.door(door).public_key is None


def test_code_opens_its_door(run, home, door):
    made = make_code(run, "Anna")
    claim = checker(home).check(made["code"], made["from_s"])
    assert (claim.outcome, claim.slot) == (keycode.VALID, 0)
    assert checker(home).check(made["code"], made["until_s"] - 1).outcome == keycode.VALID
    assert checker(home).check(made["code"], made["until_s"]).outcome == keycode.EXPIRED
    assert checker(home).check(made["code"], made["from_s"] - 1).outcome == keycode.NOT_YET_VALID


def test_code_of_another_door(run, home, door):
    run("door", "new", "maple-12/back")
    run("door", "new", "oak-3/front")
    code, text, _ = run("code", "maple-12/back", "Anna", "--json")
    assert checker(home).check(json.loads(text)["code"], json.loads(text)["from_s"]).outcome == keycode.WRONG
    code, text, _ = run("code", "oak-3/front", "Anna", "--json")
    assert checker(home).check(json.loads(text)["code"], json.loads(text)["from_s"]).outcome == keycode.OTHER_BUILDING


def test_code_for_people(run, door):
    code, text, error = run("code", door, "Anna", "--from", "2026-09-21T12:00Z", "--for", "4h")
    assert (code, error) == (0, "")
    digits = make_code(run, "Anna", "--from", "2026-09-21T12:00Z", "--for", "4h")["code"]
    assert f"{digits[:4]} {digits[4:7]} {digits[7:]}" in text
    assert "2026-09-21T12:00:00Z" in text and "2026-09-21T16:00:00Z" in text


def test_code_is_kept_nowhere(run, home, door):
    digits = make_code(run, "Anna", "--once", "--from", "2026-09-21T12:00Z")["code"]
    for path in home.path.rglob("*"):
        if path.is_file():
            assert digits.encode() not in path.read_bytes()
            assert digits[4:].encode() not in path.read_bytes()


def test_slots(run, door):
    assert [make_code(run, name)["slot"] for name in ("Anna", "Bob", "Anna", "Cleo")] == [0, 1, 0, 2]
    assert make_code(run, "Dan", "--slot", "50")["slot"] == 50
    assert make_code(run, "Eve")["slot"] == 3
    for arguments in (
        ("Anna", "--slot", "5"),
        ("Fay", "--slot", "0"),
        ("Fay", "--slot", "100"),
        ("Fay", "--slot", "-1"),
    ):
        assert run("code", door, *arguments)[0] == 2


def test_full_list(run, home, door):
    for at in range(100):
        assert make_code(run, f"driver {at}", "--from", "2026-01-01T12:00Z", "--for", "1h")["slot"] == at
    code, text, error = run("code", door, "one more")
    assert (code, text) == (2, "") and "All 100 places" in error
    assert run("driver", "remove", door, "driver 42")[0] == 0
    assert make_code(run, "one more")["slot"] == 42


def test_slot_outlives_its_driver(run, home, door):
    made = make_code(run, "Anna", "--for", "1h")
    code, text, _ = run("driver", "remove", door, "Anna")
    assert code == 0 and "go on working until" in text
    assert make_code(run, "Bob")["slot"] == 1
    assert make_code(run, "Anna")["slot"] == 2
    assert home.door(door).driver_at(0, made["until_s"] - 1) == "Anna"
    assert run("driver", "remove", door, "Nobody")[0] == 2
    listed = json.loads(run("driver", "list", door, "--json")[1])
    assert [(row["slot"], row["driver"], bool(row["removed_s"])) for row in listed] == [
        (0, "Anna", True),
        (1, "Bob", False),
        (2, "Anna", False),
    ]
    assert "Bob" in run("driver", "list", door)[1]


def test_single_use_code_is_said_to_be_the_same(run, door):
    first = make_code(run, "Anna", "--once", "--from", "2026-09-21T12:00Z")
    again = make_code(run, "Anna", "--once", "--from", "2026-09-21T13:00Z")
    other = make_code(run, "Anna", "--once", "--from", "2026-09-22T13:00Z")
    assert (first["code"], first["made_before"], again["made_before"]) == (again["code"], False, True)
    assert (other["single_use"], other["made_before"]) == (True, False)
    assert other["code"] != first["code"]


def mistakes(tmp_path, refused_port: int):
    (tmp_path / "garbage.pem").write_bytes(b"\xff\xfe")
    (tmp_path / "empty.pem").write_text("")
    long = "x" * 65
    new = ("door", "new", "oak-3/yard")
    return [
        ("nonsense",),
        ("door", "nonsense"),
        ("code",),
        ("code", DOOR),
        ("code", DOOR, "Anna", "--nonsense"),
        ("code", DOOR, "Anna", "--class", "x"),
        ("code", DOOR, "Anna", "--class", "7"),
        ("code", DOOR, "Anna", "--class", "0", "--for", "5h"),
        ("code", DOOR, "Anna", "--class", "0", "--once"),
        ("code", DOOR, "Anna", "--for", "5 bananas"),
        ("code", DOOR, "Anna", "--for", "0h"),
        ("code", DOOR, "Anna", "--for", "29d"),
        ("code", DOOR, "Anna", "--from", "tomorrow-ish"),
        ("code", DOOR, "Anna", "--from", "25:00"),
        ("code", DOOR, "Anna", "--from", "1960-01-01"),
        ("code", DOOR, "Anna", "--from", "9999-12-31"),
        ("code", DOOR, "Anna", "--from", "-999999w"),
        ("code", DOOR, ""),
        ("code", DOOR, long),
        ("code", DOOR, "An\x1bna"),
        ("code", "maple-12", "Anna"),
        ("code", "maple-12/cellar", "Anna"),
        ("code", "Maple-12/front", "Anna"),
        ("code", "../front", "Anna"),
        ("code", f"{long}/front", "Anna"),
        ("code", DOOR + "\n", "Anna"),
        ("door", "new", DOOR),
        ("door", "new", "a/b/c"),
        (*new, "--mqtt", "http://x"),
        (*new, "--mqtt", "mqtt://user:secret@x"),
        (*new, "--mqtt", "mqtt://x:0"),
        (*new, "--mqtt", "mqtt://x:65536"),
        (*new, "--mqtt", "mqtts://x"),
        (*new, "--mqtt", "mqtts://x", "--mqtt-ca", str(tmp_path / "missing.pem")),
        (*new, "--mqtt", "mqtts://x", "--mqtt-ca", str(tmp_path / "garbage.pem")),
        (*new, "--mqtt", "mqtts://x", "--mqtt-ca", str(tmp_path / "empty.pem")),
        (*new, "--mqtt", "mqtts://x", "--mqtt-ca", str(tmp_path)),
        (*new, "--mqtt-user", long),
        (*new, "--wifi-ssid", "x" * 33),
        (*new, "--wifi-ssid", "a\nb"),
        (*new, "--wifi-password", "ü" * 32),
        (*new, "--wifi-password", "1234567"),
        (*new, "--ntp", "a b"),
        (*new, "--camera", "maybe"),
        (*new, "--release-ms", "999"),
        (*new, "--release-ms", "10001"),
        (*new, "--held-ms", "9999"),
        (*new, "--day-start", "86400"),
        (*new, "--day-start", "24:00"),
        (*new, "--out", str(tmp_path / "missing" / "settings.json")),
        (*new, "--out", str(tmp_path)),
        ("door", "settings", DOOR),
        ("door", "settings", DOOR, "--out", str(tmp_path / "missing" / "settings.json")),
        ("door", "enrol", DOOR),
        ("door", "enrol", DOOR, "abc"),
        ("door", "enrol", DOOR, KEY + "00"),
        ("door", "enrol", DOOR, "zz" * 32),
        ("door", "enrol", DOOR, " ".join(KEY)),
        ("door", "enrol", DOOR, KEY, "--console-line", "{}"),
        ("audit", "verify"),
        ("audit", "verify", "--door", "oak-3/yard"),
        ("audit", "list", "--day", "2026-02-30"),
        ("collect", "--broker", "broker.example"),
        ("collect", "--broker", "mqtt://x", "--ca", str(tmp_path / "garbage.pem")),
        ("collect", "--broker", "mqtts://x", "--ca", str(tmp_path / "garbage.pem")),
        ("collect", "--broker", "mqtts://x", "--cert", str(tmp_path / "missing.pem")),
        ("collect", "--broker", "mqtts://x", "--key", str(tmp_path / "garbage.pem")),
        ("collect", "--broker", "mqtt://x", "--password", "secret"),
        ("collect", "--for", "soon"),
        ("collect", "--store", str(tmp_path)),
        ("collect", "--broker", f"mqtt://127.0.0.1:{refused_port}"),
        ("collect", "--broker", "mqtt://no-such-host.invalid"),
    ]


@pytest.fixture
def refused_port() -> Iterator[int]:
    """A port that refuses: it is taken, so that nobody else gets it, and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_mistakes_are_one_sentence(run, door, home, tmp_path, refused_port):
    before = sorted(path.name for path in home.path.rglob("*.json"))
    for arguments in mistakes(tmp_path, refused_port):
        code, text, error = run(*arguments)
        assert code == 2, (arguments, text, error)
        assert error.startswith("lobbylock: ") and error.count("\n") == 1, (arguments, error)
        assert error.rstrip().endswith((".", "!", "?")) and len(error) < 1500, (arguments, error)
        assert "Traceback" not in error and "secret" not in error, (arguments, error)
    assert sorted(path.name for path in home.path.rglob("*.json")) == before


def test_without_a_home(empty, capsys):
    for arguments in [
        ("door", "new", DOOR),
        ("door", "settings", DOOR, "--out", "-"),
        ("door", "enrol", DOOR, KEY),
        ("code", DOOR, "Anna"),
        ("driver", "list", DOOR),
        ("collect",),
        ("audit", "verify"),
    ]:
        assert command.main(list(arguments)) == 2
        printed = capsys.readouterr()
        assert printed.out == "" and str(empty) in printed.err and printed.err.count("\n") == 1
    assert not empty.exists()


DAMAGE = ["", "{", "[]", "null", "{}", '{"version": 1, "tags": {"x": "y"}}', "[" * 100_000, "\xff", "x" * (2 << 20)]


@pytest.mark.parametrize("content", DAMAGE)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("issuer.json", ("code", DOOR, "Anna")),
        ("issuer.json", ("door", "new", "oak-3/yard")),
        ("collector.json", ("door", "settings", DOOR, "--out", "-")),
        ("collector.json", ("collect",)),
        ("collector.json", ("audit", "verify")),
        ("buildings.json", ("door", "new", "oak-3/yard")),
        ("doors/maple-12/front.json", ("code", DOOR, "Anna")),
        ("doors/maple-12/front.json", ("door", "list")),
    ],
)
def test_damaged_files(run, home, door, content, name, arguments):
    (home.path / name).write_text(content, "latin-1")
    code, text, error = run(*arguments)
    assert (code, text) == (2, "") and error.count("\n") == 1
    assert name in error or DOOR in error


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tag", 10),
        ("tag", "1"),
        ("tag", True),
        ("public_key", 5),
        ("public_key", "ab"),
        ("drivers", 5),
        ("drivers", [{"name": "x"}]),
        ("drivers", [{"name": "x", "slot": "1", "since_s": 0}]),
        ("drivers", [5]),
        ("options", {}),
        ("version", 2),
        ("building", "oak-3"),
        ("former_public_keys", "ab"),
    ],
)
def test_damaged_door(run, home, door, field, value):
    path = home.door_path(door)
    record = json.loads(path.read_text())
    record[field] = value
    path.write_text(json.dumps(record))
    code, text, error = run("code", door, "Anna")
    assert (code, text) == (2, "") and error.count("\n") == 1


def test_unreadable_home(home, lock, monkeypatch, capsys):
    monkeypatch.setenv("LOBBYLOCK_HOME", str(home.path / "issuer.json"))
    assert command.main(["code", DOOR, "Anna"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_failed_write_leaves_the_old_record(run, home, door, monkeypatch):
    before = home.door_path(door).read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    code, text, error = run("code", door, "Anna")
    assert (code, text) == (2, "") and "No space left" in error
    assert home.door_path(door).read_bytes() == before
    assert [path.name for path in home.door_path(door).parent.iterdir()] == ["front.json"]


def test_as_a_process(home, door, environment):

    def call(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "lobbylock", *arguments], env=environment, capture_output=True, text=True, cwd="/"
        )

    done = call("code", "maple-12/nowhere", "Anna")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"lobbylock: There is no door maple-12/nowhere at {home.path}; `door list` shows them.\n"
    assert call("--version").stdout.startswith("lobbylock ")
    done = call("code", door, "Anna", *LATER, "--json")
    assert done.returncode == 0 and len(json.loads(done.stdout)["code"]) == 10
    help_page = call()
    assert help_page.returncode == 2 and "collect" in help_page.stdout and help_page.stderr == ""


def test_two_commands_at_once_give_out_two_slots(door, environment):
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "lobbylock", "code", door, f"driver {at}", *LATER, "--json"],
            env=environment, stdout=subprocess.PIPE,
        )
        for at in range(6)
    ]  # fmt: skip
    slots = [json.loads(process.communicate()[0])["slot"] for process in processes]
    assert sorted(slots) == list(range(6))
