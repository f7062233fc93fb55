"""`lobbylock demo`, by itself and with a person at the keys."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

COMMAND = [sys.executable, "-m", "lobbylock", "demo"]
STEPS = 29


# Two minutes in real time; more on a busy machine.
@pytest.mark.timeout(560)
def test_demo_plays_a_whole_delivery_by_itself():
    done = subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, timeout=540, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line["ok"] for line in lines] == [True] * (STEPS + 1)
    assert lines[-1] == {"ok": True}
    assert all(line["step"] for line in lines[:-1])


class Terminal:
    """The demo on a pseudo-terminal, and what it has shown so far."""

    def __init__(self) -> None:
        self._number, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, "--terminal"], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.shown = ""

    def expect(self, pattern: str, limit_s: float = 30) -> re.Match:
        """Reads on until `pattern` has been shown."""
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s:
            plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.shown)
            found = re.search(pattern, plain)
            if found:
                return found
            if select.select([self._number], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self._number, 4096).decode(errors="replace")
                except OSError:
                    break
        raise AssertionError(f"{pattern} was not shown:\n{self.shown}")

    def type(self, keys: str) -> None:
        for key in keys:
            os.write(self._number, key.encode())
            # As fast as a person types.
            time.sleep(0.2)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._number)


def test_a_person_types_the_code_and_sees_everything():
    terminal = Terminal()
    try:
        code = terminal.expect(r"type +(\d{4} \d{3} \d{3}) #").group(1).replace(" ", "")
        terminal.type("123#")
        terminal.expect(r"access \(reason malformed")
        terminal.type(code + "#")
        terminal.expect("RELEASED")
        terminal.expect("frame frozen")
        terminal.type("o")
        terminal.expect("at rest, locked")
        terminal.type("c")
        terminal.expect(r"access \(UPS 4711, reason granted")
        terminal.expect("stored, hash is the event's")
        terminal.expect(r"signature and chain verified up to #\d+")
        terminal.expect("door_opened")
        terminal.type("b")
        terminal.expect("the driver's badge")
        terminal.expect(r"access \(reason granted, via badge.*DHL 81")
        terminal.type("u")
        terminal.expect("the driver presses the button")
        terminal.expect(r"was told: granted, with a receipt of \d+ bytes", 60)
        terminal.type("p")
        terminal.expect("the lock has started")
        terminal.type("q")
        assert terminal.process.wait(20) == 0
    finally:
        terminal.close()
