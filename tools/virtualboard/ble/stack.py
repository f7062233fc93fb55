"""The lock's host stack: bumble, made to behave as NimBLE does under MicroPython on an ESP32."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from bumble import att, gatt, hci
from bumble.core import UUID
from bumble.device import AdvertisingType, Connection, Device, DeviceConfiguration
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from virtualboard.ble import operation as ask
from virtualboard.ble.air import Air, Radio

_IRQ_CONNECT = 1
_IRQ_DISCONNECT = 2
_IRQ_WRITE = 3
_IRQ_READ_REQUEST = 4
_IRQ_INDICATE_DONE = 20
_IRQ_MTU = 21

# Flags of a characteristic: the low byte is that of the specification, the others are NimBLE's.
_READ = 0x02
_WRITE = 0x0C
_SECURITY = (
    (0x0200, att.Attribute.READ_REQUIRES_ENCRYPTION),
    (0x0400, att.Attribute.READ_REQUIRES_AUTHENTICATION),
    (0x0800, att.Attribute.READ_REQUIRES_AUTHORIZATION),
    (0x1000, att.Attribute.WRITE_REQUIRES_ENCRYPTION),
    (0x2000, att.Attribute.WRITE_REQUIRES_AUTHENTICATION),
    (0x4000, att.Attribute.WRITE_REQUIRES_AUTHORIZATION),
)

# newlib's numbers, as an ESP32 reports them.
_EIO = 5
_ENOMEM = 12
_EBUSY = 16
_EINVAL = 22
_ENOTCONN = 128
# NimBLE's own, which come with the end of an indication.
_HS_ENOTCONN = 7
_HS_ETIMEOUT = 13

# ESP-IDF: CONFIG_BT_NIMBLE_MSYS_1_BLOCK_COUNT and _SIZE. Of a block 16 bytes are its header; the first of a packet
# also has the packet's, and room for the headers of the layers below (8 each).
_BLOCKS = 12
_BLOCK_BYTES = 240
_FIRST_BYTES = 224

# CONFIG_BT_NIMBLE_ATT_PREFERRED_MTU
_MTU = 256
_MTU_RANGE = range(23, 528)
_INTERVAL_US = range(20_000, 10_240_001)
_DATA_BYTES = 31

Post = Callable[[int, int, bytes], None]


def _blocks(size: int) -> int:
    return 1 + max(0, -(-(size - _FIRST_BYTES) // _BLOCK_BYTES))


class LockRadio(Radio):
    """The controller of the board, which also counts the memory that packets on their way take from NimBLE's pool."""

    used_blocks = 0
    is_leaving = False

    def on_hci_disconnect_command(self, command: Any) -> None:
        """The connection lasts until the other end has acknowledged its end, or has been silent for too long."""
        connection = self.find_le_connection_by_handle(command.connection_handle)
        if not connection or self.is_leaving or not self.air.is_wired(connection):
            super().on_hci_disconnect_command(command)
            return
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)
        self.air.terminate(connection, command.reason)

    def hold(self, size: int) -> None:
        self.used_blocks += _blocks(size)

    def release(self, size: int) -> None:
        self.used_blocks -= _blocks(size)


