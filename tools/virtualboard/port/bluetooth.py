"""`bluetooth` of the official firmware, in the peripheral's role. The stack behind it is in the host.

As with NimBLE on an ESP32 an event comes between two steps of the main program, and its handler may allocate; values
belong to the characteristics and lie in the heap; what a handler is given is only good until it returns.
"""

import sys

import _frames
import _virtual
from micropython import const

FLAG_READ = 2
FLAG_WRITE_NO_RESPONSE = 4
FLAG_WRITE = 8
FLAG_NOTIFY = 16
FLAG_INDICATE = 32

# What is asked of the host; also in tools/virtualboard/ble/bluetooth.py.
_ACTIVE = const(0)
_ADVERTISE = const(1)
_SERVICES = const(2)
_NOTIFY = const(3)
_INDICATE = const(4)
_DISCONNECT = const(5)
_MTU = const(6)
_NAME = const(7)
_ADDRESS = const(8)
_MAC = const(9)
_CHANGED = const(10)
_DONE = const(11)

_IRQ_DISCONNECT = const(2)
_IRQ_WRITE = const(3)
_IRQ_READ_REQUEST = const(4)
_IRQ_INDICATE_DONE = const(20)

_ENODEV = const(19)
_EINVAL = const(22)
_ENOTCONN = const(128)
_NAME_BYTES = const(31)

_ble = None
_peer = bytearray(6)
_peer_view = memoryview(_peer)


class UUID(bytes):
    """16, 32 or 128 bits, lowest byte first, as a buffer; len() is for bytes(uuid)."""

    def __init__(self, value) -> None:
        if isinstance(value, int):
            if value > 65535:
                raise ValueError("invalid UUID")
            value = bytes((value & 255, value >> 8))
        elif len(bytes(value, "utf-8") if isinstance(value, str) else bytes(value)) not in (2, 4, 16):
            value = _setup("parse", value)
        super().__init__(value)

    def __repr__(self) -> str:
        data = bytes(self)
        digits = "".join(["%02x" % byte for byte in reversed(data)])
        if len(data) <= 4:
            return "UUID(0x%s)" % digits
        return "UUID('%s')" % "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    __str__ = __repr__


def _setup(name: str, value):
    """Does what is done once, in a module that is let go again."""
    module = __import__("_gatt")
    del sys.modules["_gatt"]
    return getattr(module, name)(value)


def _ask(op: int, value: int = 0, data=None) -> int:
    """Returns an errno, 0 if all is well."""
    _virtual.ask(_frames.BLE, op, value, data)
    return _virtual.arg


def _check(errno: int) -> None:
    if errno:
        raise OSError(errno)


