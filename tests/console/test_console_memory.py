"""A session fits beside a delivery, in the heap that the whole lock has to do with, and nothing of it stays."""

import json
from hashlib import sha256

import cardcase
from talker import Talker
from test_console_floods import in_use

from firmware.core import event

# On a chip with words of 4 bytes two thirds of these. Names stay in the heap once they were loaded.
_MOST_IN_SESSION_BYTES = 22 * 1024
_MOST_AFTERWARDS_BYTES = 3 * 1024
# The 621st name takes a pool for 640 of them. A board has the stand-ins' names, half of all, in its image.
_POOL_BYTES = 7_424
_CERTIFICATE = "-----BEGIN CERTIFICATE-----\n" + ("MIIB" + "A" * 60 + "\n") * 25 + "-----END CERTIFICATE-----\n"
_KEY = _CERTIFICATE.replace("CERTIFICATE", "PRIVATE KEY")


def largest(settings):
    """Returns settings of nearly 8,192 bytes."""
    revoked = [f"{number:032x}" for number in range(40)]
    pems = {"mqtt_ca": _CERTIFICATE, "mqtt_cert": _CERTIFICATE, "mqtt_key": _KEY, "mqtt_url": "mqtts://broker.example"}
    data = json.dumps({**settings, **pems, "revoked": revoked}).encode()
    assert 7_000 < len(data) <= 8_192
    return data


def test_a_session_beside_deliveries(make_room):
    room = make_room(**cardcase.SETTINGS)
    room.power_on()
    board, talker = room.board, Talker(room.board)
    talker.claim()
    assert talker.open()["ok"]
    data = largest(room.settings)
    digest = talker.send(data)
    assert room.type(room.code()) == event.GRANTED
    assert talker.status()["reader"]["state"] == "ready"
    assert talker.ask("preview", sha256=digest)["changed"] == 5
    driver, _ = cardcase.phone(cardcase.phone_credential())
    board.nfc.place(driver)
    assert room.until_event(event.PICTURE, 15_000, 2)
    assert talker.ask("begin", what="settings", bytes=len(data), sha256=digest)["have"] == len(data)
    assert talker.ask("test", what="camera")["ok"]
    assert talker.ask("export", **{"from": 1})["ok"] and len(talker.events) > 12
    # While half of a transfer is open.
    assert talker.ask("begin", what="settings", bytes=99, sha256=sha256(b"x").hexdigest())["ok"]
    assert room.type(room.code(slot=8)) == event.GRANTED
    board.run_for(8_000)
    assert room.count(event.CAMERA_FAILED) == 0 and len(room.pulses) == 3
    assert board.reset_causes == [1] and not [line for line in board.console if "Error" in line]


def test_nothing_of_a_session_stays(make_room, set_board, memory_root):
    set_board(root=memory_root)
    room = make_room(**cardcase.SETTINGS)
    room.power_on()
    board, talker = room.board, Talker(room.board)
    board.run_for(30_000)
    before = min(in_use(board)[-2:])
    talker.claim()
    during = last = after = 0
    for _ in range(2):
        assert talker.open()["ok"]
        digest = talker.send(largest(room.settings))
        assert talker.ask("preview", sha256=digest)["changed"] == 5
        board.run_for(11_000)
        during = max(during, max(in_use(board)[-2:]) - before)
        assert talker.status()["free_heap"]
        assert talker.ask("export", **{"from": 1})["ok"]
        assert talker.ask("close")["ok"]
        board.run_for(60_000)
        last, after = after, min(in_use(board)[-3:]) - before
    assert during < _MOST_IN_SESSION_BYTES, during
    assert after < _MOST_AFTERWARDS_BYTES + _POOL_BYTES and after - last < 512, (last, after)
