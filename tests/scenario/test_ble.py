"""Phones by Bluetooth at the real firmware, with a real Bluetooth stack in between."""

import asyncio
from typing import Any

import blecase
import cardcase
import pytest
from blecase import AirCarrier, Visitor, driver, granted
from cardcase import HOUR_S
from lockroom import NOON_S

from firmware.core import event
from lobbylock.ble_phone import SERVICE, WRITE, BleVisit, CarrierLost, is_beacon
from lobbylock.phone import Phone
from lobbylock.visit_receipt import read_visit_receipt
from virtualboard.ble.phone import PhoneError


@pytest.fixture
def door(make_room):
    """A lock that is up, knows the time and serves phones by Bluetooth."""
    made = make_room(**blecase.SETTINGS)
    made.power_on()
    return made


def accesses(room) -> list[int]:
    return [found.reason for found in room.events if found.kind == event.ACCESS]


def settle(room) -> None:
    """Lets the strike come to rest, and the last connection end."""
    room.board.run_for(7_000)
    assert not room.is_released


# One visit.


def test_a_delivery_at_any_mtu(door):
    for turn, mtu in enumerate((23, 185, 517), 1):
        visitor = driver(door, wants_receipt=True)
        assert visitor.come(mtu=mtu) == event.GRANTED
        assert visitor.carrier.mtu == min(mtu, 247)
        assert door.until_event(event.PICTURE, 5_000, turn)
        settle(door)
        access = door.last(event.ACCESS)
        assert access.details[event.VIA] == event.BLE
        assert access.details[event.SUBJECT] == "UPS 4711"
        assert access.details[event.PICTURE_NUMBER] == door.last(event.PICTURE).details[event.PICTURE_NUMBER]
        assert len(door.pulses) == turn and door.last(event.UNLOCKED).details[event.ACCESS_SEQ] == access.seq
        (receipt,) = visitor.phone.receipts
        signed = read_visit_receipt(receipt, door.public_key)
        assert signed and signed.seq == access.seq
        assert door.last(event.RECEIPT).details[event.ACCESS_SEQ] == access.seq
        assert door.board.ble.connection_count == 0 and door.board.ble.is_advertising


def test_residents_are_not_photographed(door):
    assert driver(door, role=2).come() == event.GRANTED
    settle(door)
    assert door.count(event.PICTURE) == 0 and len(door.pulses) == 1


def test_what_does_not_open_is_refused_with_its_reason(door):
    refused: list[tuple[int, dict[str, Any]]] = [
        (event.UNKNOWN_ISSUER, {"signer": cardcase.STRANGER}),
        (event.EXPIRED, {"from_s": NOON_S - 9 * HOUR_S, "until_s": NOON_S - HOUR_S}),
        (event.WRONG_AREA, {"areas": ["garage"]}),
        (event.NO_BEARER, {"holder": None, "uses": 1}),
    ]
    for reason, changed in refused:
        visitor = driver(door, wants_receipt=True, **changed)
        assert visitor.come() == reason
        assert visitor.phone.reason == reason and accesses(door)[-1] == reason
        assert not door.board.strike.pulses and not visitor.phone.receipts
    # Of another key than the credential's.
    assert Visitor(door, Phone(cardcase.phone_credential(), cardcase.OTHER_KEY)).come() == event.WRONG_HOLDER
    assert len(accesses(door)) == 5 and not door.board.strike.pulses


def test_being_near_is_no_act(door):
    for reason, pressed_s in ((event.NO_ACT, None), (event.NO_ACT, 11.0), (event.GRANTED, 4.0)):
        task = door.board.ble.start(_press_early(driver(door), pressed_s))
        assert door.board.run_until(task.done, 60_000)
        assert task.result() == reason and accesses(door)[-1] == reason
    settle(door)
    assert len(accesses(door)) == 3 and len(door.pulses) == 1


async def _press_early(visitor: Visitor, pressed_s: float | None) -> int | None:
    made = BleVisit(visitor.phone, _Later(visitor), visitor.room.public_key)
    if pressed_s is not None:
        made.press()
        await asyncio.sleep(pressed_s)
    return await made.run()


