"""The keys of a door's tags: docs/protocol.md section 4. Each follows from the one enrolled, none leads back."""

import hmac
import threading
from dataclasses import dataclass
from hmac import compare_digest

from firmware.core import ratchet
from lobbylock.errors import UserError

# How far a door may be ahead of what is known of it, so that no number makes anybody count for hours.
MAX_STEPS = 1_000_000
_CHECKPOINT = 64
# As in firmware.core.ratchet, which has to do without C.
_FOLLOWING = b"lobbylock journal key 1"


@dataclass(frozen=True, repr=False)
class JournalKey:
    """The 32-byte key of the record `seq`: secret, for whoever has it can make the tags of that record and all later
    ones."""

    seq: int
    key: bytes

    @classmethod
    def parse(cls, seq: object, key: object) -> "JournalKey":
        """Returns the key that JSON values write. Raises UserError."""
        try:
            data = bytes.fromhex(key) if isinstance(key, str) else b""
        except ValueError:
            data = b""
        if type(seq) is not int or not 1 <= seq < 1 << 63 or len(data) != ratchet.KEY_BYTES or len(str(key)) != 64:
            raise UserError("A journal key is the number of its event and 64 hex digits.")
        return cls(seq, data)

    def leads_to(self, other: "JournalKey") -> bool:
        """Whether `other` is a later key of the same lock, or this one."""
        if not 0 <= other.seq - self.seq <= MAX_STEPS:
            return False
        return compare_digest(KeyLine(self).key(other.seq), other.key)


class KeyLine:
    """The keys of one lock from the enrolled one on. Going on from the last one asked for costs a step a record, going
    elsewhere few, once the line has been there before. May be asked in any thread."""

    def __init__(self, enrolled: JournalKey) -> None:
        self.enrolled = enrolled
        self._seq, self._key = enrolled.seq, enrolled.key
        self._lock = threading.Lock()
        # One key in so many, so that going back costs few steps too.
        self._checkpoints = [enrolled.key]

    def key(self, seq: int) -> bytes:
        """Returns the key of record `seq`, which must not lie before the enrolled one."""
        with self._lock:
            number = min((seq - self.enrolled.seq) // _CHECKPOINT, len(self._checkpoints) - 1)
            nearest = self.enrolled.seq + number * _CHECKPOINT
            if seq < self._seq or nearest > self._seq:
                self._seq, self._key = nearest, self._checkpoints[number]
            while self._seq < seq:
                at, number = self._seq, (self._seq - self.enrolled.seq) // _CHECKPOINT + 1
                until = min(seq, self.enrolled.seq + number * _CHECKPOINT)
                key = self._key
                for _ in range(until - at):
                    key = hmac.digest(key, _FOLLOWING, "sha256")
                self._seq, self._key = until, key
                if until == self.enrolled.seq + number * _CHECKPOINT and number == len(self._checkpoints):
                    self._checkpoints.append(key)
            return self._key

    def covers(self, seq: int) -> bool:
        """Whether the tag of record `seq` can be checked: those before the enrolment cannot."""
        return seq >= self.enrolled.seq

    def fits(self, seq: int, head: bytes, tag: object) -> bool:
        """Whether `tag` is that of record `seq`, behind which the chain head is `head`."""
        return isinstance(tag, bytes) and compare_digest(
            hmac.digest(self.key(seq), head, "sha256")[: ratchet.TAG_BYTES], tag
        )

    def owner(self, head: bytes, tag: object, first_seq: int, last_seq: int) -> int | None:
        """Returns which event's key, from `first_seq` to `last_seq`, made `tag` over `head`; None if none did."""
        for seq in range(max(first_seq, self.enrolled.seq), last_seq + 1):
            if self.fits(seq, head, tag):
                return seq
        return None
