"""Every request of the serial line, to the whole lock on the virtual board."""

import base64
import json
import zlib
from hashlib import sha256

import cardcase
import lockroom
from talker import INSTALLER, OWNER, STRANGER, Talker

from firmware.core import event
from lobbylock.journalkey import JournalKey, KeyLine
from virtualboard.chip.card import Ntag215


def kid(signer):
    return sha256(signer.public_key).digest()[:8]


def details_of(room, kind):
    return [found.details for found in room.events if found.kind == kind]


def restarted(room, talker):
    """Waits for the restart that was ordered; returns whether it came without a traceback."""
    starts = len(room.board.reset_causes)
    assert room.board.run_until(lambda: len(room.board.reset_causes) > starts, 60_000)
    room.board.run_for(15_000)
    room.board.line.read()
    return not any("Traceback" in line for line in room.board.console)


def test_from_nothing_to_a_door_and_back(make_room):
    room = make_room(**cardcase.SETTINGS)
    board, talker = room.board, Talker(room.board)
    settings = (board.vfs / "settings.json").read_bytes()
    (board.vfs / "settings.json").unlink()
    room.power_on(knows_time=False)
    hello = talker.ask("hello")
    assert (hello["door"], hello["claimed"], hello["boot"]) == ("unset/unset", False, 1)
    announced = json.loads(board.console[0])
    assert announced["journal"]["seq"] == 1
    enrolment = talker.claim()
    assert enrolment["public_key"] == hello["public_key"] and enrolment["journal"]["key"] != announced["journal"]["key"]
    assert talker.open()["role"] == "owner"
    assert talker.ask("enrolment")["journal"]["seq"] > enrolment["journal"]["seq"]
    assert talker.status()["settings"] == {"sha256": None, "trial": None, "refused": "file", "running": False}
    assert talker.ask("time", unix_s=lockroom.NOON_S, uncertainty_s=1)["unix_s"] == lockroom.NOON_S
    assert talker.status()["time"]["known"]

    # Settings, half of them, then all.
    digest = talker.send(settings)
    assert talker.ask("preview", sha256=sha256(b"").hexdigest())["error"] == "sha256"
    preview = talker.ask("preview", sha256=digest)
    filled = [name for name, value in room.settings.items() if value != ""]
    assert preview["changed"] == len(talker.events) == len(filled)
    shown = {change["field"]: change for change in talker.events}
    assert shown["code_key"] == {"field": "code_key", "new": "changed"}
    assert shown["door"] == {"field": "door", "old": None, "new": "front"}
    assert talker.ask("apply", sha256=digest)["changed"] == len(filled)
    assert restarted(room, talker)
    # A lock that is claimed keeps the key of its journal to itself.
    assert "journal" not in json.loads(board.console[-1])
    assert talker.ask("status")["error"] == "session"
    assert talker.open()["ok"]
    status = talker.status()
    assert status["settings"]["trial"] == digest and status["settings"]["running"]
    assert (status["camera"]["state"], status["reader"]["state"], status["contact"]) == ("ready", "ready", "closed")
    assert talker.ask("begin", what="settings", bytes=len(settings), sha256=digest)["have"] == 0
    assert talker.send(settings) == digest and talker.ask("apply", sha256=digest)["changed"] == 0
    assert room.type(room.code()) == event.GRANTED

    # The journal, as a collector would check it.
    records, reply, following = [], {}, enrolment["journal"]["seq"]
    keys = KeyLine(JournalKey.parse(enrolment["journal"]["seq"], enrolment["journal"]["key"]))
    while following:
        reply = talker.ask("export", **{"from": following})
        records += [(item["seq"], item["record"], item["tag"]) for item in talker.events]
        following = reply["next"]
    assert records[0][0] == enrolment["journal"]["seq"] and records[-1][0] == reply["seq"]
    head = bytes.fromhex(talker.ask("export", **{"from": records[0][0]})["head"])
    for seq, record, tag in records:
        head = event.next_head(head, base64.b64decode(record))
        assert keys.fits(seq, head, base64.b64decode(tag))
    exported = [details[event.COUNT] for details in details_of(room, event.EXPORTED)]
    assert len(exported) == 2

    # Somebody else's lock again.
    assert talker.ask("reset", door="maple-12/back")["error"] == "door"
    before = room.public_key
    assert talker.ask("reset", door="maple-12/front") == {"id": talker._id, "ok": True, "sent": False}
    told = room.events
    assert [found.kind for found in told if found.kind != event.SEAL][-1] == event.FACTORY_RESET
    assert restarted(room, talker)
    hello = talker.ask("hello")
    assert (hello["claimed"], hello["boot"], hello["door"]) == (False, 1, "unset/unset")
    assert hello["public_key"] != before.hex()
    assert not [path.name for path in board.vfs.iterdir() if path.name.startswith(("settings", "part", "tables"))]
    for secret in (OWNER.public_key, bytes.fromhex(enrolment["public_key"]), room.settings["code_key"].encode()):
        assert all(secret not in board.flash.partition(label) for label in ("ledger", "journal", "photos"))
    assert talker.claim()["public_key"] == hello["public_key"]
    assert all(cause in (1, 2) for cause in board.reset_causes)


