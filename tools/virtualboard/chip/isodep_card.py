"""Cards that take APDUs (ISO/IEC 14443-4): a phone, and a Type 4 NDEF tag."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from virtualboard.chip.card import Card

_DONE = b"\x90\x00"
_NDEF_APPLICATION = bytes.fromhex("D2760000850101")
_CONTAINER_FILE = b"\xe1\x03"
_NDEF_FILE = b"\xe1\x04"


class IsoDepCard(Card):
    """A phone that emulates a card: `handler(apdu)` returns the answer, status word and all. It takes `delay_ms`.

    Its UID is random and changes each time it is activated, as a phone's does.
    """

    atqa = 0x0004
    sak = 0x20
    ats = bytes.fromhex("0578807002")
    # Frame waiting time of that ATS, 2**7 * 302 us.
    timeout_ms = 38.7

    def __init__(self, handler: Callable[[bytes], bytes | None], delay_ms: float = 5.0) -> None:
        super().__init__(delay_ms=delay_ms)
        self._handler = handler

    def select(self, random: Random) -> bytes:
        # 08 in front says that it is random.
        self.uid = b"\x08" + random.randbytes(3)
        return super().select(random)

    def answer(self, command: bytes) -> bytes | None:
        return self._handler(command)


class Type4Tag(Card):
    """A Type 4 NDEF tag, mapping version 2.0; `files` are its two files, to be damaged at will.

    `piece_bytes` is how much it gives at once (MLe). Facts: NFC Forum Type 4 Tag specification.
    """

    atqa = 0x0344
    sak = 0x20
    ats = bytes.fromhex("067577810280")
    timeout_ms = 77.3

    def __init__(
        self, message: bytes = b"", uid: bytes = b"\x04\x2b\x51\x8a\x0e\x5d\x80", piece_bytes: int = 59
    ) -> None:
        super().__init__(uid, delay_ms=1.0)
        size = max(256, len(message) + 2)
        container = b"\x00\x0f\x20" + piece_bytes.to_bytes(2, "big") + b"\x00\x34\x04\x06" + _NDEF_FILE
        self.files = {
            _CONTAINER_FILE: bytearray(container + size.to_bytes(2, "big") + b"\x00\xff"),
            _NDEF_FILE: bytearray((len(message).to_bytes(2, "big") + message).ljust(size, b"\0")),
        }
        self._piece_bytes = piece_bytes
        self._is_open = False
        self._file: bytes | None = None

    def select(self, random: Random) -> bytes:
        self._is_open = False
        self._file = None
        return super().select(random)

    def answer(self, command: bytes) -> bytes:
        if len(command) < 4:
            return b"\x67\x00"
        if command[0]:
            return b"\x6e\x00"
        if command[1] == 0xA4:
            return self._select(command)
        if command[1] == 0xB0:
            return self._read(command)
        return b"\x6d\x00"

    def _select(self, command: bytes) -> bytes:
        if len(command) < 5 or len(command) not in (5 + command[4], 6 + command[4]):
            return b"\x67\x00"
        name = command[5 : 5 + command[4]]
        if command[2:4] == b"\x04\x00":
            self._file = None
            self._is_open = name == _NDEF_APPLICATION
            return _DONE if self._is_open else b"\x6a\x82"
        if command[2:4] != b"\x00\x0c":
            return b"\x6a\x86"
        if not self._is_open or name not in self.files:
            return b"\x6a\x82"
        self._file = name
        return _DONE

    def _read(self, command: bytes) -> bytes:
        if self._file is None:
            return b"\x69\x86"
        if len(command) != 5:
            return b"\x67\x00"
        data = self.files[self._file]
        offset = command[2] << 8 | command[3]
        size = command[4] or 256
        if offset >= len(data):
            return b"\x6b\x00"
        if size > self._piece_bytes:
            return b"\x67\x00"
        return bytes(data[offset : offset + size]) + _DONE
