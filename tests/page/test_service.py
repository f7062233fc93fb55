"""The whole service in its process: broker, collector, store, page over sockets, live signals, TLS, the watchman."""

import contextlib
import os
import re
import shutil
import socket
import ssl
import threading
import time
from pathlib import Path

import httpx
import pytest
from lock_client import LockClient
from pagecase import CHEAP, PASSWORD, UNHURRIED
from sqlalchemy import update
from visitcase import FRONT, House, jpeg
from wakefulwatch import spawn

from certificates import make_certificates
from lobbylock import subscription, tables, watchman
from lobbylock.address import Address
from lobbylock.broker import Broker
from lobbylock.database import Database
from lobbylock.errors import UserError
from lobbylock.page import live as signals
from lobbylock.page.accounts import MANAGER, RESIDENT, Accounts
from lobbylock.page.server import Certificate, Listening, Server, parse_listen
from lobbylock.page.service import Service, Serving

LIMIT_S = 60


class Browser(httpx.Client):
    """Logs in over a socket."""

    def login(self, name):
        token = re.findall(r'name="csrf" value="([^"]+)"', self.get("/login").text)[0]
        answer = self.post("/login", data={"csrf": token, "name": name, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return self


class Live:
    """What a browser hears at `/live`, as it comes."""

    def __init__(self, browser):
        self.heard = []
        self.is_open = threading.Event()
        self._browser = browser
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self.is_open.wait(LIMIT_S)

    def _listen(self):
        # The browser is closed at the end of its test, or the service has ended.
        with contextlib.suppress(httpx.TransportError):
            self._follow()

    def _follow(self):
        with self._browser.stream("GET", "/live", timeout=LIMIT_S) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            kind = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    kind = line[7:]
                    self.is_open.set()
                elif line.startswith("data:") and kind != "hello":
                    self.heard.append((kind, line[5:].strip()))

    def wait(self, signal):
        return wait(lambda: signal in self.heard)

    def join(self):
        self._thread.join(LIMIT_S)
        return not self._thread.is_alive()


def wait(condition):
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def broker():
    with Broker("mosquitto") as running:
        yield running


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    with Database.open(folder / "collector.db") as database:
        made = House(database, folder / "home")
        made.enrol()
        accounts = Accounts(database, CHEAP)
        accounts.create("mia", MANAGER, PASSWORD, 1)
        accounts.create("anna", RESIDENT, PASSWORD, 1, buildings=["maple-12"], person="Anna")
        yield made


@pytest.fixture(scope="module", autouse=True)
def wakeful_watchman():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watchman, "_spawn", spawn)
        yield


@pytest.fixture(scope="module")
def service(house, broker):
    serving = Serving(Listening(port=0))
    with Service(house.home, house.database, Address.parse(broker.url), serving, passwords=CHEAP) as running:
        yield running


@pytest.fixture(scope="module")
def lock(house, broker, service):
    with LockClient(broker.port, house.locks[FRONT], house.home.collector().public_key) as client:
        yield client


@pytest.fixture
def browser(service):
    with Browser(base_url=service.url, **UNHURRIED) as client:
        yield client.login("mia")


@pytest.fixture
def resident(service):
    with Browser(base_url=service.url, **UNHURRIED) as client:
        yield client.login("anna")


def test_a_delivery_is_heard_and_seen_with_its_picture(service, house, lock, resident):
    live = Live(resident)
    first = house.locks[FRONT].last_seq + 1
    house.come("UPS 4711")
    lock.send_events(first)
    assert live.wait(("delivery", FRONT))
    assert "UPS 4711" in resident.get("/deliveries/list").text
    live.heard.clear()
    number = len(house.locks[FRONT].pictures)
    lock.send_picture(number)
    assert live.wait(("delivery", FRONT))
    picture = re.findall(r'src="(/picture/[^"]+)"', resident.get("/").text)[0]
    assert resident.get(picture).content == jpeg(number)


def test_logging_out_ends_the_page_for_good(service, resident):
    token = re.findall(r'name="csrf" value="([^"]+)"', resident.get("/account").text)[0]
    assert resident.post("/logout", data={"csrf": token}).headers["location"] == "/login"
    assert resident.get("/").status_code == 303


def test_another_residents_coming_makes_no_sound(service, house, lock, resident, browser):
    quiet, loud = Live(resident), Live(browser)
    first = house.locks[FRONT].last_seq + 1
    house.come("Ben", role=2, picture=False)
    lock.send_events(first)
    assert loud.wait(("trail", FRONT))
    assert ("delivery", FRONT) not in quiet.heard


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_events_at_once_after_a_long_outage(service, house, lock, browser, count):
    began_s = time.monotonic()
    live = Live(browser)
    scripted = house.locks[FRONT]
    first = scripted.last_seq + 1
    while scripted.last_seq - first < count:
        house.come("DHL 5", picture=False)
    # A seal every six events.
    for number, start in enumerate(range(first, scripted.last_seq + 1, 42)):
        lock.send_events(start, min(start + 41, scripted.last_seq))
        if number % 5 == 0:
            # The page stays usable meanwhile.
            assert "DHL 5" in browser.get("/deliveries/list").text
    with house.database.store() as store:
        chain = store.chains(FRONT)[0]
        assert store.gaps(chain) == []
        assert sum(1 for _ in store.events(chain)) == scripted.last_seq
    assert live.wait(("delivery", FRONT))
    # Each signal goes out once in a while, however many events there were: the longer it all took the more of them.
    heard = live.heard[:]
    rounds = 1 + (time.monotonic() - began_s) / signals._BETWEEN_S
    assert len(heard) <= len(set(heard)) * rounds


def test_a_row_that_is_altered_is_named(service, house, lock, browser):
    first = house.locks[FRONT].last_seq + 1
    seq = house.come("UPS 4711", picture=False)
    lock.send_events(first)
    assert wait(lambda: service.context.watch.checked_s is not None)
    live = Live(browser)
    wanted = (tables.event.c.seq == seq) & (tables.event.c.chain == 1)
    altered = house.locks[FRONT].records[seq - 1].replace(b"UPS 4711", b"DHL 0815")
    with house.database.begin() as connection:
        connection.execute(update(tables.event).where(wanted).values(record=altered))
    try:
        assert live.wait(("check", ""))
        page = browser.get("/").text
        assert f"{FRONT} #{seq}" in page
        assert 'class="notice broken"' in page
    finally:
        with house.database.begin() as connection:
            connection.execute(update(tables.event).where(wanted).values(record=house.locks[FRONT].records[seq - 1]))
    assert wait(lambda: 'class="notice broken"' not in browser.get("/notices").text)


def test_a_broker_that_is_gone_is_a_banner_and_publishing_a_sentence(service, broker, browser, monkeypatch):
    # So that it tries again soon, however long the broker was away.
    monkeypatch.setattr(subscription, "_LONGEST_WAIT_S", 1.0)

    def is_published():
        # There is no banner either before the first connection: it is made in a thread of its own.
        try:
            service.context.publish([("lobbylock/maple-12/front/said", b"x", True)])
        except UserError:
            return False
        return True

    assert wait(is_published)
    assert service.context.banner() is None
    broker.stop()
    try:
        assert wait(lambda: service.context.banner() is not None)
        assert "There is no connection to the broker" in browser.get("/").text
        assert browser.get("/healthz").status_code == 503
        with pytest.raises(UserError):
            service.context.publish([("lobbylock/maple-12/front/said", b"x", True)])
    finally:
        broker.start()
    assert wait(lambda: service.context.banner() is None)


def test_the_service_ends_while_pages_are_open(house, broker):
    serving = Serving(Listening(port=0))
    with Service(house.home, house.database, Address.parse(broker.url), serving, passwords=CHEAP) as running:
        with Browser(base_url=running.url, **UNHURRIED) as client:
            live = Live(client.login("mia"))
            assert client.get("/account").status_code == 200
            running.stop()
            assert live.join()
            # The port is free now, and may be another test's by then; nobody else knows this session.
            with contextlib.suppress(httpx.TransportError):
                assert client.get("/account", timeout=5).status_code != 200


def test_a_port_that_is_taken_is_a_sentence(house, service):
    taken = Listening(port=int(service.url.rsplit(":", 1)[1]))
    with pytest.raises(UserError, match="cannot listen"):
        Service(house.home, house.database, Address("127.0.0.1", 1), Serving(taken), passwords=CHEAP)


def test_what_others_could_read_is_refused():
    for host in ("0.0.0.0", "::", "192.0.2.1", "door.example"):
        with pytest.raises(UserError, match="--tls-cert"):
            Listening(host)
    for host in ("127.0.0.1", "127.0.0.53", "::1", "localhost"):
        assert not Listening(host).is_tls
    with pytest.raises(UserError, match="needs its key"):
        Listening(certificate=Path("page.pem"))


def test_an_address_that_would_send_passwords_in_the_clear_is_refused():
    tls = Listening("192.0.2.1", 443, Path("page.pem"), Path("page.key"))
    for listening, url in (
        (Listening(), "http://page.example"),
        (Listening(), "http://192.0.2.1:8480"),
        (tls, "http://page.example"),
        (tls, "http://127.0.0.1"),
    ):
        with pytest.raises(UserError, match="in the clear"):
            Serving(listening, url)
    for listening, url in (
        (Listening(), None),
        (Listening(), "http://localhost:9000"),
        (Listening(), "http://[::1]:9000"),
        (Listening(), "https://page.example"),
        (tls, "https://page.example"),
    ):
        assert Serving(listening, url).url == url


def test_where_to_listen_is_host_and_port():
    assert parse_listen("127.0.0.1:8480") == ("127.0.0.1", 8480)
    assert parse_listen("[::1]:0") == ("::1", 0)
    for text in ("", "8480", "127.0.0.1", "127.0.0.1:", ":8480", "::1:8480", "h:99999", "h:-1", "h:٣"):
        with pytest.raises(UserError):
            parse_listen(text)


def test_a_renewed_certificate_is_taken_up_and_half_a_one_is_not(tmp_path):
    old, new = (make_certificates(make(tmp_path / name)) for name in ("old", "new"))
    cert, key = tmp_path / "page.pem", tmp_path / "page.key"
    shutil.copy(old.cert, cert)
    shutil.copy(old.key, key)
    served = Certificate(cert, key)
    assert not served.refresh()
    # A renewal writes one file after the other.
    replace(new.cert, cert)
    assert not served.refresh()
    replace(new.key, key)
    assert served.refresh()
    assert not served.refresh()
    cert.unlink()
    assert not served.refresh()


def test_tls_is_served_and_renewed_without_a_restart(tmp_path):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})

    old, new = (make_certificates(make(tmp_path / name)) for name in ("old", "new"))
    cert, key = tmp_path / "page.pem", tmp_path / "page.key"
    shutil.copy(old.cert, cert)
    shutil.copy(old.key, key)
    server = Server(app, Listening("127.0.0.1", 0, cert, key), lambda: None)
    server.start()
    try:
        assert server.url.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=old.ca)
        assert httpx.get(server.url, verify=trust, timeout=LIMIT_S).text == "here"
        replace(new.key, key)
        replace(new.cert, cert)
        renewed = ssl.create_default_context(cafile=new.ca)

        def is_renewed():
            try:
                return httpx.get(server.url, verify=renewed, timeout=LIMIT_S).text == "here"
            except httpx.ConnectError:
                return False

        assert wait(is_renewed)
        # Nothing is served in the clear there.
        with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" not in plain.recv(100)
    finally:
        server.stop()


def test_certificates_that_cannot_be_used_are_sentences(tmp_path):
    made = make_certificates(tmp_path)
    with pytest.raises(UserError, match="There is no file"):
        Certificate(tmp_path / "nothing.pem", made.key)
    with pytest.raises(UserError, match="belong together"):
        Certificate(made.client_cert, made.key)
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(UserError, match="PEM"):
        Certificate(tmp_path / "junk.pem", made.key)


def make(folder):
    folder.mkdir()
    return folder


def replace(source, target):
    """As tools that renew certificates do: another file under the same name."""
    shutil.copy(source, f"{target}.new")
    os.replace(f"{target}.new", target)
