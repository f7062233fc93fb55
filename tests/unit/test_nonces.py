# runs on: micropython cpython
"""Nonces stay fresh though the chip's generator repeats itself."""

from firmware.core.nonces import Nonces


def _stuck(count):
    return bytes(count)


def test_a_stuck_generator_gives_fresh_nonces_all_the_same():
    nonces = Nonces(b"\x01" * 32, 7, _stuck)
    made = [nonces.next() for _ in range(50)]
    again = Nonces(b"\x01" * 32, 8, _stuck)
    made += [again.next() for _ in range(50)]
    assert len(set(made)) == 100
    assert {len(nonce) for nonce in made} == {16}


def test_another_door_makes_other_nonces():
    assert Nonces(b"\x01" * 32, 7, _stuck).next() != Nonces(b"\x02" * 32, 7, _stuck).next()


def test_random_bytes_count():
    assert Nonces(b"\x01" * 32, 7, _stuck).next() != Nonces(b"\x01" * 32, 7, lambda count: b"\xff" * count).next()
