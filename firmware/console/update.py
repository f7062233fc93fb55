"""A package that comes in piece by piece, straight into the files of the slot that does not run.

    update      SHA-256 of the whole package as announced, then its head: what the other slot is being filled with

The head is collected in memory, and nothing is touched before its signature and all that it says have been checked.
After that whatever was cut goes on with the first file that is not there as it should be.
"""

import asyncio
import os
from hashlib import sha256

from micropython import const

from firmware.console import other_slot, package
from firmware.console.request import Refusal, note
from firmware.core import event
from firmware.store import claim, ledger, slots

_PATH = const("update")
_UNFINISHED = const("update.new")
_CANDIDATE = const("settings.new.json")
_DIGEST_BYTES = const(32)
_PIECE_BYTES = const(512)
# Room for any row of the manifest.
_ROW_BYTES = const(112)
_QUIET_MS = const(2_500)
_PATIENCE_MS = const(3_000)


async def begin(console, size: int, digest: bytes):
    """Returns the Upload of a package of `size` bytes, which goes on where an earlier one was cut. Raises Refusal."""
    if slots.state()[0] == slots.TRIAL:
        # The other slot is what the lock would go back to.
        raise Refusal("trial", "A version is on trial: wait until it is accepted, two minutes after the start.")
    upload = Upload(console, size, digest)
    await upload.resume()
    return upload


async def commit(console, request: dict) -> dict:
    """Puts the version that has come on trial, from the restart on that follows. Raises Refusal."""
    upload = console.session.upload
    if not isinstance(upload, Upload) or not upload.is_whole:
        raise Refusal("incomplete", "The package is not there yet.")
    if other_slot.is_there(_CANDIDATE):
        # Two trials at once would not tell which of them failed.
        raise Refusal("trial", "New settings are on trial: wait until they are accepted, two minutes after the start.")
    note(console, event.UPDATE_PROPOSED, {event.VERSION: upload.version})
    slots.propose(console.kept, upload.version, console.version)
    console.ending = "restart"
    return {"version": upload.version, "slot": upload.slot}


