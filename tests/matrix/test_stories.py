"""One delivery is one story: told of hand-made events, and of a whole lock's."""

import pytest
from lockroom import Lockroom

from firmware.core import event
from lobbylock.door import Door, Driver
from lobbylock.settings import Options
from lobbylock.story import (
    NOT_OPENED,
    OPENED,
    OPENED_WITH,
    REFUSED,
    STRIKE_FAILED,
    UNKNOWN,
    WAS_OPEN,
    stories,
)

NOON_S = 1_789_992_000
DOOR = Door("maple-12", "front", 3, Options())
DOOR.drivers.append(Driver("Ben", 7, NOON_S - 1_000))


class Trail:
    """Writes events as a lock does."""

    def __init__(self):
        self.events = []
        self.boot = 1
        self.now_ms = 0

    def add(self, kind, details=None, after_ms=0):
        self.now_ms += after_ms
        seq = len(self.events) + 1
        self.events.append(event.Event(seq, kind, self.boot, self.now_ms, NOON_S + self.now_ms // 1000, details or {}))
        return seq

    def grant(self, after_ms=0, **more):
        details = {event.REASON: 0, event.VIA: event.PHONE, event.SUBJECT: "Vera", event.ROLE: 4}
        seq = self.add(event.ACCESS, details | {getattr(event, name): value for name, value in more.items()}, after_ms)
        self.add(event.UNLOCKED, {event.CAUSE: 1, event.ACCESS_SEQ: seq})
        return seq

    def of(self, kind, seq, after_ms=0, **more):
        return self.add(kind, {event.ACCESS_SEQ: seq} | {getattr(event, key): more[key] for key in more}, after_ms)

    def restart(self):
        self.boot += 1
        self.now_ms = 0
        self.add(event.BOOT)

    def tell(self):
        return stories(DOOR, self.events)


@pytest.fixture
def trail():
    made = Trail()
    made.add(event.BOOT)
    return made


def test_a_whole_delivery(trail):
    trail.add(event.PICTURE, {event.PICTURE_NUMBER: 3, event.LENGTH: 9, event.SHA256: b"p" * 32})
    seq = trail.grant(1_000, PICTURE_NUMBER=3)
    trail.of(event.RECEIPT, seq, SHA256=b"r" * 32)
    trail.of(event.DOOR_OPENED, seq, 1_240)
    trail.add(event.LOCKED, after_ms=3_000)
    trail.of(event.DOOR_CLOSED, seq, 1_000, DURATION_S=4)
    (story,) = trail.tell()
    assert story.values() == {
        "door": "maple-12/front", "seq": seq, "time_s": NOON_S + 1, "time": "2026-09-21T12:00:01Z", "granted": True,
        "reason": "granted", "via": "phone", "who": "Vera", "role": "visitor", "picture": 3,
        "picture_sha256": (b"p" * 32).hex(), "outcome": OPENED, "shared_with": None, "opened_after_s": 1.2,
        "open_for_s": 4, "held": False, "left_open": False, "cut_short": False, "gap": False,
        "receipt": (b"r" * 32).hex(),
    }  # fmt: skip
    text = story.text().plain
    assert text.endswith("granted Vera by phone, picture, opened after 1.2 s, closed, open for 4 s, receipt")


def test_picture_that_is_said_later_or_never(trail):
    trail.grant(PICTURE_NUMBER=1)
    trail.grant(PICTURE_NUMBER=2)
    trail.add(event.PICTURE, {event.PICTURE_NUMBER: 1, event.LENGTH: 9, event.SHA256: b"p" * 32})
    first, second = trail.tell()
    assert first.picture_sha256 == b"p" * 32 and second.picture_sha256 is None
    assert "picture not there yet" in second.text().plain


def test_nobody_opened(trail):
    seq = trail.grant()
    trail.add(event.LOCKED, after_ms=5_000)
    trail.of(event.NOT_OPENED, seq, 500)
    (story,) = trail.tell()
    assert story.outcome == NOT_OPENED and not story.is_left_open
    assert story.text().plain.endswith("not opened, no receipt")


def test_door_left_open_and_closed_in_the_end(trail):
    seq = trail.grant()
    trail.of(event.DOOR_OPENED, seq, 900)
    trail.add(event.DOOR_HELD, {event.DURATION_S: 30}, 30_000)
    (story,) = trail.tell()
    assert story.is_left_open and story.is_held
    assert story.text().plain.endswith("opened after 0.9 s, still open, held open, no receipt")
    trail.of(event.DOOR_CLOSED, seq, 60_000, DURATION_S=90)
    (story,) = trail.tell()
    assert not story.is_left_open and story.open_for_s == 90 and story.is_held


def test_several_in_one_release(trail):
    first = trail.grant()
    second = trail.grant(500)
    trail.of(event.DOOR_OPENED, second, 1_000)
    third = trail.grant(200)
    trail.of(event.DOOR_CLOSED, second, 3_000, DURATION_S=3)
    told = {story.access.seq: story for story in trail.tell()}
    assert (told[first].outcome, told[first].shared_with) == (OPENED_WITH, second)
    assert told[second].outcome == OPENED and told[second].opened_after_s == 1.0
    assert told[third].outcome == WAS_OPEN
    assert {story.open_for_s for story in told.values()} == {3}
    assert f"opened together with #{second}" in told[first].text().plain
    assert "the door was open already" in told[third].text().plain


def test_openings_of_nobody_are_in_no_story(trail):
    trail.add(event.UNLOCKED, {event.CAUSE: 2})
    trail.add(event.DOOR_OPENED, {}, 500)
    trail.add(event.DOOR_CLOSED, {event.DURATION_S: 2}, 2_000)
    trail.add(event.DOOR_FORCED, {}, 9_000)
    assert trail.tell() == []
    seq = trail.grant()
    assert [story.outcome for story in trail.tell()] == [WAS_OPEN]
    trail.add(event.DOOR_CLOSED, {event.DURATION_S: 9}, 2_000)
    assert trail.tell()[0].open_for_s == 9
    # Numbers that belong to no access, or to one of another start.
    trail.of(event.DOOR_OPENED, 99)
    trail.restart()
    trail.of(event.DOOR_OPENED, seq)
    trail.of(event.NOT_OPENED, seq)
    assert [story.outcome for story in trail.tell()] == [WAS_OPEN]


def test_refusals_and_a_strike_that_fails(trail):
    trail.add(event.ACCESS, {event.REASON: event.WRONG_CODE, event.VIA: event.KEYPAD})
    seq = trail.grant()
    trail.of(event.STRIKE_FAILED, seq, REASON=event.STRIKE)
    code = {event.REASON: 0, event.VIA: event.KEYPAD, event.SLOT: 7, event.CODE_CLASS: 4, event.WINDOW: 1}
    trail.add(event.ACCESS, code)
    refused, failed, coded = trail.tell()
    assert refused.outcome == REFUSED and not refused.is_granted and refused.who is None
    assert refused.text().plain.endswith("wrong_code by keypad")
    assert failed.outcome == STRIKE_FAILED and "the strike failed" in failed.text().plain
    # A door without a contact says no more than that.
    assert coded.who == "Ben" and coded.outcome == UNKNOWN
    assert "whether it was opened is not known" in coded.text().plain


def test_a_lock_that_starts_anew_cuts_a_story_short(trail):
    first = trail.grant()
    trail.of(event.DOOR_OPENED, first, 500)
    second = trail.grant(6_000)
    trail.restart()
    trail.of(event.RECEIPT, second, SHA256=b"r" * 32)
    opened, waiting = trail.tell()
    assert opened.is_cut_short and opened.is_left_open
    assert "the lock was cut off while it was open" in opened.text().plain
    assert waiting.is_cut_short and waiting.receipt == b"r" * 32
    # What is open after that is nobody's of before.
    trail.add(event.DOOR_CLOSED, {event.DURATION_S: 1}, 100)
    assert trail.tell()[0].open_for_s is None


def test_nothing_is_made_up_across_a_gap(trail):
    first = trail.grant()
    opened = trail.grant(100)
    trail.of(event.DOOR_OPENED, opened, 500)
    cut = len(trail.events)
    trail.add(event.LOCKED)
    trail.add(event.DOOR_CLOSED, {event.DURATION_S: 9}, 100)
    second = trail.grant(90_000)
    trail.of(event.DOOR_OPENED, second, 500)
    del trail.events[first:cut]
    told = trail.tell()
    assert [story.outcome for story in told] == [UNKNOWN, OPENED]
    assert told[0].shared_with is None and told[0].has_gap and not told[1].has_gap
    assert told[0].text().plain.endswith("whether it was opened is not known")
    assert told[1].text().plain.endswith("still open, no receipt")


def test_what_names_its_entry_counts_behind_a_gap(trail):
    seq = trail.grant()
    trail.of(event.DOOR_OPENED, seq, 500)
    trail.add(event.LOCKED)
    trail.of(event.RECEIPT, seq, SHA256=b"r" * 32)
    trail.of(event.DOOR_CLOSED, seq, 5_000, DURATION_S=5)
    del trail.events[seq + 2]
    (story,) = trail.tell()
    assert story.outcome == OPENED and story.open_for_s == 5 and story.receipt == b"r" * 32 and story.has_gap
    del trail.events[-1]
    assert trail.tell()[0].text().plain.endswith("events are missing while it was open, receipt")


def test_names_are_fit_for_a_terminal(trail):
    trail.grant(SUBJECT="\x1b[31mVera")
    assert "\x1b" not in trail.tell()[0].text().plain


def test_what_a_whole_lock_records(tmp_path):
    room = Lockroom(tmp_path / "board")
    try:
        room.power_on()
        live_through_a_day(room)
        found = [event.Event(one.seq, one.kind, 1, one.uptime_ms, one.time_s, one.details) for one in room.events]
    finally:
        room.close()
    told = stories(DOOR, found)
    assert [story.outcome for story in told] == [OPENED, NOT_OPENED, WAS_OPEN, OPENED]
    assert [story.who for story in told] == ["Ben"] * 4
    assert told[0].opened_after_s == pytest.approx(1.0, abs=0.5) and told[0].open_for_s == 7
    assert told[2].open_for_s in range(45, 61) and told[2].is_held
    assert told[3].open_for_s is None and told[3].is_left_open
    # A resident's code: nobody looked.
    assert [story.picture is None for story in told] == [False, False, False, True]
    kinds = [one.kind for one in found]
    assert kinds.count(event.NOT_OPENED) == 1 and kinds.count(event.DOOR_FORCED) == 0


def live_through_a_day(room):
    """A delivery, somebody who changes their mind, one who finds the door open, and a resident."""
    room.type(room.code())
    room.board.run_for(700)
    room.board.contact.open()
    room.board.run_for(7_000)
    room.board.contact.close()
    room.board.run_for(2_000)
    room.type(room.code())
    room.board.run_for(8_000)
    room.board.exit_button.press(150)
    room.board.run_for(500)
    room.board.contact.open()
    room.board.run_for(8_000)
    room.type(room.code())
    room.board.run_for(40_000)
    room.board.contact.close()
    room.board.run_for(1_000)
    room.type(room.code(7))
    room.board.contact.open()
    room.board.run_for(1_000)
