"""How long pictures are kept, by age and by the law of the house. What is deleted stays in the record: the event with
the picture's hash, and a note of the collector's that it went, when and by which rule.
"""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cbor
from sqlalchemy import Connection, bindparam, case, insert, select, update

from firmware.core import event
from lobbylock import tables
from lobbylock.database import Database
from lobbylock.deletion import sign_deletion
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.journalkey import KeyLine
from lobbylock.names import check_building
from lobbylock.picture import announcement
from lobbylock.signature import Signer
from lobbylock.store import Chain, Entry, Store

_RULE = re.compile(r"(?:([^=]*)=)?(?:([1-9][0-9]{0,5})([hdw])|forever)")
_UNITS_S = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}
# In one transaction; a collector waits meanwhile.
_AT_ONCE = 200


@dataclass(frozen=True)
class Rule:
    """Pictures are kept for `keep_s` seconds, None for ever; `text` is the rule as somebody wrote it."""

    keep_s: int | None
    text: str


@dataclass(frozen=True)
class Rules:
    """The rule of each building that has its own, and that of the others."""

    general: Rule | None = None
    of_building: dict[str, Rule] = field(default_factory=dict)

    def of(self, door: str) -> Rule | None:
        """Returns the rule for "building/door", None if its pictures are kept."""
        rule = self.of_building.get(door.partition("/")[0], self.general)
        return None if rule is None or rule.keep_s is None else rule

    def __bool__(self) -> bool:
        return self.general is not None or bool(self.of_building)


@dataclass(frozen=True)
class Deleted:
    """A picture that was deleted: the one that event `seq` of chain `chain` at `door` announced."""

    door: str
    chain: int
    seq: int
    rule: str


def parse_rules(texts: Sequence[str]) -> Rules:
    """Returns the rules that `texts` write: "30d", "12h", "2w" or "forever" for all, "BUILDING=7d" for one building.

    Raises UserError for other words, and for two rules about the same.
    """
    general = None
    of_building: dict[str, Rule] = {}
    for text in texts:
        match = _RULE.fullmatch(text)
        if match is None:
            raise UserError(f"{text[:80]!r} is not how long to keep pictures: write 30d, 12h, 2w, or BUILDING=30d.")
        building, count, unit = match.groups()
        rule = Rule(int(count) * _UNITS_S[unit] if count else None, text)
        if building is None:
            if general is not None:
                raise UserError("There are two rules for all buildings; write BUILDING=30d for those that differ.")
            general = rule
        elif check_building(building) in of_building:
            raise UserError(f"There are two rules for {building}.")
        else:
            of_building[building] = rule
    return Rules(general, of_building)


def prune(database: Database, doors: dict[str, Door], signer: Signer, rules: Rules, now_s: float) -> list[Deleted]:
    """Deletes the pictures that are older than their rule has it, and notes it. Returns what was deleted.

    A picture's age counts from its event's time, or from when it was received where the lock did not know the time or
    was ahead of `now_s`. What an
    editor of the store wrote counts for nothing: the event must have the tag of a board of that door in `doors`.
    Raises StoreFailed, or OSError if a file cannot be deleted; what was noted then goes the next time.
    """
    deleted: list[Deleted] = []
    with database.store() as store:
        chains = [chain for chain in store.chains() if isinstance(chain.door, str)]
    for chain in chains:
        door = doors.get(chain.door)
        rule = rules.of(chain.door)
        if door is not None and chain.public_key in door.public_keys:
            _Pruning(database, chain, door, signer).finish()
            if rule is not None:
                deleted += _Pruning(database, chain, door, signer).run(rule, int(now_s))
    return deleted


