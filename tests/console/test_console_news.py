"""Lists of revoked credentials and time tokens over the serial line, to the whole lock on the virtual board."""

import base64
import zlib
from hashlib import sha256

import pytest
from lockroom import CODE_KEY, NOON_S, TAG
from talker import INSTALLER, OWNER, STRANGER, Talker

from firmware.core import event, keycode
from lobbylock.bulletin import make_list, make_token
from lobbylock.grant import key_id
from lobbylock.signature import Signer

ISSUER = Signer(bytes([4]) * 32)
ISSUERS = [{"kid": key_id(ISSUER.public_key).hex(), "name": "maple-office", "key": ISSUER.public_key.hex()}]
IDS = [sha256(bytes([number])).digest()[:8] for number in range(60)]


@pytest.fixture
def lock(make_room):
    """A claimed lock that trusts ISSUER and does not know the time, with a session open."""
    room = make_room(issuers=ISSUERS, ntp="")
    room.power_on(knows_time=False)
    talker = Talker(room.board)
    talker.claim()
    assert talker.open()["ok"]
    return room, talker


def token(talker, nonce, time_s, signer=ISSUER):
    signature = make_token(signer, "maple-12/front", bytes.fromhex(nonce), time_s)[-64:]
    return talker.ask("time_token", unix_s=time_s, kid=ISSUERS[0]["kid"], sig=signature.hex())


def begin(talker, data):
    return talker.ask("begin", what="list", bytes=len(data), sha256=sha256(data).hexdigest())


def piece(talker, data, at, size=120):
    part = data[at : at + size]
    crc = f"{zlib.crc32(part):08x}"
    return talker.ask("piece", at=at, data=base64.b64encode(part).decode(), crc=crc)


def test_a_list_comes_over_the_serial_line(lock):
    room, talker = lock
    assert talker.ask("list")["error"] == "order"
    data = make_list(ISSUER, "maple-12", 3, IDS)
    talker.send(data, "list")
    assert talker.ask("list") == {"id": talker._id, "ok": True, "version": 3, "count": 60}
    taken = room.last(event.LIST_TAKEN)
    assert taken.details == {event.LIST_VERSION: 3, event.COUNT: 60, event.NAME: "serial"}
    assert (room.board.vfs / "revoked").read_bytes() == data
    assert not (room.board.vfs / "revoked.new").exists()
    assert talker.status()["list"] == {"version": 3, "lost": False}
    # The same once more, an older one, one of a stranger, another building's: none of them changes anything.
    for other, word in (
        (data, "older"),
        (make_list(ISSUER, "maple-12", 2, []), "older"),
        (make_list(STRANGER, "maple-12", 4, []), "list"),
        (make_list(ISSUER, "maple-13", 4, []), "list"),
        (bytes(200), "list"),
    ):
        assert begin(talker, other)["have"] == 0
        have = 0
        while True:
            reply = piece(talker, other, have)
            if not reply["ok"]:
                break
            have = reply["have"]
        assert reply["error"] == word
    assert (room.board.vfs / "revoked").read_bytes() == data
    # After a start it is still in force.
    talker.ask("restart")
    assert room.board.run_until(lambda: len(room.board.reset_causes) > 1, 60_000)
    room.board.run_for(15_000)
    room.board.line.read()
    talker.open()
    talker.send(make_list(ISSUER, "maple-12", 4, IDS[:2]), "list")
    assert talker.ask("list")["version"] == 4
    assert room.count(event.LIST_TAKEN) == 2 and room.count(event.LIST_LOST) == 0


