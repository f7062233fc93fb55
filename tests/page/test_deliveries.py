"""Deliveries and pictures as residents and managers see them, and what strangers may have put into them."""

import os
import re
from dataclasses import replace
from typing import ClassVar

import pytest
from pagecase import PASSWORD, Visitor
from sqlalchemy import update
from test_security import forbidden_in
from visitcase import FRONT, House, Quiet, jpeg

from firmware.core import event
from lobbylock import store, tables
from lobbylock.home import Home
from lobbylock.page.accounts import MANAGER, RESIDENT
from lobbylock.picture import MAX_PICTURE_BYTES
from lobbylock.watchman import INDEX

BACK = "oak-3/front"
HOSTILE = "\"><script>alert(1)</script>' onerror=x {{7*7}} \u202e\U0001f512 %s"


class Street(House):
    """Two buildings over the page's own store and issuer's folder."""

    def __init__(self, context):
        self.database = context.database
        self.home = context.home
        self.locks, self.sent = {}, {}
        self.listener = Quiet()
        self.history = context.history


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.new_issuer("Maple Street")
    return made


@pytest.fixture
def street(context):
    made = Street(context)
    for seed, name in enumerate((FRONT, BACK), 1):
        made.enrol(name, bytes([seed]) * 32)
    return made


def addresses(page, kind):
    return sorted(set(re.findall(rf'"(/{kind}/[^"]+)"', page)))


def test_a_delivery_is_a_story_with_its_proof(street, manager):
    street.come("UPS 4711")
    street.collect()
    page = manager.get("/").text
    for words in ("UPS 4711", "driver, by phone", FRONT, "granted", "opened after", "closed, open for 4 s", "receipt"):
        assert words in page, words
    assert "Proof holds" in page
    assert re.search(r'<time datetime="2026-09-21T12:01:00Z">2026-09-21 12:01:00 UTC</time>', page)
    delivery = manager.get(addresses(page, "delivery")[0]).text
    assert "UPS 4711" in delivery
    assert "Proof holds" in delivery
    assert "/trail/maple-12/front/" in delivery
    assert not forbidden_in(page) + forbidden_in(delivery)


def test_the_newest_is_on_top_and_older_ones_follow(street, manager):
    for number in range(30):
        street.come(f"Driver {number:02}", picture=False)
    street.collect()
    first = manager.get("/").text
    names = re.findall(r"Driver \d\d(?=</a>)", first)
    assert names == [f"Driver {number:02}" for number in range(29, 4, -1)]
    older = re.findall(r'href="(/\?before=[^"]+)"', first)[0]
    assert re.findall(r"Driver \d\d(?=</a>)", manager.get(older).text) == [f"Driver {n:02}" for n in range(4, -1, -1)]
    assert 'data-more="yes"' in first
    assert "data-more" not in manager.get(older).text
    # Only the newest ones are live.
    assert "sse:delivery" in first
    assert "sse:delivery" not in manager.get(older).text


def test_filters_are_in_the_address(street, manager):
    street.come("UPS 4711", picture=False)
    street.come("Dora", picture=False, opens=False, REASON=3)
    street.come("DHL 5", name=BACK, picture=False)
    street.collect()
    for query, names in (
        ("door=maple-12/front", {"UPS 4711", "Dora"}),
        ("person=DHL 5", {"DHL 5"}),
        ("outcome=refused", {"Dora"}),
        ("outcome=granted", {"UPS 4711", "DHL 5"}),
        ("day=2026-09-21", {"UPS 4711", "Dora", "DHL 5"}),
        ("day=2026-09-20", set()),
        ("door=maple-12/front&person=DHL 5", set()),
    ):
        for path in ("/", "/deliveries/list"):
            page = manager.get(f"{path}?{query}").text
            assert set(re.findall(r"(?:UPS 4711|Dora|DHL 5)(?=</a>)", page)) == names, (path, query)
    assert "refused: expired" in manager.get("/").text
    # The fragment is read again with the same filters.
    assert (
        "/deliveries/list?door=maple-12%2Ffront&amp;person=Dora"
        in manager.get("/?door=maple-12/front&person=Dora").text
    )


