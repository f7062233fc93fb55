"""VC0706 serial JPEG camera, asyncio driver.

    command: 56 serial command n arguments[n]
    reply:   76 serial command status n data[n]        status 0 is success

After a reset the chip sends some lines of text, needs up to 2.5 s and talks at 38,400 baud. The line is not trusted:
what precedes a reply is skipped, an exchange that went wrong is made again, and what is left of one that was given up,
by an error or because the caller was cancelled, is let run out before the next.
"""

import asyncio
import struct
import time

from micropython import const

SIZE_640X480 = const(0x00)
SIZE_320X240 = const(0x11)
SIZE_160X120 = const(0x22)

# Reasons of a CameraError; the numbers are the lock's event reasons, so that a caller can pass them on.
NO_ANSWER = const(14)
BAD_REPLY = const(9)
BAD_PICTURE = const(15)

_VERSION = const(0x11)
_SET_PORT = const(0x24)
_RESET = const(0x26)
_READ_DATA = const(0x30)
_WRITE_DATA = const(0x31)
_READ_FBUF = const(0x32)
_GET_FBUF_LEN = const(0x34)
_FBUF_CTRL = const(0x36)

_STOP_CURRENT_FRAME = const(b"\x00")
_RESUME = const(b"\x03")
_CURRENT_FRAME = const(b"\x00")
# One byte of the camera's settings memory, at 0x0019; one register of the JPEG encoder, at 0x1204.
_IMAGE_SIZE = const(b"\x04\x01\x00\x19")
_COMPRESSION = const(b"\x01\x01\x12\x04")
_PORT_SPEED = {38_400: b"\x01\x2a\xf2", 115_200: b"\x01\x0d\xa6"}

_FIRST_SPEED = const(38_400)
_BOOT_MS = const(3_000)
_TRIES = const(3)
_POLL_MS = const(3)
_QUIET_MS = const(25)
# The chip answers a write to its settings memory and drops it if it follows another command too closely.
_BEFORE_WRITE_MS = const(200)
# The pause between head and data of READ_FBUF, in units of 0.01 ms.
_READ_DELAY = const(10)
# What one READ_FBUF asks for: must fit the UART's receive buffer, since nobody may look at it for a while.
_PIECE_BYTES = const(512)
# More than the text after a reset, or than a piece that comes late; a line that babbles on beyond that is given up.
_MOST_NOISE = const(1_200)
_MOST_DATA = const(16)


