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
# Fewer than lock the keypad, with what is typed wrongly on purpose.
_ATTEMPTS = 3
_ATTEMPT_S = 30


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

    def expect(self, pattern: str, since: int = 0) -> re.Match:
        """Reads on until `pattern` has been shown, behind what was when `plain` was so long."""
        found = self.shows(pattern, since, 120)
        assert found, f"{pattern} was not shown:\n{self.shown}"
        return found

    def shows(self, pattern: str, since: int, limit_s: float) -> re.Match | None:
        """As `expect`, but returns None if it is not shown."""
        end_s = time.monotonic() + limit_s
        while True:
            found = re.compile(pattern).search(self.plain, since)
            if found or time.monotonic() > end_s:
                return found
            if select.select([self._number], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self._number, 4096).decode(errors="replace")
                except OSError:
                    return None

    @property
    def plain(self) -> str:
        """What it has shown, without the colours."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.shown)

    def type_until(self, keys: str, pattern: str) -> int:
        """Types until `pattern` is shown, for a starved lock may miss a key; returns how much was shown before."""
        for _ in range(_ATTEMPTS):
            since = len(self.plain)
            self.type("*" + keys)
            if self.shows(pattern, since, _ATTEMPT_S):
                return since
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


@pytest.mark.timeout(560)
def test_a_person_types_the_code_and_sees_everything():
    terminal = Terminal()
    try:
        code = terminal.expect(r"type +(\d{4} \d{3} \d{3}) #").group(1).replace(" ", "")
        terminal.type_until("123#", r"access \(reason malformed")
        for _ in range(_ATTEMPTS):
            since = terminal.type_until(code + "#", "RELEASED")
            terminal.type("o")
            terminal.expect("frame frozen", since)
            terminal.expect("at rest, locked", since)
            terminal.type("c")
            # Who pulls long after it was at rest forces it; on a busy machine that may be so.
            if terminal.expect("door_opened|door_forced", since).group() == "door_opened":
                break
        terminal.expect(r"access \(UPS 4711, reason granted")
        terminal.expect("stored, hash is the event's")
        terminal.expect(r"signature and chain verified up to #\d+")
        terminal.expect("door_opened")
        terminal.type("b")
        terminal.expect("the driver's badge")
        terminal.expect(r"access \(reason granted, via badge.*DHL 81")
        terminal.type("u")
        terminal.expect("the driver presses the button")
        terminal.expect(r"was told: granted, with a receipt of \d+ bytes")
        terminal.type("p")
        terminal.expect("the lock has started")
        terminal.type("q")
        assert terminal.process.wait(60) == 0
    finally:
        terminal.close()