class Upload:
    """`have` bytes of the package are there, `version` is what it brings, into `slot`."""

    def __init__(self, console, size: int, digest: bytes) -> None:
        self.have = 0
        self.version = ""
        self.slot = "a" if slots.running() == "b" else "b"
        self._console = console
        self._size = size
        self._digest = digest
        self._folder = "" if self.slot == "a" else "b/"
        self._start = b""
        self._head = None
        self._head_bytes = 0
        # The row of the file that comes next: where it begins in _PATH, and how many are left with it.
        self._row_at = 0
        self._rows = 0
        self._path = ""
        self._row = None
        self._file = None
        self._left = 0

    @property
    def is_whole(self) -> bool:
        return self.have == self._size and not self._rows

    def close(self) -> None:
        """Lets the file go that is being written; the next attempt writes it again."""
        file = self._file
        self._file = None
        if file:
            file.close()

    async def take(self, at: int, data) -> int:
        """Takes the piece behind what is there, and returns `have`; any other piece changes nothing. Raises Refusal."""
        if at + len(data) > self._size:
            raise _too_long()
        data = memoryview(data)[max(0, self.have - at) :] if at <= self.have else b""
        while data:
            if self._row_at:
                count = min(len(data), self._left)
                await self._put(data[:count])
            else:
                count = self._collect(data)
                if self._head_bytes and self.have == self._head_bytes:
                    await self._admit()
            data = data[count:]
        return self.have

    # The head.

    def _collect(self, data) -> int:
        """Takes what of `data` belongs to the head, whose length its first bytes tell; returns how much that was."""
        if not self._head:
            self._start += bytes(data[: package.START_BYTES - len(self._start)])
            count = len(self._start) - self.have
            self.have += count
            if self.have < package.START_BYTES:
                return count
            self._head_bytes = package.head_bytes(self._start)
            self._head = package.Head(self._head_bytes)
            self._head.put(0, self._start)
            return count
        count = min(len(data), self._head_bytes - self.have)
        self._head.put(self.have, data[:count])
        self.have += count
        return count

    async def _admit(self) -> None:
        """Checks the head, clears the slot and keeps the head. Raises Refusal, and then nothing was touched."""
        head = self._head
        # Given up whatever comes of it: another attempt begins at the beginning.
        self._start_over()
        await self._check(head)
        other_slot.find_room(self._folder, head.sizes())
        # Should the slot be what the lock would start, it is no more, before anything in it changes.
        slots.hold()
        other_slot.remove(_PATH)
        await other_slot.sweep(self._folder)
        with open(_UNFINISHED, "wb") as file:
            file.write(self._digest)
            head.write_to(file)
        os.rename(_UNFINISHED, _PATH)
        self._follow(head)

    def _start_over(self) -> None:
        self.have = self._head_bytes = self._row_at = 0
        self._start = b""
        self._head = None

    async def _check(self, head) -> None:
        # A signature takes a tenth of a second to check: rather not while somebody is at the door.
        await self._console.line.give_way(_QUIET_MS, _PATIENCE_MS)
        kept = self._console.kept
        floor = kept.integer(ledger.RELEASE_FLOOR)
        size = head.check(claim.release_key(kept), self._console.board, self._console.version, floor)
        if head.size + size != self._size:
            raise _too_long()

    def _follow(self, head) -> None:
        """Goes on with the first file."""
        self.version = head.version
        self.have = head.size
        self._row_at, self._rows = head.rows()
        self._row_at += _DIGEST_BYTES
        self._next()

    def _next(self) -> None:
        """Reads the row of the next file; there is none behind the last."""
        if not self._rows:
            return
        with open(_PATH, "rb") as file:
            file.seek(self._row_at)
            data = file.read(_ROW_BYTES)
        self._row = package.row(data, 0)
        self._left = self._row[1]
        self._path = self._folder + self._row[0]

    # The files.

    async def _put(self, data) -> None:
        """Writes some of the present file. Raises OSError, and then it comes again from its beginning."""
        try:
            if not self._file:
                other_slot.make_folders(self._path)
                self._file = open(self._path, "wb")
            self._file.write(data)
        except OSError:
            self._give_up()
            raise
        self.have += len(data)
        self._left -= len(data)
        if not self._left:
            self.close()
            if not await self._is_sound():
                self._give_up()
                raise Refusal("sha256", "What the flash gave back is something else: send it again.")
            self._advance()

    def _give_up(self) -> None:
        """Has the present file come again."""
        try:
            self.close()
        except OSError:
            pass
        self.have -= self._row[1] - self._left
        self._left = self._row[1]

    def _advance(self) -> None:
        self._row_at += self._row[3]
        self._rows -= 1
        self._next()

    async def _is_sound(self) -> bool:
        """Whether the present file is in flash as its row says."""
        digest = sha256()
        piece = bytearray(_PIECE_BYTES)
        count = 0
        try:
            with open(self._path, "rb") as file:
                while True:
                    size = file.readinto(piece)
                    if not size:
                        break
                    count += size
                    digest.update(memoryview(piece)[:size])
                    await asyncio.sleep_ms(0)
        except OSError:
            return False
        return count == self._row[1] and digest.digest() == self._row[2]

    async def resume(self) -> None:
        """Goes on behind the files that are there, if it is this package that the slot was being filled with."""
        try:
            size = os.stat(_PATH)[6] - _DIGEST_BYTES
            with open(_PATH, "rb") as file:
                if file.read(_DIGEST_BYTES) != self._digest or size < package.START_BYTES:
                    return
                start = file.read(package.START_BYTES)
                if package.head_bytes(start) != size:
                    return
                head = package.Head(size)
                head.put(0, start)
                for at in range(package.START_BYTES, size, _PIECE_BYTES):
                    head.put(at, file.read(min(_PIECE_BYTES, size - at)))
            await self._check(head)
        except (OSError, Refusal):
            # Damaged, or of a kind that is taken no more: the head comes again, and says what is wrong with it.
            return
        slots.hold()
        self._follow(head)
        del head
        while self._rows and await self._is_sound():
            self.have += self._left
            self._advance()


def _too_long() -> Refusal:
    return Refusal("package", "The package is not as long as was announced.")
