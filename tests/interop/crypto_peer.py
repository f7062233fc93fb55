"""Runs on MicroPython: reads one request a line from standard input, writes one answer a line.

    sha512 MESSAGE                     -> DIGEST
    hashlib MESSAGE                    -> DIGEST, by the hashlib that is on the path
    public SEED                        -> PUBLIC
    sign SEED MESSAGE                  -> SIGNATURE
    verify PUBLIC MESSAGE SIGNATURE    -> 0 or 1
    prepared PUBLIC MESSAGE SIGNATURE  -> 0 or 1, by tables; - if there is none for such a key

Byte strings are hexadecimal; `-` stands for the empty one.
"""

import sys
from binascii import unhexlify


def _sha512(message: bytes) -> str:
    from sha512 import sha512

    return sha512(message).digest().hex()


def _hashlib(message: bytes) -> str:
    from hashlib import sha512

    return sha512(message).digest().hex()


def _public(seed: bytes) -> str:
    import ed25519

    return ed25519.public_key(seed).hex()


def _sign(seed: bytes, message: bytes) -> str:
    import ed25519

    return ed25519.sign(seed, message).hex()


def _verify(public: bytes, message: bytes, signature: bytes) -> str:
    import ed25519

    return str(int(ed25519.verify(public, message, signature)))


class _Table:
    def __init__(self, public: bytes) -> None:
        import table25519

        self._data = bytearray(table25519.TABLE_BYTES)
        self._filled = 0
        table25519.build(public, self._append)

    def _append(self, piece) -> None:
        self._data[self._filled : self._filled + len(piece)] = piece
        self._filled += len(piece)

    def read_into(self, offset: int, buffer) -> None:
        buffer[:] = self._data[offset : offset + len(buffer)]


# Kept for the next requests under the same key: None for a key without a table.
_tables = {}


def _prepared(public: bytes, message: bytes, signature: bytes) -> str:
    import ed25519
    import table25519

    if None not in _tables:
        _tables[None] = _Table(table25519.BASE)
    if public not in _tables:
        base = _tables[None]
        _tables.clear()
        _tables[None] = base
        try:
            _tables[public] = _Table(public)
        except ValueError:
            _tables[public] = None
    if not _tables[public]:
        return "-"
    return str(int(ed25519.Prepared(public, _tables[public], _tables[None]).verify(message, signature)))


_ANSWERS = {
    "sha512": _sha512,
    "hashlib": _hashlib,
    "public": _public,
    "sign": _sign,
    "verify": _verify,
    "prepared": _prepared,
}


def main() -> None:
    for line in sys.stdin:
        verb, *fields = line.split()
        print(_ANSWERS[verb](*[b"" if field == "-" else unhexlify(field) for field in fields]))


main()
