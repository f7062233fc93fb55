"""Signals to browsers: who hears of what, how often, and that nobody has to be waited for."""

import asyncio
import inspect
import threading

import pytest
from pagecase import NOW_S, Visitor
from sqlalchemy import insert
from starlette.requests import Request

from firmware.core import event
from firmware.core.credential import DRIVER, RESIDENT, VISITOR, unwrap
from lobbylock import tables
from lobbylock.grant import Grant
from lobbylock.minting import make_credential
from lobbylock.page import live
from lobbylock.page.access import viewer_of
from lobbylock.page.live import ALARM, BANNER, CHECK, DELIVERY, STATUS, TRAIL, Hub
from lobbylock.page.sessions import Session, Sessions
from lobbylock.picture import Announcement
from lobbylock.verify import TWO_HISTORIES, Gap, Refusal


def access(seq, subject="UPS 4711", role=DRIVER, picture=None):
    details = {event.REASON: event.GRANTED, event.SUBJECT: subject, event.ROLE: role}
    if picture is not None:
        details[event.PICTURE_NUMBER] = picture
    return event.Event(seq, event.ACCESS, 1, 1_000 * seq, NOW_S, details)


def follow(seq, kind, about):
    return event.Event(seq, kind, 1, 1_000 * seq, NOW_S, {event.ACCESS_SEQ: about})


def ask(app):
    """Returns a request for `/live`."""
    return Request({"type": "http", "app": app, "method": "GET", "path": "/live", "headers": []})


@pytest.fixture
def people(app):
    accounts = app.state.accounts
    return {name: viewer_of(Session(name.encode(), accounts.find(name), "t")) for name in ("mia", "anna", "olaf")}


@pytest.fixture
def heard(people, context):
    """`heard(tell)` -> what each hears once `tell(hub, door)` has happened in another thread."""
    door = context.doors()["maple-12/front"]

    async def listen(tell):
        hub = Hub()
        clients = {name: hub.join(viewer) for name, viewer in people.items()}
        await asyncio.to_thread(tell, hub, door)
        # However long that takes: all that was said is handed out in one piece.
        while hub._signals:
            await asyncio.sleep(0.01)
        return {name: client.pending for name, client in clients.items() if client is not None}

    return lambda tell: asyncio.run(listen(tell))


HERE = "maple-12/front"


def test_a_delivery_is_heard_by_those_who_may_see_it(heard):
    got = heard(lambda hub, door: hub.event(door, access(1)))
    assert got == {"mia": {(DELIVERY, HERE), (TRAIL, HERE)}, "anna": {(DELIVERY, HERE)}, "olaf": set()}


def test_what_becomes_of_a_delivery_is_heard_as_well(heard):
    def tell(hub, door):
        # Before anybody listened.
        hub.event(door, access(1, picture=7))

    for later in (
        lambda hub, door: hub.event(door, follow(2, event.DOOR_OPENED, 1)),
        lambda hub, door: hub.event(door, event.Event(3, event.PICTURE, 1, 1, NOW_S, {event.PICTURE_NUMBER: 7})),
        lambda hub, door: hub.picture(door.name, Announcement(3, 7, 10, b""), "x.jpg"),
    ):
        got = heard(lambda hub, door, later=later: (tell(hub, door), later(hub, door)))
        assert got["anna"] == {(DELIVERY, HERE)}


def test_residents_do_not_hear_that_another_resident_came(heard):
    def tell(hub, door):
        hub.event(door, access(1, "Ben", RESIDENT))
        hub.event(door, follow(2, event.DOOR_OPENED, 1))
        hub.event(door, follow(3, event.DOOR_CLOSED, 1))

    got = heard(tell)
    assert got["anna"] == set()
    assert got["mia"] == {(DELIVERY, HERE), (TRAIL, HERE)}
    assert heard(lambda hub, door: hub.event(door, access(1, "Anna", RESIDENT)))["anna"] == {(DELIVERY, HERE)}


def test_health_and_alarms_are_for_managers(heard):
    def tell(hub, door):
        hub.status(door.name, {"online": True})
        hub.gap(door.name, Gap(3, 4, b""))
        hub.event(door, follow(9, event.LIST_REFUSED, 0))
        hub.refused("lobbylock/maple-12/front/events", Refusal(TWO_HISTORIES))
        hub.refused("lobbylock/x/y/events", Refusal("malformed"))

    got = heard(tell)
    assert got["mia"] == {(STATUS, HERE), (TRAIL, HERE), (ALARM, HERE)}
    assert got["anna"] == got["olaf"] == set()


