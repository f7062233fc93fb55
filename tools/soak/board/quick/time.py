"""`time` whose clock goes `factor` times as fast, so that minutes of waiting pass in seconds."""

import utime

_PERIOD = 1 << 30

factor = 1

gmtime = utime.gmtime


def ticks_ms() -> int:
    return utime.ticks_us() * factor // 1000 & (_PERIOD - 1)


def ticks_add(ticks: int, delta: int) -> int:
    return (ticks + delta) & (_PERIOD - 1)


def ticks_diff(end: int, start: int) -> int:
    return ((end - start + _PERIOD // 2) & (_PERIOD - 1)) - _PERIOD // 2


def sleep_ms(ms: int) -> None:
    utime.sleep_us(ms * 1000 // factor)
