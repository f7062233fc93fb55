"""What people are told, when, and how often: from events in the collector to messages."""

from dataclasses import asdict

import pytest
from alert_case import KEYPAD, NOW_S, PHONE, RESIDENT, VISITOR, person
from sqlalchemy import update

from firmware.core import event
from lobbylock import alert_queue
from lobbylock.errors import UserError
from lobbylock.files import append_line
from lobbylock.register import Minted
from lobbylock.tables import notice
from lobbylock.verify import TWO_HISTORIES, Refusal

HOUR_S = 3_600
DEAD_AND_GOOD = ["json://127.0.0.1:1/dead", "json://127.0.0.1:1/good"]


def bodies(sent):
    return [body for _, _, body in sent]


def test_a_delivery_is_told_once_in_the_building_s_time(street):
    street.tell(person(kinds=["delivery"]))
    street.step()
    street.access()
    street.pass_on()
    assert street.post.take() == [
        (
            "ines",
            "LobbyLock: delivery at maple-12/front",
            "maple-12/front: Jonas of DHL was let in by keypad, 2026-09-21 08:00.",
        )
    ]
    street.step(10)
    assert street.post.take() == []


def test_each_kind_is_told_to_those_who_asked_for_it_at_their_doors(lane):
    other = lane.add_door("oak-3/front")
    lane.tell(
        person("Ines", kinds=["forced", "refused"]),
        person("Otto", kinds=["forced"], buildings=["oak-3"]),
        person("Uwe", kinds=["held"], doors=["maple-12/front"]),
    )
    lane.step()
    lane.record(event.DOOR_FORCED, lock=other)
    lane.record(event.DOOR_HELD, {event.DURATION_S: 40})
    lane.access(None, role=None, reason=event.WRONG_CODE)
    lane.pass_on()
    sent = lane.post.take()
    assert [(name, title) for name, title, _ in sorted(sent)] == [
        ("ines", "LobbyLock: 2 alerts"),
        ("otto", "LobbyLock: forced at oak-3/front"),
        ("uwe", "LobbyLock: held at maple-12/front"),
    ]
    text = next(body for name, _, body in sent if name == "ines")
    assert "oak-3/front: the door was opened by force, 2026-09-21 08:00." in text
    assert "maple-12/front: somebody was refused by keypad (wrong code), 2026-09-21 08:00." in text


def test_a_resident_is_told_of_deliveries_and_nothing_of_other_residents(street):
    street.tell(
        person("Anna", "resident:Anna", kinds=["delivery", "entry", "refused", "held"], buildings=["maple-12"]),
        person("Olaf", "resident:Olaf", kinds=["delivery", "entry", "refused"], buildings=["oak-3"]),
        person("Ines", kinds=["entry", "refused", "held"]),
    )
    street.step()
    street.access("Jonas of DHL")
    anna = street.access("Anna", role=RESIDENT, via=PHONE)
    bob = street.access("Bob", role=RESIDENT, via=PHONE)
    street.access("Bob", role=RESIDENT, via=PHONE, reason=event.EXPIRED)
    street.record(event.DOOR_HELD, {event.ACCESS_SEQ: bob})
    street.pass_on()
    told = {name: body for name, _, body in street.post.take()}
    assert set(told) == {"anna", "ines"}
    assert "Jonas of DHL" in told["anna"] and "Anna was let in by phone" in told["anna"]
    assert "Bob" not in told["anna"] and "held open" not in told["anna"] and "refused" not in told["anna"]
    assert "Bob was refused by phone (expired)" in told["ines"] and "held open" in told["ines"]
    street.record(event.DOOR_HELD, {event.ACCESS_SEQ: anna})
    street.pass_on(2 * HOUR_S)
    assert "held open" in next(body for name, _, body in street.post.take() if name == "anna")


