"""The event journal: an append-only ring of hash-chained, authenticated records in a raw flash partition.

Sectors (`store.entry`) are filled one after the other around the ring; a generation counts up, so the newest one is
found at any start (`store.mounting`). Each record has a tag under a key that is used for it alone: the key of the next
one goes to flash with it, and then the used key is programmed to zeros, all before `append` returns. A sector is erased
when the ring comes round to it; events in it that nobody has acknowledged are then lost, and a record says how many
(`EVENTS_LOST`). Why not a file: docs/hardware.md, "Flash".
"""

from constant import const

from firmware.core import event, ratchet
from firmware.core.errors import FlashError
from firmware.store import entry, sector

# How many sectors in a row may turn out worn before an append fails.
_TRIES = const(4)

# How many places that could not be wiped are kept in mind.
_MOST_UNWIPED = const(8)

# From store.entry: where the key of a header and the first entry lie, the size of a key field, and of an entry what is
# behind its record.
_KEY_AT = const(52)
_FIRST_AT = const(88)
_FIELD_BYTES = const(36)
_BEHIND_BYTES = const(52)

# Of a sector that is left behind: the key field in use and the longest entry that may have failed behind it.
_REST_BYTES = const(286)

# Room for a record of lost events and another one, without the overhead of the first.
_TWO_BYTES = const(494)


