"""A phone near the virtual door: another bumble device in the same air."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from bumble import core, gatt_client, hci
from bumble.device import Advertisement as Heard
from bumble.device import Connection, Device, DeviceConfiguration, Peer
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from virtualboard.ble.air import Air, Radio


class Advertisement(NamedTuple):
    """What a scan heard of one sender: `data` and `response` as sent, `at_ms` is the board time of the last.

    A public address has "/P" behind it.
    """

    address: str
    data: bytes
    response: bytes
    rssi: int
    is_connectable: bool
    at_ms: int

    @property
    def service_data(self) -> dict[str, bytes]:
        """Service data by UUID, both kinds of packets together."""
        found = {}
        for kind, size in ((0x16, 2), (0x20, 4), (0x21, 16)):
            for part in self.parts(kind):
                found[str(core.UUID.from_bytes(part[:size])).split(" ")[0].lower()] = part[size:]
        return found

    def parts(self, kind: int) -> list[bytes]:
        """Returns the AD structures of that type, without length and type."""
        found = []
        for packet in (self.data, self.response):
            at = 0
            while at + 1 < len(packet) and packet[at]:
                if packet[at + 1] == kind:
                    found.append(packet[at + 2 : at + 1 + packet[at]])
                at += 1 + packet[at]
        return found


class PhoneError(Exception):
    """The phone is not connected, has lost its connection, or finds nothing of that name."""


class BlePhone:
    """All coroutines are for `board.ble.start`, or others that run there.

    `delay_ms` is what each packet takes longer, each way: a relay. `notifications` has (UUID, data) of everything the
    lock told without being asked; `disconnections` the reasons (Core specification, vol 1 part F) with which
    connections ended.
    """

    def __init__(self, name: str, number: int, air: Air) -> None:
        self.name = name
        self._air = air
        self.notifications: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.disconnections: list[int] = []
        self.on_disconnected: Callable[[], object] | None = None
        self.on_notified: Callable[[str, bytes], object] | None = None
        # Of its own for each phone, and the same in each run.
        chance = random.Random(number)
        digits = [0xC0 | chance.randrange(64), *chance.randbytes(5)]
        self.address = ":".join(f"{digit:02X}" for digit in digits)
        self._listener: Any = None
        self._connection: Connection | None = None
        self._peers: list[Peer] = []
        self._found: dict[str, gatt_client.CharacteristicProxy] = {}
        air.loop.finish(self._open())

    async def _open(self) -> None:
        self._radio = Radio(self.name, self._air)
        config = DeviceConfiguration(name=self.name, address=hci.Address(self.address))
        self._device = Device(config=config, host=Host(self._radio, AsyncPipeSink(self._radio)))
        await self._device.power_on()

    @property
    def delay_ms(self) -> float:
        return self._radio.delay_s * 1000

    @delay_ms.setter
    def delay_ms(self, value: float) -> None:
        self._radio.delay_s = value / 1000

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    @property
    def att_mtu(self) -> int:
        """What both sides agreed on, 23 before."""
        return self._need().att_mtu

    async def set_address(self, address: str) -> None:
        """Takes another random address (two highest bits 1), as phones do for their owners' privacy."""
        self._device.random_address = hci.Address(address)
        command = hci.HCI_LE_Set_Random_Address_Command(random_address=self._device.random_address)
        await self._device.send_sync_command(command)
        self.address = address

    # Finding.

    async def listen(self, take: Callable[[Advertisement], object]) -> None:
        """Has `take` called with what is heard, until `stop_listening`: the last of both packets of a sender."""
        heard: dict[str, Advertisement] = {}

        def sort(packet: Any) -> None:
            report = Heard.from_advertising_report(packet)
            if not report:
                return
            address = report.address.to_string()
            entry = heard.get(address, Advertisement(address, b"", b"", 0, False, 0))
            entry = entry._replace(at_ms=round(self._air.loop.time() * 1000))
            if report.is_scan_response:
                entry = entry._replace(response=bytes(report.data_bytes))
            else:
                data, rssi, is_connectable = bytes(report.data_bytes), report.rssi, report.is_connectable
                entry = entry._replace(data=data, rssi=rssi, is_connectable=is_connectable)
            heard[address] = entry
            take(entry)

        await self.stop_listening()
        # Bumble puts the two packets of a sender together; a test wants to see each.
        self._listener = self._device.host.on("advertising_report", sort)
        await self._device.start_scanning()

    async def stop_listening(self) -> None:
        if self._listener:
            self._device.host.remove_listener("advertising_report", self._listener)
            self._listener = None
            await self._device.stop_scanning()

    async def scan(self, ms: float = 1000, until: Callable[[Advertisement], bool] | None = None) -> list[Advertisement]:
        """Listens for `ms`, or until one is heard for which `until` is true; returns the last of each sender."""
        heard: dict[str, Advertisement] = {}
        done = asyncio.Event()

        def take(entry: Advertisement) -> None:
            heard[entry.address] = entry
            if until and until(entry):
                done.set()

        await self.listen(take)
        try:
            await asyncio.wait_for(done.wait(), ms / 1000)
        except asyncio.TimeoutError:
            pass
        finally:
            await self.stop_listening()
        return list(heard.values())

    # Connections.

    async def connect(self, address: str | None = None, timeout_s: float = 10.0) -> None:
        """Connects to the address, or to the first connectable one that is heard. Raises PhoneError."""
        if self._connection:
            raise PhoneError(f"{self.name} is connected already")
        end_s = self._air.loop.time() + timeout_s
        if address is None:
            found = await self.scan(timeout_s * 1000, lambda entry: entry.is_connectable)
            connectable = [entry for entry in found if entry.is_connectable]
            if not connectable:
                raise PhoneError("nobody is there to connect to")
            address = connectable[0].address
        try:
            left_s = max(0.001, end_s - self._air.loop.time())
            connection = await self._device.connect(hci.Address(address), timeout=left_s)
        except (core.BaseBumbleError, asyncio.TimeoutError):
            raise PhoneError("the connection came to nothing") from None
        self._connection = connection
        self._peers = [Peer(connection)]
        self._found = {}
        connection.on(Connection.EVENT_DISCONNECTION, self._note_end)

    def _note_end(self, reason: int) -> None:
        self._connection = None
        self.disconnections.append(reason)
        if self.on_disconnected:
            self.on_disconnected()

    def _need(self) -> Connection:
        if not self._connection:
            raise PhoneError(f"{self.name} is not connected")
        return self._connection

    async def _ask(self, work: Any) -> Any:
        """Awaits what needs the connection; its end is an error."""
        connection = self._need()
        task = asyncio.ensure_future(work)
        gone = asyncio.get_running_loop().create_future()

        def note(_: object) -> None:
            if not gone.done():
                gone.set_result(None)

        connection.on(Connection.EVENT_DISCONNECTION, note)
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            connection.remove_listener(Connection.EVENT_DISCONNECTION, note)
            if not task.done():
                task.cancel()
        if not task.done() or task.cancelled():
            raise PhoneError("the connection is lost")
        return task.result()

    async def mtu(self, size: int) -> int:
        """Asks for an MTU (23 to 517) and returns what was agreed on. Once in a connection."""
        self._need()
        return await self._ask(self._peers[-1].request_mtu(size))

    async def discover(self) -> dict[str, gatt_client.CharacteristicProxy]:
        """Returns all characteristics by UUID, in small letters; what the other coroutines do by themselves."""
        self._need()
        peer = self._peers[-1]
        if not self._found:
            await self._ask(peer.discover_services())
            for service in peer.services:
                for characteristic in await self._ask(peer.discover_characteristics(service=service)):
                    self._found[_uuid(characteristic.uuid)] = characteristic
        return self._found

    async def services(self) -> list[tuple[int, str, list[tuple[int, str, int]]]]:
        """Returns (handle, UUID, [(handle, UUID, properties), ...]) of each service."""
        await self.discover()
        table = []
        for service in self._peers[-1].services:
            rows = [(row.handle, _uuid(row.uuid), int(row.properties)) for row in service.characteristics]
            table.append((service.handle, _uuid(service.uuid), rows))
        return table

    async def _characteristic(self, uuid: str | int | None, properties: int) -> gatt_client.CharacteristicProxy:
        found = await self.discover()
        if uuid is not None:
            wanted = f"{uuid:04x}" if isinstance(uuid, int) else uuid.lower()
            if wanted in found:
                return found[wanted]
            raise PhoneError(f"no characteristic {wanted}")
        for characteristic in reversed(list(found.values())):
            if characteristic.properties & properties:
                return characteristic
        raise PhoneError("no such characteristic")

    async def subscribe(self, uuid: str | int | None = None, indications: bool = False) -> None:
        """Has notifications of a characteristic (the last that tells) put into `notifications`; or its indications."""
        characteristic = await self._characteristic(uuid, 0x30)
        name = _uuid(characteristic.uuid)

        def take(data: bytes) -> None:
            self.notifications.put_nowait((name, bytes(data)))
            if self.on_notified:
                self.on_notified(name, bytes(data))

        await self._ask(characteristic.subscribe(take, prefer_notify=not indications))

    async def write(self, data: bytes, with_response: bool = True, uuid: str | int | None = None) -> None:
        """Writes a characteristic (the last that takes writes). Raises PhoneError, bumble's ATT_Error.

        Without a response it has to fit into one packet, as phones have it; with one it may be a long write.
        """
        if not with_response and len(data) > self.att_mtu - 3:
            raise PhoneError(f"{len(data)} bytes do not fit into one packet of {self.att_mtu - 3}")
        characteristic = await self._characteristic(uuid, 0x0C)
        await self._ask(characteristic.write_value(data, with_response=with_response))

    async def read(self, uuid: str | int | None = None) -> bytes:
        characteristic = await self._characteristic(uuid, 0x02)
        return bytes(await self._ask(characteristic.read_value()))

    async def next_notification(self, timeout_s: float = 10.0) -> bytes:
        """Returns the data of the next one. Raises PhoneError if none comes, or the connection ends."""

        async def wait() -> tuple[str, bytes]:
            return await asyncio.wait_for(self.notifications.get(), timeout_s)

        if not self.notifications.empty():
            return self.notifications.get_nowait()[1]
        try:
            return (await self._ask(wait()))[1]
        except asyncio.TimeoutError:
            raise PhoneError("no notification came") from None

    async def disconnect(self) -> None:
        if self._connection:
            await self._connection.disconnect()

    def lose(self) -> None:
        """Goes out of range. Both sides notice when the supervision time is over."""
        self._air.set_near(self._radio, False)

    def return_near(self) -> None:
        """Comes back. A connection that has not been given up goes on."""
        self._air.set_near(self._radio, True)


def _uuid(uuid: core.UUID) -> str:
    return uuid.to_hex_str("-").lower()