class CameraError(Exception):
    """`reason` is NO_ANSWER, BAD_REPLY (refused, garbled, cut short) or BAD_PICTURE (a frame of impossible length)."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


class Camera:
    """A camera behind `uart`: `write(buffer)`, `readinto(buffer)`, `any()` and, to change speed, `init(baudrate=...)`.

    The uart begins at 38,400 baud and needs a receive buffer of 600 bytes or more. No exchange waits longer than
    `timeout_ms`, plus the time its bytes take on the line, for each of three tries. One call at a time. `speed` is
    38,400 or 115,200.
    """

    def __init__(self, uart, size=SIZE_320X240, speed=115_200, max_bytes=65_536, timeout_ms=250) -> None:
        self._uart = uart
        self._size = size
        self._target_speed = speed
        self._speed = _FIRST_SPEED
        self._max_bytes = max_bytes
        self._timeout_ms = timeout_ms
        self._is_settled = False
        self._request = bytearray(16)
        self._reply = memoryview(bytearray(5 + _MOST_DATA))

    async def start(self, compression=None) -> None:
        """Finds the camera, at whichever speed it was left, and sets it up. Raises CameraError.

        `compression` is 0 to 255, more is coarser; the camera's own default otherwise. Takes up to 3 s after power-on,
        and as long again if the image size had to be changed.
        """
        await self._find()
        if (await self._ask(_READ_DATA, _IMAGE_SIZE, 1))[0] != self._size:
            await asyncio.sleep_ms(_BEFORE_WRITE_MS)
            await self._ask(_WRITE_DATA, _IMAGE_SIZE + bytes([self._size]), 0)
            # The new size holds from the next start of the chip on.
            await self.reset()
        if compression is not None:
            await self._ask(_WRITE_DATA, _COMPRESSION + bytes([compression]), 0)
        if self._speed != self._target_speed:
            await self._speed_up()
        await self.resume()

    async def reset(self) -> None:
        """Restarts the chip, which then has its own speed and compression again. Raises CameraError."""
        await self._ask(_RESET, b"", 0)
        self._set_speed(_FIRST_SPEED)
        self._is_settled = False
        await self._find()

    async def version(self) -> str:
        """Returns what the chip calls itself, such as "VC0706 1.00". Raises CameraError."""
        text = bytes(await self._ask(_VERSION, b"", None))
        for character in text:
            if not 32 <= character < 127:
                raise CameraError(BAD_REPLY)
        return text.decode()

    async def freeze(self) -> int:
        """Keeps the frame of this moment and returns its length in bytes, 1 to `max_bytes`. Raises CameraError."""
        await self._ask(_FBUF_CTRL, _STOP_CURRENT_FRAME, 0)
        length = int.from_bytes(await self._ask(_GET_FBUF_LEN, _CURRENT_FRAME, 4), "big")
        if not 0 < length <= self._max_bytes:
            raise CameraError(BAD_PICTURE)
        return length

    async def resume(self) -> None:
        """Lets the frozen frame go. Raises CameraError."""
        await self._ask(_FBUF_CTRL, _RESUME, 0)

    async def read(self, offset: int, buffer) -> None:
        """Fills `buffer` with the frozen frame's bytes from `offset` on, a multiple of 8. Raises CameraError."""
        if offset & 7:
            raise ValueError("the camera reads from multiples of 8")
        view = memoryview(buffer)
        for at in range(0, len(view), _PIECE_BYTES):
            piece = view[at : at + _PIECE_BYTES]
            struct.pack_into(
                ">BBBBBBIIH", self._request, 0, 0x56, 0, _READ_FBUF, 12, 0, 10, offset + at, len(piece), _READ_DELAY
            )
            await self._try(_READ_FBUF, self._request, 0, piece)

    def _set_speed(self, speed: int) -> None:
        if speed != self._speed:
            self._uart.init(baudrate=speed)
            self._speed = speed
            self._is_settled = False

    async def _speed_up(self) -> None:
        try:
            await self._ask(_SET_PORT, _PORT_SPEED[self._target_speed], 0)
        except CameraError:
            # The camera may have changed over all the same: what it answers at the new speed decides.
            pass
        self._set_speed(self._target_speed)
        await self.version()

    async def _find(self) -> None:
        """Waits until the camera has started, trying both speeds in turn. Raises CameraError."""
        deadline_ms = time.ticks_add(time.ticks_ms(), _BOOT_MS)
        request = _request(_VERSION, b"")
        while True:
            try:
                await self._exchange(_VERSION, request, None, None)
                return
            except CameraError:
                if time.ticks_diff(deadline_ms, time.ticks_ms()) < 0:
                    raise
            self._set_speed(self._target_speed if self._speed == _FIRST_SPEED else _FIRST_SPEED)

    async def _ask(self, command: int, arguments: bytes, size) -> memoryview:
        """Returns the reply's data, `size` bytes or, if that is None, any number; valid until the next exchange."""
        return await self._try(command, _request(command, arguments), size, None)

    async def _try(self, command: int, request, size, piece) -> memoryview:
        for _ in range(_TRIES - 1):
            try:
                return await self._exchange(command, request, size, piece)
            except CameraError:
                if piece:
                    # The data may just be late, and nothing in a reply tells which data it is. The camera answers in
                    # order: once it has answered this, nothing older is on its way.
                    await self.version()
        return await self._exchange(command, request, size, piece)

    async def _exchange(self, command: int, request, size, piece) -> memoryview:
        if not self._is_settled or self._uart.any():
            await self._settle()
        self._is_settled = False
        self._uart.write(request)
        count = len(self._reply) + (len(piece) + 5 if piece else 0)
        deadline_ms = self._deadline(count)
        data = await self._receive(command, size, deadline_ms)
        if piece:
            await self._fill(piece, deadline_ms)
            # The same head again behind the data: if it is elsewhere, bytes were lost or added.
            await self._fill(self._reply[:5], deadline_ms)
            if bytes(self._reply[:5]) != bytes((0x76, 0, command, 0, 0)):
                raise CameraError(BAD_REPLY)
        self._is_settled = True
        return data

    async def _receive(self, command: int, size, deadline_ms: int) -> memoryview:
        """Skips to the reply to `command` and returns its data. Raises CameraError."""
        await self._skip_to(command, deadline_ms)
        await self._fill(self._reply[3:4], deadline_ms)
        status = self._reply[3]
        if command == _RESET and not status:
            # Some modules end the reply here, without a length, and go on with the text of the restart.
            return self._reply[:0]
        await self._fill(self._reply[4:5], deadline_ms)
        length = self._reply[4]
        if status or length > _MOST_DATA or size is not None and length != size:
            raise CameraError(BAD_REPLY)
        data = self._reply[5 : 5 + length]
        await self._fill(data, deadline_ms)
        return data

    async def _skip_to(self, command: int, deadline_ms: int) -> None:
        """Returns when 76 00 `command` has come in."""
        byte = self._reply[:1]
        matched = 0
        for _ in range(_MOST_NOISE):
            await self._fill(byte, deadline_ms, NO_ANSWER)
            expected = (0x76, 0, command)[matched]
            if byte[0] == expected:
                matched += 1
                if matched == 3:
                    return
            else:
                matched = 1 if byte[0] == 0x76 else 0
        raise CameraError(BAD_REPLY)

    async def _fill(self, view: memoryview, deadline_ms: int, reason=BAD_REPLY) -> None:
        """Fills `view` from the line. Raises CameraError(reason) when the deadline has passed and nothing is there."""
        at = 0
        while at < len(view):
            # Nothing is made while nothing is there: a wait of some ms is many looks.
            taken = self._uart.any() and self._take(view[at:] if at else view)
            at += taken
            if taken:
                continue
            if time.ticks_diff(deadline_ms, time.ticks_ms()) < 0:
                raise CameraError(reason)
            await asyncio.sleep_ms(_POLL_MS)

    def _take(self, view: memoryview) -> int:
        """Returns how many bytes of `view` were filled with what is there, possibly none."""
        available = self._uart.any()
        return available and self._uart.readinto(view[:available]) or 0

    async def _settle(self) -> None:
        """Waits until the line has been quiet for a moment, or until any reply must be over."""
        deadline_ms = self._deadline(_PIECE_BYTES)
        quiet_ms = time.ticks_ms()
        while time.ticks_diff(time.ticks_ms(), quiet_ms) < _QUIET_MS and time.ticks_diff(deadline_ms, quiet_ms) > 0:
            for _ in range(_MOST_NOISE // len(self._reply)):
                if not self._take(self._reply):
                    break
                quiet_ms = time.ticks_ms()
            await asyncio.sleep_ms(_POLL_MS)

    def _deadline(self, count: int) -> int:
        """Returns when a reply of `count` bytes is overdue: ten bits a byte, and the time-out."""
        return time.ticks_add(time.ticks_ms(), self._timeout_ms + count * 10_000 // self._speed)


def _request(command: int, arguments: bytes) -> bytes:
    return bytes((0x56, 0, command, len(arguments))) + arguments
