"""`select` whose waits are as short as the quick clock makes them."""

import time

import uselect

POLLIN = uselect.POLLIN
POLLOUT = uselect.POLLOUT
POLLERR = uselect.POLLERR
POLLHUP = uselect.POLLHUP


class poll:  # noqa: N801 - named as in MicroPython
    def __init__(self) -> None:
        self._poller = uselect.poll()
        self.register = self._poller.register
        self.modify = self._poller.modify
        self.unregister = self._poller.unregister

    def poll(self, timeout: int = -1):
        # A wait that is none would be a busy loop.
        return self._poller.poll(max(1, timeout // time.factor) if timeout > 0 else timeout)
