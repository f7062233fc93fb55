"""What the store says of a door to Home Assistant: how it stood, the last delivery, the last picture, alarms.

Every row is checked before it counts, by the tags of the lock: a row that was altered is passed over, and the watchman
says so. Pictures are looked at by their hash each time.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from firmware.core.credential import RESIDENT
from firmware.core.event_names import ROLE_NAMES
from lobbylock import alarms, tables
from lobbylock.database import Database
from lobbylock.door import Door
from lobbylock.eventline import printable
from lobbylock.history import GRANTED, Filter, History, Shown
from lobbylock.home_assistant_door import KINDS, Neighbour, Standing, iso, last_gap_seq
from lobbylock.latest import latest_rows
from lobbylock.readers import Reader
from lobbylock.rowproof import HERE, PictureState
from lobbylock.shown_picture import read_shown
from lobbylock.store import Chain, Store
from lobbylock.verify import is_number

# As long as the page has them at its top.
_ALARMS_S = 7 * 86_400
_TAMPER_KINDS = (alarms.FORCED, alarms.GAP, alarms.TAMPER, alarms.CHAIN)
_TAIL_ROWS = 100
_LAST = select(func.max(tables.event.c.seq))
_PICTURES_LIMIT = 25
_PICTURES_PAGES = 4
_MAX_NAME_CHARACTERS = 64


@dataclass(frozen=True)
class Sight:
    """What the store says of a door now. `delivery` is (time, attributes) of the last one, `picture` the last one."""

    has_tamper: bool
    last_gap_seq: int
    delivery: tuple[str, dict[str, Any]] | None
    picture: PictureState | None


class Sights:
    """Looks into the store for a publisher; `reader` says whose pictures may be seen. Any thread may ask.

    Everything raises StoreFailed when the database fails.
    """

    def __init__(
        self,
        database: Database,
        doors: Callable[[], dict[str, Door]],
        history: History,
        reader: Reader,
        now_s: Callable[[], float],
    ) -> None:
        self._database = database
        self._doors = doors
        self._history = history
        self._reader = reader
        self._now_s = now_s

    def standing(self, door: Door) -> Standing:
        """Returns how the door stood by what was stored."""
        standing = Standing(door.options.release_ms)
        with self._database.connect() as connection:
            store = Store(self._database, connection)
            chain = store.chain(door.name, door.public_key or b"")
            if chain is None:
                return standing
            links = self._history.links(store, chain, door)
            rows = [alarms.decode(record) for _, record, _ in latest_rows(connection, [chain.id], KINDS, 1)]
            seqs = {found.seq for found in rows if found is not None and is_number(found.seq)}
            # By columns alone nothing is decided: a row whose kind was altered is found among the last ones.
            last = connection.execute(_LAST.where(tables.event.c.chain == chain.id)).scalar()
            judged = links.judge(max(1, last - _TAIL_ROWS), last) if is_number(last) and last else {}
            for seq in sorted(seqs - judged.keys()):
                judged.update(links.judge(seq, seq))
            for seq, link in sorted(judged.items()):
                if link.seen is not None and not link.faults:
                    standing.take(link.seen, self._now_s(), is_new=False)
                else:
                    standing.doubt(seq)
        return standing

    def status(self, door: str) -> dict[str, Any]:
        """Returns the door's last status message, which nobody signed."""
        column = tables.status.c
        with self._database.connect() as connection:
            text = connection.execute(select(column.content).where(column.door == door)).scalar()
        try:
            value = json.loads(text) if isinstance(text, str) else None
        except (ValueError, RecursionError):
            value = None
        return value if isinstance(value, dict) else {}

    def look(self, door: Door, findings: Iterable[alarms.Found]) -> Sight:
        """Returns what there is to see at `door` now; `findings` are the watchman's."""
        now_s = int(self._now_s())
        since_s = now_s - _ALARMS_S
        with self._database.connect() as connection:
            store = Store(self._database, connection)
            chain = store.chain(door.name, door.public_key or b"")
            found = alarms.alarms(connection, [door.name], since_s, findings, kinds=_TAMPER_KINDS, now_s=now_s)
            gap_seq = 0 if chain is None else _last_gap(store, chain)
        has_tamper = any(not alarm.is_seen for alarm in found)
        return Sight(has_tamper, gap_seq, self._delivery(door), self._picture(door))

    def picture(self, state: PictureState) -> bytes | None:
        """Returns the picture if its file is the announced one and a JPEG."""
        return read_shown(self._database, state)

    def _delivery(self, door: Door) -> tuple[str, dict[str, Any]] | None:
        for shown in self._visits(Neighbour(), door, GRANTED):
            values = shown.story.values()
            time = iso(shown.shown_s)
            if time is not None:
                names = ("who", "via", "outcome", "open_for_s", "held", "left_open")
                attributes = {name: values[name] for name in names}
                if attributes["who"] is not None:
                    attributes["who"] = printable(attributes["who"], _MAX_NAME_CHARACTERS)
                # What the last seal does not cover yet is proven by its tag alone.
                return time, {**attributes, "seq": shown.seq, "proof": shown.proof.state}
        return None

    def _picture(self, door: Door) -> PictureState | None:
        for shown in self._visits(self._reader, door):
            is_resident = shown.story.values()["role"] == ROLE_NAMES[RESIDENT]
            if shown.picture is not None and shown.picture.state == HERE and not is_resident:
                return shown.picture
        return None

    def _visits(self, reader: Reader, door: Door, outcome: str | None = None) -> Iterator[Shown]:
        """Yields the latest visits that `reader` may see and whose proof does not fail."""
        before = None
        for _ in range(_PICTURES_PAGES):
            page = self._history.page(reader, Filter((door.name,), outcome=outcome), before, _PICTURES_LIMIT)
            yield from (shown for shown in page.stories if not shown.proof.is_broken)
            before = page.next
            if before is None:
                return


def _last_gap(store: Store, chain: Chain) -> int:
    gaps = ((gap.first_seq, gap.last_seq) for gap in store.gaps(chain))
    return last_gap_seq(gap for gap in gaps if is_number(gap[0]) and is_number(gap[1]))
