"""A month to take away: the table for a spreadsheet, and the bundle that proves itself."""

import csv
import io
import json
import re
import threading
import time
import zipfile
from hashlib import sha256

import pytest
from recordcase import House, open_page

from firmware.core import event
from lobbylock import command
from lobbylock.bundle import cell
from lobbylock.localtime import day_bounds, format_in_zone, month_bounds, month_of, parse_local
from lobbylock.page import actions, exports

FRONT, BACK, OTHER = "maple-12/front", "maple-12/back", "oak-3/front"
EASTERN = "EST5EDT,M3.2.0,M11.1.0"
LIMIT_S = 60


@pytest.fixture
def house(database, tmp_path):
    made = House(database, tmp_path / "home")
    for number, name in enumerate((FRONT, BACK, OTHER), 1):
        made.enrol(name, bytes([number]) * 32)
    return made


@pytest.fixture
def context(house, clock):
    return open_page(house, clock)


def take(manager, place=FRONT, month="2026-09", kind="csv"):
    """Begins an export and fetches its file."""
    answer = manager.submit("/exports", place=place, month=month, kind=kind)
    assert answer.status_code == 303, answer.text
    address = answer.headers["location"]
    ends_s = time.monotonic() + LIMIT_S
    while "It is ready" not in manager.get(address).text and time.monotonic() < ends_s:
        time.sleep(0.05)
    file = manager.get(f"{address}/file")
    assert file.status_code == 200
    assert sha256(file.content).hexdigest() in manager.get(address).text
    return file


def rows_of(data):
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_the_table(house, manager, context):
    first = house.come("Dora")
    house.come("Anna", role=2, picture=False)
    house.come("Eve", name=BACK)
    house.come("Olaf", name=OTHER)
    house.collect()
    file = take(manager)
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.headers["content-disposition"] == 'attachment; filename="lobbylock-maple-12-front-2026-09.csv"'
    rows = rows_of(file.content)
    assert [(row["person"], row["role"], row["granted"], row["proof"]) for row in rows] == [
        ("Dora", "driver", "yes", "holds"),
        ("Anna", "resident", "yes", "holds"),
    ]
    assert rows[0]["record"] == str(first) and rows[0]["outcome"] == "opened" and rows[0]["picture"] == "here"
    assert rows[0]["picture_sha256"] == sha256(house.locks[FRONT].pictures[1]).hexdigest()
    assert rows[0]["time_utc"] == "2026-09-21T12:01:00Z" and rows[0]["time_local"] == "2026-09-21 12:01:00 UTC+00:00"
    # A building has all of its doors; another month nothing.
    assert {row["person"] for row in rows_of(take(manager, "maple-12").content)} == {"Dora", "Anna", "Eve"}
    assert rows_of(take(manager, month="2026-08").content) == []
    with context.database.connect() as connection:
        done = actions.latest(connection, what=actions.EXPORTED)
    assert done[-1].about == "maple-12/front, 2026-09, table" and done[-1].account == "mia"


def test_formulas_are_text(house, manager):
    for name in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", " =1+1", 'a";=1,"b'):
        house.come(name)
    house.collect()
    persons = [row["person"] for row in rows_of(take(manager).content)]
    assert persons == ["'=cmd|' /C calc'!A0", "'+1", "'-1", "'@SUM(A1)", "' =1+1", 'a";=1,"b']
    assert cell("\t=1") == "'?=1" and cell("\r=1") == "'?=1" and cell("a\nb") == "a?b"
    assert (cell(-4), cell(None), cell(True), cell("Dora")) == (-4, "", "yes", "Dora")


def test_the_bundle_proves_itself(house, manager, tmp_path, store_address, pictures_path, monkeypatch, capsys):
    house.come("Dora")
    house.locks[FRONT].add(event.DOOR_FORCED)
    house.come("Zoe")
    house.come("Eve", name=BACK)
    house.come("Olaf", name=OTHER)
    house.collect()
    file = take(manager, "maple-12", kind="signed")
    assert file.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(file.content)) as bundle:
        names = bundle.namelist()
        assert sorted(names)[:5] == [
            "README.txt",
            "alarms.csv",
            "deliveries.csv",
            "maple-12-back.jsonl",
            "maple-12-front.jsonl",
        ]
        bundle.extractall(tmp_path / "out")
    monkeypatch.setenv("LOBBYLOCK_HOME", str(house.home.path))
    for name in ("maple-12-front.jsonl", "maple-12-back.jsonl"):
        path = tmp_path / "out" / name
        assert command.main(["audit", "verify", str(path), "--json"]) == 0, capsys.readouterr()
        assert json.loads(capsys.readouterr().out)["ok"] is True
    # One that was altered shows.
    path.write_bytes(path.read_bytes().replace(b'"seq":2', b'"seq":3', 1))
    assert command.main(["audit", "verify", str(path)]) == 1
    rows = rows_of((tmp_path / "out" / "deliveries.csv").read_bytes())
    assert [row["person"] for row in rows] == ["Eve", "Dora", "Zoe"]
    for row in rows:
        picture = (tmp_path / "out" / row["picture_file"]).read_bytes()
        assert sha256(picture).hexdigest() == row["picture_sha256"]
    alarms = rows_of((tmp_path / "out" / "alarms.csv").read_bytes())
    assert [(row["door"], row["kind"]) for row in alarms] == [(FRONT, "forced")]
    text = (tmp_path / "out" / "README.txt").read_text()
    assert "people who came in other months" in text and "lobbylock audit verify" in text and "3 pictures" in text
    assert "Olaf" not in text and not any("oak" in name for name in names)


