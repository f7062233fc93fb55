"""One line of the console: is it a request, may who sends it have that done, and what becomes of it."""

import asyncio
import gc
import json
import sys
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

# Each request: its name, who may make it, R if the same line once more gets the same reply, and what serves it.
# One text, since each of so many small objects, and each name, takes its share of the heap.
_REQUESTS = const(
    " hello:0-knock claim:1Rknock develop:1Rknock nonce:2Rknock open:2Rknock close:3Rsession restart:3Rsession"
    " status:3-status enrolment:4Rupkeep installers:4Rupkeep release:4Rupkeep time:3Rupkeep"
    " begin:3Rtransfer piece:3Rtransfer update_commit:3Rtransfer list:3Rtransfer"
    " time_nonce:3-transfer time_token:3Rtransfer preview:3-diff apply:3Rdiff test:3-selftest"
    " picture:3-selftest export:3-export reset:4Rreset "
)


async def serve(console, line) -> bool:
    """Serves one line (a memoryview that begins with a brace); returns whether it was a request.

    Raises SystemExit to end the run.
    """
    request = _parse(line)
    if request is None:
        await console.line.complain("bad_line", "A request is a JSON object with id and do.")
        return False
    now_ms = console.uptime.now_ms()
    checksum = crc32(line)
    last = console.last
    reply = None
    if last and last[0] == checksum and now_ms - last[2] < _REPEAT_MS:
        # The reply was lost on its way.
        await console.line.say(last[1])
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
    except Exception as error:  # noqa: BLE001 - what an installer asks for must not end the run of the door
        sys.print_exception(error)
        reply = {"ok": False, "error": "fault", "say": "The lock failed at that request."}
    reply["id"] = request["id"]
    if is_repeatable and reply["ok"]:
        console.last = (checksum, reply, now_ms)
    await console.line.say(reply)
    del request, line
    _let_go(console, part)
    if console.ending:
        await _end(console)
    return True


def _let_go(console, part: str) -> None:
    """Leaves nothing in the heap that a visitor would have to wait for being collected."""
    console.line.served += 1
    if part in ("", "session", "transfer") or not console.session:
        # Comes again and again; it stays as long as somebody is there.
        if console.line.served % _LIGHT == 0 and console.is_free(console.uptime.now_ms()):
            gc.collect()
    else:
        console.forget(("console." + part,) + _FOR_A_MOMENT)


async def _end(console) -> None:
    """Ends the run as soon as nobody is at the door."""
    if console.session:
        console.session.end(console)
    await asyncio.sleep_ms(_SENT_MS)
    await console.line.give_way(_QUIET_MS, _ENDING_MS)
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
    at = _REQUESTS.find(" " + word + ":") + len(word) + 2
    if not word.replace("_", "").isalpha() or at <= len(word) + 1:
        raise Refusal("unknown", "There is no such request.")
    who = int(_REQUESTS[at])
    part = _REQUESTS[at + 2 : _REQUESTS.find(" ", at)]
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
    return part, _REQUESTS[at + 1] == "R"


def _words(part: str) -> dict:
    """Loads a file of requests; spelled out, so that what puts the board's files together sees them."""
    if part == "knock":
        from firmware.console import knock

        return knock.WORDS
    if part == "session":
        from firmware.console import session

        return session.WORDS
    if part == "status":
        from firmware.console import status

        return status.WORDS
    if part == "upkeep":
        from firmware.console import upkeep

        return upkeep.WORDS
    if part == "transfer":
        from firmware.console import transfer

        return transfer.WORDS
    if part == "diff":
        from firmware.console import diff

        return diff.WORDS
    if part == "selftest":
        from firmware.console import selftest

        return selftest.WORDS
    if part == "export":
        from firmware.console import export

        return export.WORDS
    from firmware.console import reset

    return reset.WORDS