class Stack:
    """One life of the stack, from active(True) to active(False).

    `post` takes an event to the board, which says when its handler has returned: then the next one goes.
    """

    def __init__(self, air: Air, post: Post, mac: str, connection_limit: int, chance: random.Random) -> None:
        self._air = air
        self._loop = air.loop
        self._post = post
        self._mac = hci.Address(mac, hci.Address.PUBLIC_DEVICE_ADDRESS)
        self._connection_limit = connection_limit
        self._random = chance
        self._events: deque[tuple[int, int, bytes, asyncio.Future[tuple[int, bytes]]]] = deque()
        self._under_way: asyncio.Future[tuple[int, bytes]] | None = None
        self._is_closed = False
        self._own_kind = 0
        self._adv = b""
        self._response = b""
        self._loop.finish(self._open())

    async def _open(self) -> None:
        self._radio = LockRadio("lock", self._air, str(self._mac))
        self._radio.public_address = self._mac
        config = DeviceConfiguration(name="MPY ESP32", address=hci.Address(self._static_address()))
        self._device = Device(config=config, host=Host(self._radio, AsyncPipeSink(self._radio)))
        await self._device.power_on()
        self._device.on(Device.EVENT_CONNECTION, self._on_connection)
        self._server = self._device.gatt_server
        self._server.max_mtu = _MTU
        # Generic Access and Generic Attribute stay.
        self._fixed = len(self._server.attributes), len(self._server.services)

    def close(self, is_told: bool) -> None:
        """Off. Phones hear that if they are told, else they notice by the silence."""
        self._is_closed = True
        self._events.clear()
        if is_told:
            # Nobody waits for acknowledgements.
            self._radio.is_leaving = True
            for connection in list(self._device.connections.values()):
                self._loop.create_task(connection.disconnect())
            self._loop.run_ready()
            self._radio.le_legacy_advertiser.stop()
            self._air.retire(self._radio)
        else:
            self._air.vanish(self._radio)

    @property
    def connection_count(self) -> int:
        return len(self._radio.le_connections)

    @property
    def is_advertising(self) -> bool:
        return self._radio.le_legacy_advertiser.enabled

    # Events.

    def _emit(self, code: int, value: int, data: bytes = b"") -> asyncio.Future[tuple[int, bytes]]:
        done: asyncio.Future[tuple[int, bytes]] = self._loop.create_future()
        if not self._is_closed:
            self._events.append((code, value, data, done))
            self._send_next()
        return done

    def _send_next(self) -> None:
        if self._events and not self._under_way:
            code, value, data, self._under_way = self._events.popleft()
            self._post(code, value, data)

    def finish_event(self, value: int, data: bytes) -> None:
        """The board's handler has returned `value`; `data` is what a read shall get."""
        done, self._under_way = self._under_way, None
        if done and not done.done():
            done.set_result((value, data))
        self._send_next()

    def _on_connection(self, connection: Connection) -> None:
        handle = connection.handle
        value = handle | connection.peer_address.address_type << 16
        # MicroPython shows addresses highest byte first.
        peer = bytes(connection.peer_address)[::-1]
        self._emit(_IRQ_CONNECT, value, peer)
        connection.on(Connection.EVENT_DISCONNECTION, lambda _: self._emit(_IRQ_DISCONNECT, value, peer))
        connection.on(
            Connection.EVENT_CONNECTION_ATT_MTU_UPDATE,
            lambda: self._emit(_IRQ_MTU, handle | connection.att_mtu << 16),
        )

    # What the board asks for.

    def handle(self, op: int, value: int, data: bytes) -> tuple[int, bytes]:
        if op == ask.SERVICES:
            return self._register(data)
        if op == ask.MAC:
            return self._show_address()
        if op == ask.ADVERTISE:
            return self._advertise(value, data), b""
        if op in (ask.NOTIFY, ask.INDICATE):
            return self._send(op, value & 0xFFFF, value >> 16, data), b""
        if op == ask.DISCONNECT:
            return self._disconnect(value), b""
        if op == ask.MTU:
            if value not in _MTU_RANGE:
                return _EINVAL, b""
            self._server.max_mtu = value
        elif op == ask.NAME:
            self._set_name(data)
        elif op == ask.ADDRESS:
            return self._set_address(value), b""
        elif op == ask.CHANGED:
            self._tell_change(value, data)
        return 0, b""

    def _static_address(self) -> str:
        return ":".join(f"{byte:02X}" for byte in [0xC0 | self._random.randrange(64), *self._random.randbytes(5)])

    def _show_address(self) -> tuple[int, bytes]:
        if self._own_kind == 2:
            return _EINVAL, b""
        address = self._mac if self._own_kind == 0 else self._device.random_address
        return 0, bytes([self._own_kind and 1]) + bytes(address)[::-1]

    def _set_address(self, kind: int) -> int:
        """0 public, 1 random and static, 2 resolvable, 3 random and not resolvable (MicroPython's addr_mode)."""
        if not 0 <= kind <= 3:
            return 0
        self._own_kind = kind
        if kind == 0:
            return 0
        if kind == 1:
            address = hci.Address(self._static_address())
        elif kind == 2:
            address = hci.Address.generate_private_address(self._device.irk)
        else:
            digits = [self._random.randrange(64), *self._random.randbytes(5)]
            address = hci.Address(":".join(f"{byte:02X}" for byte in digits))
        self._device.random_address = address
        self._loop.finish(self._device.send_sync_command(hci.HCI_LE_Set_Random_Address_Command(random_address=address)))
        return 0

    def _set_name(self, name: bytes) -> None:
        self._device.name = name.decode("utf-8", "replace")
        for attribute in self._server.attributes:
            if attribute.type == gatt.GATT_DEVICE_NAME_CHARACTERISTIC and attribute.value is not None:
                attribute.value = name

    def _advertise(self, value: int, data: bytes) -> int:
        if value < 0:
            self._loop.finish(self._device.stop_advertising())
            return 0
        self._loop.finish(self._device.stop_advertising())
        interval_us, is_connectable = value >> 1, value & 1
        parts = []
        for before in (self._adv, self._response):
            size, data = data[0], data[1:]
            parts.append(before if size == 255 else data[:size])
            data = data if size == 255 else data[size:]
            if len(parts[-1]) > _DATA_BYTES:
                return _EINVAL
        self._adv, self._response = parts
        if interval_us not in _INTERVAL_US:
            return _EIO
        if is_connectable and self.connection_count >= self._connection_limit:
            # The controller's limit (CONFIG_BTDM_CTRL_BLE_MAX_CONN), which is below NimBLE's.
            return _EIO
        kind = AdvertisingType.UNDIRECTED_SCANNABLE
        if is_connectable:
            kind = AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE
        own = hci.OwnAddressType.RANDOM if self._own_kind else hci.OwnAddressType.PUBLIC
        self._loop.finish(
            self._device.start_advertising(
                advertising_type=kind,
                own_address_type=own,
                advertising_data=self._adv,
                scan_response_data=self._response,
                advertising_interval_min=interval_us / 1000,
                advertising_interval_max=interval_us / 1000,
            )
        )
        return 0

    def _disconnect(self, handle: int) -> int:
        connection = self._device.lookup_connection(handle)
        if not connection:
            return _ENOTCONN
        self._loop.create_task(connection.disconnect())
        return 0

    # Services.

    def _register(self, table: bytes) -> tuple[int, bytes]:
        if self.is_advertising or self.connection_count:
            return _EBUSY, b""
        attributes, services = self._fixed
        del self._server.attributes[attributes:]
        del self._server.services[services:]
        self._server.attributes_by_handle.clear()
        self._server.subscribers.clear()
        made: list[att.Attribute] = []
        for uuid, characteristics in _parse(table):
            built = [self._characteristic(*row) for row in characteristics]
            self._server.add_service(gatt.Service(uuid, built))
            for characteristic in built:
                made += [characteristic, *characteristic.descriptors]
        return 0, b"".join(attribute.handle.to_bytes(2, "little") for attribute in made)

    def _characteristic(self, uuid: UUID, flags: int, descriptors: list[tuple[UUID, int]]) -> gatt.Characteristic:
        below = []
        for below_uuid, below_flags in descriptors:
            below.append(gatt.Descriptor(below_uuid, _permissions(below_flags)))
            below[-1].value = self._value(below[-1], below_flags)
        properties = gatt.Characteristic.Properties(flags & 0xFF)
        made = gatt.Characteristic(uuid, properties, _permissions(flags), None, below)
        made.value = self._value(made, flags)
        return made

    def _value(self, attribute: att.Attribute, flags: int) -> att.AttributeValue:
        async def read(connection: Connection) -> bytes:
            if not flags & _READ:
                raise att.ATT_Error(att.ATT_READ_NOT_PERMITTED_ERROR)
            refused, data = await self._emit(_IRQ_READ_REQUEST, connection.handle | attribute.handle << 16)
            if refused:
                raise att.ATT_Error(att.ErrorCode(refused & 0xFF))
            return data

        async def write(connection: Connection, value: bytes) -> None:
            if not flags & _WRITE:
                raise att.ATT_Error(att.ATT_WRITE_NOT_PERMITTED_ERROR)
            await self._emit(_IRQ_WRITE, connection.handle | attribute.handle << 16, value)

        return att.AttributeValue(read, write)

    # Notifications.

    def _send(self, op: int, handle: int, value_handle: int, data: bytes) -> int:
        connection = self._device.lookup_connection(handle)
        attribute = self._server.get_attribute(value_handle)
        if not connection:
            return _ENOTCONN
        if not attribute:
            return _EINVAL
        data = data[: connection.att_mtu - 3]
        # With the headers of ATT and L2CAP.
        if self._radio.used_blocks + _blocks(len(data) + 7) > _BLOCKS:
            return _ENOMEM
        if op == ask.INDICATE:
            self._loop.create_task(self._indicate(connection, attribute, data))
        else:
            # Sent whether somebody has subscribed or not, as MicroPython's documentation says.
            pdu = att.ATT_Handle_Value_Notification(attribute_handle=value_handle, attribute_value=data)
            self._server.send_gatt_pdu(connection, bytes(pdu))
        return 0

    async def _indicate(self, connection: Connection, attribute: att.Attribute, data: bytes) -> None:
        gone = self._loop.create_future()

        def note_gone(_: object) -> None:
            if not gone.done():
                gone.set_result(None)

        connection.on(Connection.EVENT_DISCONNECTION, note_gone)
        sent = self._loop.create_task(self._server.indicate_subscriber(connection, attribute, data, force=True))
        await asyncio.wait({sent, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not sent.done():
            sent.cancel()
            status = _HS_ENOTCONN
        else:
            status = _HS_ETIMEOUT if sent.exception() else 0
        connection.remove_listener(Connection.EVENT_DISCONNECTION, note_gone)
        self._emit(_IRQ_INDICATE_DONE, connection.handle | attribute.handle << 16 | status << 32)

    def _tell_change(self, value_handle: int, data: bytes) -> None:
        for bearer, wishes in list(self._server.subscribers.items()):
            if not isinstance(bearer, Connection):
                continue
            wish = wishes.get(value_handle, b"\0")[0]
            if wish & 1:
                self._send(ask.NOTIFY, bearer.handle, value_handle, data)
            elif wish & 2:
                self._send(ask.INDICATE, bearer.handle, value_handle, data)


def _permissions(flags: int) -> att.Attribute.Permissions:
    granted = att.Attribute.Permissions(0)
    if flags & _READ:
        granted |= att.Attribute.READABLE
    if flags & _WRITE:
        granted |= att.Attribute.WRITEABLE
    for flag, permission in _SECURITY:
        if flags & flag:
            granted |= permission
    return granted


def _parse(table: bytes) -> list[tuple[UUID, list[tuple[UUID, int, list[tuple[UUID, int]]]]]]:
    """Returns the services of a table of rows (`SERVICES`)."""
    services: list[Any] = []
    at = 0
    while at < len(table):
        kind, flags, size = table[at], table[at + 1] | table[at + 2] << 8, table[at + 3]
        uuid = UUID.from_bytes(table[at + 4 : at + 4 + size])
        at += 4 + size
        if kind == 0:
            services.append((uuid, []))
        elif kind == 1:
            services[-1][1].append((uuid, flags, []))
        else:
            services[-1][1][-1][2].append((uuid, flags))
    return services
