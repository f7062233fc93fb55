"""Cards in memory, as async callables bytes -> bytes. Each may `spoil(number, answer)` -> another answer."""


class FakeCard:
    """Counts its commands. Subclasses answer them in `answer`."""

    def __init__(self, spoil=None):
        self.commands = []
        self.spoil = spoil

    async def __call__(self, command):
        answer = self.answer(command)
        if self.spoil:
            answer = self.spoil(len(self.commands), answer)
        self.commands.append(command)
        return answer


class FakeType2(FakeCard):
    """A Type 2 tag with `memory`, whole pages; READ behind its end goes on at its beginning."""

    def __init__(self, memory, spoil=None):
        super().__init__(spoil)
        self.memory = bytearray(memory)

    def answer(self, command):
        assert len(command) == 2 and command[0] == 0x30
        at = command[1] * 4
        assert at < len(self.memory), "a tag would not answer"
        return bytes((self.memory + self.memory)[at : at + 16])


class FakeType4(FakeCard):
    """A Type 4 tag whose NDEF file is `file`, length included."""

    def __init__(self, file, piece=240, container=None, spoil=None):
        super().__init__(spoil)
        size = max(len(file), 15)
        self.files = {
            b"\xe1\x03": container
            or b"\x00\x0f\x20"
            + piece.to_bytes(2, "big")
            + b"\x00\x34\x04\x06\xe1\x04"
            + size.to_bytes(2, "big")
            + b"\x00\xff",
            b"\xe1\x04": bytearray(file),
        }
        self._piece = piece
        self._file = None
        self._is_selected = False

    def answer(self, command):
        if command[:4] == b"\x00\xa4\x04\x00":
            self._is_selected = command == b"\x00\xa4\x04\x00\x07\xd2\x76\x00\x00\x85\x01\x01\x00"
            return b"\x90\x00" if self._is_selected else b"\x6a\x82"
        if command[:5] == b"\x00\xa4\x00\x0c\x02" and len(command) == 7:
            self._file = self.files.get(command[5:]) if self._is_selected else None
            return b"\x6a\x82" if self._file is None else b"\x90\x00"
        if command[:2] == b"\x00\xb0" and len(command) == 5 and self._file is not None:
            at = command[2] << 8 | command[3]
            if command[4] > self._piece:
                return b"\x67\x00"
            return bytes(self._file[at : at + command[4]]) + b"\x90\x00"
        return b"\x6d\x00"


class FakePhone(FakeCard):
    """Our application with `credential`, in pieces of at most `piece` bytes; PROVE is answered with `proof`.

    With version 2, `flags` and `list_version` are said as they are, and `fetched` is the list (1) and the token (2).
    """

    def __init__(self, credential, proof=b"", piece=240, version=1, spoil=None, flags=0, list_version=0, fetched=None):
        super().__init__(spoil)
        self.credential = credential
        self.proof = proof
        self.version = version
        self._piece = piece
        self.told = None
        self.challenge = None
        self.receipt = None
        self._more = bytes((flags,)) + list_version.to_bytes(4, "big") if version > 1 else b""
        self._fetched = fetched or {}

    def answer(self, command):
        if command[:4] == b"\x00\xa4\x04\x00":
            if command != b"\x00\xa4\x04\x00\x0a\xf0LOBBYLOCK\x00":
                return b"\x6a\x82"
            return bytes((self.version,)) + len(self.credential).to_bytes(2, "big") + self._more + b"\x90\x00"
        if command[:2] == b"\x80\xca" and len(command) == 5:
            at = command[2] << 8 | command[3]
            return self.credential[at : at + min(command[4], self._piece)] + b"\x90\x00"
        if command[:4] == b"\x80\x88\x00\x00" and len(command) == command[4] + 6 and not command[-1]:
            self.challenge = command[5:-1]
            return self.proof + b"\x90\x00"
        if command[:4] == b"\x80\xc4\x00\x00" and len(command) == command[4] + 5:
            self.told = command[5:]
            return b"\x90\x00"
        if command[:4] == b"\x80\xc6\x00\x00" and len(command) == command[4] + 5:
            self.receipt = command[5:]
            return b"\x90\x00"
        if command[:1] == b"\x80" and command[1:2] in (b"\xcc", b"\xce") and len(command) == 5:
            at = command[2] << 8 | command[3]
            return self._fetched.get(1 if command[1] == 0xCC else 2, b"")[at : at + command[4]] + b"\x90\x00"
        return b"\x6d\x00"


def spoil_one(number, change):
    """Returns a `spoil` that changes the answer to the command of this number, from 0, by `change(answer)`."""
    return lambda at, answer: change(answer) if at == number else answer


def tlv(message):
    """Returns the message in its TLV block, with a terminator."""
    size = len(message)
    head = bytes((3, size)) if size < 255 else b"\x03\xff" + size.to_bytes(2, "big")
    return head + message + b"\xfe"


def type2_memory(data, area=872):
    """Returns the memory of a tag whose data area has `area` bytes and begins with `data`."""
    head = b"\x04\x11\x22\xbf\x33\x44\x55\x66\x44\x48\x00\x00\xe1\x10" + bytes((area // 8, 0))
    return head + data + bytes(area - len(data)) + b"\xbd\x04\x00\x00" * 5
