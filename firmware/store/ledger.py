"""The ledger: the few values that guard something, each durable before the verdict it guards.

Values by number, newest wins, in a ring of flash sectors:

    sector = header {generation}, snapshot of all values, end-of-snapshot mark, changed values as they come

The uses of credentials are one value by its number but not by its size: a record holds one or more rows of that table.

A sector counts only with its mark; until then the sector before it still does. So a cut at any moment leaves either
the old values or the new ones, and at first start either nothing or a whole snapshot.
"""

from struct import pack, unpack

from micropython import const

from firmware.core.errors import FlashError, LedgerFull
from firmware.store import sector
from firmware.store.uses import ROW_BYTES, Uses

# Numbers of the values; never renumbered.
IDENTITY = 1
BOOT_COUNT = 2
CLOCK_FLOOR = 3
THROTTLE = 4
USED_CODES = 5
ACKED_SEQ = 6
_USES = const(7)
JOURNAL_EPOCH = 8
STARTS = 9
TRIAL = 10
# Owner's key | key of the releases it takes | up to four installers' keys, 32 bytes each.
CLAIM = 11
RESETTING = 12
# The version accepted last: major << 16 | minor << 8 | patch.
RELEASE_FLOOR = 13
# Version of the list of revoked credentials | building | whether its loss was told (store/intake.py).
LIST_VERSION = 14

_MAGIC = const(b"LBL1")
_MARK = const(b"\0end")
_MAX_VALUE_BYTES = const(192)
# Of the table of uses so much goes into a record of the snapshot: 16 rows.
_PIECE_BYTES = const(208)


