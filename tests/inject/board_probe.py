"""What the probes of an instrumented lock call: counts the places that were reached, and fails at one of them, once.

The order comes in the file `order` of the board's file system, "site kind skip" or "record"; the file is taken when it
is seen, so that a reset leaves nothing armed. Installed as the board's module `probe`.
"""

import asyncio
import os

import machine

_POLL_MS = 250
_MOST_SITES = 16_384

_state = [-1, "", 0]
_reached = None


def probe_before(site):
    if site == _state[0] or _reached is not None:
        _hit(site)


def probe_after(site, value):
    if site == _state[0] or _reached is not None:
        _hit(site)
    return value


def _hit(site):
    if _reached is not None:
        _reached[site >> 3] |= 1 << (site & 7)
        return
    if _state[2]:
        _state[2] -= 1
        return
    _state[0] = -1
    kind = _state[1]
    print("probe", site, kind)
    if kind == "MemoryError":
        raise MemoryError("probe")
    if kind == "OSError":
        raise OSError(5)
    raise RuntimeError("probe")


async def attend():
    """Takes orders, for as long as the lock runs."""
    while True:
        await asyncio.sleep_ms(_POLL_MS)
        try:
            with open("order") as file:
                words = file.read().split()
        except OSError:
            continue
        os.remove("order")
        _obey(words)


def _obey(words):
    global _reached
    if words[0] == "record":
        _reached = bytearray(_MOST_SITES >> 3)
    elif words[0] == "tell":
        told, _reached = _reached, None
        with open("reached", "wb") as file:
            file.write(told)
    else:
        _state[:] = (int(words[0]), words[1], int(words[2])) if words[0] != "none" else (-1, "", 0)


def keep_time(moment):
    """Gives the chip's clock a time, as one that was set before the power came would have."""
    rtc = machine.RTC()
    if rtc.datetime()[0] < 2024:
        rtc.datetime(moment)
