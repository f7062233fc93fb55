"""What a phone and the lock say to each other by radio, unreadable and unchangeable: docs/protocol.md, section 14.

Two ends that share the keys of `agreement`. A record is a plaintext of one of five sizes, so that its length tells
little of what is in it, encrypted in counter mode, with a MAC over it and its number. Numbers are counted, not sent: a
record that is lost, repeated, exchanged for another, sent back or from elsewhere has another number or other keys, and
fails. After a failure there is nothing to go on with. Runs on the board and on the host.
"""

from struct import pack, pack_into, unpack_from

from constant import const
from hkdf import Hmac, equal

# What a record carries at most, and how long it is then.
MAX_DATA_BYTES = const(1_150)
MAX_RECORD_BYTES = const(1_168)
_SIZES = const((64, 256, 512, 768, 1_152))
_LENGTH_BYTES = const(2)
_MAC_BYTES = const(16)
_BLOCK_BYTES = const(16)
# Where the numbers are in a block.
_COUNTERS = const(8)
_PIECE_BYTES = const(256)
# 1 says ECB in cryptolib.
_ECB = const(1)


class ChannelError(Exception):
    """What came is not what the other end sent next: the connection is over, and nothing is said about it."""


class Channel:
    """One end. `hash` names the conversation (32 bytes): whoever signs it signs for no other one.

    `keys` are 96 bytes, for what comes and then for what goes: AES-128 key, MAC key. `aes(key, 1)` is cryptolib's AES,
    or something like it: an object whose `encrypt(blocks, blocks)` turns them by ECB where they lie.
    """

    def __init__(self, hash: bytes, keys: bytes, aes) -> None:
        self.hash = hash
        self._aes = aes
        # Number of the next record, AES key, MAC.
        self._read = [0, keys[:16], Hmac(keys[16:48])]
        self._write = [0, keys[48:64], Hmac(keys[64:])]

    def seal(self, data: bytes) -> bytes:
        """Returns the next record to send, with 0 to 1,150 bytes in it; it has 80, 272, 528, 784 or 1,168.

        Raises ValueError for more data, ChannelError if something wrong came before.
        """
        size = _size_of(len(data))
        if not size:
            raise ValueError("more than a record holds")
        number, key, mac = self._take(self._write)
        record = bytearray(size + _MAC_BYTES)
        text = memoryview(record)[:size]
        pack_into(">H", record, 0, len(data))
        record[_LENGTH_BYTES : _LENGTH_BYTES + len(data)] = data
        text[:] = self._crypt(key, number, text)
        record[size:] = _tag(mac, number, text)
        return bytes(record)

    def open(self, record: bytes) -> bytes:
        """Returns what the other end sealed next. Raises ChannelError for anything else, now and from then on."""
        number, key, mac = self._take(self._read)
        size = len(record) - _MAC_BYTES
        if size in _SIZES:
            text = memoryview(record)[:size]
            if equal(_tag(mac, number, text), record[size:]):
                plain = self._crypt(key, number, text)
                end = _LENGTH_BYTES + unpack_from(">H", plain)[0]
                # One record for one content.
                if _size_of(end - _LENGTH_BYTES) == size and plain[end:] == bytes(size - end):
                    return bytes(memoryview(plain)[_LENGTH_BYTES:end])
        self._read = self._write = None
        raise ChannelError

    def _take(self, end) -> tuple:
        if end is None:
            raise ChannelError
        number, key, mac = end
        end[0] += 1
        return number, key, mac

    def _crypt(self, key: bytes, number: int, text: memoryview) -> bytearray:
        """Returns `text` with the keystream of record `number` added."""
        stream = bytearray(len(text))
        for at in range(_COUNTERS, len(text), _BLOCK_BYTES):
            pack_into(">II", stream, at, number, at >> 4)
        self._aes(key, _ECB).encrypt(stream, stream)
        # As long numbers: nothing else adds bytes as fast on both interpreters. In pieces, for less memory at a time.
        pieces = memoryview(stream)
        for at in range(0, len(text), _PIECE_BYTES):
            piece = pieces[at : at + _PIECE_BYTES]
            added = int.from_bytes(piece, "big") ^ int.from_bytes(text[at : at + _PIECE_BYTES], "big")
            piece[:] = added.to_bytes(len(piece), "big")
        return stream


def _size_of(length: int) -> int:
    """Returns how long the plaintext with so much data in it is; 0 if it would be too long."""
    for size in _SIZES:
        if length <= size - _LENGTH_BYTES:
            return size
    return 0


def _tag(mac: Hmac, number: int, text: memoryview) -> bytes:
    return mac.digest(pack(">I", number), text)[:_MAC_BYTES]
