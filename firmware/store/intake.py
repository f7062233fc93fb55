"""Takes in lists of revoked credentials and codes, whoever brings them. Loaded for as long as somebody does.

    revoked         the list in force (store/revoked.py)
    revoked.new     one that is coming in; never read for a decision

Whoever brings a list, a phone, the broker or the serial line, adds to the one file, so that what one could not finish
the next one does: one at a time, or one who brings rubbish would spoil what the others bring. All of it is checked
before it counts, the ledger knows its version before it does, and a rename puts it in force: a cut at any moment leaves
the old list or the new one. `news` is the lock's task.news.News.
"""

import os
from binascii import crc32
from hashlib import sha256
from struct import pack

from constant import const

from firmware.core import bulletin, event
from firmware.core.errors import FlashError
from firmware.store import ledger, revoked

_COMING = const("revoked.new")
_ID_BYTES = const(8)
_BLOCK_BYTES = const(256)
# So much goes to flash at once: littlefs writes a block anew for each time.
_FLUSH_BYTES = const(1_024)
# An older list than the one that is coming in, and another phone, wait for so long after its last piece.
_STILL_MS = const(30_000)
_NOTE_MS = const(60_000)
_ENOSPC = const(28)


class Incoming:
    """The list that is coming in, of those who bring one now: `users`. `head` is its head, None if there is none.

    `owner` is the one of them whose turn it is, whatever object that is. `have` bytes of `size` are there. Raises
    OSError where the file system does.
    """

    def __init__(self, news) -> None:
        self.users = 0
        self.head = self.owner = None
        self.have = self.size = 0
        self._news = news
        self._version = 0
        self._file = None
        self._flushed = self._fed_ms = 0

    def begin(self, start, owner, is_phone: bool) -> int:
        """Takes the beginning of the list that `owner` brings; returns how much of it is there, at least its head.

        0: `start` is too short to tell. -1: not now, another one is coming in, or the same one by somebody whom a phone
        does not get in the way of. Raises bulletin.BulletinError.
        """
        news = self._news
        size = bulletin.head_bytes(start)
        if not size:
            return 0
        head = bytes(start[:size])
        now_ms = news.uptime.now_ms()
        is_fed = now_ms - self._fed_ms < _STILL_MS
        is_held = is_phone and is_fed and self.owner not in (None, owner)
        if head == self.head:
            if is_held:
                return -1
            self.owner = owner
            self._fed_ms = now_ms
            return self.have
        version, count, _ = bulletin.read_head(head, news.config.building, None)
        if is_fed and version <= self._version and (is_held or self.head):
            return -1
        if news.floor and not news.file:
            # Perhaps only the rename had failed.
            open_list(news)
        if not news.wants(version):
            raise bulletin.BulletinError(event.OLDER)
        whole = size + _ID_BYTES * count
        have = _begun(head)
        if not size <= have <= whole:
            # One that is there was looked at when it was begun.
            bulletin.read_head(head, news.config.building, lambda *message: verify(news, *message))
            have = 0
        self.close()
        self.owner = owner
        self._file = open(_COMING, "ab" if have else "wb")
        if not have:
            self._file.write(head)
        self.head = head
        self.size = whole
        self.have = self._flushed = have or size
        self._version = version
        self._fed_ms = now_ms
        return self.have

    def take(self, owner, at: int, data) -> int:
        """Takes bytes of the list from offset `at` on; returns how many are there, -1 if it is not `owner`'s any more.

        What is there already, or does not follow, changes nothing. Raises bulletin.BulletinError for too many.
        """
        if owner is not self.owner or not self._file:
            return -1
        if at + len(data) > self.size:
            raise bulletin.BulletinError(event.TORN)
        if at <= self.have < at + len(data):
            try:
                self._file.write(data[self.have - at :])
                self.have = at + len(data)
                if self.have == self.size or self.have - self._flushed >= _FLUSH_BYTES:
                    self._file.flush()
                    self._flushed = self.have
            except OSError:
                # How much went into the file is seen when it is begun again.
                self.close()
                raise
            self._fed_ms = self._news.uptime.now_ms()
        return self.have

    def commit(self, owner, source: str) -> bool:
        """Puts the list of `owner` in force, if it is there; `source` is for the record. Returns whether it did.

        Raises bulletin.BulletinError, and then it is gone; FlashError, and then the one before stays in force.
        """
        if owner is not self.owner or not self.head or self.have < self.size:
            return False
        news = self._news
        self.close()
        try:
            version, _, count = look(_COMING, news.config.building, lambda *message: verify(news, *message))
        except bulletin.BulletinError:
            os.remove(_COMING)
            raise
        details = {event.LIST_VERSION: version, event.COUNT: count, event.NAME: source}
        news.trail.record(event.LIST_TAKEN, details)
        _keep(news, version, False)
        open_list(news)
        return news.version == version

    def close(self) -> None:
        """Leaves what is there for whoever goes on with it."""
        self.head = None
        file = self._file
        self._file = None
        try:
            if file:
                file.close()
        except OSError:
            # Whoever goes on with it looks at what there is.
            pass