def test_a_list_that_was_cut_goes_on_and_a_damaged_one_is_refused(lock):
    room, talker = lock
    data = make_list(ISSUER, "maple-12", 3, IDS)
    assert begin(talker, data)["have"] == 0
    assert piece(talker, data, 0)["have"] == 120
    assert piece(talker, data, 240)["error"] == "order"
    assert piece(talker, data, 0)["have"] == 120
    assert piece(talker, data, 120)["have"] == 240
    assert piece(talker, data, 240)["have"] == 360
    assert talker.ask("list")["error"] == "incomplete"
    talker.ask("close")
    assert talker.open()["ok"]
    # With its head, what there was is found.
    assert begin(talker, data)["have"] == 0
    assert piece(talker, data, 0)["have"] == 120
    assert piece(talker, data, 120)["have"] == 360
    spoiled = data[:500] + bytes([data[500] ^ 1]) + data[501:]
    for at in range(360, len(data), 120):
        assert piece(talker, spoiled, at)["have"] == min(at + 120, len(data))
    assert talker.ask("list")["error"] == "list"
    assert room.last(event.LIST_REFUSED).details == {event.REASON: event.TORN, event.NAME: "serial"}
    talker.send(data, "list")
    assert talker.ask("list")["version"] == 3


def test_the_time_comes_by_a_token(lock):
    room, talker = lock
    assert talker.ask("time_token", unix_s=NOON_S, kid="00", sig="00" * 64)["error"] == "nonce"
    nonce = talker.ask("time_nonce")["nonce"]
    assert len(nonce) == 32 and talker.ask("time_nonce")["nonce"] == nonce
    assert token(talker, "00" * 16, NOON_S)["error"] == "time"
    room.board.run_for(6_000)
    assert token(talker, nonce, NOON_S, STRANGER)["error"] == "time"
    assert talker.ask("time_token", unix_s=NOON_S, kid="x", sig="00" * 64)["error"] == "nonce"
    room.board.run_for(6_000)
    reply = token(talker, nonce, NOON_S)
    assert reply["ok"] and NOON_S <= reply["unix_s"] <= NOON_S + 60
    assert room.last(event.CLOCK_SET).details[event.NAME] == "token"
    assert talker.ask("time_nonce")["nonce"] is None
    assert token(talker, nonce, NOON_S)["error"] == "nonce"


def test_only_who_has_a_session_brings_news(room, talker):
    for word in ("list", "time_nonce", "time_token"):
        assert talker.ask(word)["error"] == "unclaimed"
    talker.claim()
    for word in ("list", "time_nonce", "time_token"):
        assert talker.ask(word)["error"] == "session"
    assert talker.open(OWNER)["ok"]
    assert talker.ask("installers", set=0, key=INSTALLER.public_key.hex())["ok"]
    assert talker.open(INSTALLER)["role"] == "installer"
    # This lock knows the time, and trusts no issuer.
    assert talker.ask("time_nonce")["nonce"] is None
    data = make_list(ISSUER, "maple-12", 1, [])
    assert begin(talker, data)["have"] == 0
    assert piece(talker, data, 0)["have"] == 120
    assert piece(talker, data, 120)["error"] == "list"
    assert room.last(event.LIST_REFUSED).details == {event.REASON: event.UNKNOWN_ISSUER, event.NAME: "serial"}


def test_a_keypad_code_is_revoked_over_the_serial_line(make_room):
    room = make_room(issuers=ISSUERS, camera="off")
    room.power_on()
    talker = Talker(room.board)
    talker.claim()
    assert talker.open()["ok"]
    window = keycode.window_at(4, room.now_s)
    code = keycode.mint(CODE_KEY, TAG, 4, 7, window)
    assert room.type(code) == event.GRANTED
    for version, ids, reason in (
        (1, [keycode.code_id("maple-12/front", 4, 7, window)], event.REVOKED),
        (2, IDS, event.GRANTED),
    ):
        room.board.run_for(8_000)
        talker.send(make_list(ISSUER, "maple-12", version, ids), "list")
        assert talker.ask("list")["version"] == version
        assert room.type(code) == reason
        assert room.type(keycode.mint(CODE_KEY, TAG, 4, 8, window)) == event.GRANTED