def test_a_resident_is_told_of_their_own_visitors_alone(lane):
    lane.tell(person("Anna", "resident:Anna", kinds=["entry"], buildings=["maple-12"]))
    kid, mine, bobs = b"\1" * 8, b"\2" * 16, b"\3" * 16
    for subject, building, number in (("Anna", "maple-12", mine), ("Bob", "maple-12", bobs), ("Anna", "oak-3", b"\4")):
        minted = Minted(subject, building, number.hex(), kid.hex(), "00" * 8, NOW_S, "resident")
        append_line(lane.home.path / "minted.jsonl", asdict(minted))
    lane.step()
    for name, parent in (("Vera", mine), ("Walter", bobs), ("Xaver", b"\4")):
        details = {event.REASON: event.GRANTED, event.VIA: PHONE, event.SUBJECT: name, event.ROLE: VISITOR}
        lane.record(event.ACCESS, {**details, event.KID: kid, event.CREDENTIAL_ID: b"\5", event.PARENT_ID: parent})
    lane.pass_on()
    assert bodies(lane.post.take()) == ["maple-12/front: Vera was let in by phone, 2026-09-21 08:00."]


def test_a_storm_is_one_message_an_hour(street):
    street.tell(person(kinds=["refused"]))
    street.step()
    street.access(None, role=None, reason=event.WRONG_CODE)
    street.pass_on()
    assert len(street.post.take()) == 1
    for _ in range(41):
        street.access(None, role=None, reason=event.WRONG_CODE)
        street.pass_on(10)
    assert street.post.take() == []
    street.step(HOUR_S - 41 * 10)
    (sent,) = street.post.take()
    assert "and 41 more since" in sent[2] and "2026-09-21 08:06" in sent[2]
    street.step(3 * HOUR_S)
    assert street.post.take() == []


def test_what_comes_at_once_is_one_message(lane):
    lane.tell(person(kinds=["refused"]))
    lane.step()
    for _ in range(42):
        lane.access(None, role=None, reason=event.WRONG_CODE)
    lane.pass_on()
    (sent,) = lane.post.take()
    assert "and 41 more since" in sent[2]


def test_two_doors_and_two_drivers_do_not_hold_each_other_back(lane):
    other = lane.add_door("oak-3/front")
    lane.tell(person(kinds=["delivery", "forced"]))
    lane.step()
    for name in ("Jonas of DHL", "Jonas of DHL", "Mara of UPS"):
        lane.access(name)
        lane.pass_on(60)
    lane.record(event.DOOR_FORCED)
    lane.pass_on(60)
    lane.record(event.DOOR_FORCED, lock=other)
    lane.pass_on(60)
    titles = [title.removeprefix("LobbyLock: ") for _, title, _ in lane.post.take()]
    assert titles == ["delivery at maple-12/front"] * 2 + ["forced at maple-12/front", "forced at oak-3/front"]


def test_a_flapping_camera_is_one_alert_and_one_all_clear(street):
    street.tell(person(kinds=["camera"]))
    street.step()
    for _ in range(8):
        street.record(event.CAMERA_FAILED, {event.REASON: event.NO_ANSWER})
        street.pass_on(60)
        street.record(event.PICTURE, {event.PICTURE_NUMBER: 1, event.LENGTH: 9, event.SHA256: bytes(32)})
        street.pass_on(60)
    street = restarted(street)
    (alert,) = street.post.take()
    assert alert[1:] == (
        "LobbyLock: camera at maple-12/front",
        "maple-12/front: the camera fails, since 2026-09-21 08:00.",
    )
    street.step(601)
    assert bodies(street.post.take()) == ["maple-12/front: the camera works again."]
    street.step(HOUR_S)
    assert street.post.take() == []


def restarted(street):
    street.start()
    street.step()
    return street


def test_a_camera_that_is_busy_is_not_out_of_order(lane):
    lane.tell(person(kinds=["camera"]))
    lane.step()
    lane.record(event.CAMERA_FAILED, {event.REASON: event.CAMERA_BUSY})
    lane.pass_on()
    assert lane.post.take() == []


