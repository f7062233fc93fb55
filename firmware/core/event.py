"""What can happen at a door, as numbers that are never reused, and the record that carries one event.

Both tables only grow at the end: records stay readable for as long as somebody keeps them.
The byte layout is `docs/protocol.md`, section "Event record". Runs on the board and on the host.
"""

from hashlib import sha256

import cbor

# Kinds.
BOOT = 1
ACCESS = 2
UNLOCKED = 3
LOCKED = 4
DOOR_OPENED = 5
DOOR_CLOSED = 6
DOOR_FORCED = 7
DOOR_HELD = 8
EXIT_REQUESTED = 9
PICTURE = 10
CAMERA_FAILED = 11
CLOCK_SET = 12
CLOCK_REFUSED = 13
LOCKOUT_STARTED = 14
LOCKOUT_ENDED = 15
SEAL = 16
EVENTS_LOST = 17
TASK_FAILED = 18
SETTINGS_REFUSED = 19
KEYPAD_FAULT = 20
STRIKE_FAILED = 21
READER_FAULT = 22
READER_RECOVERED = 23
SAFE_MODE = 24
JOURNAL_LOST = 25
SETTINGS_ACCEPTED = 26
SETTINGS_REVERTED = 27
CLAIMED = 28
SESSION_OPENED = 29
SESSION_CLOSED = 30
SESSION_REFUSED = 31
SETTINGS_PROPOSED = 32
TESTED = 33
EXPORTED = 34
FACTORY_RESET = 35
UPDATE_PROPOSED = 36
UPDATE_ACCEPTED = 37
UPDATE_REVERTED = 38
DEVELOPED = 39
INSTALLERS_CHANGED = 40
TIME_TOLD = 41
RELEASE_KEY_CHANGED = 42
RECEIPT = 43
NOT_OPENED = 44
LIST_TAKEN = 45
LIST_REFUSED = 46
LIST_LOST = 47
RADIO_FAULT = 48
RADIO_RECOVERED = 49

# Reasons: why an access was granted or refused, or what failed.
GRANTED = 0
WRONG_CODE = 1
OTHER_BUILDING = 2
EXPIRED = 3
NOT_YET_VALID = 4
ALREADY_USED = 5
LOCKED_OUT = 6
TIME_UNKNOWN = 7
MALFORMED = 8
CAMERA = 9
NOT_CONFIGURED = 10
JOURNAL = 11
TWO_KEYS = 12
STUCK_KEY = 13
NO_ANSWER = 14
BAD_PICTURE = 15
CAMERA_BUSY = 16
PICTURES_FULL = 17
STRIKE = 18
FORGED = 19
UNKNOWN_ISSUER = 20
WRONG_AREA = 21
OUTSIDE_HOURS = 22
NO_BEARER = 23
WRONG_HOLDER = 24
TWO_CARDS = 25
CARD_LOST = 26
REVOKED = 27
USES_FULL = 28
UNREADABLE = 29
READER = 30
NO_LIST = 31
WIDER = 32
NO_ACT = 33
TOO_SLOW = 34
NO_DELEGATION = 35
OLDER = 36
TORN = 37
NO_ROOM = 38

# Keys of the detail map.
REASON = 1
VIA = 2
SLOT = 3
CODE_CLASS = 4
WINDOW = 5
PICTURE_NUMBER = 6
SHA256 = 7
LENGTH = 8
SIGNATURE = 9
CAUSE = 10
DURATION_S = 11
COUNT = 12
NAME = 13
FIRST_SEQ = 14
ACCESS_SEQ = 15
VERSION = 16
STEP_S = 17
SUBJECT = 18
CREDENTIAL_ID = 19
ROLE = 20
KID = 21
RIGHTS = 22
LIST_VERSION = 23
PARENT_ID = 24

# VIA: how a presentation came in.
KEYPAD = 1
BADGE = 2
PHONE = 3
CARD_NUMBER = 4
BLE = 5

# CAUSE of UNLOCKED.
BY_ACCESS = 1
BY_EXIT = 2
BY_TEST = 3

# RIGHTS of a console session.
OWNER = 1
INSTALLER = 2

# Upper bound of one encoded record; `events` messages and the journal rely on it.
MAX_RECORD_BYTES = 192


class Event:
    """One thing that happened. `time_s` is Unix time, or None while the lock does not know the time.

    `uptime_ms` counts since the start number `boot`, so that events without a time still have an order and distance.
    `details` maps the keys above to integers, byte strings or short texts.
    """

    def __init__(self, seq: int, kind: int, boot: int, uptime_ms: int, time_s, details: dict) -> None:
        self.seq = seq
        self.kind = kind
        self.boot = boot
        self.uptime_ms = uptime_ms
        self.time_s = time_s
        self.details = details

    def encode(self) -> bytes:
        """Returns the record: a CBOR array of six, at most MAX_RECORD_BYTES long."""
        return cbor.encode([self.seq, self.kind, self.boot, self.uptime_ms, self.time_s, self.details])


def decode(record: bytes) -> Event:
    """Returns the event in `record`. Raises cbor.CborError if it is not one."""
    fields = cbor.decode(record, MAX_RECORD_BYTES)
    if not isinstance(fields, list) or len(fields) != 6:
        raise cbor.CborError("a record is an array of six")
    seq, kind, boot, uptime_ms, time_s, details = fields
    for number in (seq, kind, boot, uptime_ms, 0 if time_s is None else time_s):
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise cbor.CborError("a record starts with unsigned integers")
    if not isinstance(details, dict):
        raise cbor.CborError("details are a map")
    for key in details:
        if isinstance(key, bool) or not isinstance(key, int):
            raise cbor.CborError("details are keyed by integers")
    return Event(seq, kind, boot, uptime_ms, time_s, details)


def kind_of(record: bytes) -> int:
    """Returns the kind of a well-formed record without decoding the rest; kinds stay below 256."""
    info = record[1] & 31
    at = 2 if info < 24 else 2 + (1 << (info - 24))
    # CBOR writes 24 and more in the byte behind a 24.
    return record[at] if record[at] < 24 else record[at + 1]


def genesis(public_key: bytes) -> bytes:
    """Returns the chain head before the first event of the door whose Ed25519 key is `public_key` (32 bytes)."""
    return sha256(b"lobbylock journal 1" + public_key).digest()


def next_head(head: bytes, record: bytes) -> bytes:
    """Returns the chain head after `record`: SHA-256 over the head before it and the record."""
    digest = sha256(head)
    digest.update(record)
    return digest.digest()


def seal_payload(door: str, seal: Event, head: bytes) -> bytes:
    """Returns what the event `seal` signs at `door` ("building/door"): itself, and the chain head before it."""
    return cbor.encode(["lobbylock seal 1", door, seal.seq, seal.boot, seal.uptime_ms, seal.time_s, head])
