"""A month at some doors for somebody outside: a table for people, or all of it with what proves it.

A table (CSV, RFC 4180) says what the record says. The bundle, a ZIP file, also holds the whole signed record of each
door (docs/protocol.md section 12), since a chain proves nothing without its beginning and its end, and the month's
pictures.
"""

import csv
import io
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

from sqlalchemy import func, select

from lobbylock import tables
from lobbylock.alarms import Found, alarms
from lobbylock.database import Database
from lobbylock.door import Door
from lobbylock.eventline import printable
from lobbylock.export import write_export
from lobbylock.localtime import format_in_zone, month_bounds
from lobbylock.moment import format_utc
from lobbylock.readers import Reader
from lobbylock.signature import Signer
from lobbylock.store import Chain, Entry, Store, read_picture

if TYPE_CHECKING:
    from lobbylock.history import History, Shown

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_PAGE = 200
# The page and the collector have the interpreter in between.
_BREATHER = 500
_BREATHER_S = 0.002
_ALARM_COLUMNS = ("door", "record", "time_utc", "time_local", "kind", "what", "sentence", "seen_by")
_COLUMNS = (
    "door",
    "record",
    "time_utc",
    "time_local",
    "granted",
    "reason",
    "person",
    "role",
    "via",
    "outcome",
    "opened_after_s",
    "open_for_s",
    "held_open",
    "picture",
    "picture_sha256",
    "picture_file",
    "receipt_sha256",
    "proof",
    "proof_sentence",
)


@dataclass(frozen=True)
class Order:
    """What is asked for: a month ("2026-11") at `doors`, for `reader`; `name` says which doors, for people."""

    name: str
    doors: tuple[Door, ...]
    month: str
    reader: Reader

    @property
    def file_name(self) -> str:
        """What its files are called, without the suffix."""
        return f"lobbylock-{self.name.replace('/', '-')}-{self.month}"


Progress = Callable[[int, int], None]


def cell(value: object) -> object:
    """Returns what a table holds of a value; what a spreadsheet would take for a formula gets a quote before it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        return "" if value is None else value
    text = printable(value, 400)
    return f"'{text}" if value.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def write_table(file: TextIO, history: "History", order: Order, progress: Progress) -> int:
    """Writes the accesses of the month as a table, the earliest first. Returns how many rows there are."""
    return _write_rows(file, [_row(shown) for shown in _shown(history, order, progress)])


def _write_rows(file: TextIO, rows: list[list[Any]]) -> int:
    # By time, those without one at the end.
    rows.sort(key=lambda row: (row[2] == "", row[2], row[0], row[1]))
    out = csv.writer(file)
    out.writerow(_COLUMNS)
    out.writerows([cell(value) for value in row] for row in rows)
    return len(rows)


def write_alarms(file: TextIO, database: Database, order: Order, findings: Sequence[Found]) -> int:
    """Writes the alarms of the month as a table, the earliest first, what does not hold at the end."""
    zones = {door.name: door.options.zone for door in order.doors}
    from_s = min(month_bounds(zone, order.month)[0] for zone in zones.values())
    with database.connect() as connection:
        found = alarms(connection, list(zones), from_s, findings)
    out = csv.writer(file)
    out.writerow(_ALARM_COLUMNS)
    kept = [each for each in found if not each.time_s or each.time_s < month_bounds(zones[each.door], order.month)[1]]
    for each in sorted(kept, key=lambda each: (not each.time_s, each.time_s)):
        when = (format_utc(each.time_s), format_in_zone(each.time_s, zones[each.door])) if each.time_s else ("", "")
        values = (each.door, each.seq, *when, each.kind, each.what, each.sentence, each.seen_by)
        out.writerow([cell(value) for value in values])
    return len(kept)


def _shown(history: "History", order: Order, progress: Progress) -> "Iterator[Shown]":
    """Yields what the reader may see of each door's month, in that door's own zone."""
    from lobbylock.history import Filter

    count = 0
    for door in order.doors:
        from_s, until_s = month_bounds(door.options.zone, order.month)
        before = None
        while True:
            page = history.page(order.reader, Filter((door.name,), since_s=from_s, until_s=until_s), before, _PAGE)
            yield from page.stories
            count += len(page.stories)
            progress(count, 0)
            before = page.next
            if before is None:
                break
            time.sleep(_BREATHER_S)


def _row(shown: "Shown") -> list[Any]:
    story = shown.story.values()
    time_s = story["time_s"]
    picture = shown.picture
    file = picture_name(shown) if picture is not None and picture.state == "here" else None
    return [
        story["door"],
        story["seq"],
        "" if time_s is None else format_utc(time_s),
        "" if time_s is None else format_in_zone(time_s, shown.door.options.zone),
        story["granted"],
        story["reason"],
        story["who"],
        story["role"],
        story["via"],
        story["outcome"],
        story["opened_after_s"],
        story["open_for_s"],
        story["held"],
        "" if picture is None else picture.state,
        story["picture_sha256"],
        file,
        story["receipt"],
        shown.proof.state,
        shown.proof.sentence,
    ]


def picture_name(shown: "Shown") -> str:
    """Returns where a story's picture is in the bundle."""
    seq = shown.picture.seq if shown.picture is not None else 0
    return f"pictures/{shown.door.name.replace('/', '-')}-{shown.chain}-{seq}.jpg"


