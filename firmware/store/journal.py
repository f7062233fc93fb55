"""The event journal: an append-only ring of hash-chained records in a raw flash partition.

    sector = header {generation, first seq, chain head before it}, event record, event record, ...

Sectors are filled one after the other around the ring; the generation counts up, so the newest sector is found at any
start. An event is in flash before `append` returns. A sector is erased when the ring comes round to it; events in it
that nobody has acknowledged are then lost, and the first record behind says how many (`EVENTS_LOST`). Why not a file:
docs/hardware.md, "Flash".
"""

from binascii import crc32
from struct import pack, unpack

from constant import const

from firmware.core import event
from firmware.core.errors import FlashError
from firmware.store import sector

_HEADER = const(">4sIII32s")
_HEADER_BYTES = const(48)
_MAGIC = const(b"LBJ1")

# How many sectors in a row may turn out worn before an append fails.
_TRIES = const(4)


class Journal:
    """Opens the ring on `flash`; `genesis` is the chain head of an empty journal.

    `seq` and `head` are those of the newest event, `acked_seq` the newest one that a collector has acknowledged.
    """

    def __init__(self, flash, genesis: bytes, acked_seq: int) -> None:
        self._flash = flash
        self._count = sector.count(flash)
        self._generation = 0
        self._sector = -1
        self._at = sector.SECTOR_BYTES
        self._is_next_erased = False
        # Live sectors, oldest first: the seq of its first event and the sector number, in one number each, see `_both`.
        # A full ring is more than the heap has room for as objects.
        self._live = []
        self._sealed_seq = 0
        self.seq = 0
        self.head = genesis
        self._mount()
        self.acked_seq = min(acked_seq, self.seq)

    # Opening.

    def _mount(self) -> None:
        found = []
        for number in range(self._count):
            header = self._header(number)
            if header:
                found.append(self._both(header[0], number))
        if not found:
            return
        found.sort(reverse=True)
        newest = expected = found[0] // self._count
        for both in found:
            generation, number = divmod(both, self._count)
            if generation == expected:
                self._live.insert(0, self._both(self._header(number)[1], number))
                expected -= 1
        self._generation = newest
        self._sector = found[0] % self._count
        head = self._header(self._sector)[2]
        self._at, self.seq, self.head = self._walk(self._sector, self._live_at(-1)[0] - 1, head)
        if not sector.is_erased_from(self._flash, self._sector, self._at):
            # A torn record: nothing goes behind it.
            self._at = sector.SECTOR_BYTES
        self._drop_torn_oldest()

    def _both(self, major: int, number: int) -> int:
        """Returns one number for `major` and a sector number, ordered by `major`."""
        return major * self._count + number

    def _live_at(self, index: int) -> tuple:
        """Returns (seq of its first event, sector number)."""
        return divmod(self._live[index], self._count)

    def _header(self, number: int):
        """Returns (generation, first seq, head before it) of a sector, or None."""
        raw = bytes(sector.read(self._flash, number, 0, _HEADER_BYTES + 4))
        magic, generation, first_seq, _, head = unpack(_HEADER, raw[:_HEADER_BYTES])
        if magic != _MAGIC or crc32(raw[:_HEADER_BYTES]) != unpack(">I", raw[_HEADER_BYTES:])[0]:
            return None
        return generation, first_seq, head

    def _walk(self, number: int, seq: int, head: bytes) -> tuple:
        """Follows the records of a sector; returns (offset behind the last sound one, its seq, its head)."""
        at = _HEADER_BYTES + 4
        while True:
            record = sector.record_at(self._flash, number, at, event.MAX_RECORD_BYTES)
            if not record:
                return at, seq, head
            at += sector.OVERHEAD_BYTES + len(record)
            seq += 1
            head = event.next_head(head, record)
            self._note_seal(seq, record)

    def _note_seal(self, seq: int, record: bytes) -> None:
        if event.kind_of(record) == event.SEAL:
            self._sealed_seq = max(self._sealed_seq, seq)

    def _drop_torn_oldest(self) -> None:
        """Forgets the oldest sector if an erase was cut while its header still stood."""
        if len(self._live) < 2:
            return
        first_seq, number = self._live_at(0)
        head = self._header(number)[2]
        if self._walk(number, first_seq - 1, head)[1] < self._live_at(1)[0] - 1:
            del self._live[0]

    # Writing.

    def append(self, make_record, make_lost) -> int:
        """Appends the record that `make_record(seq)` returns; it is in flash when this returns its seq.

        `make_lost(seq, first lost seq, count, head before the oldest one left)` makes the record that goes before it
        when the ring had to overwrite unacknowledged events. Raises FlashError, and then the event is not there.
        """
        record = make_record(self.seq + 1)
        if sector.fits(self._at, len(record)):
            try:
                self._write(record)
                return self.seq
            except FlashError:
                # A spoiled sector: the next one may still be sound.
                pass
        self._advance()
        lost = self._lost()
        if lost:
            self._write(make_lost(self.seq + 1, *lost))
        self._write(make_record(self.seq + 1))
        return self.seq

    def _write(self, record: bytes) -> None:
        if not 0 < len(record) <= event.MAX_RECORD_BYTES:
            raise ValueError("record too long")
        at = self._at
        # Should the write fail half way, the rest of the sector is spoiled.
        self._at = sector.SECTOR_BYTES
        self._at = sector.append(self._flash, self._sector, at, record)
        self.seq += 1
        self.head = event.next_head(self.head, record)
        self._note_seal(self.seq, record)

    def _advance(self) -> None:
        """Opens the next sound sector. Raises FlashError when several in a row are not."""
        for _ in range(_TRIES - 1):
            try:
                return self._open_next()
            except FlashError:
                pass
        self._open_next()

    def _open_next(self) -> None:
        if not self._is_next_erased:
            self.prepare()
        self._is_next_erased = False
        self._sector = number = (self._sector + 1) % self._count
        generation = self._generation + 1
        header = pack(_HEADER, _MAGIC, generation, self.seq + 1, 0, self.head)
        sector.program(self._flash, number, 0, header + pack(">I", crc32(header)))
        if self._header(number) != (generation, self.seq + 1, self.head):
            raise FlashError("header reads back differently")
        self._generation = generation
        self._at = _HEADER_BYTES + 4
        self._live.append(self._both(self.seq + 1, number))

    @property
    def wants_preparing(self) -> bool:
        """Whether the next sector should be erased soon, while nobody waits for it."""
        return not self._is_next_erased and self._at > sector.SECTOR_BYTES // 2

    def prepare(self) -> None:
        """Erases the sector that comes next, unless it is already. Raises FlashError."""
        number = (self._sector + 1) % self._count
        if self._live and self._live_at(0)[1] == number:
            del self._live[0]
        self._is_next_erased = False
        if not sector.is_erased_from(self._flash, number, 0):
            sector.erase(self._flash, number)
        self._is_next_erased = True

    def _lost(self):
        """Returns (first seq, count, head before the oldest one left) of unacknowledged events that are gone."""
        oldest_seq, number = self._live_at(0)
        count = oldest_seq - 1 - self.acked_seq
        if count <= 0:
            return None
        lost = (self.acked_seq + 1, count, self._header(number)[2])
        self.acked_seq = oldest_seq - 1
        return lost

    # Reading and releasing.

    def release(self, seq: int) -> None:
        """Takes note that every event up to `seq` has been acknowledged."""
        self.acked_seq = max(self.acked_seq, min(seq, self.seq))

    def batch(self, max_records: int, max_bytes: int, enough_bytes: int = 8192):
        """Returns (first seq, head before it, records, last head), the oldest unacknowledged events up to a seal.

        None if there is no seal among the first `max_records` of at most `max_bytes` together. The first seal behind
        `enough_bytes` ends it.
        """
        # Asked for several times a second, and mostly there is nothing.
        if self._sealed_seq <= self.acked_seq:
            return None
        first_seq = max(self.acked_seq + 1, self._live_at(0)[0])
        records = []
        taken = None
        start_head = None
        size = 0
        for _, before, record in self._events_from(first_seq):
            if start_head is None:
                start_head = before
            size += len(record)
            if len(records) == max_records or size > max_bytes:
                break
            records.append(record)
            if event.kind_of(record) == event.SEAL:
                taken = len(records), event.next_head(before, record)
                if size >= enough_bytes:
                    break
        if taken is None:
            return None
        del records[taken[0] :]
        return first_seq, start_head, records, taken[1]

    def _events_from(self, first_seq: int):
        """Yields (seq, head before it, record) from `first_seq` on."""
        for index in range(len(self._live)):
            seq, number = self._live_at(index)
            is_last = index + 1 == len(self._live)
            last_seq = self.seq if is_last else self._live_at(index + 1)[0] - 1
            if not is_last and last_seq < first_seq:
                continue
            head = self._header(number)[2]
            at = _HEADER_BYTES + 4
            while seq <= last_seq:
                record = sector.record_at(self._flash, number, at, event.MAX_RECORD_BYTES)
                if not record:
                    break
                if seq >= first_seq:
                    yield seq, head, record
                at += sector.OVERHEAD_BYTES + len(record)
                head = event.next_head(head, record)
                seq += 1
