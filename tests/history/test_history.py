"""Pages of visits, and what each reader sees of them."""

import re

import pytest
from sqlalchemy import select, update
from test_alterations import look
from visitcase import FRONT, KID, MANAGER, NOON_S

from firmware.core import event
from lobbylock import history, tables
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.history import GRANTED, Page
from lobbylock.readers import ALL, NOTHING, PICTURED, TABLE, WHOSE, Reader, parse_reader
from lobbylock.trail import trail

ANNA, BERT = b"anna\0\0\0\0", b"bert\0\0\0\0"
# Everybody who came, in order: subject, role, and what more the credential told.
CAME = (
    ("Dora", 1, {}),
    ("Anna", 2, {"CREDENTIAL_ID": ANNA}),
    ("Bert", 2, {"CREDENTIAL_ID": BERT}),
    ("Vera", 4, {"PARENT_ID": ANNA}),
    ("Bela", 4, {"PARENT_ID": BERT}),
    ("Sue", 3, {}),
    ("Anna", 4, {"PARENT_ID": BERT}),
)
# Whose each of them is, seen by the resident Anna.
WHOSE_TO_ANNA = ("driver", "own", "resident", "own visitor", "visitor", "staff", "visitor")


@pytest.fixture
def lived_in(house):
    """A building to which all of CAME came; `house.seqs` are their accesses."""
    house.enrol()
    house.seqs = [house.come(subject, role, **more) for subject, role, more in CAME]
    house.collect()
    return house


def test_page_by_page(house):
    house.enrol()
    seqs = [house.come(f"Dora {number}") for number in range(7)]
    house.collect()
    page = house.page(limit=3)
    assert [shown.seq for shown in page.stories] == seqs[:-4:-1]
    for shown in page.stories:
        assert (shown.proof.state, shown.picture.state, shown.story.outcome) == ("holds", "here", "opened"), shown
        assert shown.story.open_for_s == 4 and shown.story.receipt == bytes(32)
        assert shown.picture.sha256 == shown.story.picture_sha256
    rest = []
    while page.next:
        page = house.page(limit=3, before=page.next)
        rest += [shown.seq for shown in page.stories]
    assert rest == seqs[-4::-1]
    for place in ("", "1", "1.2", "1.2.3.4", "a.b.c", "1.2." + "9" * 30, "1.2." + "9" * 19, "\u0661.1.1"):
        with pytest.raises(UserError):
            house.page(before=place)


def test_several_doors_in_one_list(house):
    names = [f"maple-12/door-{number}" for number in range(10)]
    for number, name in enumerate(names):
        house.enrol(name, bytes([number + 1]) * 32)
    for number in range(20):
        house.locks[names[number % 10]].now_s = NOON_S + 100 * number
        house.come(f"Dora {number}", name=names[number % 10], picture=False)
    house.collect()
    for doors in (names, names[:3]):
        page, seen = house.page(doors=doors, limit=4), []
        while True:
            seen += page.stories
            if page.next is None:
                break
            page = house.page(doors=doors, limit=4, before=page.next)
        times = [shown.shown_s for shown in seen]
        assert times == sorted(times, reverse=True) and len(seen) == 2 * len(doors)
        assert {shown.door.name for shown in seen} == set(doors)
    assert house.page(doors=["maple-12/none"]).stories == []