def test_residents_hear_of_a_forced_door(heard):
    got = heard(lambda hub, door: hub.event(door, follow(9, event.DOOR_FORCED, 0)))
    assert got == {"mia": {(TRAIL, HERE), (ALARM, HERE)}, "anna": {(ALARM, HERE)}, "olaf": set()}


def test_residents_hear_of_their_own_visitors(app, context, people):
    grant = Grant("Anna", "maple-12", RESIDENT, ["lobby"], NOW_S, NOW_S + 9_000, NOW_S, b"own " * 2)
    kid, number = unwrap(make_credential(context.home, grant))[0], grant.id
    request = ask(app)
    door = context.doors()[HERE]
    with context.database.begin() as connection:
        connection.execute(insert(tables.chain).values(id=1, door=HERE, public_key=bytes(32)))

    def visit(subject, parent):
        details = {event.SUBJECT: subject, event.ROLE: VISITOR, event.KID: kid, event.PARENT_ID: parent}
        return {1: (door, event.Event(1, event.ACCESS, 1, 1, NOW_S, {event.REASON: event.GRANTED, **details}))}

    async def listen():
        answer = await inspect.unwrap(live.listen)(request, people["anna"])
        context.hub.close()
        return answer

    assert asyncio.run(listen()).status_code == 200
    assert live._hears(people["anna"], DELIVERY, HERE, visit("Vera", number))
    assert not live._hears(people["anna"], DELIVERY, HERE, visit("Vic", b"other-id"))
    assert not live._hears(people["olaf"], DELIVERY, HERE, visit("Vera", number))


def test_an_ended_session_hears_nothing_more_where_much_happens(app, context, monkeypatch):
    monkeypatch.setattr(live, "_CHECKED_EVERY_S", 0.05)
    monkeypatch.setattr(live, "_BETWEEN_S", 0.01)
    sessions = Sessions(context.database)
    token = sessions.begin(app.state.accounts.find("mia"), "192.0.2.1", NOW_S)
    session = sessions.check(token, NOW_S)
    assert session is not None
    viewer = viewer_of(session)

    async def listen():
        client = context.hub.join(viewer)
        signals = live._signals(ask(app), context.hub, client)
        heard = 0
        async for _ in signals:
            heard += 1
            # It never has to wait for a signal.
            client.pending.add((TRAIL, HERE))
            client.bell.set()
            if heard == 20:
                sessions.end(viewer.token_sha256)
        return heard

    assert asyncio.run(asyncio.wait_for(listen(), 60)) >= 20
    assert context.hub.clients == 0


def test_everybody_hears_that_a_proof_is_broken_at_their_doors(heard):
    def tell(hub, door):
        hub.signal(CHECK, door.name)
        hub.signal(BANNER)

    got = heard(tell)
    assert got["mia"] == got["anna"] == {(CHECK, HERE), (BANNER, "")}
    assert got["olaf"] == {(BANNER, "")}


def test_ten_thousand_events_are_a_handful_of_signals(heard):
    got = heard(lambda hub, door: [hub.event(door, access(seq)) for seq in range(1, 10_001)])
    assert got["mia"] == {(DELIVERY, HERE), (TRAIL, HERE)}
    assert got["anna"] == {(DELIVERY, HERE)}


def test_the_collector_never_waits_for_a_browser(people, context):
    door = context.doors()[HERE]
    hub = Hub()

    async def join():
        return hub.join(people["mia"])

    # Its loop is gone, as that of a server that has ended.
    client = asyncio.run(join())
    told = threading.Thread(target=lambda: [hub.event(door, access(seq)) for seq in range(1, 1_000)])
    told.start()
    told.join(60)
    assert not told.is_alive()
    assert client is not None
    hub.leave(client)
    assert hub.clients == 0


def test_there_is_room_for_so_many_and_no_more(people):
    async def crowd():
        hub = Hub()
        own = [hub.join(people["mia"]) for _ in range(live.MAX_CLIENTS_EACH + 1)]
        if own[0] is not None:
            hub.leave(own[0])
        return [client is not None for client in own], hub.join(people["mia"]), hub.join(people["anna"])

    own, again, other = asyncio.run(crowd())
    assert own == [True] * live.MAX_CLIENTS_EACH + [False]
    assert again is not None
    assert other is not None


def test_strangers_hear_nothing(app):
    assert Visitor(app).get("/live").headers["location"].startswith("/login")
