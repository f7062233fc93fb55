"""The log of the service: a line for each thing that happened, and no secret in it whatever people do."""

import io
import json
import logging
import re

import httpx
import pytest
from pagecase import UNHURRIED

from firmware.core import event
from lobbylock import logs
from lobbylock.alert_sending import Sender, send
from lobbylock.alerts import Alerts
from lobbylock.page.server import Listening, Server
from lobbylock.service_log import ServiceLog
from lobbylock.verify import Gap, Refusal

PASSWORD = "a horse on the stairs"
WRONG = "not-the-password"
URL_PASSWORD = "pw-Tk9vcGU"


@pytest.fixture
def written(log_settings):
    """Where the log goes."""
    return io.StringIO()


def test_people_get_one_line_of_pairs(written):
    logs.configure(stream=written)
    logs.get("alerts").warning("alert failed", person="Ines Müller", tries=3, why='a "b"\nc', nothing=None)
    line = written.getvalue()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT[0-9:.]+Z warning lobbylock\.alerts alert failed"
        r' person="Ines Müller" tries=3 why="a \\"b\\"\\x0ac" nothing=None\n',
        line,
    ), line


def test_programs_get_json(written):
    logs.configure(True, stream=written)
    logs.get("alerts").info("alert sent", person="Ines\n\u202e", alerts=2)
    logging.getLogger("lobbylock.collection").error("%s", "The disk is full.")
    first, second = map(json.loads, written.getvalue().splitlines())
    assert first.pop("timestamp") and first == {
        "event": "alert sent",
        "level": "info",
        "logger": "lobbylock.alerts",
        "person": "Ines\n\u202e",
        "alerts": 2,
    }
    assert second["event"] == "The disk is full." and second["level"] == "error"


@pytest.mark.parametrize("is_json", [False, True])
def test_secrets_that_get_there_are_taken_out(written, is_json):
    logs.configure(is_json, stream=written)
    log = logs.get("x")
    log.info("sent to mailto://user:S3CRET@mail.example.com?pass=S3CRET now", password="S3CRET", csrf_token="S3CRET")
    log.info("json", url="jsons://S3CRET@host/path?key=S3CRET", session="S3CRET", digits=123456)
    logging.getLogger("other").warning("at %s", "postgresql://u:S3CRET@host/db")
    try:
        raise ValueError("postgresql://u:S3CRET@host/db")
    except ValueError:
        log.exception("failed")
    text = written.getvalue()
    assert "S3CRET" not in text and "123456" not in text
    assert "mail.example.com" in text and "ValueError" in text and "host/db" in text


@pytest.mark.parametrize("is_json", [False, True])
def test_addresses_lose_the_paths_that_may_be_tokens(written, is_json):
    logs.configure(is_json, stream=written)
    for url in ("https://chat.example.com/hooks/S3CRET#S3CRET", "discord://S3CRET/S3CRET", "tgram://S3CRET:S3CRET/1/"):
        logs.get("x").info(f"at '{url}'", url=url)
        logging.getLogger("other").warning("at %s", url)
    with logs.muted():
        logging.getLogger("some.plugin").error("POST /hooks/S3CRET")
    logging.getLogger("urllib3.connectionpool").warning("POST /hooks/S3CRET")
    logging.getLogger("some.plugin").error("as before")
    text = written.getvalue()
    assert "S3CRET" not in text and "chat.example.com" in text and "as before" in text


def test_a_name_cannot_make_a_line_of_its_own(written):
    logs.configure(stream=written)
    logs.get("x").info("event\n2026-09-21T00:00:00Z info forged", name="a\r\nforged\x1b[2J")
    assert len(written.getvalue().splitlines()) == 1 and "\x1b" not in written.getvalue()