class _CountedStore(Store):
    """A store that tells how far its events have been read."""

    def watch(self, progress: Progress, total: int) -> None:
        self._count, self._total, self._progress = 0, total, progress

    def events(self, chain: Chain) -> Iterator[Entry]:
        for entry in super().events(chain):
            self._count += 1
            if self._count % _BREATHER == 0:
                self._progress(self._count, self._total)
                time.sleep(_BREATHER_S)
            yield entry


def write_bundle(
    path: Path,
    database: Database,
    history: "History",
    order: Order,
    signer: Signer,
    now_s: int,
    progress: Progress,
    findings: Sequence[Found] = (),
) -> None:
    """Writes the bundle to `path`. Raises UserError if the store holds what no collector writes."""
    doors = {door.name: door for door in order.doors}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        records = _write_records(bundle, database, doors, signer, now_s, progress)
        table = io.StringIO(newline="")
        rows, taken = [], []
        for shown in _shown(history, order, progress):
            rows.append(_row(shown))
            if shown.picture is not None and shown.picture.state == "here":
                taken.append((shown.picture.chain, shown.picture.seq, picture_name(shown)))
        _write_rows(table, rows)
        bundle.writestr("deliveries.csv", table.getvalue().encode("utf-8-sig"))
        table = io.StringIO(newline="")
        write_alarms(table, database, order, findings)
        bundle.writestr("alarms.csv", table.getvalue().encode("utf-8-sig"))
        # Two who came together are in one picture.
        taken = list(dict.fromkeys(taken))
        missing = _write_pictures(bundle, database, taken)
        bundle.writestr("README.txt", _read_me(order, records, len(rows), len(taken), missing, now_s))


def _write_records(
    bundle: zipfile.ZipFile,
    database: Database,
    doors: dict[str, Door],
    signer: Signer,
    now_s: int,
    progress: Progress,
) -> dict[str, int]:
    """Adds each door's whole record. Returns how many events each holds, by the file's name."""
    written = {}
    with TemporaryDirectory() as folder, database.connect() as connection:
        total = _count_events(connection, list(doors))
        store = _CountedStore(database, connection)
        store.watch(progress, total)
        for name in doors:
            file = f"{name.replace('/', '-')}.jsonl"
            path = Path(folder) / file
            written[file] = write_export(store, path, doors, signer, now_s, only=name, with_keys=False)
            bundle.write(path, file)
            path.unlink()
    return written


def _count_events(connection: Any, doors: Sequence[str]) -> int:
    """Returns about how many events there are of `doors`; their last numbers say so without counting rows."""
    rows, chains = tables.event, tables.chain
    latest = select(func.max(rows.c.seq)).where(rows.c.chain == chains.c.id).scalar_subquery()
    found = connection.execute(select(latest).where(chains.c.door.in_(doors))).scalars()
    return sum(number for number in found if isinstance(number, int))


def _write_pictures(bundle: zipfile.ZipFile, database: Database, taken: list[tuple[int, int, str]]) -> list[str]:
    """Adds the pictures that are still what was announced. Returns the names of the others."""
    missing = []
    with database.connect() as connection:
        store = Store(database, connection)
        column = tables.picture.c
        for chain, seq, name in taken:
            row = connection.execute(
                select(column.file, column.sha256).where(column.chain == chain, column.seq == seq)
            ).first()
            path = store.picture_path(row.file) if row is not None else None
            try:
                data = read_picture(path) if path is not None else b""
            except OSError:
                data = b""
            if row is not None and sha256(data).digest() == row.sha256:
                bundle.writestr(zipfile.ZipInfo(name), data)
            else:
                missing.append(name)
    return missing


def _read_me(order: Order, records: dict[str, int], rows: int, pictures: int, missing: list[str], now_s: int) -> str:
    events = "\n".join(f"  {name}  {count} events" for name, count in records.items())
    lost = "".join(f"\n  {name} was not what the record announces, and is left out." for name in missing)
    return f"""The record of {order.name} for {order.month}. Made {format_utc(now_s)}.

deliveries.csv
  Everybody who came to the door in that month, as the record tells it: {rows} rows.
  A reading aid. It is not signed; the column "record" says which event of the door's record a row is about.
alarms.csv
  What the record has of alarms in that month. A reading aid, too.
pictures/
  {pictures - len(missing)} pictures of that month. Column "picture_sha256" has what the record says of each.{lost}
{events}
  The whole signed record of each door, from its first event to the day this was made, not of that month alone:
  every event is chained to the one before it, so a part of a chain proves nothing. It therefore also tells of
  people who came in other months. Give it to nobody who does not need the proof.

To check it
  lobbylock audit verify FILE.jsonl
  at the issuer's, which also checks each event's tag. Without the issuer's secret keys everything else can be
  checked: section 12 of docs/protocol.md says how, byte by byte. The files named .jsonl are signed by the collector
  at their end. To check a picture, compare its SHA-256 with the one in the event that announces it.
"""
