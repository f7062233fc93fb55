"""Phones that come by Bluetooth, for tests: the reference phone over the virtual air."""

import asyncio
from typing import Any

import cardcase
from lockroom import Lockroom

from firmware.core import event
from lobbylock.ble_phone import NOTIFY, WRITE, BleVisit, CarrierLost
from lobbylock.phone import Phone
from virtualboard.ble.phone import BlePhone, PhoneError

# What a door for phones has in its settings, besides lockroom.SETTINGS: no card reader.
SETTINGS = {**cardcase.SETTINGS, "nfc": "off", "ble": "on"}
WAIT_S = 60.0


class AirCarrier:
    """A connection of `radio` to the lock, for BleVisit. After `most_steps` chunks, in and out, it hangs up."""

    def __init__(self, radio: BlePhone, most_steps: int | None = None) -> None:
        self._radio = radio
        self._left = most_steps
        self.mtu = 23
        self.steps = 0
        # What went to and fro: (is from the phone, chunk).
        self.log: list[tuple[bool, bytes]] = []

    async def open(self, mtu: int = 247) -> "AirCarrier":
        # What came for the connection before this one.
        while not self._radio.notifications.empty():
            self._radio.notifications.get_nowait()
        await self._radio.connect(timeout_s=WAIT_S)
        if mtu > self.mtu:
            self.mtu = await self._radio.mtu(mtu)
        await self._radio.subscribe(NOTIFY)
        return self

    async def _step(self, is_out: bool, chunk: bytes) -> None:
        self.steps += 1
        self.log.append((is_out, chunk))
        if self.steps == self._left:
            await self._radio.disconnect()
            raise CarrierLost

    async def write(self, chunk: bytes) -> None:
        try:
            await self._radio.write(chunk, with_response=False, uuid=WRITE)
        except PhoneError:
            raise CarrierLost from None
        await self._step(True, chunk)

    async def receive(self) -> bytes:
        try:
            chunk = await self._radio.next_notification(WAIT_S)
        except PhoneError:
            raise CarrierLost from None
        await self._step(False, chunk)
        return chunk

    async def close(self) -> None:
        await self._radio.disconnect()


class Visitor:
    """Somebody with a phone. `pressed_s` before the visit the button was pressed, None if it was not."""

    def __init__(self, room: Lockroom, phone: Phone, name: str = "phone") -> None:
        self.room = room
        self.phone = phone
        self.radio = room.board.ble.phone(name)
        # Of the last visit.
        self.carrier: Any = None

    async def visit(
        self, mtu: int = 247, most_steps: int | None = None, pressed_s: float | None = 0.0, wait_s: float = 0.0
    ) -> int | None:
        """Returns the reason that the lock told, None if it hung up or the phone did."""
        await asyncio.sleep(wait_s)
        self.carrier = await AirCarrier(self.radio, most_steps).open(mtu)
        made = BleVisit(self.phone, self.carrier, self.room.public_key)
        if pressed_s is not None:
            made.press()
            await asyncio.sleep(pressed_s)
        return await made.run()

    def come(self, limit_ms: int = 40_000, **how: Any) -> int | None:
        """The same while the board's time goes on."""
        task = self.room.board.ble.start(self.visit(**how))
        assert self.room.board.run_until(task.done, limit_ms), "the visit does not end"
        return task.result()


def driver(room: Lockroom, name: str = "phone", *, wants_receipt: bool = False, **changed: Any) -> Visitor:
    """Returns a visitor whose credential opens unless `changed`."""
    data = cardcase.phone_credential(**changed)
    return Visitor(room, Phone(data, cardcase.PHONE_KEY, wants_receipt=wants_receipt, version=2), name)


def granted(room: Lockroom) -> int:
    return sum(found.reason == event.GRANTED for found in room.events if found.kind == event.ACCESS)
