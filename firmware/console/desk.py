"""One line of the console: is it a request, may who sends it have that done, and what becomes of it."""

import asyncio
import gc
import json
from binascii import crc32

from micropython import const

from firmware.console.request import Refusal
from firmware.core import event
from firmware.core.errors import FlashError
from firmware.store import claim

_MOST_DEPTH = const(4)
_REPEAT_MS = const(10_000)
_QUIET_MS = const(2_500)
_ENDING_MS = const(30_000)
_SENT_MS = const(200)
# Who may ask for something.
_ANYBODY = const(0)
_UNCLAIMED = const(1)
_CLAIMED = const(2)
_SESSION = const(3)
_OWNER = const(4)
# What one request or another has loaded; where the board has one file for several of them, it has the name of one.
_FOR_A_MOMENT = (
    "console.knock",
    "console.fields",
    "console.pem",
    "store.trial",
    "store.settings",
    "store.slots",
    "core.tz_string",
)
# So many requests that leave little garbage make as much as one that leaves much.
_LIGHT = const(8)

# Request -> (who may, the file that it is served by, whether the same line once more gets the same reply).
_REQUESTS = {
    "hello": (_ANYBODY, "knock", False),
    "claim": (_UNCLAIMED, "knock", True),
    "develop": (_UNCLAIMED, "knock", True),
    "nonce": (_CLAIMED, "knock", True),
    "open": (_CLAIMED, "knock", True),
    "close": (_SESSION, "session", True),
    "restart": (_SESSION, "session", True),
    "status": (_SESSION, "status", False),
    "enrolment": (_OWNER, "upkeep", True),
    "installers": (_OWNER, "upkeep", True),
    "release": (_OWNER, "upkeep", True),
    "time": (_SESSION, "upkeep", True),
    "begin": (_SESSION, "transfer", True),
    "piece": (_SESSION, "transfer", True),
    "update_commit": (_SESSION, "transfer", True),
    "preview": (_SESSION, "diff", False),
    "apply": (_SESSION, "diff", True),
    "test": (_SESSION, "selftest", False),
    "picture": (_SESSION, "selftest", False),
    "export": (_SESSION, "export", False),
    "reset": (_OWNER, "reset", True),
}


async def serve(console, line) -> bool:
    """Serves one line (a memoryview that begins with a brace); returns whether it was a request.

    Raises SystemExit to end the run.
    """
    request = _parse(line)
    if request is None:
        await console.complain("bad_line", "A request is a JSON object with id and do.")
        return False
    now_ms = console.uptime.now_ms()
    checksum = crc32(line)
    last = console.last
    reply = None
    if last and last[0] == checksum and now_ms - last[2] < _REPEAT_MS:
        # The reply was lost on its way.
        await console.say(last[1])
        return True
    console.last = None
    word = request["do"]
    part, is_repeatable = "", False
    try:
        part, is_repeatable = _admit(console, word, now_ms)
        reply = await _words(part)[word](console, request)
        reply["ok"] = True
    except Refusal as refusal:
        reply = {"ok": False, "error": refusal.args[0], "say": refusal.args[1]}
    except (FlashError, OSError):
        reply = {"ok": False, "error": "flash", "say": "The flash did not take it."}
    except MemoryError:
        reply = {"ok": False, "error": "memory", "say": "There is not enough memory for it now."}
    reply["id"] = request["id"]
    if is_repeatable and reply["ok"]:
        console.last = (checksum, reply, now_ms)
    await console.say(reply)
    del request, line
    _let_go(console, part)
    if console.ending:
        await _end(console)
    return True


def _let_go(console, part: str) -> None:
    """Leaves nothing in the heap that a visitor would have to wait for being collected."""
    console.served += 1
    if part in ("", "session", "transfer") or not console.session:
        # Comes again and again; it stays as long as somebody is there.
        if console.served % _LIGHT == 0:
            gc.collect()
    else:
        console.forget(("console." + part,) + _FOR_A_MOMENT)


async def _end(console) -> None:
    """Ends the run as soon as nobody is at the door."""
    if console.session:
        console.session.end(console)
    await asyncio.sleep_ms(_SENT_MS)
    await console.give_way(_QUIET_MS, _ENDING_MS)
    raise SystemExit(console.ending)


def _parse(line):
    """Returns the request, or None."""
    try:
        request = json.loads(line)
    except (ValueError, RuntimeError, MemoryError):
        return None
    if not isinstance(request, dict) or _depth(request) > _MOST_DEPTH:
        return None
    number = request.get("id")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 31:
        return None
    return request if isinstance(request.get("do"), str) else None


def _depth(value, most: int = _MOST_DEPTH + 1) -> int:
    """Returns how deep lists and objects are nested, at most `most`."""
    if most == 0 or not isinstance(value, (dict, list)):
        return 0
    deepest = 0
    for item in value.values() if isinstance(value, dict) else value:
        deepest = max(deepest, _depth(item, most - 1))
    return 1 + deepest


def _admit(console, word: str, now_ms: int) -> tuple:
    """Returns (file that serves the request, whether it is repeatable). Raises Refusal."""
    if word not in _REQUESTS:
        raise Refusal("unknown", "There is no such request.")
    who, part, is_repeatable = _REQUESTS[word]
    is_claimed = claim.is_claimed(console.kept)
    if who == _UNCLAIMED and is_claimed:
        raise Refusal("claimed", "The lock has an owner.")
    if who >= _CLAIMED and not is_claimed:
        raise Refusal("unclaimed", "The lock has no owner yet: claim comes first.")
    session = console.session
    if who >= _SESSION:
        if not session:
            raise Refusal("session", "There is no session, or it has ended: nonce and open come first.")
        if who == _OWNER and session.rights != event.OWNER:
            raise Refusal("role", "Only the owner may do that.")
        session.use(now_ms)
    return part, is_repeatable


def _words(part: str) -> dict:
    """Loads a file of requests; spelled out, so that what puts the board's files together sees them."""
    if part == "knock":
        from firmware.console import knock as found
    elif part == "session":
        from firmware.console import session as found
    elif part == "status":
        from firmware.console import status as found
    elif part == "upkeep":
        from firmware.console import upkeep as found
    elif part == "transfer":
        from firmware.console import transfer as found
    elif part == "diff":
        from firmware.console import diff as found
    elif part == "selftest":
        from firmware.console import selftest as found
    elif part == "export":
        from firmware.console import export as found
    else:
        from firmware.console import reset as found
    return found.WORDS