def test_a_lock_that_is_away_for_a_moment_is_nobody_s_alert(street):
    street.tell(person(kinds=["offline", "broker"]))
    street.step()
    street.alerts.status("maple-12/front", {"online": False})
    street.step(60)
    street.alerts.status("maple-12/front", {"online": True})
    street.step(600)
    assert street.post.take() == []
    street.alerts.status("maple-12/front", {"online": False})
    street.alerts.connection(False, "gone", 1)
    street.step(1)
    street.step(300)
    assert sorted(bodies(street.post.take())) == [
        "maple-12/front: the lock is not connected, since 2026-09-21 08:11.\n\n"
        "LobbyLock: the broker does not answer, since 2026-09-21 08:11."
    ]
    street = restarted(street)
    street.step(2 * HOUR_S)
    assert street.post.take() == []
    street.alerts.status("maple-12/front", {"online": True})
    street.step()
    street.step(600)
    assert bodies(street.post.take()) == ["maple-12/front: the lock is connected again."]


def test_ten_thousand_old_events_are_one_message(lane):
    lane.tell(person(kinds=["delivery", "refused", "camera"]))
    lane.step()
    door = lane.home.door(lane.lock.name)
    lane.access("Ida of GLS")
    for seq in range(2, 10_002):
        details = {event.REASON: event.GRANTED if seq % 10 else event.EXPIRED, event.VIA: KEYPAD, event.ROLE: 1}
        kind = event.ACCESS if seq % 100 else event.CAMERA_FAILED
        lane.alerts.event(door, event.Event(seq, kind, 1, seq, NOW_S - 7 * HOUR_S, details))
    lane.pass_on()
    assert bodies(lane.post.take()) == ["maple-12/front: Ida of GLS was let in by keypad, 2026-09-21 08:00."]
    lane.step(60)
    (sent,) = lane.post.take()
    assert sent[1] == "LobbyLock: older events at maple-12/front"
    assert sent[2] == "maple-12/front: 10000 older events: 9000 delivery, 900 refused, 100 camera."
    lane.step(HOUR_S)
    assert lane.post.take() == []


def test_what_was_stored_before_a_kill_is_told_after_it(street):
    street.tell(person(kinds=["forced"]))
    street.step()
    street.access()
    street.pass_on()
    street.record(event.DOOR_FORCED)
    street.collect(is_told=False)
    restarted(street)
    assert bodies(street.post.take()) == ["maple-12/front: the door was opened by force, 2026-09-21 08:00."]
    restarted(street)
    assert street.post.take() == []


def test_the_past_is_not_told_when_alerts_are_new(lane):
    for _ in range(3):
        lane.record(event.DOOR_FORCED)
    lane.collect(is_told=False)
    lane.tell(person(kinds=["forced"]))
    lane.step()
    assert lane.post.take() == []
    lane.record(event.DOOR_FORCED)
    lane.pass_on()
    assert len(lane.post.take()) == 1


def test_more_than_can_be_noted_is_read_from_the_store(lane, monkeypatch):
    from lobbylock import alerts

    monkeypatch.setattr(alerts, "_MAX_NOTED", 10)
    lane.tell(person(kinds=["refused"]))
    lane.step()
    for _ in range(30):
        lane.access(None, role=None, reason=event.WRONG_CODE)
    lane.pass_on()
    (sent,) = lane.post.take()
    assert "and 29 more since" in sent[2]


def test_quiet_hours_wait_for_the_morning_and_urgent_kinds_do_not(lane):
    lane.tell(person(kinds=["forced", "held"], quiet="22:00-09:30", urgent=["forced"]))
    lane.step()
    lane.record(event.DOOR_HELD)
    lane.record(event.DOOR_FORCED)
    lane.pass_on()
    assert [title for _, title, _ in lane.post.take()] == ["LobbyLock: forced at maple-12/front"]
    lane.record(event.DOOR_HELD)
    lane.pass_on(60 * 60)
    assert lane.post.take() == []
    lane.step(30 * 60 + 1)
    (sent,) = lane.post.take()
    assert sent[2].count("held open") == 2


