"""What comes over a serial line that should not: kinds of it, made from a seed."""

import random
from collections.abc import Callable

# What a terminal, a boot loader's tool or a developer's tool sends to get a prompt.
PROMPTERS = (
    b"\x03",
    b"\x03\x03\r\n",
    b"\x04",
    b"\r\x03\x03\r\x01",
    b"\x01",
    b"\x02",
    b"\x05A\x01",
    b"\0",
    b"\0" * 40,
    b"\x1b[A\x1bc",
    b"import os\r\n",
    b"\x10\xc0\x00\x08\x24\x00",
)
_WORDS = (
    b'{"id":',
    b'"do":',
    b'"hello"',
    b'"open"',
    b'"claim"',
    b"1",
    b"}",
    b"[",
    b"{",
    b'"',
    b",",
    b":",
    b"\\u00",
    b"null",
)


def random_line(dice: random.Random) -> bytes:
    """Returns one line that is no request, or only nearly."""
    kind = dice.randrange(5)
    if kind == 0:
        return dice.randbytes(dice.randrange(80)) + b"\n"
    if kind == 1:
        return b"".join(dice.choices(_WORDS, k=dice.randrange(1, 16))) + b"\n"
    if kind == 2:
        return b'{"id":%d,"do":"%s"}\n' % (dice.randrange(1 << 40), dice.randbytes(4).hex().encode())
    if kind == 3:
        return b"[" * dice.randrange(200) + dice.choice(PROMPTERS) + b"\r"
    return "ⓛöçk \U0001f512".encode() * dice.randrange(6) + dice.choice(PROMPTERS) + b"\n"


def flood(dice: random.Random, lines: int, send: Callable[[bytes], None]) -> None:
    for _ in range(lines):
        send(random_line(dice))
