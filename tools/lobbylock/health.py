"""How a door is: what its lock says of itself without a signature, and what its record tells.

`pending`, `heap_bytes` and `clock_ms` come from the last status message, which nobody signed. The rest is read from the
records of events, each of which can be looked up by its seq.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from firmware.core import event, event_names, ratchet
from lobbylock import tables
from lobbylock.alarms import decode
from lobbylock.door import Door
from lobbylock.eventline import printable
from lobbylock.latest import latest_rows

# docs/hardware.md, "Flash".
SECTOR_BYTES = 4_096
JOURNAL_SECTORS = 68
PHOTO_SECTORS = 172
FLASH_ERASES = 100_000
# Of a sector of the journal its header; of an entry what is around the record; of a picture what is before it.
_HEADER_BYTES = 88
_AROUND_BYTES = 6 + ratchet.TAG_BYTES + 36
_BEFORE_PICTURE_BYTES = 128
# The clock's floor takes up to so many sectors of the ledger a day, and it has so many.
_LEDGER_A_DAY = 8
_LEDGER_SECTORS = 16
_DAY_S = 86_400
# A journal's usual record is reckoned from the latest ones.
_SAMPLE = 2_000

# A lock seals each six hours, and sends its status each time it connects.
OFFLINE_AFTER_S = 12 * 3_600

WORKS = "works"
FAILED = "failed"
UNKNOWN = "not known"
NOT_FITTED = "not fitted"


@dataclass(frozen=True)
class Part:
    """A part of the lock: `state` is WORKS, FAILED, UNKNOWN or NOT_FITTED, said by event `seq` at `time_s`."""

    name: str
    state: str
    seq: int | None = None
    time_s: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class Wear:
    """How often each sector of the flash has been erased, about, of the FLASH_ERASES that it is good for."""

    journal: float
    pictures: float
    ledger: float

    @property
    def percent(self) -> float:
        """The part of its life that the most used sectors have behind them, in per cent."""
        return 100 * max(self.journal, self.pictures, self.ledger) / FLASH_ERASES


@dataclass(frozen=True)
class Health:
    """How a door is. Times are Unix seconds; None is what nobody knows. `chain` is its present board's, None before
    anything came; `last_seen_s` is when anything came from it.

    `clock_ms` is how far off the lock's clock may be by its own word. `list_version` is that of the list of revoked
    credentials that the lock took last, in event `list_seq` at `list_s`, `list_lost` whether it lost it since.
    """

    door: str
    chain: int | None
    is_online: bool | None
    status_s: int | None
    last_seen_s: int | None
    last_seq: int
    last_event_s: int | None
    boot: int | None
    boot_seq: int | None
    version: str | None
    pending: int | None
    heap_bytes: int | None
    clock_ms: int | None
    clock: Part
    parts: tuple[Part, ...]
    wear: Wear | None
    list_version: int | None
    list_seq: int | None
    list_s: int | None
    list_lost: bool

    def is_silent(self, now_s: float) -> bool:
        """Whether nothing came from it for two of its heartbeats."""
        return self.last_seen_s is None or now_s - self.last_seen_s > OFFLINE_AFTER_S


def read_health(connection: Connection, door: Door) -> Health:
    """Returns how `door` is."""
    chain = connection.execute(
        select(tables.chain.c.id).where(
            tables.chain.c.door == door.name, tables.chain.c.public_key == (door.public_key or b"")
        )
    ).scalar()
    status = connection.execute(select(tables.status).where(tables.status.c.door == door.name)).mappings().first()
    said = _content(status["content"]) if status else {}
    latest = _latest(connection, chain)
    rows = tables.event
    last_row = connection.execute(
        select(rows.c.record, rows.c.received_s).where(rows.c.chain == chain).order_by(rows.c.seq.desc()).limit(1)
    ).first()
    last = decode(last_row[0]) if last_row else None
    times = [_time(status["received_s"] if status else None), _time(last_row[1] if last_row else None)]
    boot = latest.get(event.BOOT)
    taken, lost = latest.get(event.LIST_TAKEN), latest.get(event.LIST_LOST)
    return Health(
        door.name,
        chain,
        bool(status["online"]) if status else None,
        times[0],
        max((time_s for time_s in times if time_s is not None), default=None),
        last.seq if last else 0,
        _time_before(connection, chain) if last else None,
        last.boot if last else None,
        boot.seq if boot else None,
        _text(boot, event.VERSION) or said.get("version"),
        said.get("pending"),
        said.get("heap"),
        said.get("clock"),
        _clock(latest, said),
        _parts(door, latest),
        _wear(connection, chain, last) if chain is not None and last else None,
        _number(taken, event.LIST_VERSION),
        taken.seq if taken else None,
        taken.time_s if taken else None,
        lost is not None and (taken is None or lost.seq > taken.seq),
    )


def _content(text: object) -> dict[str, Any]:
    """Returns what a status message said, of the right types."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return {}
    numbers = {name: value[name] for name in ("pending", "heap", "clock") if type(value.get(name)) is int}
    version = value.get("version")
    return {**numbers, "version": printable(version, 32)} if isinstance(version, str) else numbers