def test_filters(lived_in):
    lived_in.come("Dora", opens=False)
    lock = lived_in.locks[FRONT]
    lock.add(event.ACCESS, {event.REASON: event.WRONG_CODE, event.VIA: event.KEYPAD})
    lock.seal()
    lived_in.collect()
    assert [shown.story.who for shown in lived_in.page(person="Dora").stories] == ["Dora", "Dora"]
    # However it is written, and by its beginning; also what SQLite would not take for the same letter.
    assert [shown.story.who for shown in lived_in.page(person="doR").stories] == ["Dora", "Dora"]
    assert {shown.story.who for shown in lived_in.page(person="b").stories} == {"Bert", "Bela"}
    for none in ("ora", "%", "_ora", "Dora Dora"):
        assert lived_in.page(person=none).stories == []
    assert len(lived_in.page(outcome="opened").stories) == 7
    assert len(lived_in.page(outcome="refused").stories) == 1
    assert len(lived_in.page(outcome=GRANTED).stories) == 8
    assert [shown.story.who for shown in lived_in.page(since_s=NOON_S + 120, until_s=NOON_S + 181).stories] == [
        "Bert",
        "Anna",
    ]
    with pytest.raises(UserError):
        lived_in.page(outcome="anything")


def test_names_are_found_however_they_are_written(house):
    house.enrol()
    for name in ("\u00c4nne 7", "Zo\u00eb", "\u00e4nne 12"):
        house.come(name, picture=False)
    house.collect()
    assert {shown.story.who for shown in house.page(person="\u00c4NNE").stories} == {"\u00c4nne 7", "\u00e4nne 12"}
    assert {shown.story.who for shown in house.page(person="zoe\u0308").stories} == {"Zo\u00eb"}
    assert house.history.people(MANAGER, (FRONT,)) == ["Zo\u00eb", "\u00e4nne 12", "\u00c4nne 7"]
    assert (
        house.history.people(MANAGER, ()) == [] and house.history.people(parse_reader("resident:Zoe"), (FRONT,)) is None
    )


def test_a_resident_sees_deliveries_and_their_own(lived_in):
    anna = parse_reader("resident:Anna")
    told = lived_in.told(anna)
    for seq, (subject, role, more), whose in zip(lived_in.seqs, CAME, WHOSE_TO_ANNA, strict=True):
        level = TABLE["resident"][whose]
        assert (seq in told) == (level > NOTHING), (subject, whose)
        assert (lived_in.history.story(anna, FRONT, 1, seq) is not None or not told) == (seq in told)
        if level == NOTHING:
            continue
        shown = told[seq]
        details = shown.story.access.details
        allowed = {event.REASON, event.VIA, event.SUBJECT, event.ROLE, event.PICTURE_NUMBER}
        if level == PICTURED:
            assert set(details) == allowed
        else:
            assert level == ALL and event.KID in details
        assert (shown.story.who, shown.picture.state, shown.proof.state) == (subject, "here", "holds")
        assert role == details[event.ROLE]
        assert more.get("PARENT_ID", ANNA) == ANNA
    said = repr(told)
    for word in ("Bert", "bert", "Bela", "Sue"):
        assert word not in said, word
    assert lived_in.told(anna, person="Bert") == {}
    assert {
        row.event.details.get(event.SUBJECT) for row in trail(lived_in.history, anna, FRONT, None).rows if row.event
    } <= {
        None,
        "Dora",
        "Anna",
        "Vera",
    }


def test_pages_show_what_the_table_says(lived_in):
    for role in TABLE:
        check_reader(lived_in, role)


def check_reader(lived_in, role):
    reader = Reader(role, {"driver": "Dora", "resident": "Anna", "staff": "Sue"}.get(role))
    door = lived_in.doors()[FRONT]
    events = [event.decode(record) for record in lived_in.locks[FRONT].records]
    learned = Reader(role, reader.name)
    learned.learn(door, events)
    expected = {story.access.seq: story for story in learned.tell(door, events)}
    told = lived_in.told(reader)
    assert sorted(told) == sorted(expected)
    for seq, story in expected.items():
        assert told[seq].story.values() == story.values()
        assert told[seq].story.access.details == story.access.details
        assert (told[seq].picture is not None) == (story.picture is not None)
    rows = trail(lived_in.history, reader, FRONT, None, limit=200).rows
    assert [(row.seq, row.event and row.event.details) for row in reversed(rows)] == [
        (found.seq, found.details) for found in learned.select(door, events)
    ]
    assert set(WHOSE) == set(TABLE[role])


