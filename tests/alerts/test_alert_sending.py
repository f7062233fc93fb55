"""From an event in the collector to a mail and a webhook, over apprise, with names that strangers chose."""

import logging
import socket
import threading
import time

import pytest
from alert_case import PATIENT, Street, person

from firmware.core import event
from lobbylock import alert_sending, logs
from lobbylock.alert_queue import Waiting
from lobbylock.alert_rules import Way
from lobbylock.alert_text import Heap
from lobbylock.database import Database
from lobbylock.errors import UserError

HOSTILE = "<b onclick=x>Eve</b> [a](http://evil.example) <!channel> @everyone {{ app_id }}"
TORN = "Eve\r\nBcc: all@example.com\r\n\r\n<script>alert(1)</script>"


@pytest.fixture
def lane(tmp_path):
    with Database.open(tmp_path / "lane.db") as opened:
        yield Street(tmp_path, opened, alert_sending.send)


def mail_url(mailbox, password="pass"):
    to = f"from=lock@example.com&to=ines@example.com&mode=insecure&{PATIENT}"
    return f"mailto://user:{password}@127.0.0.1:{mailbox.port}?{to}"


def hook_url(hooks):
    return f"json://127.0.0.1:{hooks.port}/hook?{PATIENT}"


def test_a_forced_door_comes_by_mail_and_by_webhook(lane, mailbox, hooks):
    lane.tell(person(urls=[mail_url(mailbox, ""), hook_url(hooks)], kinds=["forced"]))
    lane.step()
    lane.record(event.DOOR_FORCED)
    lane.pass_on()
    (mail,) = mailbox.mails
    assert mail["subject"] == "LobbyLock: forced at maple-12/front"
    assert mail["to"] == "ines@example.com"
    assert "maple-12/front: the door was opened by force, 2026-09-21 08:00." in mailbox.texts()[0]
    ((path, value),) = hooks.calls
    assert path == "/hook" and value["title"] == "LobbyLock: forced at maple-12/front"
    assert value["message"] == "maple-12/front: the door was opened by force, 2026-09-21 08:00."


@pytest.mark.parametrize("name", [HOSTILE, TORN, "\u202eevE", "x" * 150])
def test_names_of_strangers_stay_text(lane, mailbox, hooks, name):
    lane.tell(person(urls=[mail_url(mailbox, ""), hook_url(hooks)], kinds=["delivery"]))
    lane.step()
    lane.access(name)
    lane.pass_on()
    (mail,) = mailbox.mails
    assert mail["subject"] == "LobbyLock: delivery at maple-12/front"
    assert mail.get_all("to") == ["ines@example.com"] and mail["bcc"] is None
    text = mailbox.texts()[0]
    for piece in ("<script", "<b ", "<!channel", "http://evil", "]("):
        assert piece not in text
    message = hooks.calls[0][1]["message"]
    assert "was let in" in message and len(message.splitlines()) == 1 and "@everyone" not in message
    assert "\u202e" not in message and "x" * 65 not in message


def test_a_mail_server_that_refuses_gets_it_later(lane, mailbox):
    lane.tell(person(urls=[mail_url(mailbox, "")], kinds=["forced"]))
    lane.step()
    mailbox.refuses = True
    lane.record(event.DOOR_FORCED)
    lane.pass_on()
    assert mailbox.mails == []
    mailbox.refuses = False
    lane.step(31)
    assert len(mailbox.mails) == 1


def test_a_server_that_never_answers_holds_up_neither_the_collector_nor_others(tmp_path, hooks):
    with socket.create_server(("127.0.0.1", 0)) as silent, Database.open(tmp_path / "lane.db") as opened:
        lane = Street(tmp_path, opened, alert_sending.send)
        port = silent.getsockname()[1]
        lane.tell(
            person("Otto", urls=[f"json://127.0.0.1:{port}/never?rto=300"], kinds=["forced"]),
            person("Ines", urls=[hook_url(hooks)], kinds=["forced"]),
        )
        lane.alerts.step()
        lane.record(event.DOOR_FORCED)
        lane.collect()
        lane.alerts.step()
        until = time.monotonic() + 60
        while not hooks.calls and time.monotonic() < until:
            time.sleep(0.02)
        assert len(hooks.calls) == 1
        # Otto's attempt still hangs; events come in all the same.
        lane.record(event.DOOR_FORCED)
        lane.collect()
        lane.alerts.step()
        assert not lane.alerts._sender.is_free("Otto", f"json://127.0.0.1:{port}/never?rto=300")


