"""A VC0706 camera module: its serial protocol, byte for byte and at the speed of the line, and its bad days.

Commands are `56 serial command length data...`, replies `76 serial command status length data...`. Facts: VC0706
protocol manual; Adafruit's library; the LS-Y201 notes on what a reset forgets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from virtualboard.chip.scene import render

if TYPE_CHECKING:
    from virtualboard.circuit import Circuit
    from virtualboard.clock import Event

GEN_VERSION = 0x11
SET_PORT = 0x24
RESET = 0x26
READ_DATA = 0x30
WRITE_DATA = 0x31
READ_FBUF = 0x32
GET_FBUF_LEN = 0x34
FBUF_CTRL = 0x36
DOWNSIZE_CTRL = 0x54

OK = 0
UNKNOWN_COMMAND = 1
BAD_LENGTH = 2
BAD_DATA = 3
CANNOT_NOW = 4

DEFAULT_BAUD = 38400
_BAUDS = {0xAEC8: 9600, 0x56E4: 19200, 0x2AF2: 38400, 0x1C4C: 57600, 0x1C1C: 57600, 0x0DA6: 115200}
_SIZES = {0x00: (640, 480), 0x11: (320, 240), 0x22: (160, 120)}
_VERSION = b"VC0703 1.00"
_GREETING = b"VC0703 1.00\r\nCtrl infr exist\r\nUser-defined sensor\r\n525\r\nInit end\r\n"
# From power or RESET to the greeting.
_BOOT_US = 1_300_000
# From the last byte of a command to the first of its reply.
_THINK_US = 3_000
_DEFAULT_COMPRESSION = 0x36
_SIZE_ADDRESS = 0x0019
_COMPRESSION_ADDRESS = 0x1204
_LONGEST_COMMAND = 4 + 32


class Camera:
    """On while `power` is high. `pictures` are the JPEGs it froze, as it would send them without a fault,
    `frozen_ms` when it did (board time).

    Faults, each until it is set back: `is_hung` (also ended by the power pin or by RESET), `is_silent` (as with a
    broken wire), `noise` (bytes in front of every reply), `keep` (that fraction of the JPEG's bytes exists),
    `corrupt` (bytes in the middle are wrong), `status` (instead of 0 in replies), `late_ms` (replies come later).
    """

    def __init__(self, tx: int = 25, rx: int = 34, power: int = 32, door: str = "maple-12/front") -> None:
        self.tx, self.rx, self.power = tx, rx, power
        self.door = door
        self.wall_clock: Callable[[], str] | None = None
        self.pictures: list[bytes] = []
        self.frozen_ms: list[float] = []
        self.commands: list[int] = []
        self.is_hung = False
        self.is_silent = False
        self.noise = b""
        self.keep = 1.0
        self.corrupt = False
        self.status = OK
        self.late_ms = 0.0
        self._stored_size = 0x11
        self._size = 0x11
        self._compression = _DEFAULT_COMPRESSION
        self._frame: bytes | None = None
        self._heard = b""
        self._is_on = False
        self._is_ready = False
        self._starting: Event | None = None
        self._actions = {
            GEN_VERSION: (0, self._version),
            SET_PORT: (3, self._set_port),
            RESET: (0, self._reset),
            READ_DATA: (4, self._read_data),
            WRITE_DATA: (5, self._write_data),
            READ_FBUF: (12, self._read_frame),
            GET_FBUF_LEN: (1, self._frame_length),
            FBUF_CTRL: (1, self._control_frame),
            DOWNSIZE_CTRL: (1, self._downsize),
        }

    def attach(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._wire = circuit.serial.wire(self.tx, self.rx, DEFAULT_BAUD, self._receive)
        circuit.pins.pull(self.power, 0)
        circuit.pins.watch(self.power, lambda _, level: self._switch(bool(level)))

    @property
    def is_on(self) -> bool:
        return self._is_on

    def inject(self, data: bytes) -> None:
        """Puts bytes on the line to the ESP32 that nobody asked for."""
        with self._circuit.lock:
            self._wire.send(data)

    def _switch(self, is_on: bool) -> None:
        self._is_on = is_on
        self._wire.hush()
        self._is_ready = False
        if self._starting:
            self._starting.cancel()
        if is_on:
            self._start()

    def _start(self) -> None:
        """What power and RESET have in common: all settings go but the size, which lies in the EEPROM."""
        self.is_hung = False
        self._heard = b""
        self._frame = None
        self._compression = _DEFAULT_COMPRESSION
        self._size = self._stored_size
        self._is_ready = False
        self._starting = self._circuit.clock.after(_BOOT_US, self._greet)

    def _greet(self) -> None:
        # A module that was reset goes back to its default speed before it greets.
        self._wire.baud = DEFAULT_BAUD
        self._is_ready = True
        if not self.is_silent:
            self._wire.send(_GREETING)

    def _receive(self, data: bytes) -> None:
        if not self._is_on or not self._is_ready:
            return
        self._heard += data
        while True:
            start = self._heard.find(b"\x56\x00")
            if start < 0:
                self._heard = self._heard[-1:] if self._heard.endswith(b"\x56") else b""
                return
            self._heard = self._heard[start:]
            if len(self._heard) < 4 or len(self._heard) < 4 + self._heard[3]:
                if len(self._heard) > 3 and self._heard[3] > _LONGEST_COMMAND - 4:
                    self._heard = self._heard[2:]
                    continue
                return
            end = 4 + self._heard[3]
            command, arguments = self._heard[2], self._heard[4:end]
            self._heard = self._heard[end:]
            self._obey(command, arguments)

    def _obey(self, command: int, arguments: bytes) -> None:
        if self.is_silent or (self.is_hung and command != RESET):
            return
        self.commands.append(command)
        least, action = self._actions.get(command, (0, None))
        if action is None:
            self._answer(command, UNKNOWN_COMMAND)
        elif len(arguments) < least:
            self._answer(command, BAD_LENGTH)
        else:
            action(command, arguments)

    def _answer(self, command: int, status: int = OK, data: bytes = b"") -> int:
        """Returns when the reply will be over (us)."""
        status = self.status if status == OK else status
        reply = bytes((0x76, 0, command, status, len(data))) + data
        return self._wire.send(self.noise + reply, _THINK_US + int(self.late_ms * 1000))

    def _version(self, command: int, _: bytes) -> None:
        self._answer(command, data=_VERSION)

    def _set_port(self, command: int, arguments: bytes) -> None:
        baud = _BAUDS.get(arguments[1] << 8 | arguments[2])
        if arguments[0] != 1 or not baud:
            self._answer(command, BAD_DATA)
            return
        # The reply still comes at the old speed.
        end_us = self._answer(command)
        self._circuit.clock.at(end_us, lambda: setattr(self._wire, "baud", baud))

    def _reset(self, command: int, _: bytes) -> None:
        self._wire.hush()
        self.is_hung = False
        end_us = self._answer(command)
        self._is_ready = False
        self._starting = self._circuit.clock.at(end_us, self._start)

    def _read_data(self, command: int, arguments: bytes) -> None:
        address = arguments[2] << 8 | arguments[3]
        known = {_SIZE_ADDRESS: self._stored_size, _COMPRESSION_ADDRESS: self._compression}
        if address in known:
            self._answer(command, data=bytes((known[address],)))
        else:
            self._answer(command, BAD_DATA)

    def _write_data(self, command: int, arguments: bytes) -> None:
        kind, count, address, value = arguments[0], arguments[1], arguments[2] << 8 | arguments[3], arguments[4]
        if count != 1:
            self._answer(command, BAD_LENGTH)
        elif (kind, address) == (4, _SIZE_ADDRESS) and value in _SIZES:
            # In the EEPROM: it counts from the next start on.
            self._stored_size = value
            self._answer(command)
        elif (kind, address) == (1, _COMPRESSION_ADDRESS):
            self._compression = value
            self._answer(command)
        else:
            self._answer(command, BAD_DATA)

    def _downsize(self, command: int, arguments: bytes) -> None:
        if arguments[0] in _SIZES:
            self._size = arguments[0]
            self._answer(command)
        else:
            self._answer(command, BAD_DATA)

    def _control_frame(self, command: int, arguments: bytes) -> None:
        if arguments[0] > 3:
            self._answer(command, BAD_DATA)
            return
        if arguments[0] == 3:
            self._frame = None
        elif self._frame is None:
            # A frame that is frozen stays the same until video goes on.
            self._frame = self._freeze()
        self._answer(command)

    def _freeze(self) -> bytes:
        moment = self.wall_clock() if self.wall_clock else f"{self._circuit.now_ms / 1000:.3f} s"
        picture = render(_SIZES[self._size], self._compression, self.door, moment, len(self.pictures) + 1)
        self.pictures.append(picture)
        self.frozen_ms.append(self._circuit.now_ms)
        if self.corrupt:
            middle = len(picture) // 2
            wrong = bytes(byte ^ 0x5A for byte in picture[middle : middle + 64])
            picture = picture[:middle] + wrong + picture[middle + 64 :]
        return picture[: int(len(picture) * self.keep)]

    def _frame_length(self, command: int, arguments: bytes) -> None:
        if arguments[0]:
            self._answer(command, BAD_DATA)
        else:
            self._answer(command, data=len(self._frame or b"").to_bytes(4, "big"))

    def _read_frame(self, command: int, arguments: bytes) -> None:
        start = int.from_bytes(arguments[2:6], "big")
        size = int.from_bytes(arguments[6:10], "big")
        pause_us = int.from_bytes(arguments[10:12], "big") * 10
        frame = self._frame or b""
        if self._frame is None or start + size > len(frame) + 8:
            self._answer(command, CANNOT_NOW)
            return
        if start % 8:
            self._answer(command, BAD_DATA)
            return
        # A read may go a little beyond the end of the picture.
        data = frame[start : start + size].ljust(size, b"\0")
        end_us = self._answer(command)
        self._wire.send(data, end_us - self._circuit.clock.now_us + pause_us)
        self._wire.send(bytes((0x76, 0, command, OK, 0)), 0)