def test_names_to_choose_from_are_those_one_may_see(street, manager, resident):
    for subject, role, name in (("UPS 4711", 1, FRONT), ("Anna", 2, FRONT), ("Bert", 2, FRONT), ("DHL 5", 1, BACK)):
        street.come(subject, role, name=name, picture=False)
    street.collect()

    def options(browser, path):
        return set(re.findall(r'<option value="([^"]+)"></option>', browser.get(path).text))

    assert options(manager, "/") == {"UPS 4711", "Anna", "Bert", "DHL 5"}
    assert options(resident, "/") == options(resident, "/?person=ups") == {"UPS 4711", "Anna"}
    assert "Bert" not in resident.get("/?person=be").text


def test_a_day_is_that_of_each_door(street, manager):
    door = street.home.door(BACK)
    door.options = replace(door.options, zone="NZST-12")
    street.home.save_door(door)
    street.come("UPS 4711", picture=False)
    street.come("DHL 5", name=BACK, picture=False)
    street.collect()
    for day, name in (("2026-09-21", "UPS 4711"), ("2026-09-22", "DHL 5")):
        page = manager.get(f"/?day={day}").text
        assert re.findall(r"(?:UPS 4711|DHL 5)(?=</a>)", page) == [name]


def test_a_time_that_the_lock_did_not_know_is_not_proved(street, manager):
    lock = street.locks[FRONT]
    lock.now_s = None
    lock.add(event.ACCESS, {event.REASON: 0, event.VIA: event.PHONE, event.SUBJECT: "Dora", event.ROLE: 1})
    lock.seal()
    street.collect()
    page = manager.get("/").text
    said = r'received <time datetime="2026-09-21T12:00:00Z">2026-09-21 12:00:00 UTC</time>, not proved'
    for text in (page, manager.get(addresses(page, "delivery")[0]).text, manager.get(f"/trail/{FRONT}").text):
        assert re.search(said, text)


def test_strange_filters_are_sentences(manager, street):
    for query in (
        "day=yesterday",
        "day=2026-02-30",
        "day=9999-12-31",
        "outcome=x",
        "before=x",
        "before=1.2.3.4",
        f"before={'9' * 30}.1.1",
    ):
        for path in ("/", "/deliveries/list", "/pictures"):
            answer = manager.get(f"{path}?{query}")
            assert answer.status_code == 400, (path, query)
            assert "Something failed" not in answer.text
    assert manager.get("/?door=no-house/front").status_code == 404
    assert manager.get("/?person=%00%ff&day=").status_code == 200


def test_residents_see_deliveries_and_themselves_and_nobody_else(street, resident):
    street.come("UPS 4711")
    street.come("Anna", role=2, picture=False)
    street.come("Ben", role=2, picture=False)
    street.come("DHL 5", name=BACK)
    street.collect()
    page = resident.get("/").text
    assert "UPS 4711" in page
    assert ">Anna</a>" in page
    assert "Ben" not in page
    assert "DHL 5" not in page
    assert "oak-3" not in page
    assert "/trail/" not in page
    assert len(addresses(page, "picture")) == 1
    for path in ("/?person=Ben", "/?person=DHL 5", "/deliveries/list?person=Ben", "/pictures?person=Ben"):
        text = resident.get(path).text
        assert "Ben</a>" not in text and "DHL 5</a>" not in text, path