class _Later(AirCarrier):
    """Connects when there is something to write."""

    def __init__(self, visitor: Visitor) -> None:
        super().__init__(visitor.radio)
        self._is_open = False

    async def write(self, chunk: bytes) -> None:
        if not self._is_open:
            self._is_open = True
            await self.open()
        await super().write(chunk)


def test_a_lengthened_link_is_too_slow_and_a_slow_one_is_not(door):
    visitor = driver(door)
    visitor.radio.delay_ms = 150
    assert visitor.come() == event.TOO_SLOW
    assert not door.board.strike.pulses
    visitor.radio.delay_ms = 60
    assert visitor.come() == event.GRANTED


def test_the_same_phone_again_and_again(door):
    visitor = driver(door, wants_receipt=True)
    for turn in range(1, 4):
        assert visitor.come() == event.GRANTED
        settle(door)
        assert len(door.pulses) == len(visitor.phone.receipts) == turn


# Several.


def test_three_at_once_and_a_fourth_later(door):
    silent, slow, quick, fourth = (driver(door, name) for name in ("silent", "slow", "quick", "fourth"))
    board = door.board

    async def say_nothing() -> None:
        await silent.radio.connect()

    slow.radio.delay_ms = 70
    said = board.ble.start(say_nothing())
    assert board.run_until(said.done, 5_000)
    slowly = board.ble.start(slow.visit())
    board.run_for(300)
    began_ms = board.now_ms
    quickly = board.ble.start(quick.visit(wait_s=0.3))
    late = board.ble.start(fourth.visit(wait_s=0.8))
    assert board.run_until(quickly.done, 10_000) and quickly.result() == event.GRANTED
    # As quick as alone: scan, connection, discovery and eight messages at 30 ms a packet.
    assert board.now_ms - began_ms < 3_500
    assert board.run_until(lambda: slowly.done() and late.done(), 30_000)
    assert slowly.result() == event.GRANTED and late.result() == event.GRANTED
    # Who said nothing was hung up on, and left no trace.
    assert board.run_until(lambda: silent.radio.disconnections, 6_000)
    assert accesses(door) == [event.GRANTED] * 3 and granted(door) == 3
    settle(door)


def test_no_more_than_three_are_let_in(door):
    board = door.board
    radios = [board.ble.phone(f"phone{number}") for number in range(4)]
    for radio in radios[:3]:
        task = board.ble.start(radio.connect())
        assert board.run_until(task.done, 1_500)
    assert board.ble.connection_count == 3
    board.run_for(200)
    assert not board.ble.is_advertising
    task = board.ble.start(radios[3].connect(timeout_s=1.0))
    assert board.run_until(task.done, 2_000)
    with pytest.raises(PhoneError):
        task.result()
    # None of the three says anything.
    assert board.run_until(lambda: board.ble.connection_count == 0, 6_000)
    board.run_for(500)
    assert board.ble.is_advertising and accesses(door) == [] and door.count(event.RADIO_FAULT) == 0
    assert driver(door).come() == event.GRANTED


def test_who_does_not_acknowledge_keeps_the_place_and_harms_nobody(door):
    """Three phones go out of range: to the controller their links last until the supervision time-out."""
    board = door.board
    board.ble.air.supervision_s = 9.0
    radios = [board.ble.phone(f"phone{number}") for number in range(3)]
    for radio in radios:
        task = board.ble.start(radio.connect())
        assert board.run_until(task.done, 1_500)
    for radio in radios:
        radio.lose()
    board.run_for(7_000)
    # Hung up on, and not gone.
    assert board.ble.connection_count == 3 and not board.ble.is_advertising and board.ble.is_active
    assert board.run_until(lambda: board.ble.is_advertising, 5_000)
    assert board.ble.connection_count == 0 and door.count(event.RADIO_FAULT) == 0
    assert driver(door).come() == event.GRANTED


