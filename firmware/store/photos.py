"""The pictures that wait in flash: a ring of whole sectors, oldest overwritten first.

    picture = header | digest | mark | ... | from byte 128 on and through the following sectors: the JPEG

header: magic, number, length, CRC-32, programmed before the first byte of the picture.
digest: SHA-256 of the picture and a CRC-32, programmed after its last byte: without it the picture is torn.
mark:   four bytes programmed to zero once the collector has acknowledged the picture (or it was given up as torn).
"""

from binascii import crc32
from hashlib import sha256
from struct import pack, unpack

from constant import const

from firmware.core.errors import FlashError
from firmware.store import sector

_MAGIC = const(b"LBP1")
_HEADER = const(">4sII")
_HEADER_BYTES = const(12)
_DIGEST_AT = const(32)
_MARK_AT = const(96)
_DATA_AT = const(128)


class Picture:
    """One picture in the ring. `sha256` is None while it is being written and for ever if it is torn.

    `seq` is that of the event which names it, or for a picture found at start that of any later event.
    """

    def __init__(self, number: int, length: int, first_sector: int) -> None:
        self.number = number
        self.length = length
        self.first_sector = first_sector
        self.seq = 0
        self.sha256: bytes | None = None

    @property
    def sectors(self) -> int:
        return (_DATA_AT + self.length + sector.SECTOR_BYTES - 1) // sector.SECTOR_BYTES


