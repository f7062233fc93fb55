"""What each reader sees of each access and each other event: every cell, and what the page says of it."""

from pathlib import Path

import pytest

from firmware.core import event, event_names
from lobbylock.door import Door, Driver
from lobbylock.errors import UserError
from lobbylock.readers import ALL, BARE, NOTHING, PERSONS, PICTURED, TABLE, WHO, WHOSE, parse_reader
from lobbylock.settings import Options

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text("utf-8")
NOON_S = 1_789_992_000
KID = b"\x0a\x0b\x0c\x0d"
NAMES = {"driver": "Dan", "resident": "Anna", "staff": "Sue"}
WORDS = {NOTHING: "nothing", BARE: "bare", WHO: "who", PICTURED: "picture", ALL: "all"}

DOOR = Door("maple-12", "front", 3, Options())
DOOR.drivers += [Driver("Dan", 1, 0), Driver("Ann Other", 2, 0), Driver("Anna", 3, 0, role="resident")]
DOOR.drivers += [Driver("Sue", 4, 0, role="staff")]


def granted(subject, role, number, **more):
    details = {event.REASON: 0, event.VIA: event.PHONE, event.PICTURE_NUMBER: number[0], event.SUBJECT: subject}
    details |= {event.CREDENTIAL_ID: number, event.ROLE: role, event.KID: KID}
    return details | {getattr(event, name): value for name, value in more.items()}


def coded(slot, code_class):
    role = {7: {event.ROLE: 2}, 8: {event.ROLE: 3}}.get(code_class, {})
    return {event.REASON: 0, event.VIA: 1, event.SLOT: slot, event.CODE_CLASS: code_class, event.WINDOW: 9, **role}


# Access events by whose they are, with a credential and with a code.
PEOPLE = {
    "Dan": [granted("Dan", 1, b"\x11driver1"), coded(1, 4)],
    "another driver": [granted("Dora", 1, b"\x12driver2"), coded(2, 0)],
    "Anna": [granted("Anna", 2, b"\x13anna111"), coded(3, 7)],
    "another resident": [granted("Bert", 2, b"\x14bert111"), coded(9, 7)],
    "Sue": [granted("Sue", 3, b"\x15sue1111"), coded(4, 8)],
    "other staff": [granted("Sam", 3, b"\x16sam1111"), coded(8, 8)],
    "Anna's visitor": [granted("Vera", 4, b"\x17vera111", PARENT_ID=b"\x13anna111")],
    "Bert's visitor": [granted("Anna", 4, b"\x18other11", PARENT_ID=b"\x14bert111")],
    "nobody": [{event.REASON: event.WRONG_CODE, event.VIA: 1, event.PICTURE_NUMBER: 0x19}],
}
# What they are to each reader.
WHOSE_OF = {
    "driver": ("own", "driver", "resident", "resident", "staff", "staff", "visitor", "visitor", "nobody known"),
    "resident": ("driver", "driver", "own", "resident", "staff", "staff", "own visitor", "visitor", "nobody known"),
    "staff": ("driver", "driver", "resident", "resident", "own", "staff", "visitor", "visitor", "nobody known"),
}
WHOSE_OF |= dict.fromkeys(
    ("installer", "manager", "owner"),
    ("driver", "driver", "resident", "resident", "staff", "staff", "visitor", "visitor", "nobody known"),
)


def record():
    """Returns the events of a day: everybody comes, and the door does what it does for each."""
    events = []

    def add(kind, details):
        events.append(event.Event(len(events) + 1, kind, 1, 1_000 * len(events), NOON_S + len(events), details))
        return len(events)

    for all_of in PEOPLE.values():
        for details in all_of:
            if event.PICTURE_NUMBER in details:
                add(event.PICTURE, {event.PICTURE_NUMBER: details[event.PICTURE_NUMBER], event.SHA256: bytes(32)})
            seq = add(event.ACCESS, details)
            for kind in (event.UNLOCKED, event.DOOR_OPENED, event.DOOR_CLOSED, event.RECEIPT):
                if details[event.REASON] == 0:
                    add(kind, {event.ACCESS_SEQ: seq})
    for kind in range(1, len(event_names.KIND_NAMES)):
        if kind != event.ACCESS:
            add(kind, {})
    return events


EVENTS = record()


def reader_of(role):
    made = parse_reader(f"{role}:{NAMES[role]}" if role in PERSONS else role)
    made.learn(DOOR, EVENTS)
    return made


@pytest.mark.parametrize("role", TABLE)
def test_every_cell(role):
    reader = reader_of(role)
    shown = {found.seq: found for found in reader.select(DOOR, EVENTS)}
    accesses = iter(found for found in EVENTS if found.kind == event.ACCESS)
    for whose, all_of in zip(WHOSE_OF[role], PEOPLE.values(), strict=True):
        for details in all_of:
            found = next(accesses)
            assert reader.whose(DOOR, found) == whose
            level = TABLE[role][whose]
            seen = shown.get(found.seq)
            check_access(seen, details, level)
            check_followers(found, shown, level, role)
            pictured = [one for one in EVENTS if one.kind == event.PICTURE]
            pictured = [one for one in pictured if one.details.get(event.PICTURE_NUMBER) in details.values()]
            if event.PICTURE_NUMBER in details:
                assert (pictured[0].seq in shown) == (level in (PICTURED, ALL)), (role, whose)