def test_what_the_collector_meets_is_in_the_log_and_a_flood_is_not(written, home):
    logs.configure(True, stream=written)
    log = ServiceLog()
    for is_up in (False, False, True):
        log.connection(is_up, "gone", 1.23)
    for is_online in (True, True, False):
        log.status("maple-12/front", {"online": is_online})
    log.gap("maple-12/front", Gap(3, 4, bytes(32)))
    log.event(home.door("maple-12/front"), event.Event(1, event.ACCESS, 1, 0, None, {event.SUBJECT: "Yolanda"}))
    for _ in range(500):
        log.refused("lobbylock/x\ny/z", Refusal("too long"))
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    said = [line["event"] for line in lines]
    assert said[:5] == ["no broker", "broker connected", "lock connected", "lock not connected", "events missing"]
    refused = [line for line in lines[5:] if line["event"] == "message refused"]
    assert 20 <= len(refused) == len(lines) - 5 < 100
    assert "\n" not in refused[0]["topic"] and "Yolanda" not in written.getvalue()


@pytest.mark.parametrize("is_json", [False, True])
def test_no_secret_of_a_whole_visit_is_in_the_log(written, context, app, home, clock, is_json):
    path = home.path / "alerts.toml"
    path.touch(0o600)
    path.write_text(
        '[[person]]\nname = "Ines"\nreader = "manager"\nkinds = ["forced"]\n'
        f'urls = ["json://ines:{URL_PASSWORD}@127.0.0.1:1/{URL_PASSWORD}?key={URL_PASSWORD}"]\n'
    )
    logs.configure(is_json, stream=written, level=logging.DEBUG)
    server = Server(app, Listening(port=0), lambda: None)
    server.start()
    try:
        with httpx.Client(base_url=server.url, **UNHURRIED) as browser:
            secrets = _visit(browser, clock)
    finally:
        server.stop()
    _fail_an_alert(Alerts(context.database, path, context.doors, now_s=clock, sender=Sender(send)), home)
    text = written.getvalue()
    lines = text.splitlines()
    if is_json:
        requests = [line for line in map(json.loads, lines) if line["event"] == "request"]
        assert {"method": "POST", "path": "/login", "status": 303}.items() <= requests[3].items()
        assert {line["path"] for line in requests} >= {"/login", "/", "/grants/code"}
    assert "alert failed" in text and "URL 1 (json)" in text
    for secret in (*secrets, URL_PASSWORD, "Yolanda"):
        assert secret not in text
    assert "?" not in "".join(line for line in lines if "request" in line)


def _visit(browser, clock):
    """Logs in, at the second try, and makes a code. Returns all that is secret of it."""
    form = _value(browser.get("/login"), "csrf")
    browser.post("/login", data={"csrf": form, "name": "mia", "password": WRONG})
    form = _value(browser.get("/login"), "csrf")
    clock.now_s += 60
    entered = browser.post("/login", data={"csrf": form, "name": "mia", "password": PASSWORD})
    assert entered.status_code == 303, entered.text
    browser.get("/?person=Yolanda&day=2026-09-21")
    page = browser.get("/grants/code")
    made = browser.post(
        "/grants/code",
        data={
            "csrf": _value(page, "csrf"),
            "ticket": _value(page, "ticket"),
            "door": "maple-12/front",
            "person": "Bert",
            "role": "driver",
            "from": "",
            "for": "4h",
        },
    )
    shown = _found(r'id="secret">([0-9 ]+)<', made.text)
    return [WRONG, PASSWORD, form, _value(page, "csrf"), shown, shown.replace(" ", ""), *browser.cookies.values()]


def _value(page, name):
    return _found(rf'name="{name}" value="([^"]+)"', page.text)


def _found(pattern, text):
    found = re.search(pattern, text)
    assert found is not None, text
    return found.group(1)


def _fail_an_alert(alerts, home):
    alerts.step()
    alerts.event(home.door("maple-12/front"), event.Event(1, event.DOOR_FORCED, 1, 0, None, {}))
    alerts.step()
    alerts._sender.wait(60)
    alerts.step()