def test_edited_index_shows_nobody_anything(lived_in):
    """Rows that say that another resident's visits are Anna's, or a driver's."""
    with lived_in.database.begin() as connection:
        visit = tables.visit
        connection.execute(update(visit).values(role="driver", person="Anna", kid=KID, parent_id=ANNA))
    told = lived_in.told(parse_reader("resident:Anna"))
    assert {shown.story.who for shown in told.values()} <= {"Dora", "Anna", "Vera"}
    assert lived_in.seqs[0] in told and lived_in.seqs[-1] not in told
    assert all(shown.proof.is_broken for seq, shown in told.items() if seq != lived_in.seqs[1])


def test_visitors_are_known_by_the_list_of_credentials(lived_in):
    """Anna has not come since the store was begun; what was made for her is on record."""
    line = '{"subject": "Anna", "building": "%s", "id": "%s", "kid": "%s", "key": "%s", "expires_s": 9}\n'
    minted = lived_in.home.path / "minted.jsonl"
    with lived_in.database.begin() as connection:
        connection.execute(update(tables.visit).where(tables.visit.c.person == "Anna").values(person="Nobody"))
    reader = parse_reader("resident:Anna")
    assert lived_in.seqs[3] not in lived_in.told(reader)
    minted.write_text(line % ("oak-3", ANNA.hex(), KID.hex(), "00" * 8))
    assert lived_in.seqs[3] not in lived_in.told(parse_reader("resident:Anna"))
    minted.write_text(line % ("maple-12", ANNA.hex(), KID.hex(), "00" * 8))
    assert lived_in.seqs[3] in lived_in.told(parse_reader("resident:Anna"))


def test_gaps_clocks_and_boards(house):
    """A gap that closes later, a clock that is unknown or jumps, and a second board whose numbers begin anew."""
    lock = house.enrol()
    first = house.come("Dora 1", picture=False)
    lock.now_s -= 90_000
    second = house.come("Dora 2", picture=False)
    lock.now_s = None
    access = lock.add(event.ACCESS, {event.REASON: 0, event.VIA: 1})
    lock.seal()
    lock.now_s = NOON_S + 500
    last = house.come("Dora 3", picture=False)
    with house.database.store() as store:
        collector = house.collector(store)
        topic = f"lobbylock/{FRONT}/events"
        assert collector.handle(topic, lock.batch(1, 6)) and collector.handle(topic, lock.batch(last))
        told = house.told()
        assert sorted(told) == [first, last]
        assert {shown.proof.state for shown in told.values()} == {"holds"}
        rows = trail(house.history, MANAGER, FRONT, None).rows
        assert [(row.gap.first_seq, row.gap.last_seq) for row in rows if row.gap] == [(7, last - 1)]
        assert house.history.check(FRONT, 1, 8) is None or house.history.check(FRONT, 1, 8).record is None
        assert house.collector(store).handle(topic, lock.batch(7, last - 1))
    told = house.told()
    assert sorted(told) == [first, second, access, last]
    assert {shown.proof.state for shown in told.values()} == {"holds"}
    assert told[second].shown_s == NOON_S + 60 - 90_000 + 60 and told[access].shown_s == NOON_S
    # Another board takes the door's place.
    replaced = type(lock)(FRONT, b"\7" * 32)
    door = house.home.door(FRONT)
    door.enrol(replaced.public_key, type(door.journal_key)(1, replaced.keys[0]), may_replace=True)
    house.home.save_door(door)
    house.locks[FRONT], house.sent[FRONT] = replaced, 0
    assert house.come("Dora 4", picture=False) == 1
    house.collect()
    page = house.page()
    assert len(page.stories) == 5 and {shown.proof.state for shown in page.stories} == {"holds"}
    assert len({shown.chain for shown in page.stories}) == 2
    assert len(trail(house.history, MANAGER, FRONT, None).chains) == 2