class BLE:
    """The one radio. Every object of this class is the same."""

    def __new__(cls):
        global _ble
        if _ble is None:
            _ble = object.__new__(cls)
            _ble._is_active = False
            _ble._handler = None
            _ble._name = b"MPY ESP32"
            _ble._mtu = 256
            # Handle: [buffer, length of the value, whether writes are appended].
            _ble._values = {}
            _virtual.on_ble = _ble._take
        return _ble

    def __getattr__(self, name: str):
        if name.startswith(("gap_", "gattc_", "l2cap_")):
            raise NotImplementedError("the virtual board's Bluetooth is a peripheral's")
        raise AttributeError(name)

    def active(self, value=None) -> bool:
        if value is not None:
            # Also what is active starts anew.
            self._is_active = False
            self._values = {}
            _check(_ask(_ACTIVE, 1 if value else 0))
            self._is_active = bool(value)
        return self._is_active

    def _need(self) -> None:
        if not self._is_active:
            raise OSError(_ENODEV)

    def config(self, *names, **settings):
        if not settings:
            if len(names) != 1:
                raise TypeError("must query one param")
            return self._setting(names[0])
        if names:
            raise TypeError("can't specify pos and kw args")
        for name, value in settings.items():
            if name == "gap_name":
                if len(value) > _NAME_BYTES:
                    raise OSError(_EINVAL)
                self._name = value.encode() if isinstance(value, str) else bytes(value)
                if self._is_active:
                    _ask(_NAME, 0, self._name)
            elif name == "mtu":
                self._need()
                _check(_ask(_MTU, value))
                self._mtu = value
            elif name == "addr_mode":
                self._need()
                _check(_ask(_ADDRESS, value))
            # Nobody pairs here: what pairing would ask for is taken note of by nobody.
            elif name not in ("bond", "mitm", "io", "le_secure"):
                # "rxbuf" too: the ESP32's build has no ring buffer.
                raise ValueError("unknown config param")
        return None

    def _setting(self, name: str):
        if name == "gap_name":
            return self._name
        if name not in ("mac", "mtu"):
            raise ValueError("unknown config param")
        self._need()
        if name == "mtu":
            return self._mtu
        _check(_ask(_MAC))
        data = bytes(_virtual.payload)
        return (data[0], data[1:])

    def irq(self, handler) -> None:
        if handler is not None and not callable(handler):
            raise ValueError("invalid handler")
        self._handler = handler

    def gap_advertise(self, interval_us=500000, adv_data=None, *, resp_data=None, connectable=True) -> None:
        if interval_us is None:
            if self._is_active:
                _ask(_ADVERTISE, -1)
            return
        self._need()
        data = b""
        for part in (adv_data, resp_data):
            # None leaves what was there.
            data += b"\xff" if part is None else bytes((len(part),)) + bytes(part)
        _check(_ask(_ADVERTISE, interval_us << 1 | bool(connectable), data))

    def gap_disconnect(self, conn_handle: int) -> bool:
        self._need()
        errno = _ask(_DISCONNECT, conn_handle)
        if errno == _ENOTCONN:
            return False
        _check(errno)
        return True

    def gatts_register_services(self, services) -> tuple:
        self._need()
        _check(_ask(_SERVICES, 0, _setup("table", services)))
        found, self._values = _setup("number", services)
        return found

    def gatts_read(self, value_handle: int) -> bytes:
        entry = self._values.get(value_handle)
        if not entry:
            return b""
        value = bytes(memoryview(entry[0])[: entry[1]])
        if entry[2]:
            entry[1] = 0
        return value

    def gatts_write(self, value_handle: int, data, send_update: bool = False) -> int:
        self._need()
        entry = self._values.get(value_handle)
        if not entry:
            raise OSError(_EINVAL)
        if len(data) > len(entry[0]):
            entry[0] = bytearray(len(data))
        entry[0][: len(data)] = data
        entry[1] = len(data)
        if send_update:
            _ask(_CHANGED, value_handle, data)
        return len(data)

    def _tell(self, op: int, conn_handle: int, value_handle: int, data) -> None:
        self._need()
        if data is None:
            entry = self._values.get(value_handle)
            if not entry:
                raise OSError(_EINVAL)
            data = memoryview(entry[0])[: entry[1]]
        elif isinstance(data, str):
            data = data.encode()
        _check(_ask(op, conn_handle | value_handle << 16, data))

    def gatts_notify(self, conn_handle: int, value_handle: int, data=None) -> None:
        self._tell(_NOTIFY, conn_handle, value_handle, data)

    def gatts_indicate(self, conn_handle: int, value_handle: int, data=None) -> None:
        self._tell(_INDICATE, conn_handle, value_handle, data)

    def gatts_set_buffer(self, value_handle: int, size: int, append: bool = False) -> None:
        self._need()
        entry = self._values.get(value_handle)
        if not entry:
            raise OSError(_EINVAL)
        entry[0] = bytearray(size)
        entry[1] = 0
        entry[2] = bool(append)

    # Events.

    def _take(self, code: int, value: int, data) -> None:
        """One event from the host, which sends the next when this one is done."""
        conn_handle = value & 0xFFFF
        other = value >> 16 & 0xFFFF
        entry = self._values.get(other) if code in (_IRQ_WRITE, _IRQ_READ_REQUEST) else None
        if code == _IRQ_WRITE and entry:
            begin = entry[1] if entry[2] else 0
            size = min(len(entry[0]) - begin, len(data) if data else 0)
            if size:
                entry[0][begin : begin + size] = memoryview(data)[:size]
            entry[1] = begin + size
        result = None
        if self._handler:
            if code <= _IRQ_DISCONNECT:
                _peer[:] = data
                told = (conn_handle, other, _peer_view)
            elif code == _IRQ_INDICATE_DONE:
                told = (conn_handle, other, value >> 32)
            else:
                told = (conn_handle, other)
            result = self._call(code, told)
            for at in range(6):
                _peer[at] = 0
        refused = result if code == _IRQ_READ_REQUEST and isinstance(result, (int, bool)) else 0
        shown = None
        if code == _IRQ_READ_REQUEST and entry and not refused:
            shown = memoryview(entry[0])[: entry[1]]
        _virtual.tell(_frames.BLE, _DONE, int(refused), shown)

    def _call(self, code: int, told: tuple):
        try:
            return self._handler(code, told)
        except BaseException as error:
            print("Unhandled exception in IRQ callback handler")
            sys.print_exception(error)
            self._handler = None
        return None
