"""What is longer than a line comes in pieces, straight into flash: settings here, an update through console/update.py,
lists through console/news.py.

    part.HHHHHHHHHHHHHHHH   settings that are coming in, by the first half of their SHA-256; never read by a start

A transfer that broke off goes on behind what is there, also after a restart.
"""

import os
from binascii import a2b_base64, crc32

from micropython import const

from firmware.console.request import Refusal, hexadecimal, number, text

_PREFIX = const("part.")
_MOST_BYTES = const(8192)
_MOST_UPDATE_BYTES = const(1 << 20)
_PIECE_BYTES = const(120)
_PIECE_DIGITS = const(160)
# So much goes to flash at once: littlefs writes a block anew for each time.
_FLUSH_BYTES = const(1024)


class Upload:
    """Settings of `size` bytes that come in at `path`. `have` bytes are there. Raises OSError."""

    def __init__(self, path: str, size: int) -> None:
        self._size = size
        for name in os.listdir():
            if name.startswith(_PREFIX) and name != path:
                os.remove(name)
        self._file = open(path, "ab")
        self.have = self._file.seek(0, 2)
        self._flushed = self.have
        if self.have > size:
            self.close()
            self._file = open(path, "wb")
            self.have = self._flushed = 0

    async def take(self, at: int, data: bytes) -> int:
        """Takes the piece behind what is there; one that is there already changes nothing. Returns `have`."""
        if at > self.have or at + len(data) > self._size:
            raise Refusal("order", "The next piece begins at %d." % self.have)
        if at + len(data) > self.have:
            data = data[self.have - at :]
            self._file.write(data)
            self.have += len(data)
            if self.have == self._size or self.have - self._flushed >= _FLUSH_BYTES:
                self._file.flush()
                self._flushed = self.have
        return self.have

    def close(self) -> None:
        self._file.close()


async def _begin(console, request: dict) -> dict:
    what = text(request, "what")
    digest = hexadecimal(request, "sha256", 32)
    session = console.session
    if session.upload:
        session.upload.close()
        session.upload = None
    session.sent = None
    if what == "settings":
        size = number(request, "bytes", 1, _MOST_BYTES)
        path = _PREFIX + digest.hex()[:16]
        session.upload = Upload(path, size)
        session.sent = (path, size, digest)
    elif what == "update":
        from firmware.console import update

        session.upload = await update.begin(console, number(request, "bytes", 1, _MOST_UPDATE_BYTES), digest)
    elif what == "list":
        from firmware.console import news

        session.upload = news.begin(console, number(request, "bytes", 1, _MOST_BYTES))
    else:
        raise Refusal("value", "what is settings, update or list.")
    return {"have": session.upload.have}


async def _piece(console, request: dict) -> dict:
    upload = console.session.upload
    if not upload:
        raise Refusal("order", "Nothing is coming in: begin comes first.")
    at = number(request, "at", 0, _MOST_UPDATE_BYTES)
    written = text(request, "data")
    if len(written) > _PIECE_DIGITS:
        raise Refusal("value", "A piece has at most %d bytes." % _PIECE_BYTES)
    try:
        data = a2b_base64(written)
    except ValueError:
        raise Refusal("value", "data is base64.")
    if not data:
        raise Refusal("value", "A piece has a byte or more.")
    if crc32(data) != int.from_bytes(hexadecimal(request, "crc", 4), "big"):
        raise Refusal("crc", "The piece was damaged on its way: send it again.")
    return {"have": await upload.take(at, data)}


async def _update_commit(console, request: dict) -> dict:
    from firmware.console import update

    return await update.commit(console, request)


async def _news(console, request: dict) -> dict:
    from firmware.console import news

    return await news.WORDS[request["do"]](console, request)


WORDS = {
    "begin": _begin,
    "piece": _piece,
    "update_commit": _update_commit,
    "list": _news,
    "time_nonce": _news,
    "time_token": _news,
}