@pytest.mark.parametrize(("digest", "wait_s"), [("18:00", 10 * HOUR_S), ("every 30m", 1_800)])
def test_a_digest_is_one_message_with_all_of_it(lane, digest, wait_s):
    lane.tell(person(kinds=["delivery", "refused"], digest=digest))
    lane.step()
    for name in ("Jonas of DHL", "Mara of UPS", "Jonas of DHL"):
        lane.access(name)
        lane.pass_on(120)
    lane.access(None, role=None, reason=event.WRONG_CODE)
    lane.pass_on()
    assert lane.post.take() == []
    lane.step(wait_s)
    (sent,) = lane.post.take()
    assert sent[1] == "LobbyLock: 3 alerts"
    assert sent[2].count("Jonas of DHL was let in") == 2 and "Mara of UPS" in sent[2] and "refused" in sent[2]


def test_gaps_tampering_and_a_broken_record_are_told_to_managers_alone(lane):
    lane.tell(
        person("Ines", kinds=["all"]),
        person("Anna", "resident:Anna", kinds=["all"], buildings=["maple-12"]),
    )
    lane.step()
    lane.access()
    lane.access()
    lane.lock.seal()
    lane.sealed["maple-12/front"] = [2]
    lane.collect()
    lane.alerts.refused("lobbylock/maple-12/front/events", Refusal(TWO_HISTORIES, "", 1))
    lane.alerts.refused("lobbylock/maple-12/front/events", Refusal("not of the protocol's form"))
    lane.alerts.watch_changed(
        [Found("maple-12/front", 7, "row", "Event 7 was altered."), Found("maple-12/front", 1, "gap", "Gap.")]
    )
    lane.step()
    told = {name: body for name, _, body in lane.post.take()}
    assert set(told) == {"ines"}
    assert "events 1 to 2 are missing" in told["ines"]
    assert "tells another history" in told["ines"] and "Event 7 was altered." in told["ines"]
    assert "Gap." not in told["ines"]
    lane = restarted(lane)
    lane.alerts.watch_changed([Found("maple-12/front", 7, "row", "Event 7 was altered.")])
    lane.step(2 * HOUR_S)
    assert lane.post.take() == []


class Found:
    def __init__(self, door, seq, what, sentence):
        self.door, self.seq, self.what, self.sentence = door, seq, what, sentence
        self.is_alteration = what != "gap"


def test_a_service_that_is_down_is_tried_later_each_time_and_gets_it_in_the_end(lane):
    street = lane
    street.tell(person(kinds=["held", "forced"]))
    street.step()
    street.post.is_down = True
    street.record(event.DOOR_HELD)
    street.pass_on()
    for _ in range(360):
        street.step(10)
    # At once, and after 30, 60, 120, ... seconds.
    assert street.post.tries == 7
    street.record(event.DOOR_FORCED)
    street.pass_on()
    assert street.post.tries == 8
    street.step(30)
    assert street.post.tries == 9
    for _ in range(360):
        street.step(10)
    # What is urgent is tried every five minutes at least; the other once more.
    assert street.post.tries == 9 + 13 + 1
    street.post.is_down = False
    restarted(street)
    street.step(HOUR_S)
    assert len(street.post.take()) == 2


def test_what_cannot_be_sent_for_days_is_given_up_and_said_so_later(street):
    street.tell(person(kinds=["forced", "held"]), head='give_up = "1d"\n')
    street.step()
    street.post.is_down = True
    street.record(event.DOOR_FORCED)
    street.pass_on()
    for _ in range(26):
        street.step(HOUR_S)
    with street.database.connect() as connection:
        assert alert_queue.counts(connection) == {"waiting": 0, "late": 0, "given_up": 1}
    street.post.is_down = False
    for _ in range(2):
        street.record(event.DOOR_HELD)
        street.pass_on(2 * HOUR_S)
    first, second = bodies(street.post.take())
    assert "1 earlier alerts could not be delivered" in first and "earlier" not in second


