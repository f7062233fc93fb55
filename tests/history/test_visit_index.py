"""The index of visits tells what the record tells, in whatever order and pieces that comes."""

import contextlib

import hypothesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from firmware.core import event
from lobbylock import tables
from lobbylock.door import Door, Driver
from lobbylock.settings import Options
from lobbylock.story import stories
from lobbylock.visits import COLUMNS, compare_index, index_events, reindex, row_values

NOON_S = 1_789_992_000
DOOR = Door("maple-12", "front", 3, Options())
DOOR.drivers.append(Driver("Ben", 7, 0))
RECEIVED_S = 5_000
# Kinds that a story follows, those of access most often, and one that it passes over.
KINDS = (event.ACCESS,) * 4 + (event.DOOR_OPENED,) * 3 + (event.DOOR_CLOSED,) * 3
KINDS += (event.DOOR_FORCED, event.DOOR_HELD, event.NOT_OPENED, event.STRIKE_FAILED, event.RECEIPT, event.PICTURE)
KINDS += (event.UNLOCKED, event.BOOT)


class Undone(Exception):
    """Ends a transaction."""


class Board:
    """A chain of its own, whose records are given to it piece by piece."""

    def __init__(self, connection, records, name="maple-12/front", key=b"k" * 32):
        self.connection = connection
        self.records = records
        self.arrived = set()
        values = {"door": name, "public_key": key}
        self.id = connection.execute(insert(tables.chain).returning(tables.chain.c.id), values).scalar_one()
        self.door = name

    def arrive(self, first, last):
        """Stores the events of one message and indexes those that are new, as a collector that has just started."""
        new = [self.records[seq - 1] for seq in range(first, last + 1) if seq not in self.arrived]
        self.arrived |= {found.seq for found in new}
        rows = [
            {"chain": self.id, "seq": found.seq, "kind": found.kind, "time_s": found.time_s, "head": b"h",
             "record": found.encode(), "tag": b"t", "received_s": RECEIVED_S + found.seq}
            for found in new
        ]  # fmt: skip
        if rows:
            self.connection.execute(insert(tables.event), rows)
        self.connection.execute(tables.gap.delete().where(tables.gap.c.chain == self.id))
        gaps = [{"chain": self.id, "first_seq": a, "last_seq": b, "head": b"h"} for a, b in self.gaps()]
        if gaps:
            self.connection.execute(insert(tables.gap), gaps)
        index_events(self.connection, self, DOOR, new)

    def gaps(self):
        missing, found = [seq for seq in range(1, max(self.arrived)) if seq not in self.arrived], []
        for seq in missing:
            if found and found[-1][1] == seq - 1:
                found[-1] = (found[-1][0], seq)
            else:
                found.append((seq, seq))
        return found

    def told(self):
        """What the stories of all that has arrived say."""
        events = [self.records[seq - 1] for seq in sorted(self.arrived)]
        told = stories(DOOR, events)
        return {story.access.seq: row_values(story, RECEIVED_S + story.access.seq) for story in told}

    def indexed(self):
        rows = self.connection.execute(select(tables.visit).where(tables.visit.c.chain == self.id)).all()
        return {row.seq: {name: getattr(row, name) for name in COLUMNS} for row in rows}


@st.composite
def histories(draw):
    """Events of one board as no lock would record them: numbers of any access, of any start; clocks that jump."""
    records, boot, uptime_ms = [], 1, 0
    for seq in range(1, draw(st.integers(1, 40)) + 1):
        kind = draw(st.sampled_from(KINDS))
        if kind == event.BOOT:
            boot, uptime_ms = boot + 1, 0
        uptime_ms += draw(st.integers(0, 9_000))
        time_s = draw(st.one_of(st.none(), st.integers(NOON_S - 90_000, NOON_S + 90_000), st.just(0)))
        details = {}
        if kind == event.ACCESS:
            details = {event.REASON: draw(st.sampled_from((0, 0, 0, 1, 99))), event.VIA: draw(st.integers(1, 6))}
            details |= draw(st.sampled_from(({event.SLOT: 7}, {event.SUBJECT: "A\0nna", event.ROLE: 2}, {})))
            details |= draw(st.sampled_from(({}, {event.PICTURE_NUMBER: 1 << 63}, {event.KID: b"k"})))
        elif draw(st.booleans()):
            details = {event.ACCESS_SEQ: draw(st.integers(0, seq)), event.DURATION_S: seq}
        records.append(event.Event(seq, kind, boot, uptime_ms, time_s, details))
    return records


@st.composite
def arrivals(draw, count):
    """Messages, each of some events that follow each other, in any order; some come twice, some never."""
    cuts = sorted(draw(st.sets(st.integers(1, max(1, count - 1)), max_size=8)) | {0, count})
    messages = [(first + 1, last) for first, last in zip(cuts, cuts[1:], strict=False)]
    order = draw(st.permutations(messages)) if draw(st.booleans()) else messages
    more = draw(st.lists(st.tuples(st.integers(1, count), st.integers(0, 9)), max_size=3))
    return [*order, *((first, min(count, first + length)) for first, length in more)]


@hypothesis.settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)
@given(data=st.data())
def test_index_is_what_the_stories_tell(database, data):
    records = data.draw(histories())
    order = data.draw(arrivals(len(records)))
    with undone(database) as connection:
        try_order(Board(connection, records), order)


@contextlib.contextmanager
def undone(database):
    """A connection of which nothing is kept."""
    with contextlib.suppress(Undone), database.begin() as connection:
        yield connection
        raise Undone


def try_order(board, order):
    for first, last in order:
        board.arrive(first, last)
        assert board.indexed() == board.told()
    assert compare_index(board.connection, board, DOOR) == []
    reindex(board.connection, {DOOR.name: DOOR})
    told = board.told()
    assert board.indexed() == told
    # Each is told from its own events alone as it was from all of them.
    for seq, values in told.items():
        window = [found for found in board.records if found.seq in board.arrived]
        window = [found for found in window if values["first_seq"] <= found.seq <= values["last_seq"]]
        (alone,) = [story for story in stories(DOOR, window) if story.access.seq == seq]
        assert {**row_values(alone, RECEIVED_S + seq), "first_seq": 0} == {**values, "first_seq": 0}
