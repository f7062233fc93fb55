"""Lists of revoked credentials and time tokens, as somebody brings them. For verdicts.py.

Every signature counts as right: what the lock makes of what is signed is looked at as well.
"""

from fuzz_formats import ok

from firmware.core import bulletin

_NONCE = bytes(range(16))


def _verify(kid, message, signature):
    return 0


def _head():
    def check(data):
        try:
            size = bulletin.head_bytes(data)
            if not size:
                return "no end"
            if not 0 < size <= min(len(data), bulletin.MAX_HEAD_BYTES):
                return "!! a head of %d bytes" % size
            version, count, digest = bulletin.read_head(data[:size], "maple-12", _verify)
        except bulletin.BulletinError as error:
            return "no %d" % error.args[0]
        if not 0 < version < 1 << 32 or not 0 <= count <= bulletin.MAX_IDS or len(digest) != 32:
            return "!! out of bounds"
        return ok(size, version, count, digest)

    return check


def _token():
    def check(data):
        try:
            return ok(bulletin.read_time(data, "maple-12/front", _NONCE, _verify))
        except bulletin.BulletinError as error:
            return "no %d" % error.args[0]

    return check


TARGETS = {"news head": _head, "news token": _token}
