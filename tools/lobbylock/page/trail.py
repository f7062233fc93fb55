"""The record of a door, row by row, each with its proof; and one row with its bytes and every check. For managers."""

from collections.abc import Iterable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from firmware.core import event, event_names
from lobbylock.alarms import KINDS as ALARMS
from lobbylock.door import Door
from lobbylock.eventline import kind_name, person_name, printable, spoken_values
from lobbylock.page.access import Viewer, find_door, for_managers
from lobbylock.page.context import context_of
from lobbylock.page.render import render
from lobbylock.rowproof import BROKEN, HOLDS, Proof
from lobbylock.trail import TrailRow, trail

_LIMIT = 50
_PEOPLE = frozenset(
    (event.ACCESS, event.UNLOCKED, event.LOCKED, event.DOOR_OPENED, event.DOOR_CLOSED, event.EXIT_REQUESTED)
    + (event.PICTURE, event.RECEIPT, event.NOT_OPENED)
)
_SEALS = frozenset((event.SEAL,))
_ALL = range(1, len(event_names.KIND_NAMES))
# Name in addresses -> (words, kinds of events).
GROUPS = {
    "people": ("People at the door", _PEOPLE),
    "alarms": ("Alarms", frozenset(ALARMS)),
    "seals": ("Seals", _SEALS),
    "lock": ("The lock itself", frozenset(_ALL) - _PEOPLE - frozenset(ALARMS) - _SEALS),
}
_MARKS = {HOLDS: ("good", "holds"), BROKEN: ("bad", "broken")}
_GAP = ("bad", "missing")
# Record numbers in addresses: no lock gets to more.
_MAX_DIGITS = 12
_HEX_BYTES = 32


@for_managers
def show_trail(request: Request, viewer: Viewer) -> Response:
    """Shows the rows of one board's record at a door, the newest first."""
    context = context_of(request)
    door = find_door(request, viewer)
    query = request.query_params
    kind, before = query.get("kind", ""), query.get("before") or None
    chain = _number(query.get("chain"))
    start = _number(query.get("from"))
    if start is not None and before is None:
        before = str(start + 1)
    # Whatever else it is, it is no place in the record.
    if before is not None and _number(before) is None:
        raise HTTPException(404)
    found = trail(context.history, viewer.reader, door.name, chain, before, _LIMIT, _kinds(kind))
    if chain is not None and chain not in found.chains:
        raise HTTPException(404)
    chosen = {"kind": kind, "chain": "" if chain is None else str(chain)}
    return render(
        request,
        "trail.html",
        door=door,
        rows=[_shown(door, row) for row in found.rows],
        chain=found.chain,
        chains=found.chains,
        kind=kind,
        kinds=_choices(),
        older=_address(door, **chosen, before=found.next) if found.next else None,
        newest=_address(door, **chosen),
        address=_address(door, **chosen, before=before or ""),
        before=before,
    )


def _kinds(name: str) -> frozenset[int] | None:
    """Returns the kinds of events that a group or a kind's name means; all of them if it is neither."""
    if name in GROUPS:
        return GROUPS[name][1]
    return frozenset((event_names.KIND_NAMES.index(name),)) if name in event_names.KIND_NAMES[1:] else None


def _choices() -> list[tuple[str, str]]:
    groups = [(name, words) for name, (words, _) in GROUPS.items()]
    return [("", "everything"), *groups, *((name, name.replace("_", " ")) for name in event_names.KIND_NAMES[1:])]


def _address(door: Door, **values: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in values.items() if value)
    return f"/trail/{door.name}{f'?{query}' if query else ''}"


def _shown(door: Door, row: TrailRow) -> dict[str, Any]:
    """Returns what the table shows of a row."""
    found = row.event
    if row.gap is not None:
        return {"row": row, "kind": "gap", "who": None, "words": row.proof.sentence, "time_s": None, "mark": _GAP}
    if found is None:
        # The row is altered, or not there any more.
        kind = "gone" if row.received_s is None else "not known"
        return {"row": row, "kind": kind, "who": None, "words": "", "time_s": None, "mark": _mark(row.proof)}
    details = {name: value for name, value in spoken_values(found).items() if name != "subject"}
    return {
        "row": row,
        "kind": kind_name(found.kind),
        "who": person_name(door, found),
        "words": ", ".join(_words(details.items())),
        "time_s": found.time_s,
        "mark": _mark(row.proof),
    }


def _words(details: Iterable[tuple[str, Any]]) -> Iterable[str]:
    for name, value in details:
        text = printable(str(value), 20 if name == "sha256" else 60)
        yield f"{name.removesuffix('_s').replace('_', ' ')} {text}{' s' if name.endswith('_s') else ''}"


def _mark(proof: Proof) -> tuple[str, str]:
    return _MARKS.get(proof.state, ("wait", "not sealed yet"))


@for_managers
def show_row(request: Request, viewer: Viewer) -> Response:
    """Shows one row: its bytes, what they say, and every check."""
    context = context_of(request)
    door = find_door(request, viewer)
    chain, seq = (_number(request.path_params[name]) for name in ("chain", "seq"))
    proof = context.history.check(door.name, chain, seq) if chain is not None and seq is not None else None
    if proof is None:
        raise HTTPException(404)
    record = proof.record or ""
    lines = [record[at : at + 2 * _HEX_BYTES] for at in range(0, len(record), 2 * _HEX_BYTES)]
    return render(
        request,
        "trail_row.html",
        door=door,
        chain=chain,
        seq=seq,
        proof=proof,
        mark=_mark(proof.proof),
        record=[" ".join(line[at : at + 2] for at in range(0, len(line), 2)) for line in lines],
        size=len(record) // 2,
        values=list(_flat(proof.values)),
        time_s=(proof.values or {}).get("time_s"),
    )


def _flat(values: dict[str, Any] | None) -> Iterable[tuple[str, str]]:
    for name, value in (values or {}).items():
        if isinstance(value, dict):
            yield from _flat(value)
        elif value is not None:
            yield name.replace("_", " "), str(value)


def _number(text: object) -> int | None:
    """Returns the number that an address holds, None for anything else."""
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        return None
    return int(text)


routes: list[BaseRoute] = [
    Route("/trail/{building}/{door}", show_trail, methods=["GET"]),
    Route("/trail/{building}/{door}/{chain}/{seq}", show_row, methods=["GET"]),
]
