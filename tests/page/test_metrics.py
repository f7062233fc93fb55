"""/metrics: who may read it, and that what is in it is what happened and nothing that names anybody."""

import json
import os

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from firmware.core import event
from lobbylock import tables
from lobbylock.errors import StoreFailed, UserError
from lobbylock.metrics import Metrics
from lobbylock.page.metrics import read_token
from lobbylock.picture import Announcement
from lobbylock.verify import Gap, Refusal

NOW_S = 1_790_000_000
TOKEN = "0123456789abcdef-metrics"


@pytest.fixture
def metrics(context):
    context.metrics = Metrics()
    context.is_loopback_only = True
    return context.metrics


def read(answer):
    """Returns the samples by (name, sorted labels); the parser is strict about the form."""
    families = text_string_to_metric_families(answer.text)
    found = {}
    for family in families:
        assert family.documentation and family.type != "unknown", family.name
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.values()))
            assert key not in found
            found[key] = sample.value
    return found


@pytest.fixture
def here(app, visitor):
    """`here(host, header=...)` is somebody at `host`, this machine by default, with headers."""

    def come(host="127.0.0.1", **headers):
        someone = type(visitor)(app, client=(host, 50_000))
        someone.headers.update(headers)
        return someone

    return come


def test_without_a_token_it_is_for_this_machine_alone(metrics, context, here):
    assert here().get("/metrics").status_code == 200
    assert here("192.0.2.7").get("/metrics").status_code == 404
    for name in ("X-Forwarded-For", "Forwarded", "Via"):
        assert here(**{name: "192.0.2.7"}).get("/metrics").status_code == 404
    # Nor what comes by a proxy that adds no header.
    context.url = "https://page.example"
    context.hosts += ("page.example",)
    assert here().get("/metrics").status_code == 404
    context.url = "http://127.0.0.1:8480"
    assert here().get("/metrics").status_code == 200
    context.is_loopback_only = False
    assert here().get("/metrics").status_code == 404
    context.metrics = None
    context.is_loopback_only = True
    assert here().get("/metrics").status_code == 404