def refused_for_long(picky, urls, *again_s):
    """Both addresses refused an alert, and are tried again at those times; it is given up after a day."""
    picky.tell(person(urls=urls, kinds=["held"]), head='give_up = "1d"\n')
    picky.step()
    picky.post.refuses = lambda name, body: True
    picky.record(event.DOOR_HELD)
    picky.pass_on()
    with picky.database.begin() as connection:
        (row,) = alert_queue.waiting(connection)
        names = (each.name for each in picky.alerts._rules.persons[0].ways())
        row.heap.refused = {name: (9, at_s) for name, at_s in zip(names, again_s, strict=True)}
        connection.execute(update(notice).values(text=row.heap.dump(), due_s=min(again_s)))


def queued(picky) -> dict[str, int]:
    with picky.database.connect() as connection:
        return alert_queue.counts(connection)


def test_what_one_address_gives_up_another_still_gets(picky):
    # The one is tried again long after the other, for its answers never came.
    late_s = picky.now_s + 86_400 + HOUR_S
    refused_for_long(picky, DEAD_AND_GOOD, late_s, late_s + HOUR_S)
    picky.post.refuses = lambda name, body: name == "dead"
    picky.step(late_s + 60 - picky.now_s)
    assert picky.post.take("good") == []
    picky.step(2 * HOUR_S)
    assert len(picky.post.take("good")) == 1
    assert queued(picky) == {"waiting": 0, "late": 0, "given_up": 0}


def test_what_is_given_up_at_the_addresses_that_are_left_is_given_up(picky):
    refused_for_long(picky, DEAD_AND_GOOD, alert_queue.NEVER_S, picky.now_s + 86_400)
    picky.tell(person(urls=DEAD_AND_GOOD[:1], kinds=["held"]), head='give_up = "1d"\n')
    picky.step(86_400 + 60)
    assert queued(picky) == {"waiting": 0, "late": 0, "given_up": 1}


def test_an_address_that_took_a_message_does_not_get_it_again(lane):
    class Half:
        def __init__(self):
            self.calls = []

        def __call__(self, url, title, body):
            self.calls.append(url.rpartition("/")[2])
            return self.calls.count("bad") != 1 or url.endswith("good")

    lane.post = Half()
    lane.start()
    lane.tell(person(urls=["json://127.0.0.1:1/good", "json://127.0.0.1:1/bad"], kinds=["forced"]))
    lane.step()
    lane.record(event.DOOR_FORCED)
    lane.pass_on()
    lane.step(60)
    # Each address has a thread of its own, so the first two come in any order.
    assert sorted(lane.post.calls) == ["bad", "bad", "good"]


class Picky:
    """Stands in for services of which some refuse some messages: `refuses(name, body)`."""

    def __init__(self):
        self.sent = []
        self.refuses = lambda name, body: False

    def __call__(self, url, title, body):
        name = url.rpartition("/")[2]
        if self.refuses(name, body):
            return False
        self.sent.append((name, body))
        return True

    def take(self, name):
        """Returns what was sent to an address since the last time."""
        found = [body for each, body in self.sent if each == name]
        self.sent = [each for each in self.sent if each[0] != name]
        return found


@pytest.fixture
def picky(lane):
    lane.post = Picky()
    lane.start()
    return lane


