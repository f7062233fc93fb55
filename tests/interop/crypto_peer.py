"""Runs on MicroPython: reads one request a line from standard input, writes one answer a line.

    sha512 MESSAGE                     -> DIGEST
    hashlib MESSAGE                    -> DIGEST, by the hashlib that is on the path
    public SEED                        -> PUBLIC
    sign SEED MESSAGE                  -> SIGNATURE
    verify PUBLIC MESSAGE SIGNATURE    -> 0 or 1

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


_ANSWERS = {"sha512": _sha512, "hashlib": _hashlib, "public": _public, "sign": _sign, "verify": _verify}


def main() -> None:
    for line in sys.stdin:
        verb, *fields = line.split()
        print(_ANSWERS[verb](*[b"" if field == "-" else unhexlify(field) for field in fields]))


main()