def test_contact_that_is_stuck(house):
    """The door stands open for ever: each story begins at that opening, and none is read through all of it."""
    lock = house.enrol()
    lock.add(event.DOOR_OPENED)
    lock.seal()
    seqs = []
    for number in range(150):
        seqs.append(house.come(f"Dora {number}", picture=False, opens=False))
    lock.add(event.DOOR_CLOSED, {event.DURATION_S: 9_000})
    lock.seal()
    house.collect()
    shown = house.page().stories
    assert [each.seq for each in shown] == seqs[:-26:-1]
    assert {(each.story.outcome, each.story.open_for_s) for each in shown} == {("was_open", 9_000)}
    assert {each.proof.state for each in shown} == {"holds"}
    with house.database.connect() as connection:
        firsts = connection.execute(select(tables.visit.c.first_seq)).scalars().all()
    assert set(firsts) == {1}


def test_long_story_is_read_whole_or_not_proved(house, monkeypatch):
    lock = house.enrol()
    access = lock.add(event.ACCESS, {event.REASON: 0, event.VIA: event.PHONE, event.SUBJECT: "Dora", event.ROLE: 1})
    lock.add(event.DOOR_OPENED, {event.ACCESS_SEQ: access})
    for number in range(600):
        lock.add(event.DOOR_HELD if number == 300 else event.CLOCK_SET)
        if number % 30 == 0:
            lock.seal()
    lock.add(event.DOOR_CLOSED, {event.ACCESS_SEQ: access, event.DURATION_S: 9_000})
    lock.seal()
    house.collect()
    (shown,) = house.page().stories
    whole = (shown.story.outcome, shown.story.is_held, shown.story.open_for_s, shown.story.has_gap)
    assert whole == ("opened", True, 9_000, False) and shown.proof.state == "holds"
    with house.database.begin() as connection:
        connection.execute(update(tables.event).where(tables.event.c.seq == 400).values(record=b"no record"))
    (shown,) = house.page().stories
    assert shown.proof.is_broken and shown.proof.seq == 400
    # Where there are too many to be checked, nobody says that they hold, nor what they tell.
    monkeypatch.setattr("lobbylock.history._MOST_ROWS", 550)
    (shown,) = house.page().stories
    assert shown.proof.state == "waiting" and "too many to check" in shown.proof.sentence
    assert (shown.story.outcome, shown.story.has_gap, shown.story.who) == ("unknown", False, "Dora")


def test_slots_that_get_their_names_later(house):
    lock = house.enrol()
    code = lock.add(event.ACCESS, {event.REASON: 0, event.VIA: event.KEYPAD, event.SLOT: 7, event.ROLE: 2})
    lock.seal()
    house.collect()
    anna = Reader("resident", "Anna")
    assert house.told(anna) == {} and house.told(person="Anna") == {}
    door = house.home.door(FRONT)
    door.list_driver("Anna", NOON_S, 7, role="resident")
    house.home.save_door(door)
    for told in (house.told(anna), house.told(person="Anna"), house.told()):
        assert {seq: (shown.story.who, shown.proof.state) for seq, shown in told.items()} == {code: ("Anna", "holds")}
    assert look(house) == [] and house.told(person="Zoe") == {}
    with house.database.begin() as connection:
        connection.execute(update(tables.visit).values(person="Zoe"))
    assert [found.seq for found in look(house)] == [code]
    assert house.told()[code].proof.is_broken


