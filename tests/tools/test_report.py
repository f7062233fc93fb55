"""What a collector shows, whatever locks and strangers put into their messages."""

import io
import json

import pytest
from rich.console import Console
from scripted_door import NOW_S

from firmware.core import event
from lobbylock.door import Door, Driver
from lobbylock.report import Report, Throttle
from lobbylock.settings import Options
from lobbylock.verify import MALFORMED, Gap, Refusal

DOOR = Door("maple-12", "front", 0, Options(), drivers=[Driver("[bold]Anna\x1b[2J", 7, 0)])
GRANTED = event.Event(2, event.ACCESS, 1, 61250, NOW_S, {1: 0, 2: 1, 3: 7, 4: 4, 5: 20717, 6: 1})


@pytest.fixture(params=[False, True], ids=["text", "json"])
def is_json(request) -> bool:
    return request.param


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def report(output, is_json) -> Report:
    return Report(Console(file=output, width=60, highlight=False), is_json)


def test_access(report, output, is_json):
    report.event(DOOR, GRANTED)
    line = output.getvalue()
    assert line.count("\n") == 1
    assert "granted" in line and "Anna" in line and "maple-12/front" in line
    if is_json:
        value = json.loads(line)
        assert value["details"] == {
            "reason": "granted", "via": "keypad", "slot": 7, "code_class": 4, "window": 20717, "picture": 1,
        }  # fmt: skip
        assert (value["time"], value["seq"], value["driver"]) == ("2026-09-21T12:00:00Z", 2, "[bold]Anna\x1b[2J")


def test_access_by_credential(report, output, is_json):
    details = {event.REASON: event.GRANTED, event.VIA: event.PHONE, event.SUBJECT: "UPS 4711"}
    details.update({event.CREDENTIAL_ID: b"delivery", event.ROLE: 1, event.KID: b"\xfe\x81"})
    report.event(DOOR, event.Event(3, event.ACCESS, 1, 61250, NOW_S, details))
    line = output.getvalue()
    if is_json:
        assert json.loads(line)["details"] == {
            "reason": "granted", "via": "phone", "subject": "UPS 4711", "credential_id": b"delivery".hex(),
            "role": "driver", "kid": "fe81",
        }  # fmt: skip
    else:
        assert "granted UPS 4711 " in line and "via=phone" in line and "role=driver" in line


@pytest.mark.parametrize(
    "found",
    [
        event.Event(1, event.ACCESS, 1, 250, 5, {1: 19, 2: 2, 18: "\u202e\x1b[2J", 19: 7, 20: 9, 21: "kid"}),
        event.Event(1, event.BOOT, 1, 250, None, {10: 1, 16: "0.1\x1b]0;owned\x07\r\n"}),
        event.Event(1, 99, 1, 250, 1 << 62, {77: [b"\xff", {"x\n": None}], -5: True}),
        event.Event(1, event.ACCESS, 1, 250, 5, {1: 99, 2: "[red]", 3: b"\x1b", 6: {}}),
        event.Event(1, event.UNLOCKED, 1, 250, 5, {10: 9, 15: "\u202e"}),
        event.Event(1, event.TASK_FAILED, 1, 250, 5, {13: "x" * 150}),
        event.Event(1, event.SEAL, 1, 250, 5, {9: b"\x07" * 64}),
    ],
)
def test_any_event_is_one_clean_line(report, output, is_json, found):
    report.event(DOOR, found)
    line = output.getvalue()
    assert line.count("\n") == 1 and line.endswith("\n") and line[:-1].isprintable()
    assert b"\x07".hex() * 64 not in line
    if is_json:
        assert json.loads(line)["type"] == "event"


def test_visitor_by_bluetooth(report, output, is_json):
    details = {event.REASON: event.WIDER, event.VIA: event.BLE, event.SUBJECT: "Plumber", event.ROLE: 4}
    details.update({event.CREDENTIAL_ID: b"visitors", event.KID: b"\xfe\x81", event.PARENT_ID: b"resident"})
    report.event(DOOR, event.Event(2, event.ACCESS, 1, 61250, NOW_S, details))
    line = output.getvalue()
    for word in ("wider", "ble", "visitor", "Plumber", b"resident".hex()):
        assert word in line
    assert not is_json or json.loads(line)["details"]["role"] == "visitor"


@pytest.mark.parametrize(
    ("kind", "details", "shown"),
    [
        (event.RECEIPT, {event.ACCESS_SEQ: 118, event.SHA256: bytes(32)}, "receipt"),
        (event.NOT_OPENED, {event.ACCESS_SEQ: 118}, "not_opened"),
        (event.LIST_TAKEN, {event.LIST_VERSION: 118, event.COUNT: 5, event.NAME: "phone"}, "list_taken"),
        (event.LIST_REFUSED, {event.REASON: event.OLDER, event.NAME: "118"}, "list_refused"),
        (event.LIST_LOST, {event.LIST_VERSION: 118}, "list_lost"),
        (event.DOOR_CLOSED, {event.DURATION_S: 3, event.ACCESS_SEQ: 118}, "door_closed"),
        (event.RADIO_FAULT, {event.REASON: 118}, "radio_fault"),
    ],
)
def test_what_phones_bring_and_get(report, output, is_json, kind, details, shown):
    report.event(DOOR, event.Event(119, kind, 1, 61250, NOW_S, details))
    line = output.getvalue()
    assert shown in line and "118" in line
    assert kind != event.LIST_REFUSED or "older" in line
    if is_json:
        value = json.loads(line)
        assert value["kind"] == shown and len(value["details"]) == len(details)


def test_topics_of_strangers(report, output):
    report.refused("lobbylock/\x1b[2J\n" + "x" * 60_000, Refusal(MALFORMED, "not CBOR"))
    line = output.getvalue()
    assert line.count("\n") == 1 and line[:-1].isprintable() and len(line) < 400


@pytest.fixture
def still(report):
    """The clocks of the report stand still: one more line is due with each second."""
    for throttle in (report._throttle, report._status_throttle):
        throttle._now_s = lambda: 0.0
        throttle._at_s = 0.0


def test_refusals_are_counted_and_throttled(report, output, is_json, still):
    for _ in range(1000):
        report.refused("lobbylock/a/b/events", Refusal(MALFORMED))
    assert output.getvalue().count("\n") == 20
    assert report.refusals == {MALFORMED: 1000}
    report.finish()
    last = output.getvalue().splitlines()[-1]
    assert "1000" in last and MALFORMED in last


def test_statuses_are_throttled_apart(report, output, still):
    for at in range(1000):
        report.refused("lobbylock/a/b/events", Refusal(MALFORMED))
        report.status("maple-12/front", {"online": at % 2 == 0, "pending": at, "version": "\x1b"})
    assert output.getvalue().count("maple-12/front") == 20


def test_other_lines(report, output, is_json):
    report.gap("maple-12/front", Gap(5, 8, bytes(32)))
    report.connection(True)
    report.connection(False, "refused\n\x1b", 1.5)
    lines = output.getvalue().splitlines()
    assert len(lines) == 3 and all(line.isprintable() for line in lines)
    if is_json:
        assert [json.loads(line)["type"] for line in lines] == ["gap", "connection", "connection"]


def test_throttle_refills():
    clock = [0.0]
    throttle = Throttle(3, 2.0, lambda: clock[0])
    assert [throttle.take() for _ in range(5)] == [True, True, True, False, False]
    clock[0] = 1.0
    assert [throttle.take() for _ in range(3)] == [True, True, False]
    clock[0] = 1000.0
    assert [throttle.take() for _ in range(4)] == [True, True, True, False]
