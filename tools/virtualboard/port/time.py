"""`time` of an ESP32 on the virtual board's clock: epoch 2000, ticks that start at 0 and wrap at 2**30."""

import _thread

import _virtual
import utime
from micropython import const

_EPOCH_2000 = const(946684800)
_PERIOD = const(1 << 30)
_HALF = const(1 << 29)
# What one look at the clock costs at the fast pace, so that a loop around it comes to an end.
_LOOK_US = const(3)


def ticks_us() -> int:
    return (_virtual.clock(_LOOK_US) - _virtual.boot) & (_PERIOD - 1)


def ticks_ms() -> int:
    return (_virtual.clock(_LOOK_US) - _virtual.boot) // 1000 & (_PERIOD - 1)


def ticks_cpu() -> int:
    return (_virtual.clock(_LOOK_US) - _virtual.boot) * 160 & (_PERIOD - 1)


def ticks_add(ticks: int, delta: int) -> int:
    if not -_HALF < delta < _HALF:
        raise OverflowError("ticks interval overflow")
    return (ticks + delta) & (_PERIOD - 1)


def ticks_diff(end: int, start: int) -> int:
    return ((end - start + _HALF) & (_PERIOD - 1)) - _HALF


def time() -> int:
    return (_virtual.clock(_LOOK_US) + _virtual.rtc) // 1000000


def time_ns() -> int:
    return (_virtual.clock(_LOOK_US) + _virtual.rtc) * 1000


def gmtime(seconds=None) -> tuple:
    if seconds is None:
        seconds = time()
    return utime.gmtime(seconds + _EPOCH_2000)[:8]


localtime = gmtime


def mktime(moment) -> int:
    return int(utime.mktime(tuple(moment[:6]) + (0, 0, 0))) - _EPOCH_2000


def sleep(seconds) -> None:
    sleep_us(int(seconds * 1000000))


def sleep_ms(ms: int) -> None:
    sleep_us(ms * 1000)


def _sleep_beside(us: int) -> None:
    """Sleeps in another thread: until so much time has passed, on the board or really."""
    until = _virtual.clock() + us
    left_ms = us // 1000
    while _virtual.fast and left_ms > 0 and _virtual.now < until:
        utime.sleep_ms(1)
        left_ms -= 1
    if not _virtual.fast:
        utime.sleep_us(max(0, until - _virtual.clock()))
    elif us < 1000:
        utime.sleep_us(us)


def sleep_us(us: int) -> None:
    if us < 0:
        us = 0
    if _thread.get_ident() != _virtual.main_thread:
        _sleep_beside(us)
        return
    until = _virtual.clock() + us
    # Also a sleep of no time gives handlers their turn.
    _virtual.run()
    while _virtual.clock() < until:
        _virtual.wait(until)
