"""The frames of a PN532 (UM0701-02, section 6.2.1), from the chip's side."""

from __future__ import annotations

ACK = bytes.fromhex("0000FF00FF00")
NACK = bytes.fromhex("0000FFFF0000")
ERROR = bytes.fromhex("0000FF01FF7F8100")

_LONGEST_BODY = 265


def frame(body: bytes) -> bytes:
    """Returns the information frame around `body`, which begins with the frame identifier; extended if it must be."""
    size = len(body)
    if size <= 255:
        head = bytes((size, -size & 255))
    else:
        high, low = divmod(size, 256)
        head = bytes((0xFF, 0xFF, high, low, -(high + low) & 255))
    return b"\x00\x00\xff" + head + body + bytes((-sum(body) & 255, 0))


class FrameReader:
    """Finds frames in the bytes that the host sends."""

    def __init__(self) -> None:
        self._heard = b""

    def clear(self) -> None:
        self._heard = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Returns what `data` completes: ACK, NACK, or the body of an information frame. Damaged ones are skipped."""
        self._heard += data
        found = []
        while True:
            start = self._heard.find(b"\x00\xff")
            if start < 0:
                self._heard = self._heard[-1:]
                return found
            self._heard = self._heard[start:]
            taken, body = self._look()
            if not taken:
                return found
            self._heard = self._heard[taken:]
            if body:
                found.append(body)

    def _look(self) -> tuple[int, bytes]:
        """Returns how many bytes to take away, 0 to wait for more, and the frame that was in them, if one was."""
        heard = self._heard
        if len(heard) < 4:
            return 0, b""
        size, check = heard[2], heard[3]
        if (size, check) == (0, 255):
            return 4, ACK
        if (size, check) == (255, 0):
            return 4, NACK
        at = 4
        if (size, check) == (255, 255):
            if len(heard) < 7:
                return 0, b""
            size, check = heard[4] << 8 | heard[5], heard[4] + heard[6]
            at = 7
        if size + check & 255 or not 0 < size <= _LONGEST_BODY:
            return 2, b""
        if len(heard) < at + size + 1:
            return 0, b""
        if sum(heard[at : at + size + 1]) & 255:
            return 2, b""
        return at + size + 1, heard[at : at + size]