def test_what_is_not_theirs_does_not_exist_at_any_address(app, street, manager, resident):
    street.come("UPS 4711")
    street.come("Ben", role=2, picture=False)
    street.come("DHL 5", name=BACK)
    street.collect()
    page = manager.get("/").text
    own = addresses(resident.get("/").text, "delivery")
    assert len(own) == 1
    nothing = resident.get("/delivery/no-house/front/1/1")
    assert nothing.status_code == 404
    strange = [path for path in addresses(page, "delivery") if path not in own]
    assert len(strange) == 2
    for path in strange:
        for address in (path, path.replace("/delivery/", "/picture/")):
            answer = resident.get(address)
            assert (answer.status_code, answer.text) == (404, nothing.text), address
            assert manager.get(path).status_code == 200
    # Another building's chain under the name of their own door.
    chain, seq = next(path for path in strange if "oak-3" in path).split("/")[-2:]
    for kind in ("delivery", "picture"):
        assert resident.get(f"/{kind}/maple-12/front/{chain}/{seq}").status_code == 404
    for path in ("/", "/deliveries/list", "/pictures"):
        theirs, nobodys = (resident.get(f"{path}?door={door}") for door in (BACK, "no-house/front"))
        assert (theirs.status_code, theirs.text) == (404, nobodys.text), path


@pytest.mark.parametrize(
    "rest",
    ["1/0", "1/999999", "999/1", "-1/1", "1/-1", "x/y", "1/1e3", "1/%00", f"1/{'9' * 18}", f"{'9' * 30}/1", "1/٣"],
)
def test_made_up_numbers_are_nothing(street, manager, rest):
    street.come()
    street.collect()
    for kind in ("delivery", "picture"):
        assert manager.get(f"/{kind}/maple-12/front/{rest}").status_code == 404


def test_hostile_strings_are_text_everywhere(app, context, street, manager):
    street.come(HOSTILE)
    street.come("<b>Ben</b>", role=2, picture=False)
    street.collect()
    app.state.accounts.create("<img src=x>", RESIDENT, PASSWORD, 1, buildings=["maple-12"], person="<b>Ben</b>")
    resident = Visitor(app)
    assert resident.login("<img src=x>").status_code == 303
    found = addresses(manager.get("/").text, "delivery")
    paths = ["/", "/deliveries/list", "/pictures", *found, f"/?person={HOSTILE}", "/accounts"]
    for path in paths:
        text = manager.get(path).text
        assert not forbidden_in(text), path
        assert "<script>alert" not in text, path
        assert "49 " not in text, path
    assert "&lt;script&gt;alert(1)" in manager.get("/").text
    for path in ("/", "/account"):
        text = resident.get(path).text
        assert "<img src=x" not in text and "<b>Ben" not in text, path
    assert "&lt;b&gt;Ben" in resident.get("/").text


def test_a_picture_is_served_as_one_and_as_nothing_else(street, manager, visitor):
    street.come()
    street.collect()
    path = addresses(manager.get("/").text, "picture")[0]
    answer = manager.get(path)
    assert answer.content == jpeg(1)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "no-cache" in answer.headers["cache-control"]
    again = manager.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert visitor.get(path, headers={"if-none-match": answer.headers["etag"]}).status_code == 303


def picture_file(street):
    return next(street.database.pictures.rglob("*.jpg"))


def test_a_picture_that_is_another_is_a_sentence(street, manager):
    street.come()
    street.collect()
    path = addresses(manager.get("/").text, "picture")[0]
    picture_file(street).write_bytes(jpeg(2))
    page = manager.get("/").text
    assert "The file here is not the picture that was taken." in page
    assert "Proof broken" in page
    assert addresses(page, "picture") == []
    assert manager.get(path).status_code == 404


def test_a_picture_of_50_megabytes_is_not_read(street, manager, monkeypatch):
    street.come()
    street.collect()
    path = addresses(manager.get("/").text, "picture")[0]
    with open(picture_file(street), "r+b") as file:
        file.truncate(50 << 20)
    read = []
    real = open

    assert manager.get(path).status_code == 404

    class Counting:
        def __init__(self, opened):
            self._opened = opened

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._opened.close()

        def fileno(self):
            return self._opened.fileno()

        def read(self, count=-1):
            read.append(count)
            return self._opened.read(count)

    monkeypatch.setattr(store, "open", lambda *values, **options: Counting(real(*values, **options)), raising=False)
    assert len(store.read_picture(picture_file(street))) == MAX_PICTURE_BYTES + 1
    assert read == [MAX_PICTURE_BYTES + 1]
    assert "Proof broken" in manager.get("/").text


