"""Backends for bleak over a phone at the virtual board: a program that uses bleak opens the virtual door.

`BleakScanner(backend=scanner)` and `BleakClient(device, backend=client)` with what `local` or `remote` returns.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError
from bleak.uuids import normalize_uuid_str

from virtualboard.ble.handset import HandsetError, LocalHandset, RemoteHandset

if TYPE_CHECKING:
    from virtualboard.ble.bluetooth import VirtualBluetooth

Backends = tuple[type[BaseBleakScanner], type[BaseBleakClient]]

_PROPERTIES = {
    0x01: "broadcast",
    0x02: "read",
    0x04: "write-without-response",
    0x08: "write",
    0x10: "notify",
    0x20: "indicate",
}
# AD types of the Core Specification Supplement, part A: sizes of the UUIDs that begin them.
_SERVICE_UUIDS = {0x02: 2, 0x03: 2, 0x04: 4, 0x05: 4, 0x06: 16, 0x07: 16}
_SERVICE_DATA = {0x16: 2, 0x20: 4, 0x21: 16}
_NAMES = (0x08, 0x09)
_MANUFACTURER = 0xFF


def local(ble: VirtualBluetooth, phone: str) -> Backends:
    """Backends on a phone of a board in this process.

    In the event loop of another thread the board has to run at the real pace; in a coroutine that `ble.start` got,
    at any.
    """
    return _make(LocalHandset(ble, phone))


def remote(address: str, phone: str) -> Backends:
    """Backends on a phone of a board in another process, which told the address (`ble.lend`). For one event loop."""
    return _make(RemoteHandset(address, phone))


def _make(handset: LocalHandset | RemoteHandset) -> Backends:
    hub = _Hub(handset)

    class VirtualScanner(_Scanner):
        def __init__(self, detection_callback: Any, service_uuids: Any, scanning_mode: str, **options: Any) -> None:
            super().__init__(detection_callback, service_uuids)
            self.hub = hub

    class VirtualClient(_Client):
        def __init__(self, address_or_ble_device: Any, services: Any = None, **options: Any) -> None:
            super().__init__(address_or_ble_device, **options)
            self.hub = hub

    return VirtualScanner, VirtualClient


class _Hub:
    """One phone, its scanner and its client."""

    def __init__(self, handset: LocalHandset | RemoteHandset) -> None:
        self._handset = handset
        handset.on_event = self._take
        self.scanner: _Scanner | None = None
        self.client: _Client | None = None

    async def press(self, name: str, *arguments: Any) -> Any:
        try:
            return await self._handset.press(name, *arguments)
        except HandsetError as error:
            raise BleakError(str(error)) from None

    def _take(self, kind: str, *rest: Any) -> None:
        if kind == "heard" and self.scanner:
            self.scanner.take(*rest)
        elif kind == "told" and self.client:
            self.client.take(*rest)
        elif kind == "gone" and self.client:
            self.client.end()


class _Scanner(BaseBleakScanner):
    hub: _Hub

    async def start(self) -> None:
        self.seen_devices = {}
        self.hub.scanner = self
        await self.hub.press("listen")

    async def stop(self) -> None:
        await self.hub.press("hush")
        self.hub.scanner = None

    def take(self, address: str, data: str, response: str, rssi: int) -> None:
        name = None
        uuids: list[str] = []
        service_data: dict[str, bytes] = {}
        manufacturer_data: dict[int, bytes] = {}
        for kind, part in _structures(bytes.fromhex(data)) + _structures(bytes.fromhex(response)):
            if size := _SERVICE_UUIDS.get(kind):
                uuids += [_text(part[at : at + size]) for at in range(0, len(part), size)]
            elif size := _SERVICE_DATA.get(kind):
                service_data[_text(part[:size])] = part[size:]
            elif kind in _NAMES:
                name = part.decode("utf-8", "replace")
            elif kind == _MANUFACTURER:
                manufacturer_data[int.from_bytes(part[:2], "little")] = part[2:]
        heard = AdvertisementData(name, manufacturer_data, service_data, uuids, None, rssi, ())
        device = self.create_or_update_device(address, address, name, None, heard)
        if self.is_allowed_uuid(uuids):
            self.call_detection_callbacks(device, heard)


class _Client(BaseBleakClient):
    hub: _Hub

    def __init__(self, address_or_ble_device: Any, **options: Any) -> None:
        super().__init__(address_or_ble_device, **options)
        self._mtu = 23
        self._is_connected = False
        self._callbacks: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return self.address

    @property
    def mtu_size(self) -> int:
        return self._mtu

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    async def connect(self, pair: bool, **options: Any) -> None:
        self.hub.client = self
        self._mtu = await self.hub.press("connect", self.address, options.get("timeout", self._timeout))
        self._is_connected = True
        collection = BleakGATTServiceCollection()
        for handle, uuid, rows in await self.hub.press("services"):
            service = BleakGATTService(None, handle, normalize_uuid_str(uuid))
            collection.add_service(service)
            for value_handle, value_uuid, properties in rows:
                names: Any = [name for bit, name in _PROPERTIES.items() if properties & bit]
                row = (value_uuid, value_handle, normalize_uuid_str(value_uuid), names)
                collection.add_characteristic(BleakGATTCharacteristic(*row, lambda: self._mtu - 3, service))
        self.services = collection

    async def disconnect(self) -> None:
        if self._is_connected:
            await self.hub.press("disconnect")
            self.end()

    def end(self) -> None:
        """The connection is over, whoever ended it."""
        if self._is_connected:
            self._is_connected = False
            self._callbacks.clear()
            if self._disconnected_callback:
                self._disconnected_callback()

    def take(self, uuid: str, data: str) -> None:
        callback = self._callbacks.get(uuid)
        if callback:
            callback(bytearray.fromhex(data))

    async def pair(self, *args: Any, **options: Any) -> None:
        raise NotImplementedError("the virtual phones do not pair")

    async def unpair(self) -> None:
        raise NotImplementedError("the virtual phones do not pair")

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **options: Any
    ) -> bytearray:
        return bytearray.fromhex(await self.hub.press("read", characteristic.obj))

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: Any, response: bool) -> None:
        await self.hub.press("write", characteristic.obj, bytes(data).hex(), response)

    async def read_gatt_descriptor(self, descriptor: Any, *, use_cached: bool = False, **options: Any) -> bytearray:
        raise NotImplementedError("the virtual phones read no descriptors")

    async def write_gatt_descriptor(self, descriptor: Any, data: Any) -> None:
        raise NotImplementedError("the virtual phones write no descriptors")

    async def start_notify(self, characteristic: BleakGATTCharacteristic, callback: Any, **options: Any) -> None:
        self._callbacks[characteristic.obj] = callback
        await self.hub.press("subscribe", characteristic.obj)

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        self._callbacks.pop(characteristic.obj, None)
        # The lock goes on telling until the connection ends; what it tells is dropped here.
        await asyncio.sleep(0)


def _structures(packet: bytes) -> list[tuple[int, bytes]]:
    """Returns the AD structures of a packet as (type, data)."""
    found = []
    at = 0
    while at + 1 < len(packet) and packet[at]:
        found.append((packet[at + 1], packet[at + 2 : at + 1 + packet[at]]))
        at += 1 + packet[at]
    return found


def _text(uuid: bytes) -> str:
    digits = uuid[::-1].hex()
    if len(uuid) == 16:
        digits = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return normalize_uuid_str(digits)
