"""Runs on MicroPython: verifies one signature so many times, for the bench to count instructions.

micropython crypto_p256_board.py WHAT TIMES PUBLIC_XY MESSAGE SIGNATURE

PUBLIC_XY and SIGNATURE are hexadecimal, MESSAGE is text; SIGNATURE is DER for embit and r, s for the others. What is
other people's lies on the path as crypto_p256.py patched it.
"""

import gc
import sys
from binascii import unhexlify


def _job(what: str, public: bytes, message: str, signature: bytes):
    """Returns a function without parameters."""
    if what == "embit":
        from hashlib import sha256

        from embit.util.key import ECPubKey  # type: ignore[import-not-found]

        key = ECPubKey()
        key.set(b"\x04" + public)
        return lambda: key.verify_ecdsa(signature, sha256(message.encode()).digest(), low_s=False)
    if what == "starkbank":
        from ellipticcurve.curve import prime256v1  # type: ignore[import-not-found]
        from ellipticcurve.ecdsa import Ecdsa  # type: ignore[import-not-found]
        from ellipticcurve.point import Point  # type: ignore[import-not-found]

        class _Pair:
            r = int.from_bytes(signature[:32], "big")
            s = int.from_bytes(signature[32:], "big")

        class _Key:
            curve = prime256v1
            point = Point(int.from_bytes(public[:32], "big"), int.from_bytes(public[32:], "big"))

        return lambda: Ecdsa.verify(message, _Pair, _Key)
    import p256

    if what in ("p256", "garbage"):
        return lambda: p256.verify(public, message.encode(), signature)
    prepared = p256.prepare(public) or []
    return lambda: p256.verify_prepared(prepared, message.encode(), signature)


def main() -> None:
    what, times, public, message, signature = sys.argv[1:]
    run = _job(what, unhexlify(public), message, unhexlify(signature))
    if what == "garbage":
        run()
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()  # type: ignore[attr-defined]
        run()
        print("garbage", gc.mem_alloc() - before)  # type: ignore[attr-defined]
        return
    for _ in range(int(times)):
        if not run():
            raise ValueError("a good signature is refused")
    print("True")


main()
