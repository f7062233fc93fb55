"""The frames between the firmware's process and this one, over two pipes.

From the board, 32 bytes, little-endian signed words: `kind | number << 8 | size << 16`, board time in us, value,
levels of all outputs; then `size` bytes. To the board, 40 bytes: `kind | number << 8 | size << 16 | epoch << 32`,
board time, horizon, input levels (bits 0 to 39 are pins, 48 to 50 say that UART 0 to 2 has received something, 51 that
the serial line to the host has), value; then `size` bytes. The epoch changes whenever a level may have, the horizon is
the time up to which nothing will happen by itself. port/_virtual.py is the other end.
"""

import os
import struct
from typing import NamedTuple

# What the board says. "asks" waits for a reply.
HELLO = 0  # asks; reply data: words: reset cause, time of the start, RTC offset, matrix mask, output levels, is raw
WAIT = 1  # asks; value = until when (us); replied to then, or earlier when something came in
READ = 2  # asks; the reply's input levels are the answer
PIN_MODE = 3  # number = GPIO; value = mode | (pull + 1) << 8 | (level + 1) << 16; 0 leaves as it is
PIN_SET = 4  # number = GPIO; value = level
PIN_IRQ = 5  # number = GPIO; value = edges (1 rising, 2 falling)
UART_INIT = 6  # number = UART; value = baud | tx << 24 | rx << 32 | buffer size << 40; 0 = off
UART_SEND = 7  # number = UART; data
UART_READ = 8  # asks; number = UART; value = up to how many (0: only count); + 128: when all is sent (us)
SPI = 9  # asks; number = bus; value = 1 for the lowest bit first; data out; reply data in
I2C = 10  # asks; number = bus; value = address | bytes to read << 8; data out; reply number = 1 if nobody is there
FLASH_TABLE = 11  # asks; reply data: "type subtype address size label" lines
FLASH_PROGRAM = 12  # asks; value = address; data
FLASH_ERASE = 13  # asks; value = address of a sector
RMT_OPEN = 14  # number = GPIO
RMT_PLAY = 15  # number = GPIO; value = Hz | idle level << 32 | (loops + 1) << 33; data: u16 duration | level << 15
RMT_STOP = 16  # asks; number = GPIO; value = 1 to give the pin back
WDT = 17  # value = time-out in us, 0 = feed
RTC = 18  # value = RTC time (us since 2000) minus board time
RESET = 19  # number = reset cause of the next start; value = 1 to have the raw prompt then, and no main.py
REPL = 20  # asks; number = 1 after an exception
HOLD = 21  # value = for how long (us) the main thread stands still from now on; 0 = wake it, it is about to
LINE_READ = 22  # asks; value = up to how many bytes of the serial line to the host
LINE_WRITE = 23  # asks; data for that line that is not output of the program
LINE_INTERRUPT = 24  # value = character that interrupts the program, -1 none
BLE = 25  # number = operation of Bluetooth (ble/bluetooth.py), value, data; asks, but for the one that ends an event
IDF_HEAP = 26  # asks; reply data: rows of four words: size, free, largest free, least free so far

# What the host says.
REPLY = 0
IRQ = 1  # number = GPIO, 255 = the interrupt character has come
WAKE = 2  # look again
PACE = 3  # number = 0 fast, 1 real; value = board time minus monotonic time (us)
WLAN = 4  # value = since when the access point is there, -1 not; data: ssid NUL password, none = any
BLE_EVENT = 5  # number = event of MicroPython's bluetooth; value = connection | handle << 16 | status << 32; data

_FROM_BOARD = struct.Struct("<qqqq")
_TO_BOARD = struct.Struct("<qqqqq")
_READ_BYTES = 1 << 16


class Request(NamedTuple):
    """One frame from the board."""

    kind: int
    number: int
    now_us: int
    value: int
    outputs: int
    data: bytes


class LinkClosed(Exception):
    """The other end of the link is gone: the process ended."""


class Link:
    """The host's ends of the two pipes."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self.read_fd = read_fd
        self._write_fd = write_fd
        self._buffer = b""
        os.set_blocking(read_fd, False)

    def receive(self) -> list[Request]:
        """Returns the frames that have arrived, perhaps none. Raises LinkClosed."""
        try:
            data = os.read(self.read_fd, _READ_BYTES)
        except BlockingIOError:
            return []
        if not data:
            raise LinkClosed
        self._buffer += data
        frames = []
        at = 0
        while len(self._buffer) - at >= _FROM_BOARD.size:
            word, now_us, value, outputs = _FROM_BOARD.unpack_from(self._buffer, at)
            end = at + _FROM_BOARD.size + (word >> 16)
            if end > len(self._buffer):
                break
            data = self._buffer[at + _FROM_BOARD.size : end]
            frames.append(Request(word & 255, word >> 8 & 255, now_us, value, outputs, data))
            at = end
        self._buffer = self._buffer[at:]
        return frames

    def send(self, kind: int, number: int, state: tuple[int, int, int, int], value: int = 0, data: bytes = b"") -> None:
        """Sends one frame; `state` is (epoch, board time, horizon, input levels). Raises LinkClosed."""
        epoch, now_us, horizon_us, inputs = state
        word = kind | number << 8 | len(data) << 16 | (epoch & 0x3FFFFFFF) << 32
        frame = _TO_BOARD.pack(word, now_us, horizon_us, inputs, value) + data
        try:
            os.write(self._write_fd, frame)
        except BrokenPipeError:
            raise LinkClosed from None

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self._write_fd)
