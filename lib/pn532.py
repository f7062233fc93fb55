"""NXP PN532 card reader chip, asyncio driver; what it says of the chip is in the user manual, UM0701-02.

    frame: 00 00 ff length -length d4 command arguments... -sum 00        answers have d5 and command + 1
    longer than 255 bytes: 00 00 ff ff ff length (2 bytes) -sum d4 ...    section 6.2.1
    ack: 00 00 ff 00 ff 00     nack: 00 00 ff ff 00 00     error: 00 00 ff 01 ff 7f 81 00

The chip acknowledges each command, then answers it. Our acknowledge ends a command that runs. The line is not trusted:
what precedes a frame is skipped, a command without acknowledge is sent again, an answer that came garbled is asked for
again, each a few times at most. A chip that then still says nothing needs `start`.
"""

import asyncio
import time

from constant import const
from pn532_target import Target, parse

_GET_FIRMWARE_VERSION = const(0x02)
_SAM_CONFIGURATION = const(0x14)
_RF_CONFIGURATION = const(0x32)
_IN_DATA_EXCHANGE = const(0x40)
_IN_LIST_PASSIVE_TARGET = const(0x4A)
_IN_RELEASE = const(0x52)

_ACK = const(b"\x00\x00\xff\x00\xff\x00")
_NACK = const(b"\x00\x00\xff\xff\x00\x00")
# Normal mode, no security module; the time-out is for another mode; the IRQ pin tells of answers.
_NORMAL_MODE = const(b"\x01\x14\x01")
# Item 5, retries: of activating a card without end, so that the chip waits for cards and nobody else has to.
_WAIT_FOR_CARDS = const(b"\x05\xff\x01\xff")
_TWO_OF_106A = const(b"\x02\x00")

_MOST_BODY = const(265)
_MOST_DATA = const(262)  # behind frame identifier, command and target number
_OVERHEAD = const(10)
_MOST_NOISE = const(300)
_TRIES = const(3)
_RESET_MS = const(20)
# The chip takes up to 15 ms, and the longest command 24 ms on the line.
_ACK_MS = const(50)
_ANSWER_MS = const(300)
_POLL_MS = const(2)
# The longest frame on the line, and time to think.
_FRAME_MS = const(60)
_QUIET_MS = const(5)
_MOST_LOOKS = const(16)


class ReaderError(Exception):
    """Anything that goes wrong here; in itself: the chip cannot power the field."""


class NoReader(ReaderError):
    """The chip does not answer (any more)."""


class BadFrame(ReaderError):
    """What came from the chip was garbled every time, or makes no sense."""


class CardLost(ReaderError):
    """The card does not answer, or not by the rules; most often it is gone. args[0] is the chip's status, 1 to 255."""


