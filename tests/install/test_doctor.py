"""What a doctor says about every sick board, and that a healthy one gets nothing said."""

import json
import socket
import threading

import pytest
from scripted_board import ScriptedBoard

from lobbylock import command, doctor
from lobbylock.console import probe
from lobbylock.console.line import SerialPort, why_closed
from lobbylock.console.status import Status
from lobbylock.doctor_command import look_at
from lobbylock.doctor_finding import NOTE, SICK
from lobbylock.doctor_sight import explain_sight, findings_of_hello
from lobbylock.errors import UserError
from lobbylock.signature import Signer

NOW_S = 1_789_992_000
OWNER = Signer(b"\x66" * 32)
HEALTHY = {
    "version": "0.1.0",
    "uptime_s": 5_000,
    "reset_cause": 1,
    "safe_mode": False,
    "failed": "",
    "free_heap": 24_000,
    "time": {"unix_s": NOW_S, "uncertainty_s": 1, "known": True},
    "wifi": {"state": "up", "up": True, "rssi": -60},
    "uplink": {"broker": True, "connected": True, "queue": 0, "acked": 9, "last_error": ""},
    "camera": {"policy": "required", "state": "ready"},
    "reader": {"line": "uart", "state": "ready"},
    "keypad": {"kind": "matrix", "stuck": False},
    "contact": "closed",
    "strike": "rests",
    "throttle": {"locked": False, "left_s": 0},
    "settings": {"sha256": "ab" * 32, "trial": None, "refused": "", "running": True},
    "journal": {"seq": 9, "acked": 9, "unsealed": 0, "full": 1},
    "files": {"free_bytes": 1 << 20},
    "update": {"state": "", "version": "", "reason": ""},
    "list": {"version": 3, "lost": False},
}
UP = {"broker": True, "connected": False, "queue": 0, "acked": 0}


def diagnose(**changed) -> list:
    return doctor.find_all(Status({**HEALTHY, **changed}), lambda: NOW_S)


def test_a_healthy_board():
    assert diagnose() == []


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"settings": {"refused": "wifi_ssid", "running": False}}, "settings", "`wifi_ssid`"),
        ({"settings": {"refused": "file", "running": False}}, "settings", "no settings"),
        ({"settings": {**HEALTHY["settings"], "trial": "cd" * 32}}, "trial", "on trial"),
        ({"safe_mode": True, "failed": "camera"}, "safe_mode", "without its camera"),
        ({"safe_mode": True, "failed": ""}, "safe_mode", "starts failed"),
        ({"time": {"unix_s": None, "uncertainty_s": None, "known": False}}, "clock", "does not know the time"),
        ({"time": {"unix_s": NOW_S - 4_000, "uncertainty_s": 5, "known": True}}, "clock_off", "4000 seconds behind"),
        ({"wifi": {"state": "off", "up": False, "rssi": None}}, "wifi_none", "No Wi-Fi is set"),
        ({"wifi": {"state": "wrong_password", "up": False, "rssi": None}}, "wifi_password", "refuses the password"),
        ({"wifi": {"state": "not_found", "up": False, "rssi": None}}, "wifi_not_found", "is not there"),
        ({"wifi": {"state": "connecting", "up": False, "rssi": None}}, "wifi", "not in its Wi-Fi"),
        ({"wifi": {"state": "up", "up": True, "rssi": -88}}, "wifi_weak", "-88 dBm"),
        ({"uplink": {**UP, "broker": False}}, "broker_none", "No broker is set"),
        ({"uplink": {**UP, "last_error": "MQTTException(5,)"}}, "broker_refused", "refuses the lock"),
        ({"uplink": {**UP, "last_error": "OSError(111,)"}}, "broker_closed", "Nobody listens"),
        ({"uplink": {**UP, "last_error": "OSError(-202,)"}}, "broker_name", "name is not known"),
        ({"uplink": {**UP, "last_error": "OSError(-9984, 'X509')"}}, "broker_certificate", "certificate does not hold"),
        ({"uplink": {**UP, "last_error": "OSError(110,)"}}, "broker", "OSError(110,)"),
        (
            {"uplink": {**UP, "last_error": ""}, "time": {"unix_s": None, "known": False}},
            "broker_clock",
            "no certificate is valid",
        ),
        ({"camera": {"policy": "required", "state": "silent"}}, "camera", "nobody but residents"),
        ({"camera": {"policy": "best-effort", "state": "silent"}}, "camera", "without a picture"),
        ({"reader": {"line": "spi", "state": "silent"}}, "reader", "card reader does not answer"),
        ({"keypad": {"kind": "matrix", "stuck": True}}, "keypad", "stuck"),
        ({"contact": "open"}, "contact", "door is open"),
        ({"list": {"version": 0, "lost": True}}, "list_lost", "every badge and phone"),
        ({"throttle": {"locked": True, "left_s": 42}}, "lockout", "another 42 seconds"),
        ({"update": {"state": "trial", "version": "0.2.0", "reason": ""}}, "update", "0.2.0 runs on trial"),
        ({"update": {"state": "reverted", "version": "0.2.0", "reason": "starts"}}, "update_reverted", "(starts)"),
        ({"free_heap": 3_000}, "heap", "3000 bytes"),
        ({"journal": {"seq": 900, "acked": 0, "full": 88}}, "journal", "88 % full"),
        ({"reset_cause": 3, "uptime_s": 30}, "restarted", "watchdog"),
    ],
)
def test_each_sickness_has_its_sentences(changed, code, words):
    found = {finding.code: finding for finding in diagnose(**changed)}
    assert words in found[code].say
    for finding in found.values():
        assert finding.say.endswith(".") and finding.do.endswith((".", "?")) and finding.kind in (SICK, NOTE)