def check_access(seen, details, level):
    if level == NOTHING:
        assert seen is None
    elif level == ALL:
        assert seen.details == details
    elif level in (WHO, PICTURED):
        allowed = (event.REASON, event.VIA, event.SLOT, event.SUBJECT, event.ROLE)
        allowed += (event.PICTURE_NUMBER,) if level == PICTURED else ()
        assert seen.details == {key: details[key] for key in allowed if key in details}
    else:
        assert seen.details == {event.REASON: details[event.REASON], event.VIA: details[event.VIA]}


def check_followers(access, shown, level, role):
    for found in EVENTS:
        if found.details.get(event.ACCESS_SEQ) == access.seq:
            assert (found.seq in shown) == (level > NOTHING or role not in PERSONS), (role, found.kind)


@pytest.mark.parametrize("role", TABLE)
def test_other_events(role):
    shown = {found.kind for found in reader_of(role).select(DOOR, EVENTS[-len(event_names.KIND_NAMES) + 2 :])}
    everything = set(range(1, len(event_names.KIND_NAMES))) - {event.ACCESS}
    pictures = {event.PICTURE}
    if role in PERSONS:
        assert shown == {event.DOOR_FORCED}
    else:
        assert shown - pictures == everything - pictures


def test_nothing_of_another_resident_in_a_residents_view():
    reader = reader_of("resident")
    said = repr([found.details for found in reader.select(DOOR, EVENTS)])
    said += repr([story.values() for story in reader.tell(DOOR, EVENTS)])
    for word in ("Bert", "bert111", "other11", "Sue", "Sam", "driver1", "driver2"):
        assert word not in said, word
    # Somebody else's visitor who is called the same is not her.
    assert said.count("'Anna'") == 3
    assert "Vera" in said and "Dora" in said


def test_stories_of_a_reader():
    told = reader_of("resident").tell(DOOR, EVENTS)
    assert [story.who for story in told] == ["Dan", "Dan", "Dora", "Ann Other", "Anna", "Anna", "Vera"]
    # Of a delivery they see the picture, and nothing else besides who, when and how.
    assert [story.picture for story in told] == [0x11, None, 0x12, None, 0x13, None, 0x17]
    assert [story.picture_sha256 for story in told] == [bytes(32) if story.picture else None for story in told]
    told = reader_of("staff").tell(DOOR, EVENTS)
    assert [story.who for story in told][:4] == ["Dan", "Dan", "Dora", "Ann Other"]
    assert {(story.picture, story.picture_sha256) for story in told[:4]} == {(None, None)}
    bare = reader_of("installer").tell(DOOR, EVENTS)
    assert {story.picture_sha256 for story in bare} == {None}
    assert len(bare) == 15 and {story.who for story in bare} == {None}
    assert {story.values()["role"] for story in bare} == {None}
    assert len(reader_of("manager").tell(DOOR, EVENTS)) == 15


def test_opening_that_was_another_ones_does_not_say_whose():
    events = []
    for kind, details in (
        (event.ACCESS, PEOPLE["another resident"][0]),
        (event.ACCESS, PEOPLE["Anna"][0]),
        (event.DOOR_OPENED, {event.ACCESS_SEQ: 1}),
    ):
        events.append(event.Event(len(events) + 1, kind, 1, 0, NOON_S, details))
    (story,) = reader_of("resident").tell(DOOR, events)
    assert story.outcome == "opened_with_another" and story.shared_with is None
    assert "opened together with somebody else" in story.text().plain


def test_before_anything_is_learned_visitors_are_strangers():
    reader = parse_reader("resident:Anna")
    visits = [found for found in EVENTS if found.details.get(event.PARENT_ID) == b"\x13anna111"]
    assert reader.select(DOOR, visits) == []
    reader.learn_id(KID, b"\x13anna111")
    assert len(reader.select(DOOR, visits)) == 1


@pytest.mark.parametrize(
    "text", ["", "anybody", "resident", "resident:", "resident: ", "manager:Mia", "manager:", "Resident:Anna", ":"]
)
def test_who_is_no_reader(text):
    with pytest.raises(UserError):
        parse_reader(text)


def test_page_says_the_same():
    header = "| reader | " + " | ".join(WHOSE) + " |"
    lines = PAGE.split("\n")
    at = lines.index(header) + 2
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[at : at + len(TABLE)]]
    assert {row[0]: row[1:] for row in rows} == {role: [WORDS[TABLE[role][whose]] for whose in WHOSE] for role in TABLE}
