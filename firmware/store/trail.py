"""The one way to write down that something happened: adds seq and time, appends to the journal, and seals.

A seal signs the chain so far with the door's own key; `docs/protocol.md`, sections 3 and 4.
"""

import cose
from constant import const

from firmware.core import event

# A message to the collector takes 48 events of 7,680 bytes, up to a seal: more could never be sent.
_MOST_UNSEALED = const(34)


class Trail:
    """Writes the events of `door` ("building/door"). `sign(message)` returns the door's Ed25519 signature.

    `changed` is called after every event but a seal; `last` is the record of the event that was written last.
    """

    def __init__(self, journal, door: str, boot: int, uptime, clock, sign) -> None:
        self._journal = journal
        self._door = door
        self._boot = boot
        self._uptime = uptime
        self._clock = clock
        self.sign = sign
        self.changed = None
        self.last = b""

    @property
    def unsealed(self) -> int:
        """How many events no seal covers yet."""
        return self._journal.unsealed

    def record(self, kind: int, details: dict) -> int:
        """Writes one event; it is in flash when this returns its seq. Raises FlashError."""
        if self.unsealed >= _MOST_UNSEALED:
            # Starts that were cut before their first seal add up.
            self.seal()
        seq = self._append(kind, details)
        if self.changed:
            self.changed()
        return seq

    def record_all(self, happened: list) -> None:
        """Writes a list of (kind, details), as `core.door` returns them."""
        for kind, details in happened:
            self.record(kind, details)

    def seal(self) -> int:
        """Signs everything written so far; returns the seal's seq. Raises FlashError."""
        return self._journal.append(self._make_seal, self._make_lost)

    def _append(self, kind: int, details: dict) -> int:
        return self._journal.append(lambda seq: self._encode(seq, kind, details), self._make_lost)

    def _event(self, seq: int, kind: int, details: dict) -> event.Event:
        now_ms = self._uptime.now_ms()
        return event.Event(seq, kind, self._boot, now_ms, self._clock.now_s(now_ms), details)

    def _encode(self, seq: int, kind: int, details: dict) -> bytes:
        self.last = self._event(seq, kind, details).encode()
        return self.last

    def _make_seal(self, seq: int) -> bytes:
        # Signed at the moment of writing: a record of lost events may have come in between.
        seal = self._event(seq, event.SEAL, {})
        payload = event.seal_payload(self._door, seal, self._journal.head)
        seal.details = {event.SIGNATURE: self.sign(cose.to_be_signed(payload))}
        return seal.encode()

    def _make_lost(self, seq: int, first_seq: int, count: int, head: bytes) -> bytes:
        details = {event.FIRST_SEQ: first_seq, event.COUNT: count, event.SHA256: head}
        return self._encode(seq, event.EVENTS_LOST, details)
