"""Recomputes what the collector stored: every chain, every tag, every seal, every picture.

Trusts the enrolled keys only. Whoever edits the store cannot make the tag of an event that is past, even with the lock
and all its keys in hand; nor can he sign for the collector, whose last acknowledgement and receipt show where a chain
must end and what else there must be.
"""

from collections.abc import Iterator
from hashlib import sha256

import cbor

from firmware.core import event, ratchet
from lobbylock.acknowledgement import read_events_acknowledgement
from lobbylock.deletion import Deletion, deletion_holds
from lobbylock.door import Door
from lobbylock.errors import StoreFailed, UserError
from lobbylock.finding import (
    BAD_SEAL,
    CUT_BACK,
    EDITED,
    GAP,
    MISSING_ROW,
    OTHER_EPOCH,
    PICTURE_MISSING,
    PICTURE_OTHER,
    REORDERED,
    TAG_MISSING,
    TWO_HISTORIES,
    UNKNOWN_KEY,
    Broken,
    ChainSum,
    Finding,
)
from lobbylock.journalkey import MAX_STEPS, KeyLine
from lobbylock.moment import format_utc
from lobbylock.picture import Announcement, announcement
from lobbylock.receipt import Account, digest_conflicts, digest_gaps, digest_picture, read_receipt
from lobbylock.store import Chain, Conflict, Entry, PictureRow, Store
from lobbylock.verify import HEAD_BYTES, Gap, Refusal, follow_seals, is_number, parse_batch, seal_holds

# Far more than a lock holds unsent: a key that is further away is nobody's who has cut a history back.
_LOOK_AHEAD = 16_384