def test_the_parts_one_by_one(make_room):
    room = make_room(**cardcase.SETTINGS)
    room.power_on()
    board, talker = room.board, Talker(room.board)
    talker.claim()
    assert talker.open()["ok"]
    board.at(1_000, lambda: board.contact.open())
    assert talker.ask("test", what="strike")["opened"] is True
    assert talker.events == [{"strike": "released"}, {"contact": "open"}, {"strike": "rests"}]
    assert len(room.pulses) == 1
    assert [found[event.CAUSE] for found in details_of(room, event.UNLOCKED)] == [event.BY_TEST]
    board.at(1_000, lambda: board.contact.close())
    assert talker.ask("test", what="contact", seconds=4)["changes"] == 1
    assert talker.events == [{"contact": "closed"}]

    taken = talker.ask("test", what="camera")
    picture = talker.fetch_picture()
    assert (len(picture), sha256(picture).hexdigest()) == (taken["bytes"], taken["sha256"])
    assert details_of(room, event.PICTURE)[-1][event.SHA256] == sha256(picture).digest()

    # Which digits, nobody learns.
    board.at(1_000, lambda: board.keypad.type("1234567890*#"))
    reply = talker.ask("test", what="keypad", seconds=6)
    assert reply["keys"] == 12 and talker.events == [{"key": "digit"}] * 10 + [{"key": "*"}, {"key": "#"}]

    uid = bytes.fromhex("045a1b72c36401")
    board.at(1_000, lambda: board.nfc.place(Ntag215(b"", uid)))
    reply = talker.ask("test", what="reader", seconds=10)
    assert reply["cards"] == 1 and [found["card"] for found in talker.events] == ["type2"]
    assert uid.hex() not in json.dumps(talker.events)

    assert talker.ask("test", what="indicator")["patterns"] == len(talker.events) == 8
    assert talker.ask("test", what="roof")["error"] == "value"
    names = [found[event.NAME] for found in details_of(room, event.TESTED)]
    assert names == ["strike", "contact", "camera", "keypad", "reader", "indicator"]
    assert all(found[event.KID] == kid(OWNER) for found in details_of(room, event.TESTED))
    assert room.count(event.TASK_FAILED) == 0 and board.reset_causes == [1]


def test_who_may_do_what(talker, room):
    for word in ("nonce", "status", "test", "export"):
        assert talker.ask(word)["error"] == "unclaimed"
    talker.claim()
    assert talker.open(STRANGER)["error"] == "signature" and talker.open(INSTALLER)["error"] == "signature"
    assert talker.open()["ok"]
    assert len(talker.ask("installers", set=0, key=INSTALLER.public_key.hex())["ids"]) == 1
    assert talker.open(INSTALLER)["role"] == "installer"
    assert talker.ask("reset", door="maple-12/front")["error"] == "role"
    assert talker.ask("status")["ok"] and talker.ask("time", unix_s=1_600_000_000)["error"] == "value"
    # Behind what the lock knows, and years ahead of it.
    assert talker.ask("time", unix_s=room.now_s - 100_000)["error"] == "time"
    assert talker.ask("time", unix_s=room.now_s + 300_000_000)["error"] == "time"
    assert abs(talker.ask("time", unix_s=room.now_s, uncertainty_s=0)["unix_s"] - room.now_s) <= 2
    assert talker.ask("close")["ok"] and talker.ask("close")["error"] == "session"
    rights = [found[event.RIGHTS] for found in details_of(room, event.SESSION_OPENED)]
    assert rights == [event.OWNER, event.INSTALLER]
    assert room.count(event.SESSION_CLOSED) == 2 and room.count(event.SESSION_REFUSED) == 1