class Journal:
    """Opens the ring on `flash`; `genesis` is the chain head of an empty journal.

    `seq` and `head` are those of the newest event, `acked_seq` the newest one that a collector has acknowledged.
    `epoch` is the seq that `keep_epoch` was last called with, 0 for never: it has to keep the number of the first event
    of each sector, and may raise FlashError.

    `is_new`: nothing was ever written, `begin` comes before anything else. `is_broken`: there is no usable key, or the
    newest events are gone that `epoch` tells of. Never raises for a device that can only be read.
    """

    def __init__(self, flash, genesis: bytes, acked_seq: int, epoch: int, keep_epoch) -> None:
        # Let go by whoever opens the journal of a lock.
        from firmware.store import mounting

        self._flash = flash
        self.keep_epoch = keep_epoch
        self._count = sector.count(flash)
        # Live sectors, oldest first: the seq of its first event and the sector number, in one number each. A full ring
        # is more than the heap has room for as objects.
        self._generation, self._live, self._unwiped, self._sector, state = mounting.find(flash, self._count)
        self._at, self._key_at, self._key, self.seq, self._sealed_seq, self.head = state
        self.head = self.head or genesis
        self._erased = -1
        self.acked_seq = min(acked_seq, self.seq)
        self.is_new = not (self._live or epoch or acked_seq)
        self.is_broken = not self.is_new and (not self._key or self._live_at(-1)[0] < epoch)
        self._wipe_again()
        if self._unwiped:
            # Nothing goes behind what a start could not read past.
            self._at = sector.SECTOR_BYTES

    def begin(self, key: bytes) -> None:
        """Erases the ring and starts anew behind `head`; `key` (32 bytes) is that of event 1. Raises FlashError."""
        self._live = []
        self._unwiped = []
        for number in range(self._count):
            try:
                self._erase(number)
            except FlashError:
                # Nothing leads back to it.
                pass
        self._sector = -1
        self._key = key
        self.seq = self.acked_seq = self._sealed_seq = 0
        self._advance()
        self.is_new = self.is_broken = False

    @property
    def next_key(self) -> bytes:
        """The key of event `seq` + 1, 32 bytes."""
        return self._key

    @property
    def unsealed(self) -> int:
        """How many of the newest events no seal covers; after a start too many rather than too few."""
        return self.seq - max(self._sealed_seq, self.acked_seq)

    @property
    def full(self) -> int:
        """How many per cent of the ring hold events that nobody has acknowledged."""
        waiting = 0
        for index in range(len(self._live)):
            is_last = index + 1 == len(self._live)
            last_seq = self.seq if is_last else self._live_at(index + 1)[0] - 1
            if last_seq > self.acked_seq:
                waiting += 1
        return 100 * waiting // self._count

    def _live_at(self, index: int) -> tuple:
        """Returns (seq of its first event, sector number)."""
        return divmod(self._live[index], self._count)

    # Writing.

    def append(self, make_record, make_lost) -> int:
        """Appends the record that `make_record(seq)` returns; it is in flash when this returns its seq.

        `make_lost(seq, first lost seq, count, head before the oldest one left)` makes the record that goes before it
        when the ring had to overwrite unacknowledged events. Raises FlashError, and then the event is not there.
        """
        self._wipe_again()
        record = None
        # Each round writes the record, or says what was lost, or finds a sector spoiled.
        for _ in range(_TRIES):
            record = record or make_record(self.seq + 1)
            if not sector.fits(self._at, _TWO_BYTES if self._lost() else len(record) + _BEHIND_BYTES):
                self._advance()
            lost = self._lost()
            try:
                if not lost:
                    self._write(record)
                    return self.seq
                self._write(make_lost(self.seq + 1, *lost))
                self.acked_seq += lost[1]
                record = None
            except FlashError:
                pass
        raise FlashError("no sound sector")

    def _write(self, record: bytes) -> None:
        if not 0 < len(record) <= event.MAX_RECORD_BYTES:
            raise ValueError("record too long")
        at = self._at
        # Should the write fail half way, the rest of the sector is spoiled.
        self._at = sector.SECTOR_BYTES
        head = event.next_head(self.head, record)
        tag, key = ratchet.turn(self._key, head)
        body = record + tag
        seq = self.seq + 1
        sealed_seq = seq if event.kind_of(record) == event.SEAL else self._sealed_seq
        at = sector.append(self._flash, self._sector, at, body, entry.field(key))
        used_at = self._key_at
        key_at = at - _FIELD_BYTES
        # From here on nothing can fail: the record is in flash, and all of this says so or nothing.
        self.seq = seq
        self.head = head
        self._key = key
        self._key_at = key_at
        self._sealed_seq = sealed_seq
        self._at = at
        self._wipe(self._sector, used_at, _FIELD_BYTES)

    def _wipe(self, number: int, at: int, size: int) -> None:
        """Clears what may be a used key; what fails is tried again before the next event."""
        size = min(size, sector.SECTOR_BYTES - at)
        try:
            sector.write(self._flash, number, at, bytes(size))
        except FlashError:
            self._unwiped.append((number, at, size))
            del self._unwiped[:-_MOST_UNWIPED]

    def _wipe_again(self) -> None:
        unwiped = self._unwiped
        if unwiped:
            self._unwiped = []
            for place in unwiped:
                self._wipe(*place)

    def _advance(self) -> None:
        """Opens the next sound sector. Raises FlashError when several in a row are not."""
        for ahead in range(1, min(_TRIES, self._count - 1) + 1):
            try:
                return self._open((self._sector + ahead) % self._count)
            except FlashError:
                pass
        raise FlashError("no sound sector")

    def _open(self, number: int) -> None:
        if self._erased != number:
            self._erase(number)
        self._erased = -1
        self._generation += 1
        before, before_at = self._sector, self._key_at
        header = entry.header(self._generation, self.seq + 1, before & 0xFFFF, before_at, self.head, self._key)
        try:
            sector.write(self._flash, number, 0, header)
        except FlashError:
            self._wipe(number, 0, _FIRST_AT)
            raise
        self._sector = number
        self._at = _FIRST_AT
        self._key_at = _KEY_AT
        self._live.append((self.seq + 1) * self._count + number)
        if before >= 0:
            self._wipe(before, before_at, _REST_BYTES)
        try:
            self.keep_epoch(self.seq + 1)
        except FlashError:
            # A ledger that takes nothing keeps the door from being opened; the event is worth more.
            pass

    @property
    def wants_preparing(self) -> bool:
        """Whether the next sector should be erased soon, while nobody waits for it."""
        return self._erased < 0 and self._at > sector.SECTOR_BYTES // 2

    def prepare(self) -> None:
        """Erases the sector that comes next, unless it is already. Raises FlashError."""
        self._erase((self._sector + 1) % self._count)

    def _erase(self, number: int) -> None:
        for index in range(len(self._live)):
            if self._live_at(index)[1] == number:
                del self._live[: index + 1]
                break
        self._unwiped = [place for place in self._unwiped if place[0] != number]
        self._erased = -1
        if not sector.is_erased_from(self._flash, number, 0):
            sector.erase(self._flash, number)
        self._erased = number

    def _lost(self):
        """Returns (first seq, count, head before the oldest one left) of unacknowledged events that are gone."""
        oldest_seq, number = self._live_at(0)
        count = oldest_seq - 1 - self.acked_seq
        return (self.acked_seq + 1, count, entry.header_at(self._flash, number)[4]) if count > 0 else None

    # Reading and releasing.

    def release(self, seq: int) -> None:
        """Takes note that every event up to `seq` has been acknowledged."""
        self.acked_seq = max(self.acked_seq, min(seq, self.seq))

    def batch(self, max_records: int, max_bytes: int, enough_bytes: int = 8192):
        """Returns (first seq, head before it, entries, last head), the oldest unacknowledged events up to a seal.

        An entry is record || tag. None if there is no seal among the first `max_records` of at most `max_bytes`
        together. The first seal behind `enough_bytes` ends it.
        """
        # Asked for several times a second, and mostly there is nothing.
        if self._sealed_seq <= self.acked_seq:
            return None
        first_seq = max(self.acked_seq + 1, self._live_at(0)[0])
        entries = []
        taken = None
        start_head = None
        size = 0
        for seq, before, record, tag in self._events_from(first_seq):
            if seq != first_seq + len(entries):
                # Something between them has become unreadable: a message holds what belongs together.
                if taken:
                    break
                entries = []
            if not entries:
                first_seq, start_head, size = seq, before, 0
            size += len(record) + ratchet.TAG_BYTES
            if len(entries) == max_records or size > max_bytes:
                break
            entries.append(record + tag)
            if event.kind_of(record) == event.SEAL:
                taken = len(entries), event.next_head(before, record)
                if size >= enough_bytes:
                    break
        if taken is None:
            return None
        del entries[taken[0] :]
        return first_seq, start_head, entries, taken[1]

    def _events_from(self, first_seq: int):
        """Yields (seq, head before it, record, tag) from `first_seq` on."""
        for index in range(len(self._live)):
            if index >= len(self._live):
                # Who takes its time may find that a sector was erased meanwhile.
                return
            seq, number = self._live_at(index)
            is_last = index + 1 == len(self._live)
            last_seq = self.seq if is_last else self._live_at(index + 1)[0] - 1
            if not is_last and last_seq < first_seq:
                continue
            head = entry.header_at(self._flash, number)[4]
            at = _FIRST_AT
            while seq <= last_seq:
                at, body = entry.body_from(self._flash, number, at)
                if not body:
                    break
                record = body[: -ratchet.TAG_BYTES]
                if seq >= first_seq:
                    yield seq, head, record, body[-ratchet.TAG_BYTES :]
                at += len(body) + sector.OVERHEAD_BYTES + _FIELD_BYTES
                head = event.next_head(head, record)
                seq += 1
