"""sha512 against FIPS 180-4's own examples, and against itself however a message is cut into pieces."""

import gc
from binascii import unhexlify

from sha512 import sha512

# FIPS 180-4 examples: one block, two blocks, and the empty message.
_EXAMPLES = (
    (
        b"",
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    ),
    (
        b"abc",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ),
    (
        b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
        "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
    ),
)


def test_examples_of_the_standard():
    for message, digest in _EXAMPLES:
        assert sha512(message).digest() == unhexlify(digest), message


def test_pieces_give_the_hash_of_the_whole():
    message = bytes([(7 * i + (i >> 8)) & 255 for i in range(700)])
    for size in (0, 1, 111, 112, 127, 128, 129, 239, 240, 255, 256, 257, 700):
        whole = sha512(message[:size]).digest()
        for step in (1, 3, 64, 127, 128, 129, 256):
            pieces = sha512()
            for at in range(0, size, step):
                pieces.update(message[at : min(at + step, size)])
            assert pieces.digest() == whole, (size, step)


def test_digest_leaves_the_hash_running():
    for size in (5, 111, 112, 120, 128):
        running = sha512(bytes(size))
        first = running.digest()
        assert running.digest() == first
        running.update(b"more")
        assert running.digest() == sha512(bytes(size) + b"more").digest()
        assert running.digest() != first


def test_any_buffer_at_any_alignment():
    padded = bytearray(b"..." + bytes(range(200)))
    expected = sha512(bytes(range(200))).digest()
    assert sha512(memoryview(padded)[3:]).digest() == expected
    assert sha512(padded[3:]).digest() == expected


def test_two_hashes_do_not_mix():
    left, right = sha512(b"left"), sha512()
    right.update(b"right" * 60)
    left.update(bytes(300))
    assert left.digest() == sha512(b"left" + bytes(300)).digest()
    assert right.digest() == sha512(b"right" * 60).digest()


def test_a_block_allocates_nothing():
    running = sha512()
    block = bytes(128)
    running.update(block)
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        for _ in range(20):
            running.update(block)
        grown = gc.mem_alloc() - before
    finally:
        gc.enable()
    # Room for one boxed integer of the measurement itself, not for one per block.
    assert grown < 20 * 16, grown
