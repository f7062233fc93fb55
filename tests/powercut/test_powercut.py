"""A slice of the power-cut sweep, both interpreters, and the controls that must fail. The whole: make powercut."""

import pytest
from casework import CONTROLS, Piece, run, start

# What is played and how many cuts that is at least. Shares are primes, so that they meet every kind of operation.
SLICE = (
    (Piece("events", "micropython", 1000, 11, 97), 130),
    (Piece("events", "cpython", 1000, 50, 97), 130),
    (Piece("overrun", "micropython", 60, 1, 29), 25),
    (Piece("pairs", "micropython", 40, 41, 83), 100),
    (Piece("pairs", "cpython", 40, 80, 83), 100),
    (Piece("in a row", "micropython", 40, 0, 1), 40),
    (Piece("first start", "micropython", 1, 0, 1), 50),
    (Piece("first start", "cpython", 1, 0, 1), 50),
    (Piece("lost journal", "micropython", 1, 3, 4), 50),
    (Piece("lost journal", "cpython", 1, 2, 4), 50),
    (Piece("guesses", "micropython", 100, 0, 1), 100),
    (Piece("uses", "micropython", 100, 0, 1), 100),
    (Piece("clock", "micropython", 100, 0, 1), 100),
)


def _name(piece: Piece) -> str:
    return f"{piece.case}, {piece.interpreter}"


@pytest.mark.parametrize(("piece", "least"), SLICE, ids=[_name(piece) for piece, _ in SLICE])
def test_power_cuts_lose_and_give_nothing(piece, least):
    counted = run(piece)
    assert counted["failed"] == 0, counted["failures"]
    assert counted["keys found"] == 0
    assert counted["cuts"] >= least


@pytest.mark.parametrize("piece", CONTROLS, ids=[piece.case for piece in CONTROLS])
def test_sweep_notices_what_is_taken_away(piece):
    counted = run(piece)
    assert counted["failed"] > 0
    assert counted["failures"]


@pytest.mark.parametrize("interpreter", ["micropython", "cpython"])
def test_subject_runs_on_a_flash_of_another_make(interpreter):
    assert start(interpreter, "another_flash.py").endswith("as it should be\n")