def test_a_picture_that_was_changed_is_left_out(house, manager, context):
    house.come("Dora")
    house.collect()
    path = next(context.database.pictures.rglob("*.jpg"))
    path.write_bytes(b"\xff\xd8 another \xff\xd9")
    with zipfile.ZipFile(io.BytesIO(take(manager, kind="signed").content)) as bundle:
        assert not [name for name in bundle.namelist() if name.endswith(".jpg")]
        assert rows_of(bundle.read("deliveries.csv"))[0]["proof"] == "broken"


def test_a_picture_of_two_is_in_the_bundle_once(house, manager):
    house.come("Dora")
    house.come("Zoe", picture=False, PICTURE_NUMBER=1)
    house.collect()
    with zipfile.ZipFile(io.BytesIO(take(manager, kind="signed").content)) as bundle:
        assert len([name for name in bundle.namelist() if name.endswith(".jpg")]) == 1
        assert "1 pictures" in bundle.read("README.txt").decode()


def test_what_cannot_be_exported(house, manager, resident, context, monkeypatch):
    for values, sentence in (
        ({"place": "nowhere"}, "Choose a door or a building"),
        ({"month": "2026-13"}, "no such day"),
        ({"month": "soon"}, "not a month"),
        ({"kind": "all"}, "Choose what to export"),
    ):
        answer = manager.submit("/exports", **{"place": FRONT, "month": "2026-09", "kind": "csv", **values})
        assert answer.status_code == 400 and sentence in answer.text, values
    assert resident.get("/exports").status_code == 404
    assert resident.submit("/exports", page="/account", place=FRONT, month="2026-09", kind="csv").status_code == 404
    # A failing disk is a sentence. The page comes when that has happened, not while the thread has still to begin.
    monkeypatch.setattr(exports, "write_table", fail)
    monkeypatch.setattr(exports, "_AT_ONCE_S", LIMIT_S)
    answer = manager.submit("/exports", place=FRONT, month="2026-09", kind="csv")
    page = manager.get(answer.headers["location"]).text
    assert "No space left on device" in page
    assert manager.get(f"{answer.headers['location']}/file").status_code == 404


def fail(*_):
    raise OSError(28, "No space left on device")


def test_only_whoever_made_it_gets_it(house, app, manager, context):
    house.collect()
    app.state.accounts.create("max", "manager", "two horses, one stair", 1, buildings=["oak-3"])
    other = type(manager)(app)
    other.login("max", "two horses, one stair")
    address = manager.submit("/exports", place=FRONT, month="2026-09", kind="csv").headers["location"]
    assert re.fullmatch(r"/exports/[\w-]{22}", address)
    assert other.get(address).status_code == 404 == other.get(f"{address}/file").status_code
    assert manager.get("/exports/AAAAAAAAAAAAAAAAAAAAAA").status_code == 404
    assert other.submit("/exports", place=FRONT, month="2026-09", kind="csv").status_code == 400


def test_progress_is_shown_and_two_at_a_time(house, manager, context, monkeypatch):
    going = threading.Event()

    def slow(file, history, order, progress):
        progress(7, 0)
        going.wait()
        return 0

    monkeypatch.setattr(exports, "write_table", slow)
    monkeypatch.setattr(exports, "_AT_ONCE_S", 0.01)
    values = {"place": FRONT, "month": "2026-09", "kind": "csv"}
    try:
        first = manager.submit("/exports", **values).headers["location"]
        ends_s = time.monotonic() + LIMIT_S
        while "7 rows" not in manager.get(first).text and time.monotonic() < ends_s:
            time.sleep(0.02)
        page = manager.get(first).text
        assert "7 rows" in page and "<progress" in page and 'hx-trigger="every 1s"' in page and "noscript" in page
        assert manager.submit("/exports", **values).status_code == 303
        assert manager.submit("/exports", **values).status_code == 400
    finally:
        going.set()


def test_local_times():
    assert parse_local(EASTERN, "2026-11-22T14:30") == 1_795_375_800
    assert month_bounds(EASTERN, "2026-11") == (parse_local(EASTERN, "2026-11-01T00:00"), 1_796_101_200)
    assert month_bounds("UTC0", "2026-12") == (1_796_083_200, 1_798_761_600)
    # Of an hour that comes twice the first; a day of 25 hours.
    assert parse_local(EASTERN, "2026-11-01T01:30") == 1_793_511_000
    start_s, end_s = day_bounds(EASTERN, "2026-11-01")
    assert end_s - start_s == 25 * 3_600
    start_s, end_s = day_bounds(EASTERN, "2026-03-08")
    assert end_s - start_s == 23 * 3_600
    # One that is left out.
    assert parse_local(EASTERN, "2026-03-08T02:30") == parse_local(EASTERN, "2026-03-08T03:30")
    assert month_of(EASTERN, parse_local(EASTERN, "2026-11-30T23:59")) == "2026-11"
    assert format_in_zone(1_795_375_800, EASTERN) == "2026-11-22 14:30:00 UTC-05:00"
