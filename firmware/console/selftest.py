"""The parts of the door one by one, with the installer watching: the real ones, the way they work every day.

Of keys it tells that one came, and of * and # which: a visitor may be typing a code. Of a card it tells the kind, and a
hash of its UID that is good for telling two cards apart at this door.
"""

import asyncio
from binascii import b2a_base64
from hashlib import sha256

from micropython import const

from firmware.console.request import Refusal, note, number, text
from firmware.core import event, indication
from firmware.core.errors import StrikeError

_SECONDS = const(10)
_MOST_SECONDS = const(60)
_LOOK_MS = const(50)
_PICTURE_MS = const(12_000)
_PICTURE_BYTES = const(480)


class _Watch:
    """What the installer's lines are about: the request's number, and what was noticed and not said yet."""

    def __init__(self, console, request: dict) -> None:
        self._console = console
        self._id = request["id"]
        self.until_ms = console.uptime.now_ms() + 1000 * number(request, "seconds", 1, _MOST_SECONDS, _SECONDS)
        self.noticed = []

    def notice(self, said: dict) -> None:
        # Nobody types that fast; a wire that bounces might.
        if len(self.noticed) < 8:
            self.noticed.append(said)

    async def tell(self, said: dict) -> None:
        await self._console.line.say({"id": self._id, "event": said})

    async def go_on(self) -> bool:
        """Says what was noticed, waits a little, and returns whether there is time left."""
        while self.noticed:
            await self.tell(self.noticed.pop(0))
        await asyncio.sleep_ms(_LOOK_MS)
        return self._console.uptime.now_ms() < self.until_ms


async def _test(console, request: dict) -> dict:
    what = text(request, "what")
    if what not in _TESTS:
        raise Refusal("value", "what is strike, camera, reader, keypad, contact or indicator.")
    watch = _Watch(console, request)
    note(console, event.TESTED, {event.NAME: what})
    return await _TESTS[what](console, watch)


async def _strike(console, watch) -> dict:
    try:
        console.doorway.release(None, event.BY_TEST)
    except StrikeError:
        raise Refusal("strike", "The strike's driver did not take the pulse.")
    await watch.tell({"strike": "released"})
    is_open = False
    while console.doorway.door.is_released:
        if console.doorway.door.is_open != is_open:
            is_open = not is_open
            watch.notice({"contact": "open" if is_open else "closed"})
        await watch.go_on()
    await watch.tell({"strike": "rests"})
    return {"opened": is_open}


async def _camera(console, watch) -> dict:
    photographer, photos = console.photographer, console.photos
    if not photographer:
        raise Refusal("absent", "The settings name no camera.")
    taken = await photographer.shoot(True)
    if taken is None:
        raise Refusal("camera", "The camera gave no picture.")
    await watch.tell({"picture": taken})
    limit_ms = console.uptime.now_ms() + _PICTURE_MS
    while console.uptime.now_ms() < limit_ms:
        picture = photos.find(taken)
        if picture:
            console.session.picture = picture
            return {"picture": taken, "bytes": picture.length, "sha256": picture.sha256.hex()}
        await asyncio.sleep_ms(4 * _LOOK_MS)
    raise Refusal("camera", "The picture did not come out of the camera.")


async def _reader(console, watch) -> dict:
    if not console.tap:
        raise Refusal("absent", "The settings name no card reader, or it does not work.")
    count = 0

    def saw(targets) -> None:
        nonlocal count
        for target in targets:
            count += 1
            kind = "isodep" if target.is_isodep else "other" if target.sak else "type2"
            watch.notice({"card": kind, "id": sha256(console.public + target.uid).digest()[:4].hex()})

    console.tap.watcher = saw
    try:
        # The next card is the end of it.
        while not count and await watch.go_on():
            pass
        await watch.go_on()
    finally:
        console.tap.watcher = None
    return {"cards": count, "ready": console.tap.is_ready}


async def _keypad(console, watch) -> dict:
    count = 0

    def saw(key) -> None:
        nonlocal count
        count += 1
        shown = "other"
        if isinstance(key, str):
            shown = key if key in "*#" else "digit"
        watch.notice({"key": shown})

    console.entry.watcher = saw
    try:
        while await watch.go_on():
            pass
    finally:
        console.entry.watcher = None
    return {"keys": count}


async def _contact(console, watch) -> dict:
    contact = console.doorway.contact
    if not contact:
        raise Refusal("absent", "The settings name no contact.")
    was_open = contact.is_active()
    changes = 0
    while await watch.go_on():
        is_open = contact.is_active()
        if is_open != was_open:
            was_open = is_open
            changes += 1
            watch.notice({"contact": "open" if is_open else "closed"})
    return {"changes": changes, "contact": "open" if was_open else "closed"}


async def _indicator(console, watch) -> dict:
    patterns = (
        ("click", indication.CLICK),
        ("cleared", indication.CLEARED),
        ("granted", indication.GRANTED),
        ("refused", indication.REFUSED),
        ("locked_out", indication.LOCKED_OUT),
        ("time_unknown", indication.TIME_UNKNOWN),
        ("fault", indication.FAULT),
        ("again", indication.AGAIN),
    )
    for name, pattern in patterns:
        await watch.tell({"pattern": name})
        console.indicator.show(pattern)
        await asyncio.sleep_ms(sum([step[2] for step in pattern]) + 500)
    return {"patterns": len(patterns)}


async def _picture(console, request: dict) -> dict:
    picture = console.session.picture
    if not picture:
        raise Refusal("order", "There is no test picture: test camera comes first.")
    at = number(request, "at", 0, picture.length - 1)
    piece = bytearray(min(_PICTURE_BYTES, picture.length - at))
    console.photos.read_into(picture, at, piece)
    return {"data": b2a_base64(piece)[:-1].decode(), "total": picture.length}


_TESTS = {
    "strike": _strike,
    "camera": _camera,
    "reader": _reader,
    "keypad": _keypad,
    "contact": _contact,
    "indicator": _indicator,
}
WORDS = {"test": _test, "picture": _picture}