def test_a_dead_address_neither_holds_up_nor_repeats_what_another_takes(picky):
    urls = DEAD_AND_GOOD
    picky.tell(person(urls=urls, kinds=["delivery", "forced"]))
    picky.step()
    picky.post.refuses = lambda name, body: name == "dead"
    picky.access("Jonas of DHL")
    picky.pass_on()
    assert ["Jonas" in body for body in picky.post.take("good")] == [True]
    for _ in range(5):
        picky.step(HOUR_S)
    picky.access("Mara of UPS")
    picky.pass_on()
    assert ["Mara" in body for body in picky.post.take("good")] == [True]
    restarted(picky)
    # The same driver again, told an hour after the first, and the door at once.
    picky.step(60)
    picky.access("Mara of UPS")
    picky.record(event.DOOR_FORCED)
    picky.pass_on()
    assert ["by force" in body for body in picky.post.take("good")] == [True]
    picky.step(HOUR_S)
    assert ["and 1 more since" in body for body in picky.post.take("good")] == [True]
    # The addresses change places.
    picky.tell(person(urls=urls[::-1], kinds=["delivery", "forced"]))
    picky.step(HOUR_S)
    picky.post.refuses = lambda name, body: False
    picky.step(2 * HOUR_S)
    text = "\n".join(picky.post.take("dead"))
    assert [text.count(word) for word in ("Jonas", "13:00", "13:01", "by force")] == [1, 2, 2, 1]
    assert picky.post.take("good") == []
    with picky.database.connect() as connection:
        assert alert_queue.counts(connection) == {"waiting": 0, "late": 0, "given_up": 0}


def test_an_address_that_is_taken_out_of_the_file_is_not_waited_for(picky):
    urls = ["json://127.0.0.1:1/good", "json://127.0.0.1:1/dead"]
    picky.tell(person(urls=urls, kinds=["forced"]))
    picky.step()
    picky.post.refuses = lambda name, body: name == "dead"
    picky.record(event.DOOR_FORCED)
    picky.pass_on()
    picky.tell(person(urls=urls[:1], kinds=["forced"]))
    picky.step(HOUR_S)
    assert len(picky.post.take("good")) == 1
    with picky.database.connect() as connection:
        assert alert_queue.waiting(connection) == []


def test_a_digest_that_is_refused_holds_up_no_urgent_alert(picky):
    picky.tell(
        person(kinds=["delivery"], digest="every 60m")
        + '[[person.rule]]\nkinds = ["forced", "held"]\ndigest = "every 60m"\n'
    )
    picky.step()
    picky.post.refuses = lambda name, body: "DHL" in body
    picky.access()
    picky.pass_on()
    for _ in range(3):
        picky.step(HOUR_S)
    assert picky.post.take("ines") == []
    picky.record(event.DOOR_FORCED)
    picky.pass_on()
    assert ["by force" in body for body in picky.post.take("ines")] == [True]
    picky.record(event.DOOR_HELD)
    picky.pass_on()
    picky.step(HOUR_S)
    assert ["held open" in body for body in picky.post.take("ines")] == [True]


def test_what_is_refused_for_ever_takes_nothing_else_along(picky):
    doors = [picky.add_door(f"oak-{number}/front") for number in range(6)]
    picky.tell(person(kinds=["held"]))
    picky.step()
    picky.post.refuses = lambda name, body: True
    for door in doors:
        picky.record(event.DOOR_HELD, lock=door)
    picky.pass_on()
    picky.post.refuses = lambda name, body: "oak-3" in body
    for _ in range(8):
        picky.step(HOUR_S)
    text = "".join(picky.post.take("ines"))
    assert [text.count(f"oak-{number}") for number in range(6)] == [1, 1, 1, 0, 1, 1]


def test_what_comes_while_a_message_goes_out_is_told_too(lane):
    lane.tell(person(kinds=["held"]))
    lane.step()
    lane.record(event.DOOR_HELD)
    lane.collect()
    lane.alerts.step()
    lane.alerts._sender.wait(60)
    # It was taken, and that is not written down yet.
    lane.record(event.DOOR_HELD)
    lane.pass_on(60)
    assert len(lane.post.take()) == 1
    lane.step(HOUR_S)
    (sent,) = lane.post.take()
    assert "2026-09-21 08:00" in sent[2] and "and 1 more since" in sent[2]


