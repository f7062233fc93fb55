"""A delivery in words: its steps, its proof and its picture, as lists and pages show them."""

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from markupsafe import Markup

from firmware.core import event, event_names
from lobbylock.eventline import printable
from lobbylock.page.render import environment, local_time
from lobbylock.story import NOT_OPENED, OPENED, OPENED_WITH, STRIKE_FAILED, WAS_OPEN

if TYPE_CHECKING:
    from lobbylock.history import Shown

# Of a step, and of a mark: as it should be, to come, wrong, neither.
GOOD, WAIT, BAD, PLAIN = "good", "wait", "bad", "plain"
_VIAS = {"keypad": "by code", "badge": "by badge", "phone": "by phone", "card number": "by card number"} | {
    "ble": "by phone, Bluetooth"
}
_MARKS = {"holds": (GOOD, "Proof holds"), "waiting": (WAIT, "Proof not complete yet"), "broken": (BAD, "Proof broken")}
# What stands in place of a picture, by its state.
PICTURE_SENTENCES = {
    "not_here_yet": "The picture is still on its way.",
    "lost": "The lock lost the picture before it was stored.",
    "deleted": "The picture was deleted by the rule for old pictures.",
    "missing": "The picture is missing here.",
    "other": "The file here is not the picture that was taken.",
    "not_jpeg": "What is here is not a picture.",
}


@dataclass(frozen=True)
class Card:
    """What a list shows of one delivery; `html` is the content of its card, `version` changes with it."""

    id: str
    version: str
    says: str
    is_broken: bool
    html: Markup


def card(shown: "Shown") -> Card:
    """Returns the card of a delivery."""
    values = facts(shown)
    html = environment().get_template("_delivery.html").render(**values)
    story = shown.story
    is_broken = shown.proof.state == "broken"
    says = f"{values['who']}, {values['result']}, {local_time(story.access.time_s, shown.door)}, {shown.door.name}"
    version = sha256(f"{is_broken}{html}".encode("utf-8", "replace")).hexdigest()[:16]
    return Card(f"v-{shown.chain}-{story.access.seq}", version, says, is_broken, Markup(html))  # noqa: S704 escaped


def facts(shown: "Shown") -> dict[str, Any]:
    """Returns what templates say of one delivery, all of it plain text."""
    story = shown.story
    access = story.access
    via = _name(event_names.VIA_NAMES, access.details.get(event.VIA))
    role = _name(event_names.ROLE_NAMES, access.details.get(event.ROLE))
    reason = _name(event_names.REASON_NAMES, access.details.get(event.REASON)) or "not said"
    state, text = _MARKS[shown.proof.state]
    path = f"{shown.door.name}/{shown.chain}/{access.seq}"
    picture = shown.picture
    return {
        "shown": shown,
        "door": shown.door,
        "time_s": access.time_s,
        # What nobody signed; it is said where the lock knew no time.
        "received_s": shown.shown_s,
        "seq": access.seq,
        "who": printable(story.who) if story.who else "Somebody unknown",
        "how": ", ".join(filter(None, (role, _VIAS.get(via or "", via)))),
        "result": "let in" if story.is_granted else f"refused: {reason}",
        "steps": steps(shown),
        "mark": (state, text, shown.proof.sentence),
        "address": f"/delivery/{path}",
        "picture_address": f"/picture/{path}" if picture is not None and picture.state == "here" else None,
        "picture_sentence": None if picture is None else PICTURE_SENTENCES.get(picture.state),
    }


def steps(shown: "Shown") -> list[tuple[str, str]]:
    """Returns (state, words) of what happened one after the other: granted, picture, opened, closed, receipt."""
    story = shown.story
    reason = _name(event_names.REASON_NAMES, story.access.details.get(event.REASON)) or "not said"
    if not story.is_granted:
        return [(BAD, f"refused: {reason}"), *_picture_steps(shown)]
    told = [(GOOD, "granted"), *_picture_steps(shown), *_door_steps(shown)]
    if story.receipt is not None:
        told.append((GOOD, "receipt"))
    return told


def _picture_steps(shown: "Shown") -> list[tuple[str, str]]:
    if shown.picture is None:
        return []
    states = {
        "here": (GOOD, "picture"),
        "not_here_yet": (WAIT, "picture on its way"),
        "lost": (BAD, "picture lost"),
        "deleted": (PLAIN, "picture deleted"),
    }
    return [states.get(shown.picture.state, (BAD, "picture wrong"))]


def _door_steps(shown: "Shown") -> list[tuple[str, str]]:
    story = shown.story
    after = "" if story.opened_after_s is None else f" after {story.opened_after_s:g} s"
    said = {
        OPENED: (GOOD, f"opened{after}"),
        OPENED_WITH: (GOOD, "opened together with somebody else"),
        WAS_OPEN: (WAIT, "door was open already"),
        NOT_OPENED: (PLAIN, "not opened"),
        STRIKE_FAILED: (BAD, "strike failed"),
    }
    told = [said.get(story.outcome, (PLAIN, "opening not known"))]
    if story.is_held:
        told.append((BAD, "held open"))
    if story.open_for_s is not None:
        told.append((GOOD, f"closed, open for {story.open_for_s} s"))
    elif story.is_left_open:
        told.append(_left_open(shown))
    return told


def _left_open(shown: "Shown") -> tuple[str, str]:
    if shown.story.has_gap:
        return BAD, "events missing while it was open"
    if shown.story.is_cut_short:
        return WAIT, "lock restarted while it was open"
    return WAIT, "still open"


def _name(names: tuple[str, ...], number: object) -> str | None:
    """Returns what a number of a record stands for in words; numbers of a later version as they are."""
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return (names[number] or str(number)).replace("_", " ") if 0 <= number < len(names) else str(number)


def query(values: dict[str, str]) -> str:
    """Returns a query string of what is not empty, with its question mark."""
    text = urlencode({name: value for name, value in values.items() if value})
    return f"?{text}" if text else ""
