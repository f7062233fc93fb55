# runs on: micropython cpython
"""Records of the channel: what opens, what does not, and that nothing opens after that."""

from hashlib import sha256

from firmware.core.channel import MAX_DATA_BYTES, MAX_RECORD_BYTES, Channel, ChannelError

_HASH = bytes(range(32))
_KEYS = sha256(b"1").digest() + sha256(b"2").digest() + sha256(b"3").digest()
# For so many bytes a record has that length.
_LENGTHS = ((0, 80), (62, 80), (63, 272), (254, 272), (255, 528), (510, 528), (511, 784), (766, 784), (767, 1168))


class Cipher:
    """Stands in for AES, which CPython lacks: blocks are hashed under the key, where they lie."""

    def __init__(self, key: bytes, mode: int) -> None:
        assert len(key) == 16 and mode == 1
        self._key = key

    def encrypt(self, blocks, out) -> None:
        assert len(blocks) % 16 == 0 and out is blocks
        for at in range(0, len(blocks), 16):
            out[at : at + 16] = sha256(self._key + blocks[at : at + 16]).digest()[:16]


def _ends(keys: bytes = _KEYS) -> tuple:
    """Returns the lock's end and the phone's."""
    return Channel(_HASH, keys, Cipher), Channel(_HASH, keys[48:] + keys[:48], Cipher)


def _is_refused(channel, record: bytes) -> bool:
    try:
        channel.open(record)
    except ChannelError:
        return True
    return False


def test_what_is_sealed_opens_at_the_other_end():
    lock, phone = _ends()
    for size in (0, 1, 62, 63, 254, 255, 510, 511, 766, 767, 1150):
        data = bytes([size & 255]) * size
        assert lock.open(phone.seal(data)) == data
        assert phone.open(lock.seal(data)) == data
    assert lock.hash == phone.hash == _HASH


def test_lengths_tell_little():
    lock, _ = _ends()
    for size, length in _LENGTHS:
        assert len(lock.seal(bytes(size))) == length
    assert len(lock.seal(bytes(MAX_DATA_BYTES))) == MAX_RECORD_BYTES
    try:
        lock.seal(bytes(MAX_DATA_BYTES + 1))
    except ValueError:
        return
    raise AssertionError("too much for a record")


def test_the_same_data_never_looks_the_same():
    lock, phone = _ends()
    records = [end.seal(b"open") for end in (lock, phone) for _ in range(3)]
    assert len(set([record[:16] for record in records])) == 6


def test_blocks_of_the_keystream_are_those_of_the_page():
    lock, _ = _ends()
    for number in range(3):
        record = lock.seal(b"")
        stream = b""
        for block in range(4):
            counter = bytes(8) + number.to_bytes(4, "big") + block.to_bytes(4, "big")
            stream += sha256(_KEYS[48:64] + counter).digest()[:16]
        # The plaintext of nothing is zeros.
        assert record[:64] == stream


def test_every_flipped_bit_ends_the_channel():
    _, phone = _ends()
    record = phone.seal(b"credential")
    for bit in range(0, 8 * len(record), 5):
        lock, _ = _ends()
        wrong = bytearray(record)
        wrong[bit >> 3] ^= 1 << (bit & 7)
        assert _is_refused(lock, bytes(wrong)), bit
        # Nor does the right one open after that, nor is anything said.
        assert _is_refused(lock, record)
        try:
            lock.seal(b"")
        except ChannelError:
            continue
        raise AssertionError("it goes on")


def test_other_lengths_are_refused():
    _, phone = _ends()
    record = phone.seal(b"credential")
    for length in range(len(record)):
        assert _is_refused(_ends()[0], record[:length]), length
    assert _is_refused(_ends()[0], record + b"\x00")
    assert _is_refused(_ends()[0], record + bytes(192))
    assert _is_refused(_ends()[0], b"")


def test_records_come_in_their_order_and_once():
    for order in ((1,), (0, 0), (0, 2), (0, 1, 0)):
        lock, phone = _ends()
        records = [phone.seal(bytes([number])) for number in range(3)]
        for number in order[:-1]:
            assert lock.open(records[number]) == bytes([number])
        assert _is_refused(lock, records[order[-1]]), order


def test_what_is_sent_back_or_from_elsewhere_is_refused():
    lock, phone = _ends()
    assert _is_refused(lock, lock.seal(b"echo"))
    other = bytes([_KEYS[0] ^ 1]) + _KEYS[1:]
    # The AES key alone is another one: the MAC is right, what it holds is not.
    assert _is_refused(_ends(other)[0], phone.seal(b""))
    for at in (16, 47):
        other = bytearray(_KEYS)
        other[at] ^= 1
        assert _is_refused(_ends(bytes(other))[0], _ends()[1].seal(b"")), at


def test_a_content_has_one_record():
    # Whoever has the keys might still write a plaintext in another way.
    for plain in (
        b"\x00\x01A" + bytes(60) + b"\x01",
        b"\x00\x3f" + bytes(62),
        b"\xff\xff" + bytes(62),
        b"\x00\x01A" + bytes(253),
    ):
        lock, phone = _ends()
        number, key, mac = phone._take(phone._write)
        text = bytes(phone._crypt(key, number, memoryview(plain)))
        assert _is_refused(lock, text + mac.digest(bytes(4) + text)[:16]), plain
