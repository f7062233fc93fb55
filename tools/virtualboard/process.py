"""The process that runs the firmware: MicroPython's unix port with the shadow modules of port/ before its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

from virtualboard.link import Link

_HERE = Path(__file__).resolve().parent
_INTERPRETER = _HERE / "interpreter.py"
_FIRST = _HERE / "port" / "mount.py"
# The board's modules under a short name, as on a board: each path takes its length of the heap.
_PATH = "/m:/m/lib:.frozen"
_FLASH_PATH = ".frozen:/lib"
_READ_BYTES = 1 << 16
_FAREWELL_S = 10
# The unix port allows about 78 KB of stack on a 64-bit machine; what start.py leaves of it is good for 55 nested
# calls of a plain function, as on an ESP32, and six for the shadow modules.
_STACK_BYTES = 52_000
# With files in flash an import needs 6 KB more here: a littlefs for 64 bits, on a device that is written in Python.
_FLASH_STACK_BYTES = 44_000


class Program(NamedTuple):
    """What to run, and how. With `is_flash` the board has its file system in flash, without it in folders."""

    root: Path
    rom: Path
    modules: Path
    vfs: Path
    is_flash: bool
    image: Path
    heap: str
    argv_prefix: Sequence[str]
    env: dict[str, str]


class Process:
    """One run from a reset to the next. It stops when it waits for a reply, and dies when this end is gone."""

    def __init__(self, program: Program) -> None:
        board_reads, we_write = os.pipe()
        we_read, board_writes = os.pipe()
        # Of its own, so that no other reader moves its position.
        image = os.open(program.image, os.O_RDONLY)
        path = _FLASH_PATH if program.is_flash else _PATH
        env = {**os.environ, "TZ": "UTC0", "MICROPYPATH": path, **program.env}
        command = [*program.argv_prefix, sys.executable, str(_INTERPRETER), str(program.rom)]
        command += ["-X", f"heapsize={program.heap}", str(_FIRST), str(program.modules), str(program.root)]
        place, stack = ("flash", _FLASH_STACK_BYTES) if program.is_flash else ("folders", _STACK_BYTES)
        command += [place, str(image), str(board_reads), str(board_writes), str(stack)]
        self._popen = subprocess.Popen(
            command,
            cwd=program.vfs,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(image, board_reads, board_writes),
            # Ctrl-C in the terminal is for the host, not for the board.
            start_new_session=True,
        )
        os.close(image)
        os.close(board_reads)
        os.close(board_writes)
        self.link = Link(we_read, we_write)
        self._stdout = cast(IO[bytes], self._popen.stdout)
        self.console_fd = self._stdout.fileno()
        os.set_blocking(self.console_fd, False)
        self.pid = self._popen.pid
        self.is_stopped = False
        self._is_wrapped = bool(program.argv_prefix)

    def read_console(self) -> bytes:
        """Returns what has been printed since the last call."""
        parts = []
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self.console_fd, _READ_BYTES):
                parts.append(part)
        return b"".join(parts)

    def stop(self) -> None:
        """Stops all of its threads where they are."""
        self.is_stopped = True
        self._popen.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.is_stopped = False
        self._popen.send_signal(signal.SIGCONT)

    def interrupt(self) -> None:
        """Raises KeyboardInterrupt wherever its main thread is."""
        self._popen.send_signal(signal.SIGINT)

    @property
    def cpu_s(self) -> float | None:
        """How long it has computed, None where the system does not tell."""
        if not sys.platform.startswith("linux"):
            return None
        # The number of a process's clock (CPUCLOCK_SCHED), as clock_getcpuclockid gives it.
        with contextlib.suppress(OSError):
            return time.clock_gettime((~self.pid << 3) | 2)
        return None

    def kill(self) -> str:
        """Ends it at once and returns how it had ended if it already had, else an empty string."""
        died = self._popen.poll()
        if self._is_wrapped and not self.is_stopped:
            # A profiler writes down what it has counted.
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(_FAREWELL_S)
        self._popen.kill()
        self._popen.wait()
        return "" if died is None else f"exit status {died}"

    def close(self) -> None:
        self.link.close()
        self._stdout.close()