def enter(news) -> Incoming:
    """Returns what takes in a list; to be left by `leave`."""
    if not news.coming:
        news.coming = Incoming(news)
    news.coming.users += 1
    return news.coming


def leave(news, owner) -> None:
    coming = news.coming
    coming.users -= 1
    if coming.owner is owner:
        coming.owner = None
    if not coming.users:
        coming.close()
        news.coming = None


def look(path: str, building: str, verify) -> tuple:
    """Returns (version, bytes of its head, count of ids) of the list in a file.

    Looks at all of it, at the signature if `verify` is given. Raises bulletin.BulletinError, and OSError.
    """
    with open(path, "rb") as file:
        start = file.read(bulletin.MAX_HEAD_BYTES)
        size = bulletin.head_bytes(start)
        if not size:
            raise bulletin.BulletinError(event.TORN)
        version, count, digest = bulletin.read_head(start[:size], building, verify)
        file.seek(size)
        found = sha256()
        last = b""
        is_ascending = True
        left = _ID_BYTES * count
        while left:
            block = file.read(min(_BLOCK_BYTES, left))
            if not block or len(block) % _ID_BYTES:
                raise bulletin.BulletinError(event.TORN)
            left -= len(block)
            found.update(block)
            for at in range(0, len(block), _ID_BYTES):
                key = block[at : at + _ID_BYTES]
                is_ascending &= key > last
                last = key
        if found.digest() != digest or file.read(1):
            raise bulletin.BulletinError(event.TORN)
        if not is_ascending:
            raise bulletin.BulletinError(event.MALFORMED)
    return version, size, count


def open_list(news) -> None:
    """Opens the list that the ledger knows of, also if a cut kept it from its name; says once if it is lost.

    Raises FlashError.
    """
    if news.file:
        news.file.close()
        news.file = None
    building = news.config.building
    kept = news.ledger.get(ledger.LIST_VERSION)
    if kept and kept[4:8] != _name(building):
        # The lock has moved to another building since, whose lists are counted by themselves.
        kept = None
    news.floor = int.from_bytes(kept[:4], "big") if kept else 0
    for path in (revoked.PATH, _COMING):
        try:
            version, size, count = look(path, building, None)
            if path == _COMING:
                # It was looked at in whole before the ledger knew its version.
                if version != news.floor:
                    continue
                os.rename(_COMING, revoked.PATH)
            elif version < news.floor:
                continue
            if version != news.floor or kept[8]:
                # The ledger was lost and the list was not; or the list had been, for a while.
                _keep(news, version, False)
            news.file = open(revoked.PATH, "rb")
        except (bulletin.BulletinError, OSError):
            continue
        news.at = size
        news.count = count
        return
    if news.floor and not kept[8]:
        news.trail.record(event.LIST_LOST, {event.LIST_VERSION: news.floor})
        _keep(news, news.floor, True)


def reason_of(error) -> int:
    """Returns why a list is refused: for a bulletin.BulletinError, a full file system, or, 0, for another OSError."""
    if isinstance(error, OSError):
        return event.NO_ROOM if error.errno == _ENOSPC else event.GRANTED
    return error.args[0]


def note_refusal(news, reason: int, source: str, head) -> None:
    """Records that a list was refused: at most once a minute, and one that comes again and again only once."""
    now_ms = news.uptime.now_ms()
    mark = crc32(head) | 1
    if not reason or mark == news.refused or news.refused and now_ms - news.refused_ms < _NOTE_MS:
        return
    news.refused = mark
    news.refused_ms = now_ms
    try:
        news.trail.record(event.LIST_REFUSED, {event.REASON: reason, event.NAME: source})
    except FlashError:
        pass


def verify(news, kid: bytes, message: bytes, signature: bytes) -> int:
    """Returns 0 if an issuer of the settings signed it, else the reason."""
    for known, _, public in news.config.issuers:
        if known == kid:
            issuer = news.known and news.known.get(kid)
            if issuer:
                is_right = issuer.verify(message, signature)
            else:
                # A door without a card reader has no tables of its issuers' keys.
                import ed25519

                is_right = ed25519.verify(public, message, signature)
            return event.GRANTED if is_right else event.FORGED
    return event.UNKNOWN_ISSUER


def _begun(head: bytes) -> int:
    """Returns how much there is of the list with `head` that was left half, 0 if it is another one."""
    try:
        with open(_COMING, "rb") as file:
            return file.seek(0, 2) if file.read(len(head)) == head else 0
    except OSError:
        return 0


def _name(building: str) -> bytes:
    return sha256(building.encode()).digest()[:4]


def _keep(news, version: int, is_told: bool) -> None:
    """Keeps that there is a list of this version, and whether it was said that it is lost. Raises FlashError."""
    news.ledger.put(ledger.LIST_VERSION, pack(">I", version) + _name(news.config.building) + bytes([is_told]))
    news.floor = version
