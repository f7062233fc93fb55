"""The reference phone in the air around the virtual door: bumble carries what bleak carries on a laptop."""

from lobbylock.ble_phone import NOTIFY, SERVICE, WRITE, BleVisit, CarrierLost, is_beacon
from lobbylock.phone import Phone
from virtualboard.ble.phone import Advertisement, BlePhone, PhoneError

_MTU = 517
_FIND_MS = 5_000
# Its other limits are the visit's.
_HEARD_S = 60.0


class AirCarrier:
    """A connection of `phone` to a lock's service, made by `open`; `mtu` is what both sides agreed on."""

    def __init__(self, phone: BlePhone, mtu: int) -> None:
        self._phone = phone
        self.mtu = mtu

    @classmethod
    async def open(cls, phone: BlePhone, door_key: bytes, mtu: int = _MTU) -> "AirCarrier":
        """Finds the door by its beacon, connects and listens. Raises CarrierLost if there is none, or none answers."""

        def is_door(heard: Advertisement) -> bool:
            return heard.is_connectable and is_beacon(heard.service_data.get(SERVICE, b""), door_key)

        try:
            door = next(filter(is_door, await phone.scan(_FIND_MS, is_door)), None)
            if door is None:
                raise CarrierLost("the door is not in reach")
            await phone.connect(door.address)
            agreed = await phone.mtu(mtu) if mtu > phone.att_mtu else phone.att_mtu
            await phone.subscribe(NOTIFY)
        except PhoneError as error:
            raise CarrierLost(str(error)) from None
        return cls(phone, agreed)

    async def write(self, chunk: bytes) -> None:
        try:
            await self._phone.write(chunk, with_response=False, uuid=WRITE)
        except PhoneError as error:
            raise CarrierLost(str(error)) from None

    async def receive(self) -> bytes:
        try:
            return await self._phone.next_notification(_HEARD_S)
        except PhoneError as error:
            raise CarrierLost(str(error)) from None

    async def close(self) -> None:
        try:
            await self._phone.disconnect()
        except PhoneError:
            return


async def visit(
    phone: Phone, radio: BlePhone, door_key: bytes, *, is_pressed: bool = True, mtu: int = _MTU
) -> int | None:
    """Plays a whole visit of `phone` over `radio`; returns the reason that the lock told, None if it told none."""
    carrier = await AirCarrier.open(radio, door_key, mtu)
    meeting = BleVisit(phone, carrier, door_key)
    if is_pressed:
        meeting.press()
    return await meeting.run()
