"""Records of the channel: as they come, and plaintexts that somebody with the keys has sealed. For verdicts.py."""

from hashlib import sha256

from fuzz_formats import SECRET, ok

from firmware.core import channel

# The same in both directions.
_KEYS = (sha256(SECRET).digest() * 2)[:48] * 2


class _NoCipher:
    """Adds nothing, so that a plaintext can be given and looked at; how AES computes is not tried here."""

    def __init__(self, key: bytes, mode: int) -> None:
        pass

    def encrypt(self, blocks, out) -> None:
        out[:] = bytes(len(blocks))


def _record(is_sealed: bool):
    mac = channel.Hmac(_KEYS[16:48])

    def check(data):
        end = channel.Channel(bytes(32), _KEYS, _NoCipher)
        record = data + mac.digest(bytes(4) + data)[:16] if is_sealed else data
        try:
            found = end.open(record)
        except channel.ChannelError:
            try:
                end.open(record)
            except channel.ChannelError:
                return "no"
            return "!! it goes on"
        # A content has one record.
        other = channel.Channel(bytes(32), _KEYS, _NoCipher).seal(found)
        return ok(found) if other == record else "!! another record"

    return check


TARGETS = {"record": lambda: _record(False), "record plain": lambda: _record(True)}