def test_nothing_is_guessed_from_a_board_that_says_little():
    assert doctor.find_all(Status({}), lambda: NOW_S) == []
    odd = {name: 5 for name in HEALTHY}
    doctor.find_all(Status(odd), lambda: NOW_S)


# What is on the line, without any key.


class Talker:
    """A port where something says `lines` and answers what is written by `answer`."""

    def __init__(self, lines=(), answer=lambda line: [], tail=b"") -> None:
        self.name = "/dev/ttyX"
        self.tail = tail
        self._lines = list(lines)
        self._answer = answer
        self._now_ms = 0.0

    def open(self):
        return self

    def now_ms(self) -> float:
        return self._now_ms

    def sleep_ms(self, duration_ms: float) -> None:
        self._now_ms += duration_ms

    def write(self, data: bytes) -> None:
        self._lines += self._answer(data)

    def read_line(self, timeout_ms: float):
        if self._lines:
            return self._lines.pop(0)
        self._now_ms += timeout_ms
        return None

    def close(self) -> None:
        pass


def prompt(has_files: bool, is_raw: bool = False):
    """A MicroPython prompt, as it repeats and answers what is typed."""
    state = {"raw": is_raw}

    def answer(data: bytes) -> list[str]:
        if state["raw"]:
            state["raw"] = b"\x02" not in data
            return [] if state["raw"] else ["MicroPython v1.27.0 on 2025-12-09; Generic ESP32 module with ESP32"]
        text = data.decode().strip()
        if "lobbylock-files" in text:
            return [">>> " + text, f"lobbylock-files {has_files}"]
        return [">>> " + text, "{'id': 0, 'do': 'hello'}"]

    return answer


START = '{"lobbylock": "0.1.0", "door": "unset/unset", "public_key": "00", "boot": 1}'
ROM = ["ets Jul 29 2019 12:21:46", "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)"]


@pytest.mark.parametrize(
    ("port", "code", "words"),
    [
        (Talker(), probe.SILENT, "Nothing answers"),
        (Talker(answer=prompt(False)), probe.PROMPT, "no LobbyLock on this board"),
        (Talker(answer=prompt(True)), probe.DEVELOPER, "LobbyLock's files on the board"),
        (Talker(answer=prompt(True, is_raw=True)), probe.DEVELOPER, "its program was ended"),
        (Talker([*ROM, "invalid header: 0xffffffff", "invalid header: 0xffffffff"]), probe.BLANK, "empty or damaged"),
        (Talker(["rst:0x1", "waiting for download"]), probe.LOADER, "GPIO 0"),
        (Talker(["Brownout detector was triggered", "", *ROM]), probe.POWER, "supply breaks down"),
        (Talker([*ROM, START] * 4), "boot_loop", "again and again"),
        (
            Talker([START, "Traceback (most recent call last):", '  File "main.py"', "OSError: 19"]),
            "start_failed",
            "OSError: 19",
        ),
        (Talker([START]), "starting", "does not answer yet"),
        (Talker(["$GPGGA,123519,4807.038,N"]), "foreign", "no lock answers"),
        (Talker(["\ufffd\ufffd\ufffd"] * 20), probe.NOISE, "cannot be read"),
    ],
)
def test_what_answers_instead_of_a_lock(port, code, words):
    finding = explain_sight(probe.probe(port, 5_000), port.name)
    assert finding.code == code and words in finding.say
    assert finding.do.endswith((".", "?")) and finding.kind == SICK