def test_pages_tell_nothing_of_those_whom_one_may_not_see(house, monkeypatch):
    lock = house.enrol()
    seen = []
    for number in range(4):
        for _ in range(3 * number):
            lock.now_s += 60
            lock.add(event.ACCESS, {event.REASON: 0, event.VIA: event.KEYPAD, event.SLOT: 7, event.ROLE: 2})
            lock.seal()
        seen.append(house.come("Dora", picture=False))
        lock.now_s += 60
        own = {event.REASON: 0, event.VIA: event.KEYPAD, event.SLOT: 5, event.ROLE: 2}
        seen.append(lock.add(event.ACCESS, own))
        lock.seal()
    house.collect()
    anna = Reader("resident", "Anna")

    def walk(before=None, limit=2, **more):
        pages = []
        while not pages or pages[-1].next:
            pages.append(house.page(anna, before=pages[-1].next if pages else before, limit=limit, **more))
        return pages

    def seqs(pages):
        return [[shown.seq for shown in page.stories] for page in pages]

    # Before and after Anna has a place on the list; then those of it may be hers.
    newest = seen[::-1]
    assert seqs(walk()) == [[newest[1], newest[3]], [newest[5], newest[7]]]
    assert walk(person="zzz") == [Page([], None)]
    door = house.home.door(FRONT)
    door.list_driver("Anna", NOON_S, 5, role="resident")
    house.home.save_door(door)
    for count, limit in ((3, 3), (500, 1)):
        monkeypatch.setattr(history, "_READ_ON_ROWS", count)
        pages = walk(limit=limit)
        assert seqs(pages) == [newest[each : each + limit] for each in range(0, len(newest), limit)]
        for page in pages[:-1]:
            last = page.stories[-1]
            assert page.next == f"{last.shown_s}.{last.chain}.{last.seq}"
    # No place that somebody makes up tells of the nine who came before the last Dora.
    pages = [house.page(anna, before=f"{lock.now_s - 60 * each}.1.0", limit=1) for each in (1, 2, 5, 9, 10)]
    assert seqs(pages) == [newest[2:3]] * 5 and len({page.next for page in pages}) == 1
    assert walk(outcome="refused") == [Page([], None)]
    assert [shown.seq for shown in house.page(anna, person="Anna", limit=200).stories] == newest[::2]
    # Of very many without a name the newest are looked at, wherever a page begins.
    monkeypatch.setattr(history, "_MOST_UNNAMED", 5)
    assert seqs(walk(limit=3)) == [[newest[0], newest[1], newest[3]], [newest[5], newest[7]]]
    assert [page.next for page in walk(person="Anna", before=f"{lock.now_s - 60}.1.1")] == [None]


def test_wrong_codes_and_other_doors_leave_ones_own_visits(house, monkeypatch):
    monkeypatch.setattr(history, "_MOST_UNNAMED", 3)
    doors = (FRONT, "maple-12/court")
    own = []
    for number, name in enumerate(doors):
        lock = house.enrol(name, bytes([number + 1]) * 32)
        for _ in range(2):
            lock.now_s += 60
            details = {event.REASON: event.GRANTED, event.VIA: event.KEYPAD, event.SLOT: 5, event.ROLE: 2}
            own.append(lock.add(event.ACCESS, details))
        for _ in range(5):
            lock.now_s += 60
            lock.add(event.ACCESS, {event.REASON: event.WRONG_CODE, event.VIA: event.KEYPAD})
        lock.seal()
    house.collect()
    for name in doors:
        door = house.home.door(name)
        door.list_driver("Anna", NOON_S, 5, role="resident")
        house.home.save_door(door)
    shown = house.page(Reader("resident", "Anna")).stories
    assert sorted(each.seq for each in shown) == sorted(own)


def test_index_that_names_a_reader_everywhere_ends_their_list(house, monkeypatch):
    house.enrol()
    dora = house.come("Dora", picture=False)
    for _ in range(9):
        house.come("Bert", 2, picture=False)
    house.collect()
    with house.database.begin() as connection:
        connection.execute(update(tables.visit).where(tables.visit.c.role == "resident").values(person="Anna"))
    anna = Reader("resident", "Anna")
    assert [shown.seq for shown in house.page(anna, limit=2).stories] == [dora]
    monkeypatch.setattr(history, "_MOST_HIDDEN", 4)
    monkeypatch.setattr(history, "_READ_ON_ROWS", 3)
    assert house.page(anna, limit=2) == Page([], None)


