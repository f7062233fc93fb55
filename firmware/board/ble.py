"""Bluetooth LE: the lock's one service, who is connected to it, what they write and what they are sent.

docs/protocol.md section 15 has the service. On an ESP32 the stack calls `_note` from a task of its own, between two
steps of whatever Python does; the stack itself lives outside of Python's heap, in the memory that Wi-Fi has as well.
"""

import asyncio
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
    """A place for one phone. `chunks` are what it wrote, oldest first; `changed` is set when that or `is_gone` changes.

    `arrived` is when the last chunk came, in ticks. `mtu` as agreed. A place is taken from the moment of the connection
    until `Ble.free`.
    """

    def __init__(self) -> None:
        self.changed = asyncio.ThreadSafeFlag()
        self.chunks = []
        self.handle: Any = None
        self.is_gone = self.is_served = False
        self.mtu = _USUAL_MTU
        self.arrived = 0
        self._room = 0


class Ble:
    """Its methods raise OSError when the radio does not work. `changed` is set when somebody came or went."""

    def __init__(self) -> None:
        # What the stubs say of handles is not so.
        self._ble: Any = bluetooth.BLE()
        self.changed = asyncio.ThreadSafeFlag()
        self.links = [Link() for _ in range(_PHONES)]
        self._written = self._told = 0
        self.error: Any = None
        self.is_on = False

    def start(self) -> None:
        """Switches the radio on, afresh if it was."""
        ble = self._ble
        self.is_on = False
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
                link.is_gone = True
                link.changed.set()

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
            # Gone, and the stack has not said so yet.
            link.is_gone = True
        return True

    def hang_up(self, link) -> None:
        """Ends the connection; the place stays taken."""
        if not link.is_gone:
            link.is_gone = True
            self._hang_up(link.handle)
        link.changed.set()

    def free(self, link) -> None:
        """Gives the place to whoever comes next; the phone that had it has to be gone, or to have been hung up on."""
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
            if kind == _CONNECTED:
                self._let_in(data[0])
                return
            link = self._find(data[0])
            if link is None:
                return
            if kind == _WRITTEN:
                self._take(link, data[1])
            elif kind == _MTU_EXCHANGED:
                link.mtu = min(data[1], _MTU)
            elif kind == _DISCONNECTED:
                link.is_gone = True
                link.changed.set()
                self.changed.set()
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.error = error
            self.changed.set()

    def _let_in(self, handle: int) -> None:
        for link in self.links:
            if link.handle is None:
                link.handle = handle
                link.is_gone = False
                link.mtu = _USUAL_MTU
                link._room = _ROOM_BYTES
                self.changed.set()
                return
        self._hang_up(handle)

    def _find(self, handle: int):
        for link in self.links:
            if link.handle == handle and not link.is_gone:
                return link
        return None

    def _take(self, link, handle: int) -> None:
        """Keeps what was written, or gives the connection up if that is more than one may write."""
        if handle != self._written:
            return
        link.arrived = time.ticks_ms()
        try:
            chunk = self._ble.gatts_read(handle)
            link._room -= len(chunk) + _OBJECT_BYTES
            if link._room >= 0:
                link.chunks.append(chunk)
        except MemoryError:
            link._room = -1
        if link._room < 0:
            self._hang_up(link.handle)
            link.is_gone = True
        link.changed.set()

    def take(self, link):
        """Returns the next chunk that the phone has written, None if there is none."""
        if not link.chunks:
            return None
        chunk = link.chunks.pop(0)
        link._room += len(chunk) + _OBJECT_BYTES
        return chunk