class Ledger:
    """Opens the ring on `flash`. `is_new` tells that there was nothing yet."""

    def __init__(self, flash) -> None:
        self._flash = flash
        self._count = sector.count(flash)
        self._values = {}
        self._uses = Uses()
        self._generation = 0
        self._sector = -1
        self._at = sector.SECTOR_BYTES
        self._mount()
        self.is_new = self._sector < 0

    def _mount(self) -> None:
        """Takes the newest sector that is whole; seldom is that not the first one tried."""
        below = 1 << 32
        while self._sector < 0:
            generation = 0
            newest = 0
            for number in range(self._count):
                header = sector.record_at(self._flash, number, 0, 8)
                if header and len(header) == 8 and header[:4] == _MAGIC:
                    found = unpack(">I", header[4:])[0]
                    if generation < found < below:
                        generation = found
                        newest = number
            if not generation:
                return
            below = generation
            loaded = self._load(newest)
            if loaded:
                self._generation = generation
                self._sector = newest
                self._values, self._uses, self._at = loaded

    def _load(self, number: int):
        """Returns (values, uses, offset behind them) of a sector, or None if its snapshot has no end."""
        values = {}
        uses = Uses()
        at = sector.OVERHEAD_BYTES + 8
        is_whole = False
        while True:
            record = sector.record_at(self._flash, number, at, _PIECE_BYTES + 1)
            if not record:
                break
            at += sector.OVERHEAD_BYTES + len(record)
            if record == _MARK:
                is_whole = True
            elif record[0] == _USES:
                # With the floor of that moment, every row finds the place that it had, or one that is over.
                floor_s = _integer(values.get(CLOCK_FLOOR))
                for start in range(1, len(record), ROW_BYTES):
                    uses.put(record[start : start + ROW_BYTES], floor_s)
            else:
                values[record[0]] = record[1:]
        if not is_whole:
            return None
        if not sector.is_erased_from(self._flash, number, at):
            at = sector.SECTOR_BYTES
        return values, uses, at

    def get(self, number: int):
        """Returns the bytes kept under `number`, or None."""
        return self._values.get(number)

    def put(self, number: int, value: bytes) -> None:
        """Keeps `value` (at most 192 bytes); it is in flash when this returns. Raises FlashError."""
        if len(value) > _MAX_VALUE_BYTES:
            raise ValueError("value too long")
        if self._values.get(number) == value:
            return
        record = bytes([number]) + value
        if not self._append(record):
            values = dict(self._values)
            values[number] = value
            self._move(values, b"")
        self._values[number] = value

    def _append(self, record: bytes) -> bool:
        """Writes `record` behind the others, if there is room. Raises FlashError."""
        if not sector.fits(self._at, len(record)):
            return False
        at = self._at
        # Should the write fail half way, the rest of the sector is spoiled.
        self._at = sector.SECTOR_BYTES
        self._at = sector.append(self._flash, self._sector, at, record)
        return True

    def _move(self, values: dict, more: bytes) -> None:
        """Starts the next sound sector with all `values`, the uses, and the record `more`, if that is not empty."""
        for ahead in range(1, self._count):
            try:
                return self._move_to((self._sector + ahead) % self._count, values, more)
            except FlashError:
                pass
        raise FlashError("no sound sector")

    def _move_to(self, number: int, values: dict, more: bytes) -> None:
        sector.erase(self._flash, number)
        # Also that of one that fails is not used again: of two that are equal a start sees one.
        self._generation += 1
        header = _MAGIC + pack(">I", self._generation)
        at = sector.append(self._flash, number, 0, header)
        for key in values:
            at = sector.append(self._flash, number, at, bytes([key]) + values[key])
        rows = self._uses.rows
        for start in range(0, len(rows), _PIECE_BYTES):
            at = sector.append(self._flash, number, at, bytes([_USES]) + rows[start : start + _PIECE_BYTES])
        if more:
            at = sector.append(self._flash, number, at, more)
        at = sector.append(self._flash, number, at, _MARK)
        self._values = values
        self._sector = number
        self._at = at
        self.is_new = False

    def clear(self, number: int) -> None:
        """Forgets everything but the value `number`, in flash too. Raises FlashError; then it may be called again."""
        self._uses = Uses()
        self._move({number: self._values[number]}, b"")
        for other in range(self._count):
            if other != self._sector and not sector.is_erased_from(self._flash, other, 0):
                sector.erase(self._flash, other)

    # The values by their meaning.

    def integer(self, number: int) -> int:
        """Returns a value that is kept as four bytes; 0 if there is none."""
        return _integer(self.get(number))

    def put_integer(self, number: int, value: int) -> None:
        self.put(number, pack(">I", value))

    def keep_epoch(self, seq: int) -> None:
        """Keeps the number of the first event of the journal's newest sector."""
        self.put_integer(JOURNAL_EPOCH, seq)

    def throttle(self) -> tuple:
        """Returns (failures, level, is_locked) for `core.throttle`."""
        value = self.get(THROTTLE)
        return (value[0], value[1], bool(value[2])) if value else (0, 0, False)

    def put_throttle(self, state: tuple) -> None:
        self.put(THROTTLE, bytes([state[0], state[1], 1 if state[2] else 0]))

    def is_code_used(self, slot: int, window: int) -> bool:
        """Whether the single-use code of `slot` in `window` is spent; codes of earlier windows always are."""
        kept_window, bits = self._used()
        return window < kept_window or (window == kept_window and bool(bits[slot >> 3] & 1 << (slot & 7)))

    def use_code(self, slot: int, window: int) -> None:
        """Spends a single-use code. Raises FlashError, and then it must not open."""
        kept_window, bits = self._used()
        if window < kept_window:
            raise FlashError("window already closed")
        bits = bytearray(bits if window == kept_window else 13)
        bits[slot >> 3] |= 1 << (slot & 7)
        self.put(USED_CODES, pack(">I", window) + bytes(bits))

    def _used(self) -> tuple:
        value = self.get(USED_CODES)
        return (unpack(">I", value[:4])[0], value[4:]) if value else (0, bytes(13))

    def uses_of(self, key: bytes) -> int:
        """Returns how often the credential under `key` (8 bytes) has opened."""
        return self._uses.count(key)

    def use(self, key: bytes, expires_s: int, now_s: int, *others) -> None:
        """Counts one use more of the credential under `key`, which expires at `expires_s`; it is in flash on return.

        Raises FlashError, or LedgerFull when 128 others have not expired yet; then it must not open. There has to be
        room for the keys `others` as well, which are used next.
        """
        uses = self._uses
        others += (key,)
        if not uses.has_room(others, self.integer(CLOCK_FLOOR)):
            if not uses.has_room(others, now_s):
                raise LedgerFull()
            # That the one it replaces is over has to outlast a power cut.
            self.put_integer(CLOCK_FLOOR, now_s)
        row = uses.row(key, expires_s)
        record = bytes([_USES]) + row
        if not self._append(record):
            self._move(self._values, record)
        uses.put(row, self.integer(CLOCK_FLOOR))


def _integer(value) -> int:
    return unpack(">I", value)[0] if value else 0
