"""What the probes of an instrumented lock call: counts how often each was reached, and fails at one of them, once.

The order comes in the file `order` of the board's file system: "PROBE ERROR SKIP", "record" or "tell". The file is
taken when it is seen, so that a reset leaves nothing armed. Installed as the board's module `probe`.

Instead of an error there may be a harm, for the tests that see whether it would be noticed: STRIKE releases the strike
for good, JOURNAL spoils an old event.
"""

import asyncio
import os

import esp32
import machine

_POLL_MS = 250
_MOST_SITES = 16_384
_STRIKE_GPIO = 26

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
        _reached[site] = min(255, _reached[site] + 1)
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
    if kind == "RuntimeError":
        raise RuntimeError("probe")
    if kind == "STRIKE":
        machine.Pin(_STRIKE_GPIO, machine.Pin.OUT, value=1)
    else:
        journal = esp32.Partition.find(esp32.Partition.TYPE_DATA, label="journal")[0]
        journal.writeblocks(0, bytes(64), 192)


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
        _reached = bytearray(_MOST_SITES)
    elif words[0] == "tell":
        told, _reached = _reached, None
        with open("reached", "wb") as file:
            file.write(told)
    else:
        _state[:] = int(words[0]), words[1], int(words[2])


def keep_time(moment):
    """Gives the chip's clock a time, as one that was set before the power came would have."""
    rtc = machine.RTC()
    if rtc.datetime()[0] < 2024:
        rtc.datetime(moment)
