"""The camera: a frame frozen while the person stands there, brought into flash afterwards, its hash in the trail.

Freezing takes some milliseconds, reading a picture out over the serial line a second or more. With the policy
`required` the strike waits until the whole picture is in flash; with `best-effort` only until the frame is frozen.
"""

import asyncio

import jpeg
from bell import Bell, within
from micropython import const
from vc0706 import CameraError

from firmware.core import event
from firmware.core.errors import FlashError

# A person is waiting: so long for the frame, so long for the whole picture where that is required.
_FREEZE_MS = const(700)
_STORE_MS = const(8_000)

# Refused tries within this time of each other show the same person.
_SHARED_MS = const(60_000)

_RETRY_MS = const(20_000)
# So often it shows that it is alive.
_ROUND_MS = const(20_000)
_SMALLEST_BYTES = const(128)
# Between two looks whether the camera is free.
_LOOK_MS = const(10)
_EVER_MS = const(1 << 29)


class Photographer:
    """`is_required`: no picture, no entry."""

    def __init__(self, camera, photos, is_required: bool, trail, uptime) -> None:
        self._camera = camera
        self._photos = photos
        self.is_required = is_required
        self._trail = trail
        self._uptime = uptime
        self.is_ready = False
        self._is_busy = False
        self._frozen: tuple | None = None
        # What `run` waits for: a frame to be read out, or a failure, and nobody who needs the time.
        self._has_work = False
        self._holders = self._held_ms = 0
        self._bell = Bell()
        self._shared = None
        self._shared_until_ms = 0
        self._buffer = bytearray(512)

    async def shoot(self, is_grant: bool):
        """Takes a picture; returns its number, or None if there is none (then an event says why).

        A grant always gets a picture of its own; a refusal shares the last refusal's for a minute.
        """
        now_ms = self._uptime.now_ms()
        if not is_grant and self._shared is not None and now_ms < self._shared_until_ms:
            return self._shared
        limit_ms = _STORE_MS if self.is_required and is_grant else _FREEZE_MS
        number = await self._take(is_grant, limit_ms)
        if number is not None and not is_grant:
            self._shared = number
            self._shared_until_ms = now_ms + _SHARED_MS
        return number

    def hold(self, is_held: bool) -> None:
        """Keeps a frozen frame waiting in the camera, or no longer: reading it out takes time that somebody needs.

        Several may hold it at once.
        """
        self._holders = max(0, self._holders + (1 if is_held else -1))
        self._held_ms = self._uptime.now_ms()
        self._bell.ring()

    async def _take(self, is_grant: bool, limit_ms: int):
        if not self.is_ready:
            self._note(event.NO_ANSWER)
            return None
        if not await self._is_taken(limit_ms):
            # The picture before this one is still on its way into flash.
            self._note(event.CAMERA_BUSY)
            return None
        try:
            if self._frozen and is_grant and self.is_required:
                # Somebody else's, which is still held: without a picture nobody gets in, so it goes first.
                await self._guarded(within(limit_ms, self._store()))
                self._prepare()
            elif self._frozen:
                # Somebody else's, which is still held.
                self._note(event.CAMERA_BUSY)
                return None
            if not self.is_ready:
                return None
            return await self._guarded(within(limit_ms, self._expose(is_grant)))
        finally:
            self._is_busy = False

    async def _is_taken(self, limit_ms: int) -> bool:
        """Takes the camera as soon as it is free; returns False if that takes longer than `limit_ms`."""
        end_ms = self._uptime.now_ms() + limit_ms
        while self._is_busy:
            if self._uptime.now_ms() >= end_ms:
                return False
            await asyncio.sleep_ms(_LOOK_MS)
        self._is_busy = True
        return True

    def _wake(self) -> None:
        self._has_work = True
        self._bell.ring()

    async def _expose(self, is_grant: bool) -> int:
        number = await self._freeze()
        if is_grant and self.is_required:
            await self._store()
        return number

    async def _freeze(self) -> int:
        length = await self._camera.freeze()
        if length < _SMALLEST_BYTES or length > self._photos.max_bytes:
            raise CameraError(event.BAD_PICTURE)
        self._frozen = self._photos.begin(length), length
        self._wake()
        return self._frozen[0]

    async def _store(self) -> None:
        """Reads the frozen frame out into flash. Raises CameraError."""
        if self._frozen is None:
            return
        number, length = self._frozen
        offset = 0
        structure = jpeg.Structure()
        while offset < length:
            piece = memoryview(self._buffer)[: min(len(self._buffer), length - offset)]
            await self._camera.read(offset, piece)
            # The buffer itself where it is full: a copy is more than a heap with holes may have room for.
            if not structure.feed(self._buffer if len(piece) == len(self._buffer) else bytes(piece)):
                raise CameraError(event.BAD_PICTURE)
            self._photos.write(piece)
            offset += len(piece)
        if not structure.is_whole:
            raise CameraError(event.BAD_PICTURE)
        # Written down first: a picture in flash that no event names would never be sent.
        digest = self._photos.digest()
        details = {event.PICTURE_NUMBER: number, event.LENGTH: length, event.SHA256: digest}
        seq = self._trail.record(event.PICTURE, details)
        self._photos.finish(digest, seq)
        self._frozen = None
        await self._camera.resume()

    async def _guarded(self, work):
        """Awaits `work`; what goes wrong in it becomes an event, and None."""
        try:
            return await work
        except asyncio.TimeoutError:
            self._fail(event.NO_ANSWER)
        except CameraError as error:
            self._fail(error.reason)
        except FlashError:
            self._fail(event.PICTURES_FULL)
        except MemoryError:
            self._fail(event.BAD_PICTURE)
        return None

    def _fail(self, reason: int) -> None:
        """Gives up the picture and has the camera started afresh."""
        number = self._frozen[0] if self._frozen else None
        self._frozen = None
        self.is_ready = False
        self._wake()
        self._note(reason, number)
        try:
            self._photos.abandon()
        except (FlashError, MemoryError):
            pass

    def _note(self, reason: int, number=None) -> None:
        details = {event.REASON: reason}
        if number is not None:
            details[event.PICTURE_NUMBER] = number
        try:
            self._trail.record(event.CAMERA_FAILED, details)
        except (FlashError, MemoryError):
            pass

    async def run(self) -> None:
        """Keeps the camera ready and brings frozen frames into flash."""
        self._give_up_torn()
        while True:
            if not self.is_ready:
                await self._start()
            if not self._has_work or self._holders:
                if not await self._bell.wait(_ROUND_MS) and self._uptime.now_ms() - self._held_ms >= _ROUND_MS:
                    # No visit takes so long: whoever held it is gone.
                    self._holders = 0
                continue
            await self._is_taken(_EVER_MS)
            try:
                self._has_work = False
                if self._frozen:
                    await self._guarded(self._store())
                if self.is_ready:
                    self._prepare()
            finally:
                self._is_busy = False

    async def _start(self) -> None:
        """Starts the camera, however long it takes; says so once when it does not answer."""
        is_noted = False
        while not self.is_ready:
            await self._is_taken(_EVER_MS)
            try:
                await self._camera.start()
                self._prepare()
                self.is_ready = True
                continue
            except CameraError as error:
                if not is_noted:
                    self._note(error.reason)
                is_noted = True
            finally:
                self._is_busy = False
            await asyncio.sleep_ms(_RETRY_MS)

    def _prepare(self) -> None:
        try:
            self._photos.prepare()
        except FlashError:
            pass

    def _give_up_torn(self) -> None:
        for picture in list(self._photos.torn):
            self._note(event.BAD_PICTURE, picture.number)
            try:
                self._photos.give_up(picture)
            except FlashError:
                pass