def test_what_a_phone_has_sent_is_nothing_worth_to_who_repeats_it(door):
    """A bystander is connected, which keeps the lock's half, and repeats HELLO and SHOW of somebody else."""
    board = door.board
    visitor, other, third = driver(door, "anna"), board.ble.phone("bystander"), board.ble.phone("third")
    held = board.ble.start(other.connect())
    assert board.run_until(held.done, 2_000)
    assert visitor.come() == event.GRANTED
    said = [chunk for is_out, chunk in visitor.carrier.log if is_out]
    heard = [chunk for is_out, chunk in visitor.carrier.log if not is_out]

    async def repeat() -> tuple[bytes, list[bytes]]:
        carrier = await AirCarrier(third).open()
        await carrier.write(said[0])
        hello = await carrier.receive()
        for chunk in said[1:]:
            await carrier.write(chunk)
            if chunk[0] & 0x40:
                break
        got = []
        try:
            while True:
                got.append(await carrier.receive())
        except CarrierLost:
            return hello, got

    task = board.ble.start(repeat())
    assert board.run_until(task.done, 10_000)
    hello, got = task.result()
    # The same half, another nonce; then nothing.
    assert hello[:98] == heard[0][:98] and hello != heard[0] and len(hello) == 114 and got == []
    assert accesses(door) == [event.GRANTED]


def test_two_phones_with_one_use_open_once(door):
    one, two = (driver(door, name, uses=1) for name in ("one", "two"))
    tasks = [door.board.ble.start(one.visit()), door.board.ble.start(two.visit())]
    assert door.board.run_until(lambda: all(task.done() for task in tasks), 20_000)
    assert sorted(task.result() for task in tasks) == [event.GRANTED, event.ALREADY_USED]
    settle(door)
    assert len(door.pulses) == granted(door) == 1


def test_keypad_and_card_go_on_meanwhile(make_room):
    room = make_room(**{**blecase.SETTINGS, "nfc": "uart"})
    room.power_on()
    crowd = [driver(room, f"phone{number}", wants_receipt=True) for number in range(2)]
    tasks = [room.board.ble.start(visitor.visit(mtu=23)) for visitor in crowd]
    room.board.run_for(700)
    assert room.type(room.code()) == event.GRANTED
    assert room.board.run_until(lambda: all(task.done() for task in tasks), 30_000)
    assert [task.result() for task in tasks] == [event.GRANTED] * 2
    task = room.board.ble.start(crowd[0].visit())
    room.board.run_for(400)
    card, _ = cardcase.phone(cardcase.phone_credential())
    room.board.nfc.place(card)
    assert room.board.run_until(task.done, 20_000) and task.result() == event.GRANTED
    assert room.until_event(event.ACCESS, 5_000, 5) and accesses(room) == [event.GRANTED] * 5
    settle(room)


# What goes wrong.


@pytest.mark.parametrize("mtu", [247, pytest.param(23, marks=(pytest.mark.slow, pytest.mark.timeout(600)))])
def test_a_phone_that_goes_after_any_chunk(door, mtu):
    """A visit has as many ends as chunks: the strike rests in each, and whoever comes next is served."""
    whole = driver(door, wants_receipt=True)
    assert whole.come(mtu=mtu) == event.GRANTED
    steps = whole.carrier.steps
    assert steps > 12
    settle(door)
    opened = 1
    for most_steps in range(1, steps + 1):
        before = len(accesses(door))
        visitor = driver(door, wants_receipt=True)
        visitor.come(mtu=mtu, most_steps=most_steps)
        door.board.run_for(4_000)
        new = accesses(door)[before:]
        # No trace of who has shown nothing; nobody is written down twice.
        assert len(new) <= 1 and set(new) <= {event.CARD_LOST, event.GRANTED}
        opened += new == [event.GRANTED]
        settle(door)
        assert len(door.pulses) == granted(door) == opened
        assert door.board.ble.connection_count == 0 and door.board.ble.is_advertising
        # Not for ever the same credential that is lost: five in a row rest.
        if new == [event.CARD_LOST]:
            assert driver(door).come() == event.GRANTED
            opened += 1
            settle(door)
    assert 1 < opened
    receipts = [found.details[event.ACCESS_SEQ] for found in door.events if found.kind == event.RECEIPT]
    assert len(set(receipts)) == len(receipts)