@pytest.mark.parametrize(
    ("begin_s", "digest", "expected"),
    [
        # 2027-03-14 00:50: there is no half past two. 2026-11-01 00:50: half past one comes twice.
        (1_805_003_400, "02:30", {7: 6}),
        (1_793_508_600, "01:30", {4: 3}),
    ],
)
def test_a_digest_comes_once_in_the_night_when_the_clocks_change(lane, begin_s, digest, expected):
    lane.now_s = begin_s
    lane.tell(person(kinds=["delivery"], digest=digest, quiet="23:00-01:15"))
    lane.step()
    came = {}
    for number in range(24):
        if number < 6:
            lane.access(f"Jonas {number}")
        lane.pass_on(600)
        for _, _, body in lane.post.take():
            came[number + 1] = body.count("was let in")
    assert came == expected


def test_who_is_taken_out_of_the_file_gets_nothing_more(street):
    street.tell(person("Ines", kinds=["held"], digest="18:00"), person("Otto", kinds=["forced"]))
    street.step()
    street.record(event.DOOR_HELD)
    street.pass_on()
    street.tell(person("Otto", kinds=["forced"]))
    street.step(24 * HOUR_S)
    assert street.post.take() == []
    with street.database.connect() as connection:
        assert alert_queue.waiting(connection) == []


def test_a_file_that_is_not_right_leaves_the_former_rules_in_force(lane):
    lane.tell(person(kinds=["forced"]))
    lane.step()
    for wrong in ("[[person]]\nname = 3\n", person("Otto", kinds=["forced"], urls=["nothing://apprise/knows"])):
        lane.tell(wrong)
        lane.record(event.DOOR_FORCED)
        lane.pass_on(2 * HOUR_S)
        assert [name for name, _, _ in lane.post.take()] == ["ines"]
    # A service is not begun with them.
    with pytest.raises(UserError, match="URL 1"):
        lane.alerts.start()


def test_a_store_that_fails_is_told_without_it(lane, monkeypatch):
    from lobbylock.errors import StoreFailed

    lane.tell(person(kinds=["store", "forced"]))
    lane.step()

    def fail(*_):
        raise StoreFailed("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(lane.database, "connect", fail)
        patch.setattr(lane.database, "begin", fail)
        lane.step()
        lane.step(200)
        assert lane.post.take() == []
        lane.step(101)
        (sent,) = lane.post.take()
        assert "the store fails" in sent[2]
        lane.step(3_600)
        assert lane.post.take() == []
        lane.record(event.DOOR_FORCED)
    lane.pass_on()
    lane.step(601)
    assert any("the store works again" in body for body in bodies(lane.post.take()))


def test_a_store_that_fails_at_night_is_told_in_the_morning(lane, monkeypatch):
    from lobbylock.errors import StoreFailed

    # It is 8 o'clock there.
    lane.tell(person(kinds=["store"], quiet="07:00-10:00"), person("Otto", kinds=["store"], urgent=["store"]))
    lane.step()

    def fail(*_):
        raise StoreFailed("The disk is full.")

    monkeypatch.setattr(lane.database, "connect", fail)
    monkeypatch.setattr(lane.database, "begin", fail)
    lane.step()
    lane.step(301)
    assert [name for name, _, _ in lane.post.take()] == ["otto"]
    lane.step(HOUR_S)
    assert lane.post.take() == []
    lane.step(HOUR_S)
    assert [name for name, _, _ in lane.post.take()] == ["ines"]


def test_events_noted_while_the_store_failed_are_told_when_it_is_back(lane, monkeypatch):
    from lobbylock.errors import StoreFailed

    lane.tell(person(kinds=["forced"]))
    lane.step()
    lane.record(event.DOOR_FORCED)
    lane.record(event.CAMERA_FAILED, {event.REASON: event.NO_ANSWER})
    lane.collect()

    def fail(*_):
        raise StoreFailed("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(lane.database, "begin", fail)
        lane.step()
    assert lane.post.take() == []
    lane.step()
    assert len(lane.post.take()) == 1
