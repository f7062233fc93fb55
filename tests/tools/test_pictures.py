"""Pictures from pieces: lobbylock.picture alone."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_door import encode

from firmware.core import event
from lobbylock import verify
from lobbylock.picture import MAX_OPEN, MAX_PICTURE_BYTES, Announcement, Assembler, Piece, announcement, parse_piece
from lobbylock.verify import Refusal

DATA = bytes(range(256)) * 40
ANNOUNCED = Announcement(9, 1, len(DATA), sha256(DATA).digest())


def pieces(data: bytes = DATA, number: int = 1, size: int = 4096) -> list[Piece]:
    return [Piece(number, len(data), at, data[at : at + size]) for at in range(0, len(data), size)]


def refusal(action, *arguments) -> str:
    with pytest.raises(Refusal) as caught:
        action(*arguments)
    return caught.value.reason


def test_in_order():
    assembler = Assembler()
    results = [assembler.add(1, piece, ANNOUNCED) for piece in pieces()]
    assert results == [None, None, DATA]


def test_pieces_twice():
    assembler = Assembler()
    doubled = [piece for piece in pieces() for _ in range(2)][:-1]
    assert [assembler.add(1, piece, ANNOUNCED) for piece in doubled][-1] == DATA


def test_start_again_goes_on():
    assembler = Assembler()
    for piece in pieces()[:2] + pieces()[:2]:
        assert assembler.add(1, piece, ANNOUNCED) is None
    assert assembler.add(1, pieces()[2], ANNOUNCED) == DATA


def test_other_piece_sizes_after_a_restart():
    assembler = Assembler()
    for piece in pieces()[:2]:
        assembler.add(1, piece, ANNOUNCED)
    assert [assembler.add(1, piece, ANNOUNCED) for piece in pieces(size=1000)][-1] == DATA


def test_without_its_start():
    assembler = Assembler()
    assert refusal(assembler.add, 1, pieces()[1], ANNOUNCED) == verify.BAD_PIECE
    assert [assembler.add(1, piece, ANNOUNCED) for piece in pieces()][-1] == DATA


def test_hole():
    assembler = Assembler()
    assembler.add(1, pieces()[0], ANNOUNCED)
    assert refusal(assembler.add, 1, pieces()[2], ANNOUNCED) == verify.BAD_PIECE
    assert [assembler.add(1, piece, ANNOUNCED) for piece in pieces()[1:]][-1] == DATA


def test_forged_piece_costs_one_more_round():
    assembler = Assembler()
    assembler.add(1, pieces()[0], ANNOUNCED)
    assembler.add(1, Piece(1, len(DATA), 4096, b"stranger"), ANNOUNCED)
    assert refusal(assembler.add, 1, pieces()[1], ANNOUNCED) == verify.BAD_PIECE
    forged = Piece(1, len(DATA), 0, b"stranger")
    assembler.add(1, forged, ANNOUNCED)
    assert [assembler.add(1, piece, ANNOUNCED) for piece in pieces()][-1] == DATA


def test_another_content():
    assembler = Assembler()
    other = pieces(DATA[::-1])
    assembler.add(1, other[0], ANNOUNCED)
    assembler.add(1, other[1], ANNOUNCED)
    assert refusal(assembler.add, 1, other[2], ANNOUNCED) == verify.BAD_HASH
    assert [assembler.add(1, piece, ANNOUNCED) for piece in pieces()][-1] == DATA


def test_another_length():
    assert refusal(Assembler().add, 1, Piece(1, len(DATA) + 1, 0, b"x"), ANNOUNCED) == verify.BAD_PIECE


def test_doors_interleave():
    assembler = Assembler()
    contents = {chain: bytes([chain]) * 9000 for chain in range(1, 5)}
    done = {}
    for at in range(3):
        for chain, data in contents.items():
            announced = Announcement(chain, 7, len(data), sha256(data).digest())
            done[chain] = assembler.add(chain, pieces(data, 7)[at], announced)
    assert done == contents


def test_open_pictures_are_bounded():
    assembler = Assembler()
    for chain in range(10 * MAX_OPEN):
        assembler.add(chain, pieces()[0], ANNOUNCED)
    assert len(assembler._open) == MAX_OPEN
    newest = 10 * MAX_OPEN - 1
    assert [assembler.add(newest, piece, ANNOUNCED) for piece in pieces()[1:]][-1] == DATA
    assert refusal(assembler.add, 0, pieces()[1], ANNOUNCED) == verify.BAD_PIECE


@pytest.mark.parametrize(
    "fields",
    [
        5,
        [1, 1, 4, 0],
        [2, 1, 4, 0, b"abcd"],
        [1, -1, 4, 0, b"abcd"],
        [1, 1, 4, 0, b""],
        [1, 1, 4, 0, "abcd"],
        [1, 1, 3, 0, b"abcd"],
        [1, 1, 4, 1, b"abcd"],
        [1, 1, 5000, 0, bytes(4097)],
        [True, 1, 4, 0, b"abcd"],
    ],
)
def test_form(fields):
    assert refusal(parse_piece, encode(fields)) == verify.MALFORMED


def test_size():
    largest = encode([1, (1 << 63) - 1, (1 << 63) - 1, (1 << 63) - 1 - 4096, bytes(4096)])
    assert parse_piece(largest).is_last
    assert refusal(parse_piece, bytes(len(largest) + 1)) == verify.TOO_LONG
    assert refusal(parse_piece, bytes(1 << 20)) == verify.TOO_LONG


@given(st.binary(max_size=100))
def test_any_bytes(payload):
    try:
        piece = parse_piece(payload)
    except Refusal:
        return
    assert piece.offset + len(piece.data) <= piece.length


def announced_by(details: dict, kind: int = event.PICTURE) -> Announcement | None:
    return announcement(event.Event(9, kind, 1, 1, None, details))


def test_announcement():
    good = {event.PICTURE_NUMBER: 1, event.LENGTH: len(DATA), event.SHA256: ANNOUNCED.sha256}
    assert announced_by(good) == ANNOUNCED
    assert announced_by(good, event.ACCESS) is None
    for key, value in [
        (event.LENGTH, 0),
        (event.LENGTH, MAX_PICTURE_BYTES + 1),
        (event.LENGTH, "1"),
        (event.SHA256, bytes(31)),
        (event.SHA256, "x" * 32),
        (event.PICTURE_NUMBER, -1),
        (event.PICTURE_NUMBER, 1 << 63),
    ]:
        assert announced_by({**good, key: value}) is None
        assert announced_by({other: good[other] for other in good if other != key}) is None
    assert announced_by({**good, event.LENGTH: MAX_PICTURE_BYTES}) is not None