def test_what_is_no_jpeg_is_a_sentence(street, manager):
    street.locks[FRONT].pictures[1] = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    lock = street.locks[FRONT]
    seq = lock.add(
        event.ACCESS, {event.REASON: 0, event.VIA: 3, event.SUBJECT: "Eve", event.ROLE: 1, event.PICTURE_NUMBER: 1}
    )
    street.announce(lock, 1)
    lock.seal()
    street.collect()
    page = manager.get("/").text
    assert "What is here is not a picture." in page
    chain = addresses(page, "delivery")[0].split("/")[-2]
    assert manager.get(f"/picture/{FRONT}/{chain}/{seq}").status_code == 404


def test_pipes_and_links_in_the_pictures_folder_are_not_followed(street, manager, tmp_path):
    street.come()
    street.collect()
    path = addresses(manager.get("/").text, "picture")[0]
    file = picture_file(street)
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(secret)
    assert manager.get(path).status_code == 404
    file.unlink()
    os.mkfifo(file)
    assert manager.get(path).status_code == 404 and "Proof broken" in manager.get("/").text
    file.unlink()
    file.mkdir()
    assert manager.get(path).status_code == 404


def test_a_picture_on_its_way_says_so(street, manager):
    street.come()
    street.collect(pictures=False)
    page = manager.get("/").text
    assert "The picture is still on its way." in page
    assert "picture on its way" in page


def test_a_picture_that_the_lock_lost_says_so(street, manager):
    lock = street.locks[FRONT]
    street.come(picture=False, PICTURE_NUMBER=7)
    lock.add(event.CAMERA_FAILED, {event.REASON: event.BAD_PICTURE, event.PICTURE_NUMBER: 7})
    lock.seal()
    street.collect()
    page = manager.get("/").text
    assert "The lock lost the picture before it was stored." in page and "on its way" not in page


def test_pictures_as_a_strip(street, manager, resident):
    street.come("UPS 4711")
    street.come("DHL 5", name=BACK)
    street.come("Dora", picture=False)
    street.collect()
    page = manager.get("/pictures?day=2026-09-21").text
    assert len(addresses(page, "picture")) == 2
    assert "Dora" not in page.partition('class="strip"')[2]
    assert len(addresses(resident.get("/pictures").text, "picture")) == 1
    assert addresses(manager.get("/pictures?day=2026-09-20").text, "picture") == []


def test_pictures_behind_many_visits_without_any_are_found(street, manager, resident):
    street.come("UPS 4711")
    lock = street.locks[FRONT]
    home = {event.REASON: 0, event.VIA: event.PHONE, event.SUBJECT: "Anna", event.ROLE: 2}
    for number in range(1, 71):
        lock.now_s += 60
        lock.add(event.ACCESS, home)
        if number % 35 == 0:
            lock.seal()
    street.collect()
    for who in (manager, resident):
        page = who.get("/pictures").text
        assert len(addresses(page, "picture")) == 1 and "UPS 4711" in page
        assert "Older pictures" not in page


def test_the_strip_has_the_filters_of_the_deliveries(street, manager):
    assert "No picture has been taken yet." in manager.get("/pictures").text
    street.come("UPS 4711")
    street.come("DHL 5")
    street.collect()
    page = manager.get("/pictures?person=UPS&outcome=opened").text
    assert len(addresses(page, "picture")) == 1 and "Show all" in page
    assert 'name="person" value="UPS"' in page and '<option value="opened" selected>' in page
    assert '<option value="DHL 5">' in page
    page = manager.get("/pictures?person=Zoe").text
    assert "There is no picture that the filter lets through." in page and "Show all" in page


def test_what_is_missing_in_the_strip_keeps_its_place_and_time(street, manager):
    lock = street.locks[FRONT]
    lock.now_s = None
    details = {event.REASON: 0, event.VIA: event.PHONE, event.SUBJECT: "Dora", event.ROLE: 1, event.PICTURE_NUMBER: 7}
    lock.add(event.ACCESS, details)
    lock.seal()
    street.collect()
    page = manager.get("/pictures").text
    assert re.search(r'<span class="no-shot">The picture is still on its way.</span>', page)
    assert re.search(r"received <time [^>]*>2026-09-21 12:00:00 UTC</time>, not proved", page)


