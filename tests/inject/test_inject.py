"""Faults in the middle of a delivery: a choice of those that `make inject` tries all of."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from faultrun import HANDLED, RESET, Case, run
from faultsweep import cases, describe
from instrument import ALLOCATION, AWAIT, IO, instrument
from probetree import make_tree

_SEED = 20
# Every room and every kind.
_CHOICE = (
    ("firmware/board/", IO),
    ("firmware/core/", ALLOCATION),
    ("firmware/reader/", AWAIT),
    ("firmware/store/", IO),
    ("firmware/task/", ALLOCATION),
    ("firmware/task/", AWAIT),
    ("lib/", ALLOCATION),
)


@pytest.fixture(scope="module")
def tree():
    return make_tree()


def choose(tree) -> list[Case]:
    """One fault for each of `_CHOICE`, by a seed."""
    chance = random.Random(_SEED)
    # Where the arithmetic of a phone's signature goes depends on the signature.
    found = [case for case in cases(tree, ("keypad", "phone")) if "p256" not in tree.sites[case.site].path]
    return [
        chance.choice([case for case in found if tree.sites[case.site].path.startswith(room) and case.kind == kind])
        for room, kind in _CHOICE
    ]


def test_a_delivery_survives_a_fault_anywhere(tree, tmp_path):
    outcomes = [run(tree, case, tmp_path / "board") for case in choose(tree)]
    assert not [describe(tree, outcome) for outcome in outcomes if outcome.problems]
    assert all(outcome.ended in (HANDLED, RESET) for outcome in outcomes)
    assert any(outcome.ended == RESET for outcome in outcomes)


def test_a_fault_in_a_callback_ends_the_run(tree, tmp_path):
    """Where no task could fail of it: the scan in the timer's callback."""
    reached = [case for case in cases(tree, ("keypad",)) if tree.sites[case.site].function == "Matrix.scan"]
    outcome = run(tree, random.Random(_SEED).choice(reached), tmp_path / "board")
    assert not outcome.problems, describe(tree, outcome)
    assert outcome.ended == RESET


@pytest.mark.parametrize(
    ("harm", "noticed"),
    [("STRIKE", "the strike is not at rest after the visit"), ("JOURNAL", "from before the fault is gone or another")],
)
def test_harm_is_noticed(tree, tmp_path, harm, noticed):
    site = next(site for site in tree.sites.values() if site.function == "Access.act" and AWAIT in site.kinds)
    where = next(case for case in cases(tree, ("keypad",)) if tree.sites[case.site].path == site.path)
    outcome = run(tree, Case(where.visit, where.site, ALLOCATION, harm=harm), tmp_path / "board")
    assert any(noticed in problem for problem in outcome.problems), outcome


SOURCE = '''
"""Text."""

async def open(self, count):
    """More text."""
    first, second = self._ready, 3
    while count - 1:
        await self._wait(count + 1, [count])
    with self._lock:
        self._pin.value(1)
    return lambda: f"{count}"

@micropython.viper
def fast(x: int) -> int:
    return int(x) + open(1)
'''


def test_probes_stand_at_calls_awaits_and_allocations():
    text, sites = instrument(SOURCE, "some.py", 10)
    compile(text, "some.py", "exec")
    assert text.count("probe_before(") + text.count("probe_after(") == len(sites)
    assert len({site.number for site in sites}) == len(sites) and min(site.number for site in sites) >= 10
    lines = text.splitlines()
    assert lines[1] == "from probe import probe_after, probe_before"
    assert any("await self._wait(probe_after(" in line and "probe_after(" in line.split("await")[0] for line in lines)
    assert "    return int(x) + open(1)" in lines
    kinds = {(site.line, kind) for site in sites if not site.is_before for kind in site.kinds}
    assert {(8, AWAIT), (8, ALLOCATION), (10, IO), (10, ALLOCATION), (7, ALLOCATION), (11, ALLOCATION)} <= kinds
    assert not any(site.line > 11 for site in sites)