class Pn532:
    """A chip at the other end of `link`, an Hsu or a Spi; `power(level)` sets its reset line RSTPD, low is reset.

    One call at a time. A call that is cancelled leaves nothing behind that the next one does not clear away.
    """

    def __init__(self, link, power, is_seeking: bool = False) -> None:
        self._link = link
        self._power = power
        self._buffer = memoryview(bytearray(_MOST_BODY + _OVERHEAD))
        # Another object may have begun to `seek`.
        self._is_busy = is_seeking

    async def start(self) -> None:
        """Resets the chip and sets it up: normal mode, cards are waited for. Raises NoReader."""
        for level in (0, 1):
            self._power(level)
            await asyncio.sleep_ms(_RESET_MS)
        await self._link.wake()
        try:
            await self._settle()
            # First of all: until it is told its mode, a chip that was just reset knows little else.
            await self._ask(_SAM_CONFIGURATION, _NORMAL_MODE)
            version = await self._ask(_GET_FIRMWARE_VERSION, b"")
            if len(version) != 4 or version[0] != 0x32:
                raise NoReader("another chip")
            await self._ask(_RF_CONFIGURATION, _WAIT_FOR_CARDS)
        except BadFrame:
            raise NoReader("garbled")

    async def seek(self) -> None:
        """Has the chip wait for cards, for `find` of this object or of another one with the same link to fetch.

        The link has something to read as soon as there are any. Raises ReaderError.
        """
        while True:
            if self._is_busy:
                await self._abort()
            self._is_busy = True
            if await self._send(_IN_LIST_PASSIVE_TARGET, _TWO_OF_106A) is None:
                return
            # Found so soon that the acknowledge got lost: once more.

    async def find(self, timeout_ms: int) -> list:
        """Returns one or two Targets as soon as there are cards, none after `timeout_ms`. Raises ReaderError.

        Waiting costs nothing. That none were found does not say that the chip lives: the next call finds out. A
        `timeout_ms` of 0 fetches what was sought.
        """
        try:
            if timeout_ms:
                answer = await self._ask(_IN_LIST_PASSIVE_TARGET, _TWO_OF_106A, timeout_ms)
            else:
                answer = await self._listen(_IN_LIST_PASSIVE_TARGET, _FRAME_MS)
                self._is_busy = False
            return parse(answer)
        except asyncio.TimeoutError:
            await self._abort()
            return []
        except IndexError:
            raise BadFrame("targets")

    async def exchange(self, target: Target, data: bytes, timeout_ms: int = 1_000) -> bytes:
        """Returns what the card answers to `data`, at most 262 bytes either way. Raises ReaderError, mostly CardLost.

        `data` is an APDU for an ISO-DEP card, whose blocks the chip looks after, or a command of a Type 2 tag.
        """
        if len(data) > _MOST_DATA:
            raise ValueError("too long for one exchange")
        try:
            answer = await self._ask(_IN_DATA_EXCHANGE, bytes((target.number,)) + data, timeout_ms)
        except asyncio.TimeoutError:
            # A card can put the chip off again and again.
            await self._abort()
            raise CardLost(1)
        # No status at all, no field, too hot, too much current (section 7.1): no fault of the card.
        if not answer or answer[0] & 63 in (0x0A, 0x0D, 0x2D):
            raise ReaderError("field")
        if answer[0]:
            # Also bit 6: a card that says more than fits has nothing to say to us.
            raise CardLost(answer[0])
        return bytes(answer[1:])

    async def release(self) -> None:
        """Lets all cards go. Raises ReaderError."""
        await self._ask(_IN_RELEASE, b"\x00")

    async def _ask(self, command: int, arguments: bytes, timeout_ms: int = 0):
        """Returns the answer's data, valid until the next command. Raises NoReader and BadFrame.

        With a `timeout_ms` that passes without an answer, the command still runs: asyncio.TimeoutError.
        """
        if self._is_busy:
            await self._abort()
        self._is_busy = True
        answer = await self._send(command, arguments)
        if answer is None:
            if timeout_ms:
                # A card may take its time: nothing is done, and no garbage made, until there is something to read.
                await self._link.wait(timeout_ms)
            try:
                answer = await self._listen(command, _FRAME_MS if timeout_ms else _ANSWER_MS)
            except asyncio.TimeoutError:
                if timeout_ms:
                    raise
                raise NoReader("no answer")
        self._is_busy = False
        return answer

    async def _send(self, command: int, arguments: bytes):
        """Returns None once the command is acknowledged, or what answered it already: the acknowledge got lost."""
        for _ in range(_TRIES):
            self._link.write(self._frame(command, arguments))
            try:
                return await self._receive(command, _from_now(_ACK_MS))
            except (BadFrame, asyncio.TimeoutError):
                # It may have come through all the same; two answers would be one too many.
                await self._abort()
        raise NoReader("no acknowledge")

    async def _listen(self, command: int, timeout_ms: int):
        """Returns the answer's data. Raises BadFrame, asyncio.TimeoutError."""
        deadline_ms = _from_now(timeout_ms)
        for left in range(_TRIES, 0, -1):
            try:
                answer = await self._receive(command, deadline_ms)
                if answer is not None:
                    return answer
            except BadFrame:
                if left == 1:
                    break
                await self._settle()
                self._link.write(_NACK)
                deadline_ms = _from_now(_FRAME_MS)
        raise BadFrame("answer")

    def _frame(self, command: int, arguments: bytes) -> memoryview:
        """Returns the frame, in the buffer."""
        size = len(arguments) + 2
        length = (size, -size & 255) if size < 256 else (255, 255, size >> 8, size & 255, -(size >> 8) - size & 255)
        buffer = self._buffer
        at = 3 + len(length)
        buffer[:at] = b"\x00\x00\xff" + bytes(length)
        buffer[at] = 0xD4
        buffer[at + 1] = command
        end = at + size
        buffer[at + 2 : end] = arguments
        buffer[end] = -sum(buffer[at:end]) & 255
        buffer[end + 1] = 0
        return buffer[: end + 2]

    async def _receive(self, command: int, deadline_ms: int):
        """Returns the data of the next answer to `command`, None for an acknowledge; skips answers to others.

        Raises BadFrame, asyncio.TimeoutError if not even a frame's beginning came.
        """
        try:
            for _ in range(_TRIES):
                await self._skip(deadline_ms)
                body = await self._body(_from_now(_FRAME_MS))
                if not body:
                    return None
                if body[0] == 0xD5 and body[1] == command + 1:
                    return body[2:]
                self._link.end()
            raise BadFrame("others")
        finally:
            self._link.end()

    async def _skip(self, deadline_ms: int) -> None:
        """Returns when the start code has come in."""
        byte = self._buffer[:1]
        last = 1
        for _ in range(_MOST_NOISE):
            await self._fill(byte, deadline_ms)
            if byte[0] == 0xFF and not last:
                return
            last = byte[0]
        raise BadFrame("noise")

    async def _body(self, deadline_ms: int) -> memoryview:
        """Returns what is in the frame, two bytes or more; nothing of an acknowledge."""
        buffer = self._buffer
        try:
            await self._fill(buffer[:2], deadline_ms)
            size, check = buffer[:2]
            if size == 0 and check == 255:
                await self._fill(buffer[:1], deadline_ms)
                return buffer[:0]
            if size == 255 and check == 255:
                await self._fill(buffer[:3], deadline_ms)
                size, check = buffer[0] << 8 | buffer[1], buffer[0] + buffer[2]
            if size + check & 255 or not 0 < size <= _MOST_BODY:
                raise BadFrame("length")
            # Up to and with the zero behind it.
            await self._fill(buffer[: size + 2], deadline_ms)
        except asyncio.TimeoutError:
            raise BadFrame("cut short")
        if sum(buffer[: size + 1]) & 255:
            raise BadFrame("checksum")
        if size == 1:
            raise NoReader("refused")
        return buffer[:size]

    async def _fill(self, view: memoryview, deadline_ms: int) -> None:
        """Fills `view`. What has come in counts, however late somebody looks. Raises asyncio.TimeoutError."""
        at = 0
        while at < len(view):
            taken = self._link.readinto(view[at:] if at else view)
            at += taken
            if not taken:
                if time.ticks_diff(deadline_ms, time.ticks_ms()) < 0:
                    raise asyncio.TimeoutError
                await asyncio.sleep_ms(_POLL_MS)

    async def _abort(self) -> None:
        """Ends the command that runs, and waits for what it may still have had to say."""
        self._link.write(_ACK)
        await self._settle()
        self._is_busy = False

    async def _settle(self) -> None:
        """Skips what comes in until the line has been quiet for a moment."""
        for _ in range(_MOST_LOOKS):
            await asyncio.sleep_ms(_QUIET_MS)
            if not self._link.drain(self._buffer):
                return


def _from_now(ms: int) -> int:
    return time.ticks_add(time.ticks_ms(), ms)
