"""Bluetooth LE: the lock's one service, who is connected to it, what they write and what they are sent.

docs/protocol.md section 15 has the service. On an ESP32 the stack calls `_note` from a task of its own, between two
steps of whatever Python does; the stack itself lives outside of Python's heap, in the memory that Wi-Fi has as well.
"""

import time
from typing import TYPE_CHECKING

import bluetooth
import esp32
from micropython import const

if TYPE_CHECKING:
    from typing import Any

# What the stack tells, by MicroPython's numbers.
_CONNECTED = const(1)
_DISCONNECTED = const(2)
_WRITTEN = const(3)
_MTU_EXCHANGED = const(21)

_PHONES = const(3)
# In the place of the handle of a connection that is over.
_OVER = const(-1)
# One radio packet with the longest payload: more would only take more memory.
_MTU = const(247)
_USUAL_MTU = const(23)
_CHUNK_BYTES = const(244)
_HEAD_BYTES = const(3)
# What one phone may have written that nobody has looked at yet: its longest message, and what an object more takes.
_ROOM_BYTES = const(2_560)
_OBJECT_BYTES = const(16)

_INTERVAL_US = const(250_000)
_RANDOM_ADDRESS = const(1)
_NO_RESPONSE = const(4)
_WRITE = const(8)
_NOTIFY = const(16)
_NO_MEMORY = const(12)
# With less a stack that has to serve one more phone fails in a way that nobody can catch.
_FREE_BYTES = const(20_000)
_PIECE_BYTES = const(4_096)


class Link:
    """A place for one phone. `chunks` are what it wrote, oldest first; `changed` rings when that or `is_gone` changes.

    `arrived` is when the last chunk came, in ticks. `mtu` as agreed. A place is taken from the moment of the connection
    until `Ble.free`; `handle` is None before and behind that, and negative once the connection is over on the air too.
    """

    def __init__(self, changed) -> None:
        self.changed = changed
        self.chunks = []
        self.handle: Any = None
        self.is_gone = self.is_served = False
        self.mtu = _USUAL_MTU
        self.arrived = 0
        # What came and what was taken, in bytes: the one only the stack counts, the other only the loop.
        self._came = self._taken = 0


class Ble:
    """Its methods raise OSError when the radio does not work. `changed` is rung when somebody came or went.

    `links` are there after `listen`.
    """

    def __init__(self) -> None:
        # What the stubs say of handles is not so.
        self._ble: Any = bluetooth.BLE()
        self._interrupts: Any = None
        self.changed: Any = None
        self.links: Any = ()
        self._written = self._told = 0
        self.error: Any = None
        self.is_on = False

    def listen(self, interrupts) -> None:
        """Has bells of `interrupts`, a bell.Interrupts that somebody runs. Once, before the first `advertise`."""
        self._interrupts = interrupts
        self.changed = interrupts.bell()
        self.links = [Link(interrupts.bell()) for _ in range(_PHONES)]

    def start(self) -> None:
        """Switches the radio on, afresh if it was."""
        ble = self._ble
        self.is_on = False
        self.error = None
        ble.active(True)
        # A new address at each start: it says nothing of the door, and phones keep nothing of an older version.
        ble.config(addr_mode=_RANDOM_ADDRESS, mtu=_MTU)
        ble.irq(self._note)
        name = "f0bb000%d-4c4f-4242-594c-4f434b000000"
        written = (bluetooth.UUID(name % 2), _WRITE | _NO_RESPONSE)
        told = (bluetooth.UUID(name % 3), _NOTIFY)
        ((self._written, self._told),) = ble.gatts_register_services(((bluetooth.UUID(name % 1), (written, told)),))
        ble.gatts_set_buffer(self._written, _CHUNK_BYTES)
        self.is_on = True

    def stop(self) -> None:
        """Switches the radio off; whoever was connected is gone."""
        self.is_on = False
        try:
            self._ble.active(False)
        except OSError:
            # It is as little on as it can be.
            pass
        for link in self.links:
            if link.handle is not None:
                self._end(link)

    def advertise(self, data) -> None:
        """Advertises `data`, in the place of what was advertised, until somebody connects; None ends it.

        Raises OSError also when the chip has no memory left for another phone.
        """
        if data:
            free = largest = 0
            for region in esp32.idf_heap_info(esp32.HEAP_DATA):
                free += region[1]
                largest = max(largest, region[2])
            if free < _FREE_BYTES or largest < _PIECE_BYTES:
                raise OSError(_NO_MEMORY)
        self._ble.gap_advertise(_INTERVAL_US if data else None, data)

    def send(self, link, chunk) -> bool:
        """Sends `chunk`, at most `link.mtu` less 3 bytes; returns False if there is no room for it just now."""
        if link.is_gone:
            return True
        try:
            self._ble.gatts_notify(link.handle, self._told, chunk)
        except OSError as error:
            if error.errno == _NO_MEMORY:
                return False
            # Most likely gone, and the stack has not said so yet.
            self.hang_up(link)
        return True

    def hang_up(self, link) -> None:
        """Ends the connection: it is over once the phone has acknowledged that, or is silent. The place stays taken."""
        if not link.is_gone:
            link.is_gone = True
            self._hang_up(link.handle)
        link.changed.ring()

    def free(self, link) -> None:
        """Gives the place to whoever comes next; the connection of the phone that had it has to be over."""
        link.is_served = False
        link.chunks.clear()
        link.handle = None

    def _hang_up(self, handle: int) -> None:
        try:
            self._ble.gap_disconnect(handle)
        except OSError:
            # It is over already.
            pass

    # What is raised in here would turn the handler off for good: so nothing is.

    def _note(self, kind: int, data) -> None:
        try:
            link = self._find(data[0])
            if kind <= _DISCONNECTED:
                if link:
                    # Also when its handle is another one's now, and the stack has not said that it was over.
                    self._end(link)
                if kind == _CONNECTED:
                    self._let_in(data[0])
                # A connection that nobody knows never came about, and has ended the advertising.
                self._interrupts.ring(self.changed)
            elif link is None or link.is_gone:
                return
            elif kind == _WRITTEN:
                self._take(link, data[1])
            elif kind == _MTU_EXCHANGED:
                link.mtu = min(data[1], _MTU)
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.error = error
            self._interrupts.ring(self.changed)

    def _let_in(self, handle: int) -> None:
        for link in self.links:
            if link.handle is None:
                link.handle = handle
                link.is_gone = False
                link.mtu = _USUAL_MTU
                link._came = link._taken = 0
                return
        self._hang_up(handle)

    def _find(self, handle: int):
        for link in self.links:
            if link.handle == handle:
                return link
        return None

    def _end(self, link) -> None:
        link.handle = _OVER
        link.is_gone = True
        self._interrupts.ring(link.changed)

    def _take(self, link, handle: int) -> None:
        """Keeps what was written, or gives the connection up if that is more than one may write."""
        if handle != self._written:
            return
        link.arrived = time.ticks_ms()
        is_kept = False
        try:
            chunk = self._ble.gatts_read(handle)
            link._came += len(chunk) + _OBJECT_BYTES
            if link._came - link._taken <= _ROOM_BYTES:
                link.chunks.append(chunk)
                is_kept = True
        except MemoryError:
            pass
        if not is_kept:
            self._hang_up(link.handle)
            link.is_gone = True
        self._interrupts.ring(link.changed)

    def take(self, link):
        """Returns the next chunk that the phone has written, None if there is none."""
        if not link.chunks:
            return None
        chunk = link.chunks.pop(0)
        link._taken += len(chunk) + _OBJECT_BYTES
        return chunk
