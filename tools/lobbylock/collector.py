"""Takes one MQTT message at a time: verifies it, keeps it, and says what to answer. Knows nothing of connections."""

import json
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Protocol

from firmware.core import event
from lobbylock import acknowledgement
from lobbylock.deletion import deletion_holds
from lobbylock.door import Door
from lobbylock.enrolment import Enrolments
from lobbylock.journalkey import KeyLine
from lobbylock.names import is_door
from lobbylock.picture import Announcement, Assembler, parse_piece
from lobbylock.receipt import Account, sign_receipt
from lobbylock.signature import Signer
from lobbylock.store import Chain, Conflict, Store
from lobbylock.verify import (
    MALFORMED,
    NO_JOURNAL_KEY,
    RETAINED,
    TOO_LONG,
    UNANNOUNCED,
    UNKNOWN_DOOR,
    UNKNOWN_TOPIC,
    Gap,
    Known,
    Refusal,
    Verdict,
    check_batch,
    parse_batch,
)
from lobbylock.visits import index_events

TOPICS = ("lobbylock/+/+/events", "lobbylock/+/+/picture", "lobbylock/+/+/status")
_MAX_TOPIC_CHARACTERS = len("lobbylock//") + 2 * 32 + len("/picture")
_MAX_STATUS_BYTES = 1024
_MAX_STATUS_NUMBER = (1 << 32) - 1

# (topic, payload) to publish.
Reply = tuple[str, bytes]


class Listener(Protocol):
    """Is told what happened, after it is stored."""

    def event(self, door: Door, found: event.Event) -> None: ...

    def gap(self, door: str, gap: Gap) -> None: ...

    def picture(self, door: str, announced: Announcement, path: str) -> None: ...

    def status(self, door: str, status: dict[str, object]) -> None: ...

    def refused(self, topic: str, refusal: Refusal) -> None: ...


