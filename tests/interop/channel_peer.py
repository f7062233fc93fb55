"""Runs on MicroPython: reads one request a line from standard input, writes one answer a line.

    shared SECRET PUBLIC           -> SHARED, or "zero"
    public SECRET                  -> PUBLIC
    iterate TIMES                  -> what RFC 7748 section 5.2 has after so many steps (two bytes, big-endian)
    workspace SECRET PUBLIC        -> whether the memory is all zeros after `shared` and after `public`
    prepare SEED SECRET            -> HELLO of the lock with that key, up to the nonce
    open HELLO NONCE               -> HASH, or "refused": the channel with the phone that says HELLO
    seal DATA                      -> RECORD
    take RECORD                    -> DATA, or "refused"

Byte strings are hexadecimal; `-` stands for the empty one.
"""

import sys
from binascii import unhexlify

from cryptolib import aes

_state = {}


def _shared(secret: bytes, public: bytes) -> str:
    import x25519

    made = x25519.shared(secret, public)
    return made.hex() if made else "zero"


def _public(secret: bytes) -> str:
    import x25519

    return x25519.public(secret).hex()


def _iterate(times: bytes) -> str:
    import x25519

    secret = public = b"\x09" + bytes(31)
    for _ in range(int.from_bytes(times, "big")):
        secret, public = x25519.shared(secret, public) or b"", secret
    return secret.hex()


def _workspace(secret: bytes, public: bytes) -> str:
    import workspace
    import x25519

    x25519.shared(secret, public)
    is_clean = not any(workspace._kept[0])
    x25519.public(secret)
    return str(int(is_clean and not any(workspace._kept[0])))


def _prepare(seed: bytes, secret: bytes) -> str:
    import ed25519

    from firmware.core import agreement

    signer = ed25519.Signer(seed)
    half = agreement.prepare(lambda size: secret[:size], signer.sign, signer.public)
    _state["half"] = half
    return half[0].hex()


def _open(hello: bytes, nonce: bytes) -> str:
    from firmware.core import agreement

    try:
        channel = agreement.open_channel(_state["half"], hello, nonce, aes)
    except agreement.ChannelError:
        return "refused"
    _state["channel"] = channel
    return channel.hash.hex()


def _seal(data: bytes) -> str:
    return _state["channel"].seal(data).hex()


def _take(record: bytes) -> str:
    from firmware.core.channel import ChannelError

    try:
        return _state["channel"].open(record).hex() or "-"
    except ChannelError:
        return "refused"


_ANSWERS = {
    "shared": _shared,
    "public": _public,
    "iterate": _iterate,
    "workspace": _workspace,
    "prepare": _prepare,
    "open": _open,
    "seal": _seal,
    "take": _take,
}


def main() -> None:
    for line in sys.stdin:
        verb, *fields = line.split()
        print(_ANSWERS[verb](*[b"" if field == "-" else unhexlify(field) for field in fields]))


main()