def test_the_thread_sends_what_the_collector_tells(tmp_path, hooks):
    with Database.open(tmp_path / "lane.db") as opened:
        lane = Street(tmp_path, opened, alert_sending.send)
        lane.tell(person(urls=[hook_url(hooks)], kinds=["forced"]))
        lane.alerts.start()
        try:
            lane.record(event.DOOR_FORCED)
            until = time.monotonic() + 60
            # The first pass looks at what was there before it.
            while not lane.alerts._has_begun and time.monotonic() < until:
                time.sleep(0.02)
            lane.collect()
            while not hooks.calls and time.monotonic() < until:
                time.sleep(0.02)
        finally:
            lane.alerts.stop()
            # It waits a while only, and two threads at once are not what a pass is made for.
            thread = lane.alerts._thread
            assert thread is not None
            thread.join(60)
        assert [value["title"] for _, value in hooks.calls] == ["LobbyLock: forced at maple-12/front"]
        lane.step()
        assert len(hooks.calls) == 1


def test_no_password_of_an_address_is_in_a_log_or_in_the_store(lane, mailbox, hooks, capsys, caplog, log_settings):
    secret = "pw-Tk9vcGU"
    urls = [mail_url(mailbox, secret), f"json://ines:{secret}@127.0.0.1:{hooks.port}/{secret}?x={secret}&{PATIENT}"]
    for is_json in (False, True):
        logs.configure(is_json, level=logging.DEBUG)
        logging.getLogger().addHandler(caplog.handler)
        # urllib3 logs the whole path of one whose answer is torn.
        hooks.status, hooks.is_torn = 200, True
        alert_sending.send(urls[1], "title", "body")
        hooks.status, hooks.is_torn = 500, False
        lane.tell(person(urls=urls, kinds=["forced"]))
        lane.step()
        lane.record(event.DOOR_FORCED)
        lane.pass_on(3_600)
        lane.tell(person(urls=[*urls, f"nothing://{secret}@nowhere"], kinds=["forced"]))
        lane.step()
    with pytest.raises(UserError) as caught:
        alert_sending.check_urls("Ines", [f"nothing://{secret}@nowhere"])
    printed = capsys.readouterr()
    assert "alert failed" in printed.err and "URL 2 (json)" in printed.err
    assert "alerts.toml is not right" in printed.err
    everything = printed.out + printed.err + caplog.text + str(caught.value)
    assert secret not in everything
    assert secret.encode() not in b"".join(path.read_bytes() for path in lane.home.path.parent.glob("lane.db*"))


def test_what_is_too_long_for_a_service_goes_out_in_parts_and_not_in_many(hooks, monkeypatch):
    from apprise.plugins.mattermost import NotifyMattermost

    url = f"mmost://127.0.0.1:{hooks.port}/token0123456789?{PATIENT}"
    lines = [f"maple-12/front: Jonas {number} of DHL was let in by keypad, 2026-09-21 08:00." for number in range(100)]
    assert alert_sending.send(url, "LobbyLock: 2 alerts", "\n".join(lines))
    parts = [value["text"] for _, value in hooks.calls]
    assert len(parts) == 2 and max(map(len, parts)) <= NotifyMattermost.body_maxlen
    assert all(line in "\n".join(parts) for line in lines)
    hooks.calls.clear()
    monkeypatch.setattr(NotifyMattermost, "body_maxlen", 160)
    assert alert_sending.send(url, "LobbyLock: 2 alerts", "\n".join(lines))
    assert 2 <= len(hooks.calls) <= 8 and "the page has all of it" in hooks.calls[-1][1]["text"]


def test_a_late_answer_counts_and_the_row_is_not_sent_again():
    way = Way("json://127.0.0.1:1/slow", "URL 1 (json)", "json-0000")
    row = Waiting(7, "Ines", "forced", "maple-12/front", 0, 0, Heap(["x"], 1), False, 0)
    clock, answers, calls = [0.0], threading.Event(), []

    def slow(*message):
        calls.append(message)
        return answers.wait(60)

    sender = alert_sending.Sender(slow, lambda: clock[0])
    sender.start("Ines", way, ("title", "body"), [row], told_lost=False)
    clock[0] = 91
    (late,) = sender.outcomes()
    assert "did not answer in time" in late.why and way.url not in late.why
    # Nothing may be added to it meanwhile, nor does another message of this address go out; others do.
    assert sender.busy == {7} and not sender.is_free("Ines", way.url) and sender.is_free("Ines", "json://other")
    answers.set()
    until = time.monotonic() + 60
    while not (found := sender.outcomes()) and time.monotonic() < until:
        time.sleep(0.01)
    assert [outcome.why for outcome in found] == [""] and len(calls) == 1
    assert sender.busy == set() and sender.is_free("Ines", way.url)