def test_a_phone_that_goes_out_of_range(door):
    visitor = driver(door)
    task = door.board.ble.start(visitor.visit())
    assert door.board.run_until(lambda: visitor.carrier and visitor.carrier.steps >= 3, 10_000)
    visitor.radio.lose()
    # Nothing comes for 3 s, or the link is given up.
    assert door.board.run_until(lambda: door.board.ble.connection_count == 0, 12_000)
    visitor.radio.return_near()
    assert door.board.run_until(task.done, 20_000)
    assert not door.board.strike.pulses
    door.board.run_for(1_000)
    assert driver(door, "other").come() == event.GRANTED


def test_strangers_leave_no_trace(door):
    board = door.board
    before = len(door.events)
    radio = board.ble.phone("stranger")

    async def bother(chunks: list[bytes]) -> None:
        carrier = await AirCarrier(radio).open()
        for chunk in chunks:
            await carrier.write(chunk)
        while True:
            await carrier.receive()

    for chunks in (
        [b"\xc0\x01" + bytes(32)],
        [b"\xc0\x02" + bytes(32)],
        [b"\xc0" + bytes(240)],
        [b"\x80" + bytes(240), b"\x01" + bytes(240), b"\x02" * 240],
        [b"\xc1" + bytes(32)],
        [b"\x00"],
        [bytes([0x80 if not at else at]) + bytes(240) for at in range(8)],
        [b"\xc0\x01" + bytes(range(32)), b"\xc1" + bytes(80)],
    ):
        task = board.ble.start(bother(chunks))
        assert board.run_until(task.done, 12_000)
        board.run_for(300)
    assert [found.kind for found in door.events[before:] if found.kind != event.SEAL] == []
    assert driver(door).come() == event.GRANTED


def test_a_flood_of_one_phone_is_cut_off(door):
    board = door.board
    radio = board.ble.phone("flood")

    async def flood() -> None:
        carrier = await AirCarrier(radio).open()
        for at in range(400):
            await carrier.write(bytes([at & 63]) + bytes(200))

    task = board.ble.start(flood())
    other = driver(door)
    served = board.ble.start(other.visit(wait_s=0.5))
    assert board.run_until(lambda: task.done() and served.done(), 30_000)
    assert radio.disconnections and served.result() == event.GRANTED


def test_the_sixth_refusal_rests_and_nobody_else(door):
    for _ in range(5):
        assert driver(door, areas=["garage"]).come() == event.WRONG_AREA
    began_ms = door.board.now_ms
    assert driver(door, areas=["garage"]).come() == event.WRONG_AREA
    assert door.board.now_ms - began_ms >= 4_000
    began_ms = door.board.now_ms
    assert driver(door).come() == event.GRANTED
    assert door.board.now_ms - began_ms < 3_500


class _Leaver(AirCarrier):
    """Goes once something has been shown."""

    async def receive(self) -> bytes:
        if self.steps > 2:
            await asyncio.sleep(0.1)
            raise CarrierLost
        return await super().receive()


@pytest.mark.parametrize("stays", [True, False])
def test_two_strangers_who_come_again_and_again_keep_nobody_waiting(door, stays):
    """They wait to be refused, or go once they have shown something."""
    board = door.board
    count, is_over = 0, False

    async def bother(visitor: Visitor) -> None:
        nonlocal count
        while not is_over:
            try:
                carrier = AirCarrier(visitor.radio) if stays else _Leaver(visitor.radio)
                await carrier.open()
                await BleVisit(visitor.phone, carrier, door.public_key).run()
            except PhoneError:
                await asyncio.sleep(0.2)
            count += 1

    tasks = [board.ble.start(bother(driver(door, name, signer=cardcase.STRANGER))) for name in ("one", "two")]
    board.run_for(15_000)
    written = [found.reason for found in door.events if found.kind == event.ACCESS]
    # Five, and then one every 5 s.
    assert set(written) == {event.UNKNOWN_ISSUER} and 5 <= len(written) <= 5 + 3
    assert count > len(written) or stays
    began_ms = board.now_ms
    assert driver(door, "resident", role=2).come() == event.GRANTED
    assert board.now_ms - began_ms < 4_500
    is_over = True
    assert board.run_until(lambda: all(task.done() for task in tasks), 30_000)


