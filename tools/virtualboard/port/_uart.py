"""machine.UART. The receive buffer is the chip's, so it lies in the host; one bit of `inputs` says it is not empty."""

import io
import os

import _frames
import _virtual
from micropython import const

_READY_BIT = const(48)
_POLL = const(3)
_POLLIN = const(1)
_POLLOUT = const(4)
_EINVAL = const(22)
_LAST = 1 if os.getenv("VIRTUALBOARD_CHIP") == "esp32c3" else 2
# Default pins of the three UARTs as (tx, rx).
_PINS = ((1, 3), (10, 9), (17, 16))


def _gpio(pin) -> int:
    return pin if isinstance(pin, int) else pin.gpio


class UART(io.IOBase):
    INV_TX = 4
    INV_RX = 32

    def __init__(self, id: int, baudrate=None, **options) -> None:
        if not 0 <= id <= _LAST:
            raise ValueError("UART(%d) does not exist" % id)
        self._id = id
        self._baud = 115200
        self._pins = _PINS[id]
        self._buffer_bytes = 256
        self._timeout_ms = self._char_ms = 0
        self.init(baudrate, **options)

    def init(self, baudrate=None, bits=8, parity=None, stop=1, **options) -> None:
        self._baud = baudrate or self._baud
        self._pins = (_gpio(options.get("tx", self._pins[0])), _gpio(options.get("rx", self._pins[1])))
        # The driver refuses a buffer that is no larger than the hardware's own of 128 bytes.
        self._buffer_bytes = max(129, options.get("rxbuf", self._buffer_bytes))
        self._timeout_ms = options.get("timeout", self._timeout_ms)
        self._char_ms = options.get("timeout_char", self._char_ms)
        tx, rx = self._pins
        _virtual.tell(_frames.UART_INIT, self._id, self._baud | tx << 24 | rx << 32 | self._buffer_bytes << 40)

    def deinit(self) -> None:
        _virtual.tell(_frames.UART_INIT, self._id)

    def any(self) -> int:
        _virtual.clock(1)
        # Nothing comes in before the horizon, so an empty buffer is one until then.
        if _virtual.fast and _virtual.horizon and not _virtual.inputs >> (_READY_BIT + self._id) & 1:
            return 0
        return _virtual.ask(_frames.UART_READ, self._id)

    def read(self, size: int = -1):
        """Returns up to `size` bytes, None if there are none in time."""
        data = self._take(size)
        return data and bytes(data)

    def _take(self, size: int):
        wanted = 65535 if size < 0 else size
        out = b""
        until = _virtual.clock(1) + self._timeout_ms * 1000
        while len(out) < wanted:
            _virtual.ask(_frames.UART_READ, self._id, wanted - len(out))
            if _virtual.payload:
                # One object, of which nobody else knows, is enough when it is all there is.
                out = out + bytes(_virtual.payload) if out else _virtual.payload
                if not self._char_ms:
                    break
                until = _virtual.clock() + self._char_ms * 1000
            elif _virtual.clock() >= until:
                break
            else:
                _virtual.wait(until)
        return out or None

    def readinto(self, buf, size: int = -1):
        data = self._take(len(buf) if size < 0 else min(size, len(buf)))
        if data is None:
            return None
        buf[: len(data)] = data
        return len(data)

    def readline(self):
        out = b""
        while not out.endswith(b"\n"):
            byte = self.read(1)
            if byte is None:
                break
            out += byte
        return out or None

    def write(self, data) -> int:
        if isinstance(data, str):
            data = data.encode()
        _virtual.tell(_frames.UART_SEND, self._id, 0, data)
        return len(data)

    def flush(self) -> None:
        until = self._sent_us()
        while _virtual.clock() < until:
            _virtual.wait(until)

    def txdone(self) -> bool:
        return self._sent_us() <= _virtual.clock(1)

    def _sent_us(self) -> int:
        return _virtual.ask(_frames.UART_READ, self._id | 128)

    def ioctl(self, request: int, flags: int) -> int:
        if request != _POLL:
            return -_EINVAL
        ready = flags & _POLLOUT
        if flags & _POLLIN and _virtual.inputs >> (_READY_BIT + self._id) & 1:
            ready |= _POLLIN
        return ready
