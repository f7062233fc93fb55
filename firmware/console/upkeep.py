"""What keeps a claimed lock going: its enrolment with a collector, the keys of installers, the time."""

from firmware.console.knock import enrolment, key_in
from firmware.console.request import Refusal, note, number
from firmware.core import clock, event
from firmware.store import claim

# 2024-01-01, before which nobody sets a lock; and 2060-01-01: a floor near the end of what four bytes hold, set once by
# a laptop with a wrong calendar, would leave no way back.
_FIRST_S = 1_704_067_200
_LAST_S = 2_840_140_800
_LONGEST_S = 600


async def _enrolment(console, request: dict) -> dict:
    first = enrolment(console)
    if not first:
        raise Refusal("enrolled", "A collector has acknowledged events: the key of the journal is told no more.")
    return {"door": console.door, "public_key": console.public.hex(), "journal": first}


async def _installers(console, request: dict) -> dict:
    keys = claim.installers(console.kept)
    if "set" in request:
        at = number(request, "set", 0, claim.MOST_INSTALLERS - 1)
        # Without a key the place is given up, and those behind move up.
        keys[at : at + 1] = [key_in(request, "key")] if request.get("key") else []
        if keys != claim.installers(console.kept):
            note(console, event.INSTALLERS_CHANGED, {event.COUNT: len(keys)})
            claim.keep_installers(console.kept, keys)
    return {"ids": [claim.kid(key).hex() for key in keys]}


async def _release(console, request: dict) -> dict:
    if "key" in request:
        key = key_in(request, "key")
        if key != claim.release_key(console.kept):
            note(console, event.RELEASE_KEY_CHANGED, {event.NAME: claim.kid(key).hex()})
            claim.keep_release(console.kept, key)
    return {"key": claim.release_key(console.kept).hex()}


async def _time(console, request: dict) -> dict:
    time_s = number(request, "unix_s", _FIRST_S, _LAST_S)
    uncertainty_s = number(request, "uncertainty_s", 0, _LONGEST_S, 2)
    note(console, event.TIME_TOLD, {})
    if console.timekeeping.tell(time_s, uncertainty_s, 0, "console") == clock.REFUSED:
        raise Refusal("time", "The lock already knew a later time, or that is years ahead of it.")
    return {"unix_s": console.clock.now_s(console.uptime.now_ms())}


WORDS = {"enrolment": _enrolment, "installers": _installers, "release": _release, "time": _time}
