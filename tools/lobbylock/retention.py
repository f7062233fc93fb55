"""How long pictures are kept, by age and by the law of the house. What is deleted stays in the record: the event with
the picture's hash, and a note of the collector's that it went, when and by which rule.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cbor
from sqlalchemy import Connection, bindparam, case, insert, select, update

from firmware.core import event
from lobbylock import tables
from lobbylock.database import Database
from lobbylock.deletion import Deletion, deletion_holds, sign_deletion
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.journalkey import KeyLine
from lobbylock.names import check_building
from lobbylock.picture import announcement
from lobbylock.signature import Signer
from lobbylock.store import Chain, Entry, Store, picture_name
from lobbylock.verify import is_number

_RULE = re.compile(r"(?:([^=]*)=)?(?:([1-9][0-9]{0,5})([hdw])|forever)")
_UNITS_S = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}
# A clock that is further ahead of the whole record is more likely wrong than a site that long silent.
MAX_AHEAD_S = 30 * 86_400
_LAST_ROWS = 8
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


def prune(
    database: Database,
    doors: dict[str, Door],
    signer: Signer,
    rules: Rules,
    now_s: float,
    *,
    is_clock_right: bool = False,
) -> list[Deleted]:
    """Deletes the pictures that are older than their rule has it, and notes it. Returns what was deleted.

    A picture's age counts from its event's time, or from when it was received where the lock did not know the time or
    was ahead of `now_s`. What an editor of the store wrote counts for nothing: the event must have the tag of a board
    of that door in `doors`, and what was noted the collector's signature.
    Raises UserError if `now_s` is more than MAX_AHEAD_S later than everything in the record, unless it
    `is_clock_right`; StoreFailed; or OSError, at the end, if a file cannot be deleted: it goes the next time.
    """
    prunings: list[tuple[_Pruning, Rule | None]] = []
    deleted: list[Deleted] = []
    failures: list[OSError] = []
    with database.store() as store:
        chains = [chain for chain in store.chains() if isinstance(chain.door, str)]
    for chain in chains:
        door = doors.get(chain.door)
        if door is not None and chain.public_key in door.public_keys:
            pruning = _Pruning(database, chain, door, signer, failures)
            pruning.finish()
            prunings.append((pruning, rules.of(chain.door)))
    if rules and not is_clock_right:
        _check_clock([pruning for pruning, _ in prunings], now_s)
    for pruning, rule in prunings:
        if rule is not None:
            deleted += pruning.run(rule, int(now_s))
    if failures:
        raise failures[0]
    return deleted


def _check_clock(prunings: "Sequence[_Pruning]", now_s: float) -> None:
    """Raises UserError if the clock is far ahead of the record: everything would be old by it. One that is behind takes
    nothing away."""
    ages_s = []
    for pruning in prunings:
        newest_s = pruning.newest_s()
        if newest_s is not None and now_s - newest_s <= MAX_AHEAD_S:
            return
        ages_s += [] if newest_s is None else [now_s - newest_s]
    if ages_s:
        raise UserError(
            f"No picture is deleted: by this machine's clock the newest event is {int(min(ages_s)) // 86_400} days old."
            " If that is so, `lobbylock store prune --clock-is-right` deletes them."
        )


class _Pruning:
    """The pictures of one chain."""

    def __init__(self, database: Database, chain: Chain, door: Door, signer: Signer, failures: list[OSError]) -> None:
        self._failures = failures
        self._database = database
        self._chain = chain
        self._signer = signer
        journal_key = door.journal_keys.get(chain.public_key)
        self._keys = None if journal_key is None else KeyLine(journal_key)

    def newest_s(self) -> int | None:
        """Returns when the newest event that is genuine was recorded, or received if the lock did not know the time;
        None if none of the last ones is."""
        with self._database.store() as store:
            last_seq = store.last_seq(self._chain)
            for row in reversed(store.rows(self._chain, last_seq - _LAST_ROWS + 1, last_seq)):
                found = self._genuine(store, row)
                time_s = None if found is None else row.received_s if found.time_s is None else found.time_s
                if is_number(time_s):
                    return time_s
        return None

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
        if store.picture_file(self._chain.id, seq) != picture_name(self._chain, seq, announced.number):
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
        """Deletes the files of what the collector noted, also of what a crash left. One that cannot be deleted is added
        to the failures, and does not keep the others."""
        with self._database.connect() as connection:
            noted = connection.execute(_NOTED, {"of_chain": self._chain.id}).all()
        gone = []
        for number, file, sha256, *note in noted:
            deletion = Deletion(*note)
            # Whoever edits the store must not have the collector delete what he points at.
            if file != picture_name(self._chain, deletion.seq, number) or not self._is_ours(deletion, sha256):
                continue
            try:
                (self._database.pictures / file).unlink(missing_ok=True)
            except OSError as error:
                self._failures.append(error)
            else:
                gone.append({"of_chain": self._chain.id, "of_seq": deletion.seq})
        if gone:
            with self._database.begin() as connection:
                connection.execute(_FORGET_FILE, gone)

    def _is_ours(self, deletion: Deletion, sha256: bytes) -> bool:
        chain = self._chain
        return deletion_holds(deletion, chain.door, chain.public_key, sha256, self._signer.public_key)


_event, _picture, _deletion = tables.event, tables.picture, tables.deletion
_NOTE_COLUMNS = ("seq", "deleted_s", "rule", "signature")
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
    select(_picture.c.number, _picture.c.file, _picture.c.sha256, *[_deletion.c[name] for name in _NOTE_COLUMNS])
    .join(_deletion, _NOTE_OF)
    .where(_picture.c.chain == bindparam("of_chain"), _picture.c.file.is_not(None))
)
_NOTE = insert(_deletion)
_FORGET_FILE = (
    update(_picture)
    .where(_picture.c.chain == bindparam("of_chain"), _picture.c.seq == bindparam("of_seq"))
    .values(file=None)
)
