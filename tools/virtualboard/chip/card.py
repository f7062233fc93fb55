"""What is held to the card reader: the common part of all cards (ISO/IEC 14443-3 type A), and Type 2 tags."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

# READ gives four pages of four bytes.
_PAGE_BYTES = 4
_READ_BYTES = 16
_CASCADE = 0x88
_LONGEST_SHORT_TLV = 254

ChangeAnswer = Callable[[bytes, bytes], bytes]


class NakError(Exception):
    """The card says no in four bits, and forgets that it was selected."""


class Card:
    """`sak` and `atqa` as the card gives them, `ats` for an ISO-DEP card, its length first. `delay_ms` is how long it
    thinks about each command.

    Faults: `lose_after`, `before`, and `change_answer(command, answer)`, which returns what is sent instead.
    """

    atqa = 0x0044
    sak = 0x00
    ats = b""
    # The chip gives up on a silent card after so long.
    timeout_ms = 5.0

    def __init__(self, uid: bytes | None = None, delay_ms: float = 0.3) -> None:
        self.uid = uid
        self.delay_ms = delay_ms
        self.change_answer: ChangeAnswer | None = None
        self.is_selected = False
        # Every command it got while it was selected.
        self.commands: list[bytes] = []
        self._due: list[tuple[int, Callable[[], object]]] = []
        self._leave: Callable[[], object] = lambda: None

    def enter(self, random: Random, leave: Callable[[], object]) -> None:
        """It comes into a reader's field; `leave()` takes it out again."""
        self._leave = leave
        if self.uid is None:
            # NXP's cards begin with 04.
            self.uid = b"\x04" + random.randbytes(6)
        self.is_selected = False

    def select(self, random: Random) -> bytes:
        """The reader activates it. Returns its UID."""
        self.is_selected = True
        return self.uid or b""

    def deselect(self) -> None:
        self.is_selected = False

    def lose_after(self, exchanges: int) -> None:
        """It answers so many more commands and is gone at the next."""
        self.before(exchanges + 1, lambda: self._leave())

    def before(self, exchange: int, action: Callable[[], object]) -> None:
        """Calls `action` when the `exchange`th command from now comes, before it is looked at; the next one is 1."""
        self._due.append((len(self.commands) + exchange, action))

    def exchange(self, command: bytes) -> bytes | None:
        """Returns the answer, None for silence. Raises NakError."""
        if not self.is_selected:
            return None
        self.commands.append(command)
        for number, action in self._due:
            if number == len(self.commands):
                action()
        if not self.is_selected:
            return None
        try:
            answer = self.answer(command)
        except NakError:
            self.is_selected = False
            raise
        return self.change_answer(command, answer) if self.change_answer and answer is not None else answer

    def answer(self, command: bytes) -> bytes | None:
        raise NotImplementedError


class Ntag(Card):
    """An NTAG213, 215 or 216 with an NDEF `message`; `memory` is all of it, to be damaged at will.

    Raises ValueError for a message that does not fit. Facts: NXP's data sheet NTAG213/215/216, sections 8.5 and 10.
    """

    def __init__(self, pages: int, message: bytes = b"", uid: bytes = b"\x04\x5a\x1b\x72\xc3\x64\x80") -> None:
        super().__init__(uid)
        if len(uid) != 7:
            raise ValueError("an NTAG's UID has 7 bytes")
        data_bytes = {45: 144, 135: 496, 231: 872}[pages]
        self._storage = {45: 0x0F, 135: 0x11, 231: 0x13}[pages]
        self.memory = bytearray(pages * _PAGE_BYTES)
        check = _CASCADE ^ uid[0] ^ uid[1] ^ uid[2]
        self.memory[:9] = bytes((*uid[:3], check, *uid[3:], uid[3] ^ uid[4] ^ uid[5] ^ uid[6]))
        self.memory[9] = 0x48
        self.memory[12:16] = bytes((0xE1, 0x10, data_bytes // 8, 0x00))
        area = type2_area(message)
        if len(area) > data_bytes:
            raise ValueError(f"{len(message)} bytes do not fit this tag")
        self.memory[16 : 16 + len(area)] = area

    def answer(self, command: bytes) -> bytes:
        pages = len(self.memory) // _PAGE_BYTES
        if command[:1] == b"\x30" and len(command) == 2 and command[1] < pages:
            # Reading rolls over to page 0 behind the last.
            start = command[1] * _PAGE_BYTES
            return bytes((self.memory + self.memory[:_READ_BYTES])[start : start + _READ_BYTES])
        if command[:1] == b"\x3a" and len(command) == 3 and command[1] <= command[2] < pages:
            return bytes(self.memory[command[1] * _PAGE_BYTES : (command[2] + 1) * _PAGE_BYTES])
        if command == b"\x60":
            return bytes((0, 4, 4, 2, 1, 0, self._storage, 3))
        raise NakError


def type2_area(message: bytes) -> bytes:
    """Returns the data area of a Type 2 tag as it comes from the factory, with an NDEF message in it."""
    size = len(message)
    length = bytes((size,)) if size <= _LONGEST_SHORT_TLV else b"\xff" + size.to_bytes(2, "big")
    return b"\x01\x03\xa0\x0c\x34\x03" + length + message + b"\xfe"


class Ntag213(Ntag):
    def __init__(self, message: bytes = b"", uid: bytes = b"\x04\x5a\x1b\x72\xc3\x64\x80") -> None:
        super().__init__(45, message, uid)


class Ntag215(Ntag):
    def __init__(self, message: bytes = b"", uid: bytes = b"\x04\x5a\x1b\x72\xc3\x64\x81") -> None:
        super().__init__(135, message, uid)


class Ntag216(Ntag):
    def __init__(self, message: bytes = b"", uid: bytes = b"\x04\x5a\x1b\x72\xc3\x64\x82") -> None:
        super().__init__(231, message, uid)
