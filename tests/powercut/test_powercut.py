"""A slice of the power-cut sweep, both interpreters, and the controls that must fail. The whole: make powercut."""

import pytest
from casework import Piece, run

# (case, interpreter, size, share, shares, cuts at least). Shares are primes, so that they meet every kind of operation.
SLICE = (
    ("events", "micropython", 1000, 11, 97, 130),
    ("events", "cpython", 1000, 50, 97, 130),
    ("overrun", "micropython", 60, 1, 13, 40),
    ("pairs", "micropython", 40, 5, 41, 800),
    ("pairs", "cpython", 40, 20, 41, 800),
    ("first start", "micropython", 1, 0, 1, 50),
    ("first start", "cpython", 1, 0, 1, 50),
    ("lost journal", "micropython", 1, 0, 1, 200),
    ("guesses", "micropython", 150, 0, 1, 150),
    ("uses", "micropython", 150, 0, 1, 150),
    ("clock", "micropython", 150, 0, 1, 150),
)
# What is taken away, and how much of the sweep notices it.
CONTROLS = {
    "a write is held back": (40, 7),
    "key wiped before the entry": (40, 7),
    "wrong code counted after the verdict": (60, 1),
    "use counted after the strike": (60, 1),
    "clock floor not kept": (60, 1),
    "newest sector not kept": (1, 1),
    "used keys not wiped": (40, 7),
    "cut wiping not finished": (40, 7),
    "full sectors not erased": (500, 499),
}


@pytest.mark.parametrize(("case", "interpreter", "size", "share", "shares", "least"), SLICE)
def test_power_cuts_lose_and_give_nothing(case, interpreter, size, share, shares, least):
    counted = run(Piece(case, interpreter, size, share, shares))
    assert counted["failed"] == 0, counted["failures"]
    assert counted["cuts"] >= least


@pytest.mark.parametrize("name", CONTROLS)
def test_sweep_notices_what_is_taken_away(name):
    size, shares = CONTROLS[name]
    counted = run(Piece(name, "micropython", size, 0, shares))
    assert counted["failed"] > 0
    assert counted["failures"]