_ASKED = (
    event.BOOT,
    event.ACCESS,
    event.DOOR_OPENED,
    event.PICTURE,
    event.CAMERA_FAILED,
    event.CLOCK_SET,
    event.CLOCK_REFUSED,
    event.KEYPAD_FAULT,
    event.STRIKE_FAILED,
    event.UNLOCKED,
    event.READER_FAULT,
    event.READER_RECOVERED,
    event.RADIO_FAULT,
    event.RADIO_RECOVERED,
    event.LIST_TAKEN,
    event.LIST_LOST,
)


def _latest(connection: Connection, chain: int | None) -> dict[int, event.Event]:
    """Returns the latest event of each kind that is asked for, by kind."""
    found = {}
    for _, record, _ in latest_rows(connection, [] if chain is None else [chain], _ASKED, 1):
        each = decode(record)
        if each is not None:
            found[each.kind] = each
    return found


def _time_before(connection: Connection, chain: int | None) -> int | None:
    """Returns the time of the latest event that has one."""
    rows = tables.event
    query = select(rows.c.time_s).where(rows.c.chain == chain, rows.c.time_s.is_not(None))
    time_s = connection.execute(query.order_by(rows.c.seq.desc()).limit(1)).scalar()
    return time_s if isinstance(time_s, int) else None


def _parts(door: Door, latest: dict[int, event.Event]) -> tuple[Part, ...]:
    options = door.options
    boot = latest.get(event.BOOT)
    return (
        _part("camera", options.camera != "off", latest.get(event.PICTURE), latest.get(event.CAMERA_FAILED)),
        _part(
            "card reader",
            options.nfc != "off",
            _later(boot, latest.get(event.READER_RECOVERED)),
            latest.get(event.READER_FAULT),
        ),
        _part(
            "Bluetooth",
            options.ble == "on",
            _later(boot, latest.get(event.RADIO_RECOVERED)),
            latest.get(event.RADIO_FAULT),
        ),
        _part("keypad", True, boot, latest.get(event.KEYPAD_FAULT)),
        _part("strike", True, latest.get(event.UNLOCKED), latest.get(event.STRIKE_FAILED)),
    )


def _later(one: event.Event | None, other: event.Event | None) -> event.Event | None:
    return max((each for each in (one, other) if each is not None), key=lambda each: each.seq, default=None)


def _part(name: str, is_fitted: bool, good: event.Event | None, bad: event.Event | None) -> Part:
    """Returns how a part is, by the later one of two events."""
    if not is_fitted:
        return Part(name, NOT_FITTED)
    if bad is not None and (good is None or bad.seq > good.seq):
        reason = _number(bad, event.REASON)
        names = event_names.REASON_NAMES
        known = names[reason] if reason is not None and 0 <= reason < len(names) else None
        return Part(name, FAILED, bad.seq, bad.time_s, known or "")
    if good is None:
        return Part(name, UNKNOWN)
    return Part(name, WORKS, good.seq, good.time_s)


def _clock(latest: dict[int, event.Event], said: dict[str, Any]) -> Part:
    """Returns how the clock is: when it was set last, from what, or that a later time was refused."""
    taken, refused = latest.get(event.CLOCK_SET), latest.get(event.CLOCK_REFUSED)
    if refused is not None and (taken is None or refused.seq > taken.seq):
        return Part("clock", FAILED, refused.seq, refused.time_s, "it refused the last time that it was told")
    if taken is None:
        return Part("clock", UNKNOWN)
    return Part("clock", WORKS, taken.seq, taken.time_s, f"set by {_text(taken, event.NAME) or 'somebody'}")


def _wear(connection: Connection, chain: int, last: event.Event) -> Wear:
    """Reckons it: each ring is written from its begin to its end, so all of its sectors are erased equally often."""
    rows, pictures = tables.event, tables.picture
    sample = select(func.length(rows.c.record).label("size")).where(rows.c.chain == chain)
    sample = sample.order_by(rows.c.seq.desc()).limit(_SAMPLE).subquery()
    usual = float(connection.execute(select(func.avg(sample.c.size))).scalar() or 0) + _AROUND_BYTES
    a_sector = max(1, int((SECTOR_BYTES - _HEADER_BYTES) / usual))
    whole = _BEFORE_PICTURE_BYTES + pictures.c.length + SECTOR_BYTES - 1
    sectors = connection.execute(select(func.sum(whole // SECTOR_BYTES)).where(pictures.c.chain == chain)).scalar()
    first_s = connection.execute(
        select(rows.c.time_s).where(rows.c.chain == chain, rows.c.time_s.is_not(None)).order_by(rows.c.seq).limit(1)
    ).scalar()
    last_s = _time_before(connection, chain)
    days = max(0, last_s - first_s) / _DAY_S if isinstance(first_s, int) and last_s is not None else 0.0
    return Wear(
        last.seq / a_sector / JOURNAL_SECTORS,
        float(sectors or 0) / PHOTO_SECTORS,
        days * _LEDGER_A_DAY / _LEDGER_SECTORS,
    )


def _time(value: object) -> int | None:
    """Returns a time; None for what an edited SQLite file may hold in its place."""
    return value if isinstance(value, int) else None


def _text(found: event.Event | None, key: int) -> str | None:
    value = found.details.get(key) if found else None
    return printable(value, 32) if isinstance(value, str) else None


def _number(found: event.Event | None, key: int) -> int | None:
    value = found.details.get(key) if found else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
