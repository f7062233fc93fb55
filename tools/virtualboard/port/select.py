"""`select` that waits on the virtual board's clock: sockets, the console and streams of the board's own."""

import _thread

import _virtual
import uselect
from micropython import const

POLLIN = uselect.POLLIN
POLLOUT = uselect.POLLOUT
POLLERR = uselect.POLLERR
POLLHUP = uselect.POLLHUP


# Stream operation and request of MicroPython's stream protocol.
_POLL = const(3)


class poll:
    """The interface of MicroPython's poll. `ipoll` returns a list, which costs only when something is ready.

    Streams written in Python are asked here: the built-in poll would wait a millisecond of real time for each look.
    """

    def __init__(self) -> None:
        # Another thread waits really, and never on the link.
        self._is_main = _thread.get_ident() == _virtual.main_thread
        self._poller = _virtual.poller() if self._is_main else uselect.poll()
        self._files = set()
        self._streams = {}

    def register(self, stream, events: int = POLLIN | POLLOUT) -> None:
        if self._is_main and hasattr(stream, "ioctl"):
            self._streams[id(stream)] = (stream, events)
        else:
            self._poller.register(stream, events)
            self._files.add(id(stream))

    def modify(self, stream, events: int) -> None:
        if id(stream) in self._streams:
            self._streams[id(stream)] = (stream, events)
        else:
            self._poller.modify(stream, events)

    def unregister(self, stream) -> None:
        if self._streams.pop(id(stream), None) is None:
            self._poller.unregister(stream)
            self._files.discard(id(stream))

    def poll(self, timeout: int = -1):
        if not self._is_main:
            return self._poller.poll(timeout)
        until = _virtual.FOREVER if timeout < 0 else _virtual.clock() + timeout * 1000
        while True:
            if self._files or self._streams:
                ready = self._ready()
                if ready:
                    return ready
            if _virtual.now >= until:
                return ()
            _virtual.wait(until, self._poller)

    def ipoll(self, timeout: int = -1, flags: int = 0):
        return self.poll(timeout)

    def _ready(self):
        found = None
        for stream, events in self._streams.values():
            ready = stream.ioctl(_POLL, events)
            if ready:
                found = found or []
                found.append((stream, ready))
        if self._files:
            # What the host pushed is taken by the next wait.
            files = [item for item in self._poller.poll(0) if not _virtual.is_link(item[0])]
            return (found or []) + files
        return found


def select(readers, writers, others, timeout=None) -> tuple:
    """The three lists of those that are ready; `timeout` in seconds."""
    poller = poll()
    for stream in list(readers) + list(writers) + list(others):
        poller.register(stream, (POLLIN if stream in readers else 0) | (POLLOUT if stream in writers else 0))
    ready = poller.poll(-1 if timeout is None else int(timeout * 1000))
    return (
        [stream for stream, events in ready if events & POLLIN],
        [stream for stream, events in ready if events & POLLOUT],
        [stream for stream, events in ready if events & ~(POLLIN | POLLOUT)],
    )