def test_wrong_settings_change_nothing(talker, room):
    talker.claim()
    assert talker.open()["ok"]
    board = room.board
    before = (board.vfs / "settings.json").read_bytes()
    wrong = {"tag": 10, "zone": "", "revoked": ["xy"]}
    for field, value in wrong.items():
        talker.send(json.dumps({**room.settings, field: value}).encode())
        for word in ("preview", "apply"):
            sent = {} if word == "preview" else {"sha256": "00" * 32}
            reply = talker.ask(word, **sent)
            assert reply["error"] == ("settings" if word == "preview" else "sha256"), reply
        assert field in talker.ask("preview")["say"]
    for text in ("{", "[]", json.dumps(room.settings)[:-1], json.dumps(room.settings) + "}"):
        digest = talker.send(text.encode())
        assert talker.ask("apply", sha256=digest)["error"] == "settings", text
    assert talker.ask("begin", what="settings", bytes=8193, sha256="00" * 32)["error"] == "value"
    assert talker.ask("begin", what="firmware", bytes=1, sha256="00" * 32)["error"] == "value"
    data = json.dumps({**room.settings, "held_ms": 40_000}).encode()
    digest = sha256(data).hexdigest()
    assert talker.ask("begin", what="settings", bytes=len(data), sha256=digest)["have"] == 0
    piece = {"at": 0, "data": base64.b64encode(data[:120]).decode(), "crc": "00000000"}
    assert talker.ask("piece", **piece)["error"] == "crc"
    assert talker.ask("piece", **piece | {"data": "!!!"})["error"] in ("value", "crc")
    assert talker.ask("apply", sha256=digest)["error"] == "order"
    # Half of it, a restart, and the other half.
    piece["crc"] = f"{zlib.crc32(data[:120]):08x}"
    assert talker.ask("piece", **piece)["have"] == 120
    assert talker.ask("restart")["ok"] and restarted(room, talker)
    assert talker.open()["ok"]
    assert talker.ask("begin", what="settings", bytes=len(data), sha256=digest)["have"] == 120
    talker.send(data)
    preview = talker.ask("preview")
    assert preview["changed"] == 1 and talker.events == [{"field": "held_ms", "old": 30000, "new": 40000}]
    assert (board.vfs / "settings.json").read_bytes() == before and not (board.vfs / "settings.new.json").exists()
    assert room.count(event.SETTINGS_PROPOSED) == 0
    assert talker.ask("apply", sha256=digest)["changed"] == 1 and restarted(room, talker)
    board.run_for(130_000)
    assert (board.vfs / "settings.json").read_bytes() == data
    assert room.kinds().count(event.SETTINGS_ACCEPTED) == room.count(event.SETTINGS_PROPOSED) == 1


def test_settings_in_force_that_nobody_can_read_are_replaced(make_room):
    room = make_room()
    talker = Talker(room.board)
    file = room.board.vfs / "settings.json"
    whole = file.read_bytes()
    # As somebody writes it who knows Python.
    file.write_bytes(whole.replace(b'"has_contact": true', b'"has_contact": True'))
    assert file.read_bytes() != whole
    room.power_on(knows_time=False)
    talker.claim()
    assert talker.open()["ok"]
    digest = talker.send(whole)
    assert talker.ask("preview", sha256=digest)["changed"] > 0
    assert talker.ask("apply", sha256=digest)["changed"] > 0 and restarted(room, talker)
    room.board.run_for(130_000)
    assert file.read_bytes() == whole
    assert room.count(event.TASK_FAILED) == 0


def test_a_time_that_leaves_no_way_back_is_refused(talker, room):
    talker.claim()
    assert talker.open()["ok"]
    for time_s in (0, 2_840_140_801, 4_294_967_295, 4_294_967_297):
        assert talker.ask("time", unix_s=time_s, uncertainty_s=1)["error"] == "value"
    assert talker.ask("time", unix_s=lockroom.NOON_S + 3_600, uncertainty_s=1)["ok"]


def test_a_developer_gets_the_prompt_of_a_lock_without_an_owner(talker, room):
    assert talker.ask("develop")["ok"]
    board = room.board
    assert board.run_until(lambda: board.at_repl, 10_000)
    board.run_for(60_000)
    assert board.at_repl and board.reset_causes == [1] and room.last(event.DEVELOPED)
    assert room.count(event.TASK_FAILED) == 0