def test_a_phone_that_comes_again_before_its_last_connection_is_over(door):
    board = door.board
    radio = board.ble.phone("hasty")
    # The lock hears of the end late.
    board.ble.air.interval_s = 0.3

    async def haste() -> None:
        for _ in range(4):
            await radio.connect()
            await radio.disconnect()

    task = board.ble.start(haste())
    assert board.run_until(task.done, 20_000)
    task.result()
    board.ble.air.interval_s = 0.03
    # No place is lost to a connection that nobody heard the end of.
    assert board.run_until(lambda: board.ble.connection_count == 0, 2_000)
    others = [board.ble.phone(f"phone{number}") for number in range(3)]
    for other in others:
        task = board.ble.start(other.connect())
        assert board.run_until(task.done, 1_500)
        task.result()
    board.run_for(1_000)
    assert all(other.is_connected for other in others)


def test_a_power_cut_at_any_event_of_a_visit(make_room):
    room = make_room(**blecase.SETTINGS)
    room.power_on()
    for kind in (event.ACCESS, event.UNLOCKED, event.RECEIPT):
        count = room.count(kind)
        visitor = driver(room, wants_receipt=True)
        task = room.board.ble.start(visitor.visit())
        assert room.until_event(kind, 10_000, count + 1)
        room.board.power_off()
        # The phone notices when its link is silent for too long.
        assert room.board.run_until(task.done, 20_000)
        # What the trail says of receipts may be more than the phone has, never less.
        assert len(visitor.phone.receipts) <= room.count(event.RECEIPT) - count * (kind == event.RECEIPT)
        room.power_on()
        assert not room.is_released
    assert driver(room).come() == event.GRANTED


# The radio.


def test_what_is_advertised(door):
    board = door.board
    radio = board.ble.phone("passer-by")

    def listen() -> bytes:
        task = board.ble.start(radio.scan(600))
        assert board.run_until(task.done, 2_000)
        (heard,) = task.result()
        assert heard.is_connectable and heard.response == b""
        assert heard.parts(0x08) == heard.parts(0x09) == []
        assert not heard.address.endswith("/P")
        return heard.service_data[SERVICE]

    first = listen()
    assert is_beacon(first, door.public_key) and not is_beacon(first, bytes(32))
    assert listen() == first
    board.run_for(16 * 60_000)
    second = listen()
    assert is_beacon(second, door.public_key) and second[:4] != first[:4]


def test_a_radio_that_fails_is_reported_and_tried_again(make_room):
    room = make_room(**blecase.SETTINGS)
    room.board.ble.errno = 116
    room.power_on()
    assert room.until_event(event.RADIO_FAULT, 5_000)
    assert room.type(room.code()) == event.GRANTED
    room.board.run_for(70_000)
    assert room.count(event.RADIO_FAULT) == 1 and not room.board.ble.is_active
    room.board.ble.errno = 0
    assert room.until_event(event.RADIO_RECOVERED, 40_000)
    assert driver(room).come() == event.GRANTED


def test_no_memory_in_the_chip_is_a_radio_fault(door):
    door.board.set_idf_heap([(100_000, 12_000, 8_000, 8_000)])
    # Looked at whenever the advertising begins anew.
    assert driver(door).come() == event.GRANTED
    assert door.until_event(event.RADIO_FAULT, 5_000)
    assert door.type(door.code()) == event.GRANTED
    door.board.set_idf_heap([(100_000, 60_000, 30_000, 8_000)])
    assert door.until_event(event.RADIO_RECOVERED, 60_000)
    assert driver(door).come() == event.GRANTED


def test_off_is_off(make_room):
    room = make_room(**{**blecase.SETTINGS, "ble": "off"})
    room.power_on()
    assert not room.board.ble.is_active
    assert room.type(room.code()) == event.GRANTED


def test_another_characteristic_is_not_there(door):
    radio = door.board.ble.phone("curious")

    async def look() -> list[str]:
        await radio.connect()
        found = sorted(uuid for uuid in await radio.discover() if uuid.startswith("f0bb"))
        with pytest.raises(Exception, match=r".*"):
            await radio.read(WRITE)
        await radio.disconnect()
        return found

    task = door.board.ble.start(look())
    assert door.board.run_until(task.done, 10_000)
    assert task.result() == ["f0bb0002" + SERVICE[8:], "f0bb0003" + SERVICE[8:]]