class Photos:
    """Opens the ring on `flash`; `last_seq` is the newest event's.

    `torn` holds the pictures that a power cut left unfinished, until `give_up`.
    """

    def __init__(self, flash, last_seq: int) -> None:
        self._flash = flash
        self._count = sector.count(flash)
        self._last_seq = last_seq
        self._next_sector = 0
        self._digest = None
        self._written = 0
        self._current = None
        self._prepared = -1
        self.last_number = 0
        # The whole pictures not yet acknowledged, oldest first: where they start, and after which event each may be
        # sent. A ring full of small ones is more than the heap has room for as objects.
        self._waiting = []
        self._seqs = []
        self.torn = []
        self._mount()

    @property
    def max_bytes(self) -> int:
        """The longest picture taken in: a quarter of the ring, so that several always fit."""
        return (self._count // 4) * sector.SECTOR_BYTES - _DATA_AT

    @property
    def count(self) -> int:
        """How many whole pictures wait to be acknowledged."""
        return len(self._waiting)

    @property
    def waiting(self) -> list:
        """The whole pictures not yet acknowledged, oldest first, read from flash: `oldest` is cheaper."""
        return [self._waiting_at(index) for index in range(len(self._waiting))]

    def oldest(self):
        """Returns the oldest Picture not yet acknowledged, or None."""
        while self._waiting:
            picture = self._waiting_at(0)
            if picture:
                return picture
            # Its header has become unreadable since.
            self._forget_oldest()
        return None

    def find(self, number: int):
        """Returns the whole Picture of that number, None if there is none (any more)."""
        for at in range(self._count):
            picture = self._picture_at(at)
            if picture and picture.number == number and picture.sha256:
                return picture
        return None

    def is_waiting(self, picture: Picture) -> bool:
        """Whether the picture is still there and not yet acknowledged."""
        oldest = self.oldest()
        return oldest is not None and picture.number >= oldest.number

    def _waiting_at(self, index: int):
        picture = self._picture_at(self._waiting[index])
        if picture:
            picture.seq = self._seqs[index]
        return picture

    def _mount(self) -> None:
        found = []
        for number in range(self._count):
            picture = self._picture_at(number)
            if picture:
                # One number for both, in the order of the pictures'.
                found.append(picture.number * self._count + number)
        found.sort()
        for both in found:
            picture = self._picture_at(both % self._count)
            self.last_number = picture.number
            self._next_sector = (picture.first_sector + picture.sectors) % self._count
            if bytes(sector.read(self._flash, picture.first_sector, _MARK_AT, 4)) == bytes(4):
                continue
            if picture.sha256:
                self._wait_for(picture.first_sector, self._last_seq)
            else:
                self.torn.append(picture)

    def _wait_for(self, first_sector: int, seq: int) -> None:
        self._waiting.append(first_sector)
        self._seqs.append(seq)

    def _picture_at(self, number: int):
        raw = bytes(sector.read(self._flash, number, 0, _HEADER_BYTES + 4))
        if raw[:4] != _MAGIC or crc32(raw[:_HEADER_BYTES]) != unpack(">I", raw[_HEADER_BYTES:])[0]:
            return None
        _, picture_number, length = unpack(_HEADER, raw[:_HEADER_BYTES])
        picture = Picture(picture_number, length, number)
        digest = bytes(sector.read(self._flash, number, _DIGEST_AT, 36))
        if crc32(digest[:32]) == unpack(">I", digest[32:])[0]:
            picture.sha256 = digest[:32]
        return picture

    def prepare(self) -> None:
        """Erases the sector where the next picture starts, while nobody waits for it. Raises FlashError."""
        if self._prepared != self._next_sector:
            self._make_room(1)
            number = self._next_sector
            # A sector that fails is passed by with the next try.
            self._next_sector = (number + 1) % self._count
            self._clear(number)
            self._next_sector = self._prepared = number

    def begin(self, length: int) -> int:
        """Starts a picture of `length` bytes; returns its number. Raises FlashError."""
        if not 0 < length <= self.max_bytes:
            raise FlashError("picture too long for the ring")
        self.abandon()
        first = self._next_sector
        picture = Picture(self.last_number + 1, length, first)
        # All of it at once: should this picture stay torn, no other one lies half in its place.
        self._make_room(picture.sectors)
        self.prepare()
        self._prepared = -1
        header = pack(_HEADER, _MAGIC, picture.number, length)
        # A sector that takes no header is passed by with the next try.
        self._next_sector = (first + 1) % self._count
        sector.write(self._flash, first, 0, header + pack(">I", crc32(header)))
        self.last_number = picture.number
        self._current = picture
        self._next_sector = (first + picture.sectors) % self._count
        self._digest = sha256()
        self._written = 0
        return self.last_number

    def write(self, data) -> None:
        """Adds bytes to the picture begun. Raises FlashError."""
        picture = self._current
        if picture is None or self._written + len(data) > picture.length:
            raise FlashError("no picture takes these bytes")
        self._digest.update(data)
        view = memoryview(data)
        while view:
            ahead, at = divmod(_DATA_AT + self._written, sector.SECTOR_BYTES)
            number = (picture.first_sector + ahead) % self._count
            if at == 0:
                self._clear(number)
            piece = view[: sector.SECTOR_BYTES - at]
            sector.write(self._flash, number, at, piece)
            self._written += len(piece)
            view = view[len(piece) :]

    def digest(self) -> bytes:
        """Returns the SHA-256 of the picture begun, once all of it was written. Raises FlashError."""
        if self._current is None or self._written != self._current.length:
            raise FlashError("picture is not whole")
        return self._digest.digest()

    def finish(self, digest: bytes, seq: int) -> None:
        """Ends the picture begun, which event `seq` names; from here on it survives a power cut. Raises FlashError."""
        picture = self._current
        sector.write(self._flash, picture.first_sector, _DIGEST_AT, digest + pack(">I", crc32(digest)))
        self._current = None
        self._wait_for(picture.first_sector, seq)

    def abandon(self) -> None:
        """Gives up the picture begun, if there is one; its number is not used again."""
        picture = self._current
        self._current = None
        if picture is not None:
            self.give_up(picture)

    def _make_room(self, sectors: int) -> None:
        """Gives up the pictures that begin in so many sectors from the next one on."""
        first = self._next_sector
        while self._waiting and (self._waiting[0] - first) % self._count < sectors:
            # Marked first: an erase that is cut may leave the header and not the picture.
            sector.program(self._flash, self._waiting[0], _MARK_AT, bytes(4))
            self._forget_oldest()
        self.torn = [torn for torn in self.torn if (torn.first_sector - first) % self._count >= sectors]

    def _clear(self, number: int) -> None:
        """Erases a sector."""
        if not sector.is_erased_from(self._flash, number, 0):
            sector.erase(self._flash, number)

    def read_into(self, picture: Picture, offset: int, buffer) -> None:
        """Fills `buffer` with the picture's bytes from `offset` on. Raises FlashError."""
        view = memoryview(buffer)
        while view:
            ahead, at = divmod(_DATA_AT + offset, sector.SECTOR_BYTES)
            piece = view[: sector.SECTOR_BYTES - at]
            sector.read_into(self._flash, (picture.first_sector + ahead) % self._count, at, piece)
            offset += len(piece)
            view = view[len(piece) :]

    def release(self, number: int, digest: bytes) -> bool:
        """Lets go of the oldest waiting picture if it is the acknowledged one; returns whether it was."""
        picture = self.oldest()
        if picture is None or picture.number != number or picture.sha256 != digest:
            return False
        self._forget_oldest()
        self.give_up(picture)
        return True

    def _forget_oldest(self) -> None:
        del self._waiting[0]
        del self._seqs[0]

    def give_up(self, picture: Picture) -> None:
        """Marks a picture so that it is not looked at again. Raises FlashError."""
        sector.program(self._flash, picture.first_sector, _MARK_AT, bytes(4))
        if picture in self.torn:
            self.torn.remove(picture)
