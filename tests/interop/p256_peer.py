"""Runs on MicroPython: reads one request a line from standard input, writes one answer a line.

    verify PUBLIC_XY MESSAGE SIGNATURE     -> 0 or 1
    curve PUBLIC_XY                        -> 0 or 1
    sum PUBLIC_XY BASE_FACTOR FACTOR X     -> "neutral", or whether BASE_FACTOR * G + FACTOR * PUBLIC_XY has that x
    inverse NUMBER MODULUS                 -> 1 / NUMBER

Byte strings are hexadecimal, numbers too and big-endian; `-` stands for the empty string.
"""

import sys
from binascii import unhexlify

import p256
import p256_point
from inverse import inverse


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _verify(public: bytes, message: bytes, signature: bytes) -> str:
    return str(int(p256.verify(public, message, signature)))


def _curve(public: bytes) -> str:
    return str(int(p256.is_on_curve(public)))


def _sum(public: bytes, base_factor: bytes, factor: bytes, x: bytes) -> str:
    point = p256_point.Point()
    if not point.enter(_number(public[:32]), _number(public[32:])):
        return "not on the curve"
    table = point.tabulate()
    point = p256_point.Point()
    if not point.combine(_number(base_factor), _number(factor), table):
        return "neutral"
    return str(int(point.has_x(_number(x))))


def _inverse(number: bytes, modulus: bytes) -> str:
    return inverse(_number(number), _number(modulus)).to_bytes(32, "big").hex()


_ANSWERS = {"verify": _verify, "curve": _curve, "sum": _sum, "inverse": _inverse}


def main() -> None:
    for line in sys.stdin:
        verb, *fields = line.split()
        print(_ANSWERS[verb](*[b"" if field == "-" else unhexlify(field) for field in fields]))


main()
