"""`machine` of an ESP32. The classes lie in a file each and are loaded when they are first named."""

import _frames
import _virtual

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_FILES = {"Pin": "_pin", "UART": "_uart", "SPI": "_bus", "I2C": "_bus", "SoftSPI": "_bus", "SoftI2C": "_bus"}
_FILES.update({"Timer": "_timer", "RTC": "_timer", "WDT": "_timer"})


def __getattr__(name: str):
    file = _FILES.get(name)
    if not file:
        raise AttributeError(name)
    value = getattr(__import__(file), name)
    globals()[name] = value
    return value


def reset() -> None:
    _virtual.halt(_frames.RESET, HARD_RESET)


def soft_reset() -> None:
    raise SystemExit


def reset_cause() -> int:
    return _virtual.cause


def unique_id() -> bytes:
    return b"\x24\x0a\xc4\x10\x20\x30"


def freq(hz=None):
    return 160000000 if hz is None else None


def idle() -> None:
    _virtual.wait(_virtual.clock() + 1000)


def disable_irq() -> int:
    state = _virtual.irqs_off
    _virtual.irqs_off = 1
    return state


def enable_irq(state: int = 0) -> None:
    _virtual.irqs_off = state
    _virtual.run()
