"""Messages over Bluetooth in chunks of any MTU: docs/protocol.md section 15. The phone's side has its own copy of the
rules, so that an error in one of the two shows."""

MAX_MESSAGE_BYTES = 1_200
# What ATT itself takes of an MTU for a write or a notification.
ATT_BYTES = 3
_FIRST = 0x80
_LAST = 0x40
_NUMBERS = 64


class ChunkError(Exception):
    """What came is not the next chunk of a message."""


class Splitter:
    """Cuts messages of one direction of a connection."""

    def __init__(self) -> None:
        self._number = 0

    def split(self, message: bytes, mtu: int) -> list[bytes]:
        """Returns the chunks of `message`, 1 to 1,200 bytes, for an ATT MTU of `mtu` bytes."""
        if not 0 < len(message) <= MAX_MESSAGE_BYTES:
            raise ChunkError(f"a message has 1 to {MAX_MESSAGE_BYTES} bytes")
        most = mtu - ATT_BYTES - 1
        chunks = []
        for at in range(0, len(message), most):
            is_last = at + most >= len(message)
            head = (_FIRST if at == 0 else 0) | (_LAST if is_last else 0) | self._number
            self._number = (self._number + 1) % _NUMBERS
            chunks.append(bytes([head]) + message[at : at + most])
        return chunks


class Joiner:
    """Puts the chunks of one direction of a connection together."""

    def __init__(self) -> None:
        self._number = 0
        self._parts: bytes | None = None

    def take(self, chunk: bytes) -> bytes | None:
        """Returns the message that `chunk` ends, None if it goes on. Raises ChunkError: the connection is over."""
        if len(chunk) < 2 or chunk[0] % _NUMBERS != self._number:
            raise ChunkError("a chunk is missing, repeated or empty")
        if bool(chunk[0] & _FIRST) != (self._parts is None):
            raise ChunkError("a message begins inside of another, or goes on without a beginning")
        self._number = (self._number + 1) % _NUMBERS
        self._parts = (self._parts or b"") + chunk[1:]
        if len(self._parts) > MAX_MESSAGE_BYTES:
            raise ChunkError("a message is too long")
        if not chunk[0] & _LAST:
            return None
        message, self._parts = self._parts, None
        return message