class Collector:
    """Verifies and stores what locks send. `now_s` gives Unix time."""

    def __init__(
        self,
        store: Store,
        enrolments: Enrolments,
        signer: Signer,
        listener: Listener,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._enrolments = enrolments
        self._signer = signer
        self._listener = listener
        self._now_s = now_s
        self._assembler = Assembler()
        # By door, so no more of them than are enrolled.
        self._keys: dict[str, KeyLine] = {}

    def handle(self, topic: str, payload: bytes, is_retained: bool = False) -> list[Reply]:
        """Returns what to publish in answer to a message, once that is durable.

        A message that fails a check is reported and answered with nothing. Raises StoreFailed or OSError when the
        store fails: what was sent stays with the lock then.
        """
        try:
            door, kind = self._route(topic)
            if is_retained and kind != "status":
                # A lock never retains these, and a broker would replay them for ever.
                raise Refusal(RETAINED)
            if kind == "events":
                return self._take_events(door, payload)
            if kind == "picture":
                return self._take_piece(door, payload)
            self._take_status(door, payload)
        except Refusal as refusal:
            self._listener.refused(topic, refusal)
        return []

    def _route(self, topic: str) -> tuple[Door, str]:
        parts = topic.split("/") if len(topic) <= _MAX_TOPIC_CHARACTERS else []
        if len(parts) != 4 or parts[0] != "lobbylock" or parts[3] not in ("events", "picture", "status"):
            raise Refusal(UNKNOWN_TOPIC)
        name = f"{parts[1]}/{parts[2]}"
        door = self._enrolments.find(name) if is_door(name) else None
        if door is None or door.public_key is None:
            raise Refusal(UNKNOWN_DOOR)
        return door, parts[3]

    def _take_events(self, door: Door, payload: bytes) -> list[Reply]:
        keys = self._keys_of(door)
        batch = parse_batch(payload)
        with self._store.transaction():
            # Inside of the transaction, so that no other writer can come between the check and the row.
            chain = self._store.chain(door.name, door.public_key or b"")
            known = self._store.known(chain, batch) if chain else Known()
            try:
                verdict = check_batch(batch, door.name, door.public_key or b"", known, keys)
            except Refusal as refusal:
                # Not raised in here, for the evidence is to stay.
                verdict = refusal
                self._keep_conflict(chain, refusal, payload)
                replies = []
            else:
                replies = self._keep_batch(door, chain, verdict, known)
        if isinstance(verdict, Refusal):
            raise verdict
        for gap in verdict.gaps:
            if gap not in known.gaps:
                self._listener.gap(door.name, gap)
        new_seqs = set(verdict.new_seqs)
        for found in batch.events:
            if found.seq in new_seqs:
                self._listener.event(door, found)
        return replies

    def _keys_of(self, door: Door) -> KeyLine:
        """Returns the journal keys of the door's board, as far as they have been counted on."""
        enrolled = door.journal_key
        if enrolled is None:
            raise Refusal(NO_JOURNAL_KEY, f"`lobbylock door enrol {door.name} --journal` takes it")
        known = self._keys.get(door.name)
        if known is None or known.enrolled != enrolled:
            known = self._keys[door.name] = KeyLine(enrolled)
        return known

    def _keep_batch(self, door: Door, chain: Chain | None, verdict: Verdict, known: Known) -> list[Reply]:
        batch = verdict.batch
        ack = acknowledgement.acknowledge(
            self._signer, acknowledgement.EVENTS, door.name, batch.last_seq, verdict.heads[-1]
        )
        if verdict.new_seqs:
            changed = [chain] if chain is not None else []
            if chain is None:
                chain = self._store.begin_chain(door.name, door.public_key or b"")
                # Each receipt says how many chains there are.
                changed = self._store.chains()
            self._store.add(chain, verdict, known, ack, int(self._now_s()))
            new_seqs = set(verdict.new_seqs)
            index_events(self._store.connection, chain, door, [each for each in batch.events if each.seq in new_seqs])
            for each in changed:
                self._store.settle(each, self._receipt)
        return [(f"lobbylock/{door.name}/ack", ack)]

    def _keep_conflict(self, chain: Chain | None, refusal: Refusal, payload: bytes) -> None:
        if chain is None or refusal.conflict_seq is None:
            return
        conflict = Conflict(sha256(payload).digest(), refusal.conflict_seq, payload, int(self._now_s()))
        if self._store.keep_conflict(chain, conflict):
            self._store.settle(chain, self._receipt)

    def _receipt(self, account: Account) -> bytes:
        return sign_receipt(self._signer, account)

    def _take_status(self, door: Door, payload: bytes) -> None:
        status = _parse_status(payload)
        with self._store.transaction():
            self._store.keep_status(door.name, status, int(self._now_s()))
        self._listener.status(door.name, status)

    def _take_piece(self, door: Door, payload: bytes) -> list[Reply]:
        piece = parse_piece(payload)
        chain = self._store.chain(door.name, door.public_key or b"")
        found = self._store.announced(chain, piece.number) if chain else None
        if chain is None or found is None:
            raise Refusal(UNANNOUNCED, f"picture {piece.number}")
        announced, path = found
        if path is None and not self._is_deleted(chain, announced):
            whole = self._assembler.add(chain.id, piece, announced)
            if whole is None:
                return []
            path = self._store.keep_picture(chain, announced, whole, self._receipt)
            self._listener.picture(door.name, announced, str(path))
        elif not piece.is_last:
            return []
        return [self._acknowledge_picture(door.name, announced)]

    def _is_deleted(self, chain: Chain, announced: Announcement) -> bool:
        note = self._store.deletion(chain, announced.seq)
        # A note that somebody else wrote must not have a lock throw away what was never kept.
        return note is not None and deletion_holds(
            note, chain.door, chain.public_key, announced.sha256, self._signer.public_key
        )

    def _acknowledge_picture(self, door: str, announced: Announcement) -> Reply:
        ack = acknowledgement.acknowledge(
            self._signer, acknowledgement.PICTURE, door, announced.number, announced.sha256
        )
        return f"lobbylock/{door}/ack", ack


def _parse_status(payload: bytes) -> dict[str, object]:
    """Returns the known fields of a status message, each checked, since nobody signed them."""
    if len(payload) > _MAX_STATUS_BYTES:
        raise Refusal(TOO_LONG, f"{len(payload)} bytes")
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        raise Refusal(MALFORMED, "status is not JSON") from None
    if not isinstance(value, dict) or type(value.get("online")) is not bool:
        raise Refusal(MALFORMED, "status does not say whether the lock is online")
    status: dict[str, object] = {"online": value["online"]}
    for name in ("pending", "heap", "clock"):
        if type(value.get(name)) is int and 0 <= value[name] <= _MAX_STATUS_NUMBER:
            status[name] = value[name]
    if value.get("clock", 0) is None:
        # A lock that says that it does not know the time, unlike one that says nothing about it.
        status["clock"] = None
    if isinstance(value.get("version"), str):
        status["version"] = value["version"][:32]
    return status
