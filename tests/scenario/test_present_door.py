"""`lobbylock phone present`, with bleak, at a virtual door: what a person does with a laptop, receipt included."""

import asyncio
import json

import blecase
import cardcase
import pytest

from firmware.core import event
from lobbylock import command, present_command
from lobbylock.ble_radio import Radio
from lobbylock.phone import Phone, save_key
from lobbylock.present_command import Presentation
from lobbylock.visit_receipt import read_visit_receipt
from lobbylock.wallet import Wallet
from virtualboard.ble import bleak_backend

DOOR = "maple-12/front"


@pytest.fixture
def room(make_room):
    made = make_room(**blecase.SETTINGS)
    made.power_on()
    return made


def radio(room, name: str = "laptop") -> Radio:
    scanner, client = bleak_backend.local(room.board.ble, name)
    return Radio({"backend": scanner}, {"backend": client})


def held(room, tmp_path, door_key: bytes | None = None, **changed) -> Wallet:
    path = tmp_path / "phone.pem"
    if not path.exists():
        save_key(path, cardcase.PHONE_KEY)
    return Wallet(cardcase.phone_credential(**changed), path, {DOOR: door_key or room.public_key})


def present(room, wallet: Wallet, wait_for_act=None, limit_s: float = 10, **wants):
    phone = Phone(wallet.credential, cardcase.PHONE_KEY, version=2, **wants)
    visit = Presentation(wallet, phone, None)
    task = room.board.ble.start(visit.play(radio(room), limit_s, wait_for_act))
    assert room.board.run_until(task.done, 60_000), "the visit does not end"
    return task.result(), phone


def test_laptop_opens_the_door_and_gets_a_receipt(room, tmp_path):
    asked = []

    async def slow(door: str) -> None:
        asked.append(door)
        await asyncio.sleep(30)

    outcome, phone = present(room, held(room, tmp_path), slow, wants_receipt=True)
    # The press is what counts, not how long it was waited for.
    assert (asked, outcome.door, outcome.reason, outcome.trouble) == ([DOOR], DOOR, event.GRANTED, "")
    access = room.last(event.ACCESS)
    assert access.details[event.VIA] == event.BLE
    said = read_visit_receipt(phone.receipts[0], room.public_key)
    assert said is not None and (said.door, said.seq) == (DOOR, access.seq)
    assert room.last(event.RECEIPT).details == {event.ACCESS_SEQ: access.seq, event.SHA256: said.sha256}


def test_doors_that_are_not_known_and_a_refusal_in_words(room, tmp_path):
    outcome, _ = present(room, held(room, tmp_path, door_key=bytes(32)))
    assert (outcome.door, outcome.reason) == (None, None)
    assert "in reach" in outcome.text()
    assert room.count(event.ACCESS) == 0
    outcome, _ = present(room, held(room, tmp_path, areas=["mailroom"]))
    assert outcome.reason == event.WRONG_AREA
    assert outcome.text().startswith("This credential does not lead through this door.")


def test_the_whole_command(room, tmp_path, monkeypatch, capsys):
    path = tmp_path / "wallet.json"
    held(room, tmp_path).save(path)
    monkeypatch.setattr(present_command, "Radio", lambda: radio(room))

    def run(work):
        # In virtual time: the lock waits 5 s for a phone's first words, and a busy machine may be slower to say them.
        task = room.board.ble.start(work)
        assert room.board.run_until(task.done, 60_000), "the visit does not end"
        return task.result()

    monkeypatch.setattr(asyncio, "run", run)
    code = command.main(["phone", "present", str(path), "--yes-i-am-at-the-door", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert code == 0, said
    assert (said["door"], said["reason"], said["list_version"]) == (DOOR, "granted", 0)
    (file,) = said["receipts"]
    code = command.main(["receipt", "verify", file, "--door-key", room.public_key.hex(), "--door", DOOR])
    assert code == 0 and capsys.readouterr().out.startswith("It holds: maple-12/front")