def test_a_lock_that_refuses_its_settings_says_so_without_a_key():
    hello = {"claimed": True, "door": "unset/unset"}
    start = '{"lobbylock": "0.1.0", "door": "unset/unset", "public_key": "00", "boot": 1, "settings_refused": "zone"}'
    found = findings_of_hello(probe.Sight(probe.LOCK, hello, [start]))
    assert [finding.code for finding in found] == ["settings"] and "`zone`" in found[0].say


def test_a_board_with_and_without_the_right_key():
    board = ScriptedBoard()
    found, facts = look_at(board.port, OWNER, 5_000)
    assert [finding.code for finding in found] == ["unclaimed"] and facts["status"] is None
    board.owner = OWNER.public_key.hex()
    found, facts = look_at(board.port, OWNER, 5_000)
    assert "clock" in [finding.code for finding in found] and facts["status"]["version"] == "0.1.0"
    found, _ = look_at(board.port, None, 5_000)
    assert [finding.code for finding in found] == ["unconfigured", "no_key"]
    found, _ = look_at(board.port, Signer(b"\x67" * 32), 5_000)
    assert "somebody else's" in found[-1].say and found[-1].kind == NOTE
    board.protocol = 7
    found, _ = look_at(board.port, OWNER, 5_000)
    assert [finding.code for finding in found] == ["protocol"]


# Ports.


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "usermod -aG"),
        (OSError(16, "Device or resource busy"), "is in use"),
        (BlockingIOError(11, "Resource temporarily unavailable"), "is in use"),
        (FileNotFoundError(2, "No such file"), "There is no port"),
        (ConnectionRefusedError(111, "refused"), "Nobody listens"),
        (ValueError("unknown"), "is no serial port"),
        (OSError(5, "Input/output error"), "cannot be opened"),
    ],
)
def test_ports_that_cannot_be_opened(error, words):
    assert words in why_closed("/dev/ttyUSB9", error)


def test_a_port_that_is_not_there_or_is_used_already(tmp_path):
    import os

    with pytest.raises(UserError, match="There is no port"):
        SerialPort(str(tmp_path / "ttyUSB0")).open()
    with pytest.raises(UserError, match="no serial port|cannot be opened"):
        SerialPort("nonsense://x").open()
    master, slave = os.openpty()
    try:
        name = os.ttyname(slave)
        line = SerialPort(name).open()
        with pytest.raises(UserError, match="is in use"):
            SerialPort(name).open()
        line.close()
    finally:
        os.close(master)
        os.close(slave)


def test_opening_and_closing_lets_the_chip_run(monkeypatch):
    """The auto-reset circuit: RTS alone pulls EN, DTR alone pulls IO0. A pty has no such lines."""
    import os

    import serial

    # The system turns both on at open(), and both off behind the last close().
    lines = {"dtr": True, "rts": True}
    seen = []

    def move(name):
        def record(port) -> None:
            lines[name] = getattr(port, name)
            seen.append(dict(lines))

        return record

    for name in lines:
        monkeypatch.setattr(serial.Serial, f"_update_{name}_state", move(name))
    master, slave = os.openpty()
    try:
        line = SerialPort(os.ttyname(slave)).open()
        line.write(b"hello\n")
        line.close()
    finally:
        os.close(master)
        os.close(slave)
    assert seen and all(state["dtr"] == state["rts"] for state in seen)


class Answering:
    """A board that only knows hello, behind a TCP port."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                if line.strip():
                    request = json.loads(line)
                    hello = {"id": request["id"], "ok": True, "protocol": 1, "claimed": False, "door": "unset/unset"}
                    connection.sendall(json.dumps({**hello, "board": "esp32-devkitc"}).encode() + b"\r\n")


def test_the_command_over_a_socket(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LOBBYLOCK_HOME", str(tmp_path))
    assert command.main(["doctor", "--port", Answering().url, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["is_well"] and told["findings"][0]["code"] == "unclaimed"
    assert told["hello"]["board"] == "esp32-devkitc"
    assert command.main(["doctor", "--port", Answering().url]) == 1
    assert "`lobbylock install` claims it" in capsys.readouterr().out
