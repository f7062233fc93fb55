"""The trail: rows with their proof, and one row with its bytes and every check, on both databases."""

import re

import pytest
from recordcase import House, find, open_page
from scripted_door import ScriptedDoor
from sqlalchemy import delete, update

from firmware.core import event
from lobbylock import tables
from lobbylock.journalkey import JournalKey

FRONT, OTHER = "maple-12/front", "oak-3/front"


@pytest.fixture
def house(database, tmp_path):
    made = House(database, tmp_path / "home")
    made.enrol(FRONT)
    made.enrol(OTHER, b"\2" * 32)
    return made


@pytest.fixture
def context(house, clock):
    return open_page(house, clock)


def rows_of(answer):
    """Returns (seq, kind, mark) of each row of the table, in its order."""
    rows = re.findall(r'<tr id="row-.*?</tr>', answer.text, re.DOTALL)
    found = []
    for row in rows:
        seq = int(find(r">#(\d+)<", row))
        kind = find(r'data-label="What">([^<]*)<', row)
        mark = find(r'class="mark \w+".*?</span> ([^<]+)</span>', row)
        found.append((seq, kind, mark))
    return found


def marks_in(answer):
    return dict(
        re.findall(r'<th scope="row">([\w ]+)</th>\s*<td data-label="Result"><span class="mark (\w+)', answer.text)
    )


def test_newest_first_with_proof(house, manager):
    access = house.come("Dora")
    house.locks[FRONT].add(event.DOOR_FORCED)
    house.locks[FRONT].seal()
    house.collect()
    answer = manager.get(f"/trail/{FRONT}")
    rows = rows_of(answer)
    assert [seq for seq, _, _ in rows] == list(range(house.locks[FRONT].last_seq, 0, -1))
    assert {mark for _, _, mark in rows} == {"holds"}
    assert (rows[-1], rows[1][1]) == ((access, "access", "holds"), "door forced")
    assert "Dora" in answer.text and "reason granted" in answer.text


def test_details_are_words(house, manager):
    lock = house.locks[FRONT]
    lock.add(event.BOOT, {event.CAUSE: 1, event.VERSION: "1_0"})
    lock.add(event.CAMERA_FAILED, {event.REASON: event.NO_ANSWER})
    lock.seal()
    house.collect()
    page = manager.get(f"/trail/{FRONT}").text
    assert "cause power on, version 1_0" in page and "reason no answer" in page
    assert "The camera failed (no answer)." in manager.get("/doors").text


def test_filters_by_kind(house, manager):
    house.come("Dora")
    house.locks[FRONT].add(event.DOOR_FORCED)
    house.locks[FRONT].add(event.CLOCK_SET, {event.STEP_S: 0, event.NAME: "ntp"})
    house.locks[FRONT].seal()
    house.collect()
    for kind, kinds in (
        ("access", {"access"}),
        ("alarms", {"door forced"}),
        ("seals", {"seal"}),
        ("lock", {"clock set"}),
        ("people", {"access", "unlocked", "picture", "receipt", "door opened", "door closed"}),
    ):
        assert {found for _, found, _ in rows_of(manager.get(f"/trail/{FRONT}?kind={kind}"))} == kinds
    assert len(rows_of(manager.get(f"/trail/{FRONT}?kind=none-of-them"))) == house.locks[FRONT].last_seq


def test_pages(house, manager):
    for _ in range(12):
        house.come(picture=False)
    house.collect()
    seen, address = [], f"/trail/{FRONT}"
    while address:
        answer = manager.get(address)
        seen += [seq for seq, _, _ in rows_of(answer)]
        found = re.search(r'class="button plain" href="([^"]+)">Older', answer.text)
        address = found.group(1).replace("&amp;", "&") if found else None
    assert seen == list(range(house.locks[FRONT].last_seq, 0, -1))
    assert rows_of(manager.get(f"/trail/{FRONT}?from=7"))[0][0] == 7
    for query in ("before=x", "before=1.5", "before=-1", "chain=2", "chain=99"):
        assert manager.get(f"/trail/{FRONT}?{query}").status_code == 404, query


def test_one_row(house, manager):
    access = house.come("Dora")
    house.collect()
    answer = manager.get(f"/trail/{FRONT}/1/{access}")
    record = house.locks[FRONT].records[access - 1]
    shown = find(r'<pre class="hex"[^>]*>([^<]+)</pre>', answer.text)
    assert bytes.fromhex(shown) == record and f"{len(record)} bytes" in answer.text
    assert "Dora" in answer.text and "granted" in answer.text
    assert find(r"time at the building</dt><dd><time[^>]*>([^<]+)</time>", answer.text).endswith("UTC")
    marks = marks_in(answer)
    assert len(marks) >= 5 and set(marks.values()) == {"good"}
    announced = next(n for n, each in enumerate(house.locks[FRONT].records, 1) if event.kind_of(each) == event.PICTURE)
    assert marks_in(manager.get(f"/trail/{FRONT}/1/{announced}"))["picture"] == "good"