def test_with_a_token_it_is_for_whoever_has_it(metrics, context, here):
    context.metrics_token = TOKEN
    context.is_loopback_only = False
    assert here("192.0.2.7", Authorization=f"Bearer {TOKEN}").get("/metrics").status_code == 200
    for given in ("", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer \xe9"):
        answer = here().get("/metrics", headers=[(b"authorization", given.encode("latin-1"))])
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer")
        assert "lobbylock_" not in answer.text
    assert here(Authorization=f"Bearer {TOKEN}").post("/metrics").status_code == 405


def test_a_manager_s_session_is_no_token(metrics, context, app, manager):
    context.metrics_token = TOKEN
    assert manager.get("/metrics").status_code == 401


def test_what_is_counted(metrics, context, home, here):
    door = home.door("maple-12/front")
    for seq, details in enumerate(({event.REASON: 0}, {event.REASON: event.EXPIRED}, {event.REASON: 999}), 1):
        metrics.event(door, event.Event(seq, event.ACCESS, 1, 0, NOW_S, {**details, event.SUBJECT: "Yolanda <b>"}))
    metrics.event(door, event.Event(4, 250, 1, 0, NOW_S, {}))
    metrics.gap("maple-12/front", Gap(5, 9, bytes(32)))
    metrics.picture("maple-12/front", Announcement(1, 1, 9, bytes(32)), "x.jpg")
    metrics.refused("lobbylock/eve/s", Refusal("too long", "secret detail"))
    metrics.connection(False, "gone", 1)
    metrics.connection(True)
    metrics.login_failed()
    with metrics.store_time("take"):
        pass
    with pytest.raises(StoreFailed), metrics.store_time("take"):
        raise StoreFailed("The disk is full.")
    status = {"pending": 12, "heap": 61_000, "clock": 1_500, "version": "<b>"}
    with context.database.begin() as connection:
        for name in ("maple-12/front", "stranger/door"):
            row = {"door": name, "received_s": NOW_S, "online": True, "online_s": NOW_S - 5}
            connection.execute(insert(tables.status).values(**row, content=json.dumps(status)))
        waits = {"person": "Ines", "kind": "forced", "about": "x", "at_s": 1, "due_s": 1, "text": "{}", "digest": False}
        connection.execute(insert(tables.notice).values(**waits, tries=2))
    answer = here().get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = read(answer)
    front = "maple-12/front"
    expected = {
        ("lobbylock_events_total", "access", front): 3,
        ("lobbylock_events_total", "kind_250", front): 1,
        ("lobbylock_accesses_total", "granted", front): 1,
        ("lobbylock_accesses_total", "expired", front): 1,
        ("lobbylock_accesses_total", front, "other"): 1,
        ("lobbylock_gaps_found_total", front): 1,
        ("lobbylock_pictures_total", front): 1,
        ("lobbylock_messages_refused_total", "too long"): 1,
        ("lobbylock_broker_connected",): 1,
        ("lobbylock_broker_losses_total",): 1,
        ("lobbylock_logins_failed_total",): 1,
        ("lobbylock_store_seconds_count", "take"): 2,
        ("lobbylock_store_seconds_count", "read"): 1,
        ("lobbylock_store_failures_total",): 1,
        ("lobbylock_store_up",): 1,
        ("lobbylock_door_online", front): 1,
        ("lobbylock_door_pending_events", front): 12,
        ("lobbylock_door_heap_free_bytes", front): 61_000,
        ("lobbylock_door_clock_uncertainty_seconds", front): 1.5,
        ("lobbylock_door_last_seen_timestamp_seconds", front): NOW_S - 5,
        ("lobbylock_door_last_status_timestamp_seconds", front): NOW_S,
        ("lobbylock_door_gaps", front): 0,
        ("lobbylock_alerts_waiting",): 1,
        ("lobbylock_alerts_late",): 1,
        ("lobbylock_alerts_given_up",): 0,
        ("lobbylock_doors",): 2,
    }
    assert {key: found.get(tuple(sorted_key(key))) for key in expected} == expected
    for secret in ("Yolanda", "Ines", "secret", "stranger", "<b>"):
        assert secret not in answer.text


def sorted_key(key):
    return (key[0], *sorted(key[1:]))


def test_pages_are_counted_by_pattern_and_status(metrics, here):
    visitor = here()
    visitor.get("/healthz?person=Eve")
    visitor.get("/door/maple-12/front")
    visitor.get("/eve/was/here")
    visitor.request("BREW", "/login")
    visitor.get("/static/style.css")
    found = read(here().get("/metrics"))
    requests = {key[1:]: value for key, value in found.items() if key[0] == "lobbylock_page_requests_total"}
    assert requests[tuple(sorted(("GET", "/healthz", "200")))] == 1
    assert requests[tuple(sorted(("GET", "/door/{building}/{door}", "303")))] == 1
    assert requests[tuple(sorted(("GET", "other", "404")))] == 1
    assert any("other" in key and "/login" in key for key in requests)
    assert not any("Eve" in part or "maple" in part or "eve" in part for key in requests for part in key)


def test_a_failed_login_is_counted(metrics, context, visitor):
    visitor.login("mia", "wrong")
    visitor.login("eve", "a horse on the stairs")
    text = metrics.text(context.database, context.doors, None, NOW_S).decode()
    assert "lobbylock_logins_failed_total 2.0" in text


def test_the_watchman_s_age_and_findings_are_told(metrics, context, here):
    class Watch:
        findings = (1, 2)
        alterations = (1,)
        checked_s: int | None = NOW_S - 30

    context.watch = Watch()
    found = read(here().get("/metrics"))
    assert found["lobbylock_watchman_findings",] == 2 and found["lobbylock_watchman_alterations",] == 1
    assert found["lobbylock_watchman_age_seconds",] == 30
    context.watch.checked_s = None
    assert ("lobbylock_watchman_age_seconds",) not in read(here().get("/metrics"))


def test_a_store_that_fails_is_a_figure(metrics, context, here, monkeypatch):
    def fail():
        raise StoreFailed("The disk is full.")

    monkeypatch.setattr(context.database, "connect", fail)
    found = read(here().get("/metrics"))
    assert found["lobbylock_store_up",] == 0 and found["lobbylock_store_failures_total",] == 1


@pytest.mark.parametrize(
    ("data", "mode", "sentence"),
    [
        (b"short\n", 0o600, "too short"),
        (b"\xff" * 40, 0o600, "holds no token"),
        (b"two words that are long\n", 0o600, "holds no token"),
        (b"x" * 2_000, 0o600, "holds no token"),
        (TOKEN.encode(), 0o644, "chmod 600"),
        (None, 0, "cannot be read"),
    ],
)
def test_a_token_file_that_is_none_is_refused(tmp_path, data, mode, sentence):
    path = tmp_path / "token"
    if data is not None:
        os.close(os.open(path, os.O_CREAT, mode))
        path.chmod(mode | 0o200)
        path.write_bytes(data)
    with pytest.raises(UserError, match=sentence) as caught:
        read_token(path)
    assert TOKEN not in str(caught.value)


def test_a_token_is_the_line_in_its_file(tmp_path):
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(f"{TOKEN}\n")
    assert read_token(path) == TOKEN
