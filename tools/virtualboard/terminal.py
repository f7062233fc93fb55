"""The serial line as a pseudo-terminal, for programs that open a serial port by its path."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import tty

from virtualboard.line import Uart0

_READ_BYTES = 4096
_PAUSE_S = 0.001
_LOOK_S = 0.2
# What a program that is slow to read may leave; and when it counts as one that does not read at all.
_BACKLOG_BYTES = 1 << 18
_PATIENCE_S = 3.0


class Terminal:
    """Carries bytes both ways in a thread of its own, until `close`. `path` is what the program opens.

    The terminal stays when the program closes it. What nobody reads is dropped, as by a serial port that nobody has
    opened; what is written faster than the line carries it waits with the writer.
    """

    def __init__(self, uart: Uart0, lock: threading.RLock) -> None:
        self._uart = uart
        self._lock = lock
        # Held as well, or the terminal would forget that it is raw whenever a program closes it.
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._backlog = bytearray()
        self._is_open = True
        self._progress_s = time.monotonic()
        self._alarm, self._bell = os.pipe()
        os.set_blocking(self._bell, False)
        uart.listeners.append(self._say)
        self._thread = threading.Thread(target=self._carry, name="virtualboard line", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it; a program that has it open reads an end of file."""
        self._is_open = False
        self._ring()
        self._thread.join()
        with self._lock:
            self._uart.listeners.remove(self._say)
        for number in (self._master, self._slave, self._alarm, self._bell):
            os.close(number)

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._bell, b"!")

    def _say(self, data: bytes) -> None:
        # Called under the lock, by whoever lets time pass.
        if not self._backlog:
            self._progress_s = time.monotonic()
        self._backlog += data
        del self._backlog[:-_BACKLOG_BYTES]
        self._flush()
        if self._backlog:
            self._ring()

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._backlog:
                count = os.write(self._master, self._backlog[:_READ_BYTES])
                del self._backlog[:count]
                self._progress_s = time.monotonic()
        if self._backlog and time.monotonic() - self._progress_s > _PATIENCE_S:
            self._backlog.clear()

    def _carry(self) -> None:
        while self._is_open:
            is_busy = self._uart.unsent >= _READ_BYTES
            if is_busy:
                time.sleep(_PAUSE_S)
            readers = [self._alarm] if is_busy else [self._alarm, self._master]
            writers = [self._master] if self._backlog else []
            readable, _, _ = select.select(readers, writers, [], 0 if is_busy else _LOOK_S)
            if self._alarm in readable:
                os.read(self._alarm, _READ_BYTES)
            if self._backlog:
                with self._lock:
                    self._flush()
            if self._master in readable:
                with contextlib.suppress(BlockingIOError):
                    data = os.read(self._master, _READ_BYTES)
                    with self._lock:
                        self._uart.send(data)