def test_an_altered_row_is_red_and_the_others_are_not(house, manager, context):
    first = house.come("Dora")
    second = house.come("Eve")
    house.collect()
    record = house.locks[FRONT].records[first - 1].replace(b"Dora", b"Vera")
    rows = tables.event
    with context.database.begin() as connection:
        connection.execute(update(rows).where(rows.c.chain == 1, rows.c.seq == first).values(record=record))
    found = {seq: mark for seq, _, mark in rows_of(manager.get(f"/trail/{FRONT}"))}
    assert found.pop(first) == "broken" and found[second] == "holds"
    answer = manager.get(f"/trail/{FRONT}/1/{first}")
    assert "bad" in marks_in(answer).values() and 'role="alert"' in answer.text


def test_rows_that_are_gone_or_hold_anything(house, manager, context):
    house.come("Dora")
    house.come("Eve")
    house.collect()
    rows = tables.event
    with context.database.begin() as connection:
        connection.execute(delete(rows).where(rows.c.chain == 1, rows.c.seq == 3))
        connection.execute(update(rows).where(rows.c.chain == 1, rows.c.seq == 5).values(record=b"\xff<script>"))
    answer = manager.get(f"/trail/{FRONT}")
    found = {seq: (kind, mark) for seq, kind, mark in rows_of(answer)}
    assert found[3] == ("gone", "broken") and found[5] == ("not known", "broken")
    assert "Row 3 is not there" in answer.text
    answer = manager.get(f"/trail/{FRONT}/1/5")
    assert answer.status_code == 200 and "ff 3c 73" in answer.text and "<script>" not in answer.text
    assert manager.get(f"/trail/{FRONT}/1/3").status_code == 200


def test_gaps(house, manager):
    lock = house.locks[FRONT]
    house.come("Dora")
    house.collect()
    lost = lock.last_seq + 1
    house.come("Lost")
    house.sent[FRONT] = lock.last_seq
    house.come("Eve")
    house.collect(pictures=False)
    answer = manager.get(f"/trail/{FRONT}")
    gap = [(seq, mark) for seq, kind, mark in rows_of(answer) if kind == "gap"]
    assert len(gap) == 1 and gap[0][1] == "missing" and f"Events {lost} to {gap[0][0]} never came." in answer.text
    assert "Lost" not in answer.text
    assert "never came" in manager.get(f"/trail/{FRONT}/1/{lost}").text


def test_hostile_strings_are_text(house, manager):
    house.come("<img src=x onerror=alert(1)>")
    house.locks[FRONT].add(event.TASK_FAILED, {event.NAME: "\x1b]0;x\x07</td><script>alert(1)</script>"})
    house.locks[FRONT].seal()
    house.collect()
    last = house.locks[FRONT].last_seq
    for path in (f"/trail/{FRONT}", f"/trail/{FRONT}/1/1", f"/trail/{FRONT}/1/{last - 1}"):
        text = manager.get(path).text
        assert "<img src=x" not in text and "<script>alert" not in text and "\x1b" not in text, path


def test_managers_of_the_building_alone(house, app, manager, resident, visitor):
    seq = house.come("Dora")
    house.collect()
    for path in (f"/trail/{FRONT}", f"/trail/{FRONT}/1/{seq}"):
        assert resident.get(path).status_code == 404
        assert visitor.get(path).status_code == 303
        assert manager.get(path).status_code == 200
    app.state.accounts.create("max", "manager", "two horses, one stair", 1, buildings=["oak-3"])
    other = type(manager)(app)
    other.login("max", "two horses, one stair")
    # By another door's name neither: the row is of a board that is not there.
    for path in (f"/trail/{FRONT}", f"/trail/{FRONT}/1/{seq}", f"/trail/{OTHER}/1/{seq}", f"/trail/{OTHER}?chain=1"):
        assert other.get(path).status_code == 404, path
    for path in (f"/trail/{FRONT}/1/99999", f"/trail/{FRONT}/x/1", f"/trail/{FRONT}/1/x", f"/trail/{FRONT}/1/0"):
        assert manager.get(path).status_code == 404, path


def test_a_board_that_was_changed(house, manager):
    house.come("Dora")
    house.collect()
    board = ScriptedDoor(FRONT, b"\7" * 32)
    door = house.home.door(FRONT)
    door.enrol(board.public_key, JournalKey(1, board.keys[0]), may_replace=True)
    house.home.save_door(door)
    house.locks[FRONT], house.sent[FRONT] = board, 0
    house.come("Eve")
    house.collect()
    answer = manager.get(f"/trail/{FRONT}")
    chains = re.findall(r'<option value="(\d+)"[^>]*>board', answer.text)
    assert len(chains) == 2 and "Eve" in answer.text and "Dora" not in answer.text
    answer = manager.get(f"/trail/{FRONT}?chain={chains[0]}")
    assert "Dora" in answer.text and "Eve" not in answer.text