def audit_store(store: Store, doors: dict[str, Door], collector_key: bytes, only: str | None = None) -> list[ChainSum]:
    """Returns the sum of every chain, or of those of the door `only`, and of each door from which nothing came.

    `doors` holds the record of every door by name. Whatever `only` is, each chain is asked whether it is where it was:
    one that was moved to another door must not be hidden by looking at its own.
    """
    chains = store.chains()
    sums = []
    for chain in chains:
        # SQLite keeps whatever type somebody writes.
        public_key = chain.public_key if isinstance(chain.public_key, bytes) else b""
        found = ChainSum(str(chain.door), public_key)
        try:
            keys = _keys_of(chain, doors)
            account = _account(store, chain, chains, collector_key)
            if only in (None, chain.door):
                _Audit(store, chain, keys, account, collector_key, found).run()
        except Broken as broken:
            found.findings.append(broken.finding)
        except (StoreFailed, UserError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 an edited store may hold anything, and an audit must end with a word
            name = type(error).__name__
            found.findings.append(
                _broken(chain, 0, EDITED, f"the store holds what no collector writes ({name})").finding
            )
        if only in (None, chain.door) or found.findings:
            sums.append(found)
    seen = {(chain.door, chain.public_key) for chain in chains}
    for name, door in sorted(doors.items()):
        if only in (None, name) and door.public_key is not None and (name, door.public_key) not in seen:
            sums.append(ChainSum(name, door.public_key))
    return sums


def _keys_of(chain: Chain, doors: dict[str, Door]) -> KeyLine:
    door = doors.get(chain.door)
    if door is None or chain.public_key not in door.public_keys:
        raise _broken(chain, 0, UNKNOWN_KEY, "no board with that key was ever enrolled there")
    journal_key = door.journal_keys.get(chain.public_key)
    if journal_key is None:
        raise _broken(chain, 0, UNKNOWN_KEY, "no journal key of that board is enrolled, so no tag can be checked")
    return KeyLine(journal_key)


def _account(store: Store, chain: Chain, chains: list[Chain], collector_key: bytes) -> Account | None:
    """Returns what the collector signed of the chain, once it is known to be this one's and no other chain is gone."""
    account = read_receipt(chain.receipt, collector_key)
    if account is None:
        # Said at the chain's end, since what is wrong inside of it says more.
        return None
    if (account.door, account.public_key) != (chain.door, chain.public_key):
        raise _broken(chain, 0, EDITED, "its receipt is that of another chain")
    of_door = sum(each.door == chain.door for each in chains)
    of_all = account.all_chains if store.only_door is not None else len(chains)
    if (account.chains, account.all_chains) != (of_door, of_all):
        detail = f"the collector had {account.all_chains} boards' histories, {account.chains} of this door"
        raise _broken(chain, 0, MISSING_ROW, f"{detail}; {len(chains)} and {of_door} are here")
    return account


def _broken(chain: Chain, seq: int, what: str, detail: str) -> Broken:
    return Broken(Finding(str(chain.door), seq, what, detail))


class _Audit:
    """The walk along one chain; what it finds goes into `found`."""

    def __init__(
        self,
        store: Store,
        chain: Chain,
        keys: KeyLine,
        account: Account | None,
        collector_key: bytes,
        found: ChainSum,
    ) -> None:
        self._store = store
        self._chain = chain
        self._keys = keys
        self._account = account
        self._collector_key = collector_key
        self._found = found
        self._deletions: dict[int, Deletion] = {}

    def run(self) -> None:
        """Raises Broken at the first thing behind which nothing can be judged."""
        found = self._found
        found.gaps = self._gaps()
        rows = self._store.picture_rows(self._chain)
        self._deletions = self._store.deletions(self._chain)
        arrived: dict[int, tuple[Announcement, PictureRow]] = {}
        head = event.genesis(self._chain.public_key)
        is_sealed = True
        lost_heads = {}
        for seen, behind in self._links():
            head = behind
            found.events += 1
            found.last_seq = seen.seq
            is_sealed = seen.kind == event.SEAL
            found.seals += is_sealed
            found.unchecked += not self._keys.covers(seen.seq)
            if seen.time_s is not None:
                found.take_time(seen.seq, seen.time_s)
            if seen.kind == event.EVENTS_LOST:
                self._take_lost(seen, lost_heads)
            announced = announcement(seen)
            if announced is not None:
                self._check_picture(announced, rows, arrived)
        if not is_sealed:
            raise self._broken(found.last_seq + 1, MISSING_ROW, "the seal behind the last event is not there")
        self._check_end(head)
        self._check_account(head)
        self._check_pictures(arrived, rows)
        self._check_gaps(lost_heads)
        self._check_conflicts()

    def _broken(self, seq: int, what: str, detail: str) -> Broken:
        return _broken(self._chain, seq, what, detail)

    def _gaps(self) -> list[Gap]:
        gaps = self._store.gaps(self._chain)
        for gap in gaps:
            is_one = is_number(gap.first_seq) and is_number(gap.last_seq) and isinstance(gap.head, bytes)
            if not is_one or len(gap.head) != HEAD_BYTES:
                raise self._broken(0, EDITED, "a gap is not one")
        return gaps

    def _links(self) -> Iterator[tuple[event.Event, bytes]]:
        """Yields (event, head behind it) of each row that fits its record, its neighbors, chain and tag."""
        open_gaps = {gap.first_seq: gap for gap in self._found.gaps}
        expected = 1
        head = event.genesis(self._chain.public_key)
        was_seal = True
        for entry in self._store.events(self._chain):
            seen = self._decode(expected, entry.record)
            if seen.seq - expected > MAX_STEPS:
                raise self._broken(expected, EDITED, f"no lock gets to event {seen.seq} from there")
            if seen.seq != entry.seq:
                raise self._broken(expected, REORDERED, f"row {entry.seq} holds event {seen.seq}")
            if entry.seq != expected:
                gap = open_gaps.pop(expected, None)
                if gap is None or gap.last_seq != entry.seq - 1:
                    raise self._broken(expected, MISSING_ROW, f"the next row is {entry.seq}")
                if not was_seal:
                    raise self._broken(expected, MISSING_ROW, "the seal before a gap is not there")
                head = gap.head
            behind = event.next_head(head, entry.record)
            if (entry.kind, entry.time_s, entry.head) != (seen.kind, seen.time_s, behind):
                raise self._broken(seen.seq, EDITED, "the row is not what the chain says")
            self._check_tag(entry, behind)
            was_seal = seen.kind == event.SEAL
            if was_seal and not seal_holds(seen, self._chain.door, self._chain.public_key, head):
                raise self._broken(seen.seq, BAD_SEAL, "its signature does not fit what is before it")
            yield seen, behind
            head = behind
            expected = seen.seq + 1
        if open_gaps:
            raise self._broken(min(open_gaps), EDITED, "a gap is noted where there is none")

    def _decode(self, expected: int, record: object) -> event.Event:
        if isinstance(record, bytes):
            try:
                return event.decode(record)
            except cbor.CborError:
                pass
        raise self._broken(expected, EDITED, "the row holds no record")

    # Tags.

    def _check_tag(self, entry: Entry, behind: bytes) -> None:
        if not isinstance(entry.tag, bytes) or len(entry.tag) != ratchet.TAG_BYTES:
            raise self._broken(entry.seq, TAG_MISSING, "the row holds no tag")
        if not self._keys.covers(entry.seq) or self._keys.fits(entry.seq, behind, entry.tag):
            return
        owner = self._keys.owner(behind, entry.tag, self._keys.enrolled.seq, entry.seq + _LOOK_AHEAD)
        if owner is None:
            raise self._broken(entry.seq, EDITED, "its tag is not of this content")
        missing = owner - entry.seq
        if missing > 0 and self._goes_on(entry, behind, missing):
            detail = f"from here on the keys are those of event {owner} and later: {missing} events are missing"
            raise self._broken(entry.seq, CUT_BACK, detail)
        raise self._broken(entry.seq, OTHER_EPOCH, f"it was made with the key of event {owner}")

    def _goes_on(self, entry: Entry, behind: bytes, distance: int) -> bool:
        """Whether the tags of all rows behind `entry` are by the keys of events that many further on."""
        head = behind
        expected = entry.seq + 1
        for row in self._store.events(self._chain):
            if not is_number(row.seq) or row.seq <= entry.seq:
                continue
            if row.seq != expected or not isinstance(row.record, bytes):
                return False
            head = event.next_head(head, row.record)
            if not self._keys.fits(row.seq + distance, head, row.tag):
                return False
            expected += 1
        return True

    # Pictures.

    def _check_picture(
        self,
        announced: Announcement,
        rows: dict[int, PictureRow],
        arrived: dict[int, tuple[Announcement, PictureRow]],
    ) -> None:
        """Compares the picture's file with the event that announced it, whatever the store's picture row says."""
        seq = announced.seq
        row = rows.pop(seq, None)
        if row is None:
            self._found.find(seq, PICTURE_MISSING, "its row is not there")
        elif (row.number, row.length, row.sha256) != (announced.number, announced.length, announced.sha256):
            self._found.find(seq, PICTURE_OTHER, "its row is not what the event announced")
        elif seq in self._deletions:
            self._check_deletion(announced, row, arrived)
        elif row.file is not None:
            if is_number(row.arrival):
                arrived[row.arrival] = (announced, row)
            self._check_file(announced, row)
        elif row.arrival is None:
            self._found.pending_pictures.append(announced.number)
        else:
            self._found.find(seq, PICTURE_MISSING, "it had come, and its row names no file")

    def _check_deletion(
        self, announced: Announcement, row: PictureRow, arrived: dict[int, tuple[Announcement, PictureRow]]
    ) -> None:
        """Counts a picture that the collector deleted; that it had come is in the receipt all the same."""
        note = self._deletions.pop(announced.seq)
        chain = self._chain
        if not deletion_holds(note, chain.door, chain.public_key, announced.sha256, self._collector_key):
            self._found.find(announced.seq, PICTURE_MISSING, "the note of its deletion is not the collector's")
        elif not is_number(row.arrival):
            self._found.find(announced.seq, EDITED, "a note of the deletion of a picture that had not come")
        else:
            arrived[row.arrival] = (announced, row)
            self._found.deleted_pictures += 1

    def _check_file(self, announced: Announcement, row: PictureRow) -> None:
        seq = announced.seq
        try:
            digest = self._store.picture_sha256(row.file)
        except ValueError as error:
            self._found.find(seq, PICTURE_OTHER, str(error))
        except OSError as error:
            # Deleted by rule behind this moment of the store?
            note = self._store.later_deletion(self._chain, seq)
            chain = self._chain
            if note and deletion_holds(note, chain.door, chain.public_key, announced.sha256, self._collector_key):
                self._found.deleted_pictures += 1
            else:
                self._found.find(seq, PICTURE_MISSING, f"{row.file}: {error.strerror}")
        else:
            if digest == announced.sha256:
                self._found.pictures += 1
            else:
                self._found.find(seq, PICTURE_OTHER, f"{row.file} has another SHA-256")

    def _check_pictures(self, arrived: dict[int, tuple[Announcement, PictureRow]], rows: dict[int, PictureRow]) -> None:
        """Compares which pictures are here with which ones the collector signed for; `rows` are those left over."""
        for seq in rows:
            self._found.find(seq if is_number(seq) else 0, EDITED, "a picture's row that no event announced")
        for seq in self._deletions:
            self._found.find(seq if is_number(seq) else 0, EDITED, "a note of the deletion of no picture")
        if any(each.what in (PICTURE_MISSING, PICTURE_OTHER) for each in self._found.findings):
            return
        digest = None
        for number in sorted(arrived):
            announced, row = arrived[number]
            digest = digest_picture(digest, announced.seq, announced.sha256)
            if row.digest != digest:
                self._found.find(announced.seq, EDITED, "its picture did not come in that order")
                return
        account = self._account
        if account is not None and (len(arrived), digest or bytes(32)) != (account.pictures, account.picture_digest):
            self._found.find(0, PICTURE_MISSING, f"{account.pictures} pictures had come, {len(arrived)} are here")

    # The end, and what the collector signed.

    def _check_end(self, head: bytes) -> None:
        """Compares the chain's end with the collector's own signed acknowledgement of it."""
        last_seq = self._found.last_seq
        acknowledged = read_events_acknowledgement(self._chain.ack, self._collector_key, self._chain.door)
        if acknowledged is None:
            raise self._broken(last_seq, EDITED, "the collector's acknowledgement of the last event is not there")
        if acknowledged[0] > last_seq:
            detail = f"events up to {acknowledged[0]} were stored and acknowledged"
            raise self._broken(last_seq + 1, MISSING_ROW, detail)
        if acknowledged != (last_seq, head):
            raise self._broken(last_seq, EDITED, "the collector acknowledged another end")

    def _check_account(self, head: bytes) -> None:
        account = self._account
        last_seq = self._found.last_seq
        if account is None:
            raise self._broken(last_seq, EDITED, "the collector's receipt is not there")
        if account.last_seq > last_seq:
            raise self._broken(last_seq + 1, MISSING_ROW, f"the collector had events up to {account.last_seq}")
        if (account.last_seq, account.head) != (last_seq, head):
            raise self._broken(last_seq, EDITED, "the collector's receipt is of another end")
        if account.gaps != digest_gaps(self._found.gaps):
            gaps = self._found.gaps
            raise self._broken(
                gaps[0].first_seq if gaps else 0, MISSING_ROW, "the collector knew other gaps than these"
            )

    def _take_lost(self, seen: event.Event, lost_heads: dict[int, bytes]) -> None:
        first, count, head = (seen.details.get(key) for key in (event.FIRST_SEQ, event.COUNT, event.SHA256))
        # It speaks of what was before it.
        if is_number(first) and is_number(count) and 0 < count and first + count <= seen.seq:
            self._found.lost.append((first, count))
            if isinstance(head, bytes):
                lost_heads[first + count - 1] = head

    def _check_gaps(self, lost_heads: dict[int, bytes]) -> None:
        for gap in self._found.gaps:
            count = gap.last_seq - gap.first_seq + 1
            if not self._found.is_reported(gap):
                self._found.find(gap.first_seq, GAP, f"{count} events, up to {gap.last_seq}: unexplained")
            elif lost_heads.get(gap.last_seq, gap.head) != gap.head:
                self._found.find(gap.first_seq, GAP, "the lock reported the loss of other events than these")
            else:
                # Whoever holds the lock can have it say so.
                self._found.find(gap.first_seq, GAP, f"{count} events, up to {gap.last_seq}: reported by the lock")

    def _check_conflicts(self) -> None:
        conflicts = self._store.conflicts(self._chain)
        for conflict in conflicts:
            self._check_form(conflict)
        account = self._account
        if account is not None and account.conflicts != digest_conflicts([each.stamp for each in conflicts]):
            raise self._broken(0, EDITED, "the collector had kept other evidence of a second history")
        # Only now, for what the collector did not sign could keep anybody busy for hours.
        for conflict in conflicts:
            self._check_conflict(conflict)
        self._found.conflicts = len(conflicts)

    def _check_form(self, conflict: Conflict) -> None:
        message = conflict.message
        is_whole = isinstance(message, bytes) and is_number(conflict.seq) and is_number(conflict.received_s)
        if not is_whole or sha256(message).digest() != conflict.sha256:
            raise self._broken(0, EDITED, "a message kept as evidence is not what came")

    def _check_conflict(self, conflict: Conflict) -> None:
        """Adds the finding that a kept message proves. Raises Broken if it proves nothing."""
        try:
            batch = parse_batch(conflict.message)
        except Refusal:
            raise self._broken(0, EDITED, "a message kept as evidence is none") from None
        bad_seal, after = follow_seals(batch, self._chain.door, self._chain.public_key)
        if bad_seal is not None:
            raise self._broken(conflict.seq, EDITED, "a message kept as evidence is not the door's")
        has_keys = all(
            self._keys.fits(seq, head, tag)
            for seq, head, tag in zip(range(batch.first_seq, batch.last_seq + 1), after, batch.tags, strict=True)
            if self._keys.covers(seq)
        )
        whose = (
            "its tags hold too: two locks have one memory" if has_keys else "its tags do not hold, the stored ones do"
        )
        when = format_utc(conflict.received_s)
        self._found.find(conflict.seq, TWO_HISTORIES, f"another one came at {when} under the door's seal; {whose}")
