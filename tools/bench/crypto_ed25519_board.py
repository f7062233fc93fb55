"""Runs on MicroPython: does one thing so many times, for the bench to count instructions.

micropython crypto_ed25519_board.py WHAT TIMES
"""

import gc
import sys
from io import BytesIO

_SEED = bytes(range(32))
_MESSAGE = bytes(range(96))


class _Table:
    def __init__(self, public: bytes) -> None:
        import table25519

        self._data = bytearray(table25519.TABLE_BYTES)
        self._filled = 0
        table25519.build(public, self._append)
        self._stream = BytesIO(self._data)

    def _append(self, piece) -> None:
        self._data[self._filled : self._filled + len(piece)] = piece
        self._filled += len(piece)

    def read_into(self, offset: int, buffer) -> None:
        self._stream.seek(offset)
        self._stream.readinto(buffer)


def _job(what: str):
    """Returns a function without parameters."""
    if what == "library-sha512":
        from hashlib import sha512

        return lambda: sha512(bytes(160)).digest()
    import ed25519
    from sha512 import sha512

    if what == "sha512":
        return lambda: sha512(bytes(160)).digest()
    signer = ed25519.Signer(_SEED)
    if what == "sign":
        return lambda: signer.sign(_MESSAGE)
    public, signature = signer.public, signer.sign(_MESSAGE)
    if what == "first":
        return lambda: _require(ed25519.verify(public, _MESSAGE, signature))
    if what == "reference":
        import rfc8032  # type: ignore[import-not-found]

        return lambda: _require(rfc8032.verify(public, _MESSAGE, signature))
    import table25519

    if what == "table":
        return lambda: table25519.build(public, len)
    key, base = _Table(public), _Table(table25519.BASE)
    prepared = ed25519.Prepared(public, key, base)
    if what == "prepared":
        return lambda: _require(prepared.verify(_MESSAGE, signature))
    if what == "bytes":
        print("bytes", len(key._data) + len(base._data))
        return lambda: None
    if what == "garbage":
        return lambda: _require(prepared.verify(_MESSAGE, signature))
    raise ValueError(what)


def _require(verdict: bool) -> None:
    if not verdict:
        raise ValueError("a good signature is refused")


def main(what: str, times: int) -> None:
    """Does it; prints the bytes that were allocated and not collected meanwhile, where that is asked for."""
    job = _job(what)
    if what == "garbage":
        job()
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()  # type: ignore[attr-defined]
        job()
        print("bytes", gc.mem_alloc() - before)  # type: ignore[attr-defined]
        return
    for _ in range(times):
        job()


main(sys.argv[1], int(sys.argv[2]))
