"""`esp32` of the official firmware: flash partitions and the RMT pulse player."""

import _thread
import array

import _frames
import _virtual
from micropython import const

_BLOCK_BYTES = const(4096)
_EINVAL = const(22)
_ENOENT = const(2)
_PULSE_MAX = const(32767)

HEAP_EXEC = 1
HEAP_DATA = 4

image = None
# The file has one position, and MicroPython here has no lock of its own around it.
_lock = _thread.allocate_lock()


class Partition:
    """A window on the flash chip. Reading goes to the image file; programs and erases are the host's to do."""

    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    def __init__(self, id, block_size: int = _BLOCK_BYTES) -> None:
        wanted = "factory" if id in (Partition.BOOT, Partition.RUNNING) else id
        for row in _rows():
            if row[4] == wanted:
                self._open(row, block_size)
                return
        raise OSError(_ENOENT)

    @staticmethod
    def find(type: int = TYPE_APP, subtype: int = 255, label=None, block_size: int = _BLOCK_BYTES) -> list:
        found = []
        for row in _rows():
            if row[0] == type and subtype in (255, row[1]) and label in (None, row[4]):
                found.append(Partition(row[4], block_size))
        return found

    def _open(self, row: tuple, block_size: int) -> None:
        self._row = row
        self._block_bytes = block_size

    def info(self) -> tuple:
        return self._row + (False,)

    def _address(self, block: int, size: int, offset: int) -> int:
        at = block * self._block_bytes + offset
        if at < 0 or at + size > self._row[3]:
            raise OSError(_EINVAL)
        return self._row[2] + at

    def readblocks(self, block_num: int, buf, offset: int = 0) -> None:
        # One function, since with files in flash it is called deep in an import, and on a board it is C.
        at = block_num * self._block_bytes + offset
        if at < 0 or at + len(buf) > self._row[3]:
            raise OSError(_EINVAL)
        with _lock:
            image.seek(self._row[2] + at)
            image.readinto(buf)

    def writeblocks(self, block_num: int, buf, offset=None) -> None:
        address = self._address(block_num, len(buf), offset or 0)
        if offset is None:
            if address % _BLOCK_BYTES or len(buf) % _BLOCK_BYTES:
                raise OSError(_EINVAL)
            for at in range(address, address + len(buf), _BLOCK_BYTES):
                _virtual.ask(_frames.FLASH_ERASE, 0, at)
        view = memoryview(buf)
        for at in range(0, len(buf), _BLOCK_BYTES):
            _virtual.ask(_frames.FLASH_PROGRAM, 0, address + at, view[at : at + _BLOCK_BYTES])

    def ioctl(self, cmd: int, arg: int):
        if cmd == 4:
            return self._row[3] // self._block_bytes
        if cmd == 5:
            return self._block_bytes
        if cmd == 6:
            if self._block_bytes != _BLOCK_BYTES:
                return -_EINVAL
            _virtual.ask(_frames.FLASH_ERASE, 0, self._address(arg, _BLOCK_BYTES, 0))
            return 0
        return 0 if cmd in (1, 2, 3) else None


def idf_heap_info(capabilities: int) -> list:
    """The heaps of ESP-IDF as (size, free, largest free, least free so far), which the host decides on."""
    _virtual.ask(_frames.IDF_HEAP, 0, capabilities)
    words = array.array("I", _virtual.payload)
    return [tuple(words[at : at + 4]) for at in range(0, len(words), 4)]


def _rows() -> list:
    """The partition table as (type, subtype, address, size, label)."""
    _virtual.ask(_frames.FLASH_TABLE)
    rows = []
    for line in bytes(_virtual.payload).decode().split("\n"):
        numbers = line.split(" ")
        rows.append(tuple([int(number) for number in numbers[:4]]) + (numbers[4],))
    return rows


class RMT:
    """Plays pulses by the peripheral's own clock. Its pin belongs to it until Pin.init makes it an output again."""

    PULSE_MAX = _PULSE_MAX

    def __init__(self, channel=None, *, pin=None, resolution_hz=None, clock_div=None, idle_level=False, **options):
        if resolution_hz is not None and clock_div is not None:
            raise ValueError("resolution_hz and clock_div are mutually exclusive")
        if resolution_hz is None:
            resolution_hz = 80000000 // clock_div if clock_div else 10000000
        # The source clock of 80 MHz goes through a divider of 8 bits.
        if not 80000000 // 256 <= resolution_hz <= 80000000:
            raise ValueError("resolution_hz out of range")
        self._gpio = pin if isinstance(pin, int) else pin.gpio
        self._hz = resolution_hz
        self._idle = 1 if idle_level else 0
        self._end = 0
        self._loops = 0
        _virtual.tell(_frames.RMT_OPEN, self._gpio)

    @staticmethod
    def source_freq() -> int:
        return 80000000

    def clock_div(self) -> int:
        return 80000000 // self._hz

    def _check(self) -> None:
        if self._gpio < 0:
            raise OSError("already deinitialized")

    def write_pulses(self, duration, data=True) -> None:
        self._check()
        self.wait_done(timeout=-1)
        if not isinstance(data, (list, tuple)):
            levels = [bool(data) ^ (at & 1) for at in range(len(duration))]
        else:
            levels = data
            if isinstance(duration, int):
                duration = [duration] * len(data)
        if len(duration) != len(levels):
            raise ValueError("duration and data must have same length")
        if not levels:
            raise ValueError("No pulses")
        pulses = array.array("H", bytes(2 * len(levels)))
        for at, units in enumerate(duration):
            if not 1 <= units <= _PULSE_MAX:
                raise ValueError("duration out of range")
            pulses[at] = units | (0x8000 if levels[at] else 0)
        total_us = sum(duration) * 1000000 // self._hz
        self._end = _virtual.FOREVER if self._loops < 0 else _virtual.clock() + total_us * max(1, self._loops)
        value = self._hz | self._idle << 32 | (self._loops + 1) << 33
        _virtual.tell(_frames.RMT_PLAY, self._gpio, value, bytes(pulses))

    def wait_done(self, *, timeout: int = 0) -> bool:
        self._check()
        until = self._end if timeout < 0 else min(self._end, _virtual.clock(1) + timeout * 1000)
        while _virtual.clock() < until:
            _virtual.wait(until)
        return _virtual.now >= self._end

    def active(self, value=None) -> bool:
        if value:
            raise ValueError("activate by calling write_pulses()")
        if value is None:
            return _virtual.clock(1) < self._end
        self._stop(0)
        return False

    def loop(self, enable: bool) -> None:
        self.loop_count(-1 if enable else 0)

    def loop_count(self, count: int) -> None:
        self._check()
        if count < -1:
            raise ValueError("arg must be -1, 0 or positive")
        if not count and self._loops and self.active():
            self._stop(0)
        self._loops = count

    def _stop(self, release: int) -> None:
        self._end = 0
        # Asked, not told: where the real chip panics the program must not go on.
        _virtual.ask(_frames.RMT_STOP, self._gpio, release)

    def deinit(self) -> None:
        if self._gpio >= 0:
            self._stop(1)
            self._gpio = -1
