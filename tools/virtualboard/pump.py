"""Moves time: lets the firmware compute, chips act and waits end, in the right order, at either pace."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.cpu import Cpu
    from virtualboard.process import Process

# How far the board may run ahead of a caller who waits for something that no frame tells of.
_SLICE_US = 1_000_000
# Starting the process may take long on a busy machine.
_START_S = 60.0
# Whatever a firmware waits for that is not the board's: by then it counts as hung, little as it has computed.
_BLOCKED_S = 60.0
# The first look, and the shortest of those that follow.
_QUICK_S = 0.05
# How often such a caller looks at the real pace.
_LOOK_MS = 5

Predicate = Callable[[], object]


class Pump:
    """`stall_s` is how long a firmware may compute without a sign before its CPU counts as hung.

    Measured by what its process computes: on a busy machine one that only waits for its turn must not count as hung.
    """

    def __init__(self, cpu: Cpu, stall_s: float) -> None:
        self._cpu = cpu
        self._clock = cpu.clock
        self._stall_s = stall_s
        self._limit_us = 0
        self._slice_us = 0
        self._stalled: Process | None = None
        cpu.horizon_us = self._horizon

    def _horizon(self) -> int:
        limit_us = min(self._limit_us, self._clock.next_us)
        return min(limit_us, self._clock.now_us + self._slice_us) if self._slice_us else limit_us

    def run(self, limit_us: int, until: Predicate | None) -> bool:
        """Goes on to `limit_us`, or to where `until()` is true; returns whether it was."""
        self._limit_us = limit_us
        self._slice_us = _SLICE_US if until else 0
        # The firmware computes in no time, so what it is still doing belongs to the present.
        self.settle()
        while True:
            if until and until():
                return True
            if not self._clock.is_fast:
                if self._clock.now_us >= limit_us:
                    return False
                self.step_real(min(limit_us, self._clock.now_us + _LOOK_MS * 1000) if until else limit_us)
            elif not self._step_fast():
                return bool(until and until())

    def settle(self) -> None:
        """Fast pace: handles what the firmware says until it waits, is gone, or counts as hung."""
        cpu = self._cpu
        while self._clock.is_fast and cpu.is_computing:
            process = cpu.process
            if cpu.is_roused:
                cpu.is_roused = False
                self._stalled = None
            patience_s = self._stall_s if cpu.has_greeted else _START_S
            heard = self._listen(0) if process is self._stalled else self._await_sign(process, patience_s)
            if not heard and cpu.process is process:
                self._stalled = process
                return
            self._stalled = None

    def _await_sign(self, process: Process | None, patience_s: float) -> bool:
        """Waits for a sign of a firmware that computes; returns False once it has computed for so long without one."""
        # Nearly every sign comes at once, and costs no look at the process.
        quick_s = min(_QUICK_S, patience_s)
        if self._listen(quick_s) or process is None:
            return True
        begun_s = process.cpu_s
        if begun_s is None:
            return self._listen(patience_s - quick_s)
        end_s = time.monotonic() + max(_BLOCKED_S, patience_s)
        left_s = patience_s - quick_s
        while left_s > 0 and time.monotonic() < end_s:
            if self._listen(max(left_s, _QUICK_S)):
                return True
            left_s = patience_s - quick_s - ((process.cpu_s or 0.0) - begun_s)
        return False

    def _listen(self, timeout_s: float) -> bool:
        """Waits for the board to say or print something and takes it."""
        process = self._cpu.process
        if not process:
            time.sleep(timeout_s)
            return False
        readable, _, _ = select.select([process.link.read_fd, process.console_fd], [], [], timeout_s)
        if readable:
            self._cpu.receive()
        return bool(readable)

    def _step_fast(self) -> bool:
        """Moves to the next thing that happens. Returns False at the limit."""
        cpu, clock = self._cpu, self._clock
        # While the main thread waits, another may have said something.
        cpu.receive()
        is_held = cpu.held_us is not None and cpu.process is not None and not cpu.process.is_stopped
        if is_held and cpu.is_awake:
            cpu.release()
        else:
            wait_us = cpu.held_us if is_held and cpu.held_us is not None else self._limit_us + 1
            target_us = min(self._limit_us, wait_us, clock.next_us)
            clock.move_to(target_us)
            if clock.next_us <= target_us:
                clock.run_due(target_us)
            elif wait_us <= target_us:
                cpu.release()
            else:
                return False
        self.settle()
        return True

    def step_real(self, until_us: int) -> None:
        """Lets at most one thing happen, or time pass to `until_us`."""
        cpu, clock = self._cpu, self._clock
        now_us = clock.now_us
        # If this process had to wait for its turn, what the board said meanwhile came before what falls due now: a
        # watchdog that was fed in time does not bite.
        cpu.receive()
        clock.run_due(now_us)
        if cpu.held_us is not None and cpu.process and not cpu.process.is_stopped:
            # It began to wait at the fast pace; now it can do that by itself.
            cpu.release()
        pause_us = min(until_us, clock.next_us) - clock.now_us
        self._listen(max(0, pause_us) / 1_000_000)

    def pause(self, longest_s: float) -> None:
        """Waits until the board says something, without taking it."""
        process = self._cpu.process
        try:
            if process:
                select.select([process.link.read_fd, process.console_fd], [], [], longest_s)
                return
        except (OSError, ValueError):
            # Another thread ended the process just now.
            pass
        time.sleep(longest_s)
