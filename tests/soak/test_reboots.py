"""Slices of `make soak`'s reboots, and what would be said of a run in which something went wrong."""

import cbor
import pytest

from firmware.core import event
from lobbylock.broker import find_mosquitto
from lobbylock.store import Entry
from soak import reboots
from soak.reboots import Reboots

REBOOTS = 6
# The journal's list of the sectors that are in use by then, and names that are interned on the way.
MOST_GROWTH_BYTES = 1_024

needs_mosquitto = pytest.mark.skipif(
    not find_mosquitto(), reason="mosquitto is not installed: apt-get install mosquitto"
)


@needs_mosquitto
@pytest.mark.timeout(420)
def test_six_reboots_behind_a_lossy_line_lose_and_double_nothing():
    found = reboots.run(REBOOTS, seed=7)
    assert not found.problems()
    assert found.lives == REBOOTS + 1
    assert found.line["dropped"] > 0
    # Every life but one is let come so far that it writes of its start.
    assert len(found.appended) >= REBOOTS and found.stored_before < len(found.stored)
    assert found.growth_bytes(0) <= MOST_GROWTH_BYTES


@pytest.fixture
def good() -> Reboots:
    """A run of one life with three events and nothing wrong."""
    found = Reboots(lives=1, audit={"ok": True})
    for seq in (1, 2, 3):
        record = event.Event(seq, event.DOOR_CLOSED, 1, 0, None, {event.DURATION_S: 100 + seq}).encode()
        found.appended[seq] = (bytes([seq] * 32).hex(), 100 + seq)
        found.stored.append(Entry(seq, event.DOOR_CLOSED, None, record, bytes([seq] * 32), bytes(16), 0))
    assert not found.problems()
    return found


def changed(entry: Entry, **fields) -> Entry:
    return Entry(**{**vars(entry), **fields})


def test_a_lost_event_is_named(good):
    del good.stored[2]
    assert good.problems() == ["acknowledged and not in the store: [3]"]
    del good.stored[0]
    assert good.problems() == ["acknowledged and not in the store: [1, 3]", "never in the store: [1]"]


def test_another_event_in_its_place_is_named(good):
    good.stored[1] = changed(good.stored[1], head=bytes(32))
    assert good.problems() == ["acknowledged and not in the store: [2]"]


def test_a_doubled_event_is_named(good):
    good.stored.append(good.stored[1])
    assert good.problems() == ["twice in the store: [2, 102]"]


def test_one_event_under_two_numbers_is_named(good):
    good.stored[2] = changed(good.stored[2], record=good.stored[0].record)
    assert good.problems() == ["twice in the store: [101]"]


def test_events_out_of_nowhere_are_named(good):
    for seq in (4, 5, 6):
        record = cbor.encode([seq, event.DOOR_OPENED, 1, 0, None, {}])
        good.stored.append(Entry(seq, event.DOOR_OPENED, None, record, bytes(32), bytes(16), 0))
    assert good.problems() == ["in the store and never written: [4, 5, 6]"]


@pytest.mark.parametrize(("kind", "said"), [(event.EVENTS_LOST, "events lost"), (event.JOURNAL_LOST, "journal lost")])
def test_losses_that_the_lock_reports_are_named(good, kind, said):
    good.stored[0] = changed(good.stored[0], kind=kind)
    assert good.problems() == [f"the lock says: {said}"]


def test_audit_and_complaints_are_passed_on(good):
    good.audit = {"ok": False}
    good.complaints.append("MemoryError")
    assert good.problems() == ['the audit says: {"ok": false}', "MemoryError"]


def test_a_growing_heap_is_measured(good):
    good.heap[20] = [3_000, 1_000, 1_010, 1_000, 1_200, 1_210, 3_200, 1_210]
    assert good.growth_bytes(20) == 210
