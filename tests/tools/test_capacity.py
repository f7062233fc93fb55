"""What the partitions have room for: the firmware's own stores on flash of their size."""

from hashlib import sha256

from lobbylock import house

house.open_path()

from firmware.core import event  # noqa: E402
from firmware.store.journal import Journal  # noqa: E402
from firmware.store.photos import Photos  # noqa: E402
from virtualboard.flash import PARTITIONS, SECTOR_BYTES  # noqa: E402


class RawFlash:
    """A whole partition in memory, as long as `label`'s: programs clear bits."""

    def __init__(self, label: str) -> None:
        size = next(row.size for row in PARTITIONS if row.label == label)
        self._data = bytearray(b"\xff" * size)

    def readblocks(self, block: int, buffer: bytearray, offset: int = 0) -> None:
        at = block * SECTOR_BYTES + offset
        buffer[:] = self._data[at : at + len(buffer)]

    def writeblocks(self, block: int, buffer: bytes, offset: int = 0) -> None:
        at = block * SECTOR_BYTES + offset
        assert offset + len(buffer) <= SECTOR_BYTES
        old = int.from_bytes(self._data[at : at + len(buffer)], "big")
        new = old & int.from_bytes(buffer, "big")
        self._data[at : at + len(buffer)] = new.to_bytes(len(buffer), "big")

    def ioctl(self, operation: int, argument: int) -> int:
        if operation == 6:
            self._data[argument * SECTOR_BYTES : (argument + 1) * SECTOR_BYTES] = b"\xff" * SECTOR_BYTES
        return len(self._data) // SECTOR_BYTES


def largest(seq: int) -> bytes:
    """A record of the largest size."""
    start = event.Event(seq, event.ACCESS, 1, 0, None, {event.NAME: "x" * 100}).encode()
    name = "x" * (100 + event.MAX_RECORD_BYTES - len(start))
    record = event.Event(seq, event.ACCESS, 1, 0, None, {event.NAME: name}).encode()
    assert len(record) == event.MAX_RECORD_BYTES
    return record


def lost(seq: int, first_seq: int, count: int, head: bytes) -> bytes:
    return event.Event(seq, event.EVENTS_LOST, 1, 0, None, {event.COUNT: count}).encode()


def test_a_thousand_of_the_largest_events_wait_without_a_network():
    flash = RawFlash("journal")
    journal = Journal(flash, bytes(32), 0, 0, lambda seq: None)
    journal.begin(bytes(range(32)))
    # Wherever in a sector the last acknowledged one lies.
    for acked_seq in range(7, 24):
        while journal.seq < acked_seq + 1_000:
            journal.append(largest, lost)
            if journal.wants_preparing:
                journal.prepare()
        journal.release(acked_seq)
    acked_seq = journal.acked_seq
    again = Journal(flash, bytes(32), acked_seq, 1, lambda seq: None)
    kept = [(seq, event.kind_of(record)) for seq, _, record, _ in again._events_from(acked_seq + 1)]
    assert kept == [(seq, event.ACCESS) for seq in range(acked_seq + 1, acked_seq + 1_001)]
    # And it is these thousand that make it full, not many more.
    while journal.acked_seq == acked_seq:
        journal.append(largest, lost)
    assert journal.seq < acked_seq + 1_100


def test_fifteen_pictures_of_40_kb_wait_without_a_network():
    flash = RawFlash("photos")
    photos = Photos(flash, 0)
    for number in range(1, 41):
        photos.begin(40 * 1024)
        for _ in range(80):
            photos.write(bytes([number]) * 512)
        photos.finish(photos.digest(), number)
        photos.prepare()
    waiting = Photos(flash, 0).waiting
    assert len(waiting) >= 15 and [picture.number for picture in waiting] == list(range(41 - len(waiting), 41))
    for picture in waiting:
        data = bytearray(40 * 1024)
        photos.read_into(picture, 0, data)
        assert data == bytes([picture.number]) * len(data) and picture.sha256 == sha256(data).digest()
