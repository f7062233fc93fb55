"""What a test has of the virtual board's Bluetooth, and what the board's `bluetooth` module asks for."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import random
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from virtualboard.ble.loop import VirtualLoop
from virtualboard.ble.operation import ACTIVE, DONE

if TYPE_CHECKING:
    import threading

    from virtualboard.ble.air import Air
    from virtualboard.ble.handset import Counter
    from virtualboard.ble.phone import BlePhone
    from virtualboard.ble.stack import Stack
    from virtualboard.cpu import Cpu

T = TypeVar("T")

_ENODEV = 19
# The second address of the chip's four; Wi-Fi has the first.
_MAC = "24:0A:C4:10:20:32"
# An ESP32's controller has room for 3 connections (CONFIG_BTDM_CTRL_BLE_MAX_CONN, which MicroPython leaves as it is);
# that of a C3 for more than NimBLE, whose 4 are MicroPython's choice (CONFIG_BT_NIMBLE_MAX_CONNECTIONS).
_CONNECTION_LIMITS = {"esp32": 3, "esp32c3": 4}


class Task(Generic[T]):
    """A coroutine that goes on as board time does."""

    def __init__(self, task: asyncio.Task[T]) -> None:
        self._task = task

    def done(self) -> bool:
        return self._task.done()

    def result(self) -> T:
        """Raises what the coroutine raised, and InvalidStateError while it runs."""
        return self._task.result()

    def cancel(self) -> None:
        self._task.cancel()


class VirtualBluetooth:
    """The radio of the board, and the air around it.

    `errno` other than 0 is what switching the radio on fails with (5 EIO, 116 ETIMEDOUT).
    """

    def __init__(self, cpu: Cpu, lock: threading.RLock, chip: str, seed: int) -> None:
        self._cpu = cpu
        self._lock = lock
        self._connection_limit = _CONNECTION_LIMITS[chip]
        self._random = random.Random(seed)
        self.loop = VirtualLoop(cpu.clock, lock)
        self.errno = 0
        self._air: Air | None = None
        self._stack: Stack | None = None
        self._phones: dict[str, BlePhone] = {}
        self._counter: Counter | None = None

    # For tests.

    @property
    def air(self) -> Air:
        """What is between the radios: `interval_s` of a connection, `supervision_s` until a silent one is lost."""
        if not self._air:
            # Bumble is half a second of work that most boards never need.
            from virtualboard.ble.air import Air

            # Its warnings are for who asks for them, not for the terminal of a demonstration.
            logging.getLogger("bumble").addHandler(logging.NullHandler())
            self._air = Air(self.loop)
        return self._air

    def phone(self, name: str) -> BlePhone:
        """Returns the phone of that name: near the door, not connected, made when it is first asked for."""
        if name not in self._phones:
            from virtualboard.ble.phone import BlePhone

            with self._lock:
                self._phones[name] = BlePhone(name, len(self._phones), self.air)
        return self._phones[name]

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
        """Starts a coroutine in the loop of the board's time. It goes on with `board.run_for` and `run_until`."""
        with self._lock:
            return Task(self.loop.create_task(coroutine))

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """As `start`, for another thread than the one that lets the board's time pass."""
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def pass_on(task: asyncio.Task[T]) -> None:
            if not done.set_running_or_notify_cancel():
                return
            if task.cancelled():
                done.set_exception(asyncio.CancelledError())
            elif error := task.exception():
                done.set_exception(error)
            else:
                done.set_result(task.result())

        with self._lock:
            task = self.loop.create_task(coroutine)
            task.add_done_callback(pass_on)
        return done

    def lend(self) -> str:
        """Lends the phones to other processes; returns an address for `bleak_backend.remote`. At the real pace."""
        if not self._counter:
            from virtualboard.ble.handset import Counter

            self._counter = Counter(self)
        return self._counter.address

    def close(self) -> None:
        """Gives back what was opened for other processes."""
        if self._counter:
            self._counter.close()

    @property
    def is_active(self) -> bool:
        return self._stack is not None

    @property
    def is_advertising(self) -> bool:
        return self._stack is not None and self._stack.is_advertising

    @property
    def connection_count(self) -> int:
        """How many connections the board's radio has."""
        return self._stack.connection_count if self._stack else 0

    # For the board.

    def reset(self, is_soft: bool) -> None:
        """The chip starts again: a soft reset takes leave of the phones, another one leaves them to their time-outs."""
        stack, self._stack = self._stack, None
        if stack:
            stack.close(is_soft)

    def handle(self, op: int, value: int, data: bytes) -> tuple[int, bytes] | None:
        """Does what the board asks for; returns an errno and data, None if nothing is to be answered."""
        stack = self._stack
        if op == DONE:
            if stack:
                stack.finish_event(value, data)
                self.loop.run_ready()
            return None
        if op == ACTIVE:
            return self._set_active(bool(value)), b""
        if not stack:
            return _ENODEV, b""
        answer = stack.handle(op, value, data)
        self.loop.run_ready()
        return answer

    def _set_active(self, is_wanted: bool) -> int:
        self.reset(is_soft=True)
        if not is_wanted:
            return 0
        if self.errno:
            return self.errno
        from virtualboard.ble.stack import Stack

        self._stack = Stack(self.air, self._cpu.send_ble, _MAC, self._connection_limit, self._random)
        return 0