def test_a_row_that_was_changed_is_marked_where_it_is_read(street, manager, resident):
    for number in range(3):
        street.come(f"UPS {number}", picture=False)
    street.collect()
    broken = next(seq for seq, shown in street.told().items() if shown.story.who == "UPS 1")
    with street.database.begin() as connection:
        record = street.locks[FRONT].records[broken - 1].replace(b"UPS 1", b"UPS 9")
        connection.execute(update(tables.event).where(tables.event.c.seq == broken).values(record=record))
    for browser in (manager, resident):
        page = browser.get("/").text
        # From there on the chain does not hold; before it does.
        assert "Proof broken" in page
        assert "Proof holds" in page
        assert re.search(rf'class="card bad" id="v-\d+-{broken}"', page)


def test_what_the_watchman_found_is_at_the_top_of_every_page(context, street, manager, resident):
    class Found:
        door, chain, seq, what = FRONT, 1, 12, "record"
        sentence = "The record of event 12 is not the one that was stored."

    class Watch:
        findings: ClassVar[list[type[Found]]] = [Found]
        alterations = findings
        failure = None
        checked_s = 0.0
        is_running = True

    context.watch = Watch()
    for browser, path in ((manager, "/"), (manager, "/accounts"), (resident, "/"), (resident, "/notices")):
        page = browser.get(path).text
        assert 'class="notice broken" role="alert"' in page, path
        assert f"{FRONT} #12: The record of event 12" in page, path
    assert f"/trail/{FRONT}/1/12" in manager.get("/broken").text
    assert "/trail/" not in resident.get("/broken").text
    # In a landmark, as all that is on the page.
    assert re.search(r'<section id="notices" aria-label="Notices"[^>]*>\s*<div class="notice', manager.get("/").text)

    class Listed(Found):
        what, sentence = INDEX, "The row that finds this visit does not say what the record says."

    class Later(Listed):
        seq = 15

    # That the list says something else follows from the changed record; it is a finding where the record is as it was.
    Watch.findings += [Listed, Later]
    page = manager.get("/notices").text
    assert re.findall(r"#(\d+): The (\w+)", page) == [("12", "record"), ("15", "row")]
    assert manager.get("/broken").text.count('class="card bad"') == 2
    del Watch.findings[1:]
    Found.door = BACK
    assert "notice broken" not in resident.get("/").text
    assert "notice broken" in manager.get("/").text


def test_a_service_that_fails_says_so_at_the_top(context, manager, resident, street):
    context.banner = lambda: "The disk of the store at /srv/collector.db is full."
    assert "The disk of the store at /srv/collector.db is full." in manager.get("/").text
    text = resident.get("/").text
    assert "/srv" not in text
    assert "Nothing is lost" in text


def test_the_page_is_whole_without_scripts(street, manager):
    street.come()
    street.collect()
    page = manager.get("/").text
    assert '<html lang="en">' in page
    for landmark in ("<header", "<nav aria-label=", '<main id="main"', 'href="#main"', "<h1>", 'role="search"'):
        assert landmark in page, landmark
    # Every field has its label.
    fields = re.findall(r'<(?:input|select)[^>]*\bid="([^"]+)"', page)
    assert fields
    for field in fields:
        assert f'<label for="{field}">' in page, field
    assert all("alt=" in image for image in re.findall(r"<img[^>]*>", page))


def test_a_manager_of_one_building_sees_that_one(app, street):
    app.state.accounts.create("max", MANAGER, PASSWORD, 1, buildings=["oak-3"])
    street.come("UPS 4711", picture=False)
    street.come("DHL 5", name=BACK, picture=False)
    street.collect()
    browser = Visitor(app)
    browser.login("max")
    page = browser.get("/").text
    assert "DHL 5" in page and "UPS 4711" not in page
    assert browser.get("/accounts").status_code == 404
    assert browser.get("/?door=maple-12/front").status_code == 404