class _Pruning:
    """The pictures of one chain."""

    def __init__(self, database: Database, chain: Chain, door: Door, signer: Signer) -> None:
        self._database = database
        self._chain = chain
        self._signer = signer
        journal_key = door.journal_keys.get(chain.public_key)
        self._keys = None if journal_key is None else KeyLine(journal_key)

    def run(self, rule: Rule, now_s: int) -> list[Deleted]:
        before_s = now_s - (rule.keep_s or 0)
        deleted: list[Deleted] = []
        behind = -1
        while True:
            with self._database.begin() as connection:
                where = {"of_chain": self._chain.id, "before_s": before_s, "now_s": now_s, "behind": behind}
                seqs = [row[0] for row in connection.execute(_OLD, where)]
                store = Store(self._database, connection)
                noted = [seq for seq in seqs if self._note(store, connection, seq, rule, before_s, now_s)]
            self.finish()
            deleted += [Deleted(self._chain.door, self._chain.id, seq, rule.text) for seq in noted]
            if len(seqs) < _AT_ONCE:
                return deleted
            behind = seqs[-1]

    def _note(self, store: Store, connection: Connection, seq: int, rule: Rule, before_s: int, now_s: int) -> bool:
        """Notes that the picture of event `seq` goes, if the event is what a lock recorded and old enough."""
        row = next(iter(store.rows(self._chain, seq, seq)), None)
        found = None if row is None else self._genuine(store, row)
        announced = None if found is None else announcement(found)
        if row is None or found is None or announced is None:
            return False
        # When it was received is in no record, so it counts only where the lock's own time says nothing.
        taken_s = row.received_s if found.time_s is None or found.time_s > now_s else found.time_s
        if taken_s >= before_s:
            return False
        note = sign_deletion(
            self._signer, self._chain.door, self._chain.public_key, seq, announced.sha256, now_s, rule.text
        )
        values = {"chain": self._chain.id, "seq": seq, "deleted_s": now_s, "rule": rule.text}
        connection.execute(_NOTE, {**values, "signature": note.signature})
        return True

    def _genuine(self, store: Store, row: Entry) -> event.Event | None:
        """Returns the event of a row whose tag holds, None if it does not."""
        try:
            found = event.decode(row.record)
        except (cbor.CborError, TypeError):
            return None
        before = [each.head for each in store.rows(self._chain, row.seq - 1, row.seq - 1)]
        before += [gap.head for gap in store.gaps(self._chain) if gap.last_seq == row.seq - 1]
        if row.seq == 1:
            before = [event.genesis(self._chain.public_key)]
        if found.seq != row.seq or not before or event.next_head(before[0], row.record) != row.head:
            return None
        keys = self._keys
        if keys is not None and keys.covers(row.seq) and not keys.fits(row.seq, row.head, row.tag):
            return None
        return found

    def finish(self) -> None:
        """Deletes the files of what was noted, also of what a crash left."""
        with self._database.connect() as connection:
            store = Store(self._database, connection)
            files = [tuple(row) for row in connection.execute(_NOTED, {"of_chain": self._chain.id})]
            paths = [store.picture_path(file) for _, file in files]
        if not files:
            return
        for path in filter(None, paths):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        with self._database.begin() as connection:
            gone = [{"of_chain": self._chain.id, "of_seq": seq} for seq, _ in files]
            connection.execute(_FORGET_FILE, gone)


_event, _picture, _deletion = tables.event, tables.picture, tables.deletion
_SAME = (_picture.c.chain == _event.c.chain) & (_picture.c.seq == _event.c.seq)
_NOTE_OF = (_deletion.c.chain == _picture.c.chain) & (_deletion.c.seq == _picture.c.seq)
_TAKEN_S: Any = case((_event.c.time_s <= bindparam("now_s"), _event.c.time_s), else_=_event.c.received_s)
_OLD = (
    select(_picture.c.seq)
    .join(_event, _SAME)
    .outerjoin(_deletion, _NOTE_OF)
    .where(
        _picture.c.chain == bindparam("of_chain"),
        _picture.c.seq > bindparam("behind"),
        _picture.c.file.is_not(None),
        _deletion.c.seq.is_(None),
        _TAKEN_S < bindparam("before_s"),
    )
    .order_by(_picture.c.seq)
    .limit(_AT_ONCE)
)
_NOTED = (
    select(_picture.c.seq, _picture.c.file)
    .join(_deletion, _NOTE_OF)
    .where(_picture.c.chain == bindparam("of_chain"), _picture.c.file.is_not(None))
)
_NOTE = insert(_deletion)
_FORGET_FILE = (
    update(_picture)
    .where(_picture.c.chain == bindparam("of_chain"), _picture.c.seq == bindparam("of_seq"))
    .values(file=None)
)
