"""An asyncio event loop whose time is the board's. It never sleeps: the board's clock steps it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextvars import Context

    from virtualboard.clock import Clock, Event


class _Timer(asyncio.TimerHandle):
    """A timer that takes its entry in the board's clock along when it is cancelled."""

    __slots__ = ("event",)

    event: Event


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs callbacks and tasks at their moments of board time, in the order in which they became ready.

    `lock` is held by who moves the board's time. What goes wrong in a callback is kept in `failures`.
    """

    def __init__(self, clock: Clock, lock: threading.RLock) -> None:
        self._clock = clock
        self._lock = lock
        self._ready: deque[asyncio.Handle] = deque()
        self._is_running = False
        self._step: Event | None = None
        self.failures: list[dict[str, Any]] = []

    # Stepping.

    def run_ready(self) -> None:
        """Runs what is ready, and what becomes ready by that, at this moment of board time."""
        if self._is_running:
            return
        # Whoever moves the board's time may have a loop of its own.
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        self._is_running = True
        try:
            while self._ready:
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            self._is_running = False
            asyncio._set_running_loop(outer)

    def _arrange(self) -> None:
        if not self._is_running and self._step is None:
            self._step = self._clock.after(0, self._take_step)

    def _take_step(self) -> None:
        self._step = None
        self.run_ready()

    def finish(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine that takes no board time, and returns what it returns. Raises RuntimeError if it waits."""
        task = self.create_task(coroutine)
        self.run_ready()
        if not task.done():
            task.cancel()
            raise RuntimeError("this was to be done within a moment")
        return task.result()

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self._clock.now_us / 1_000_000

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        self._arrange()
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        with self._lock:
            return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)

        def fall_due() -> None:
            self._ready.append(timer)
            self.run_ready()

        timer.event = self._clock.at(math.ceil(when * 1_000_000), fall_due)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if isinstance(handle, _Timer):
            handle.event.cancel()

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name, **options)

    def is_running(self) -> bool:
        return self._is_running

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        # What a switched-off radio left waiting is nobody's fault.
        if "exception" in context:
            with contextlib.suppress(KeyError):
                self.failures.append(context)