def test_days_of_doors_in_other_zones(house):
    house.enrol()
    house.enrol("oak-3/front", b"\2" * 32)
    front, oak = house.come(picture=False), house.come(name="oak-3/front", picture=False)
    house.collect()
    early, late = (NOON_S, NOON_S + 60), (NOON_S + 60, NOON_S + 120)
    for spans, found in (
        ({FRONT: late, "oak-3/front": late}, {FRONT, "oak-3/front"}),
        ({FRONT: early, "oak-3/front": late}, {"oak-3/front"}),
        ({FRONT: late, "oak-3/front": early}, {FRONT}),
    ):
        assert {shown.door.name for shown in house.page(spans=spans).stories} == found
    assert front == oak


def test_pictures_that_are_none(house):
    lock = house.enrol()
    house.come("Dora 1")
    lock.pictures[2] = b"<script>alert(1)</script>"
    seq = house.come("Dora 2", picture=False, PICTURE_NUMBER=2)
    house.announce(lock, 2)
    lock.add(event.PICTURE, {event.PICTURE_NUMBER: 3, event.LENGTH: 50_000_000, event.SHA256: bytes(32)})
    lock.seal()
    huge = house.come("Dora 3", picture=False, PICTURE_NUMBER=3)
    strange = house.come("Dora 4", picture=False, PICTURE_NUMBER=1 << 63)
    later = house.come("Dora 5", picture=False, PICTURE_NUMBER=9)
    house.collect()
    told = house.told()
    states = {number: told[number].picture.state for number in (seq, huge, strange, later)}
    assert states == {seq: "not_jpeg", huge: "not_here_yet", strange: "not_here_yet", later: "not_here_yet"}
    assert {shown.proof.state for shown in told.values()} == {"holds"}


def test_a_picture_that_the_lock_gave_up_is_lost(house):
    lock = house.enrol()
    cut = house.come("Dora 1", picture=False, PICTURE_NUMBER=7)
    other = house.come("Dora 2", picture=False, PICTURE_NUMBER=8)
    for _ in range(3):
        lock.add(event.CAMERA_FAILED, {event.REASON: event.NO_ANSWER})
    failed = lock.add(event.CAMERA_FAILED, {event.REASON: event.BAD_PICTURE, event.PICTURE_NUMBER: 7})
    lock.seal()
    house.collect()
    told = house.told()
    assert {number: told[number].picture.state for number in (cut, other)} == {cut: "lost", other: "not_here_yet"}
    assert told[cut].picture.seq == failed and told[cut].proof.state == "holds"
    # Who edits the row that says so does not hide a picture.
    with house.database.begin() as connection:
        row = tables.event.c
        connection.execute(update(tables.event).where(row.seq == failed).values(tag=bytes(16)))
    assert house.told()[cut].proof.is_broken


def test_hostile_names_come_through(house):
    house.enrol()
    names = ["<b>x</b>", "a\0b", "\u202eevil", "'; DROP TABLE visit; --", "%s{0}", "x" * 60]
    for name in names:
        house.come(name, picture=False)
    house.collect()
    told = house.told()
    assert [shown.story.who for _, shown in sorted(told.items())] == names
    assert {shown.proof.state for shown in told.values()} == {"holds"}
    for name in names:
        assert [shown.story.who for shown in house.page(person=name).stories] == [name]


def test_doors_without_a_key_are_broken_and_shown(house):
    house.enrol()
    house.come("Dora", picture=False)
    house.collect()
    door = house.doors()[FRONT]
    house.history._doors = lambda: {FRONT: Door(door.building, door.door, door.tag, door.options, door.public_key)}
    house.history._keyring._lines.clear()
    (shown,) = house.page().stories
    assert shown.proof.is_broken and re.match("No journal key", shown.proof.sentence)
