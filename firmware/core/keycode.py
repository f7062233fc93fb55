"""Keypad codes: ten digits that one door can check alone, and that only its issuer can make.

    T C SS MMMMMM
    | | |  '------ 6 digits of HMAC-SHA256 under the door's own key, truncated as in RFC 4226 section 5.3
    | | '--------- slot: whose it is, 00 to 99
    | '----------- class: how long a window lasts, whether the code works once, whether it is a resident's or staff's
    '------------- the building's tag, so that a code for another building is named as such

Time is cut into windows of the class's length; the HMAC covers class, slot and window number, so of the 1,000,000
endings of each (class, slot) exactly one is valid at a time. The same file mints codes on the host.
"""

from hashlib import sha256

from constant import const
from hkdf import Hmac, equal, hkdf_sha256

from firmware.core import event
from firmware.core.decision import Decision

DIGITS = 10
SLOTS = 100
_MAC_DIGITS = const(6)
_DAY_S = const(86_400)

# Class digit -> window length in seconds. Never renumbered.
WINDOW_S = {
    0: 3_600,
    1: 7_200,
    2: 14_400,
    3: 28_800,
    4: _DAY_S,
    5: 7 * _DAY_S,
    6: 28 * _DAY_S,
    7: 28 * _DAY_S,
    8: 28 * _DAY_S,
    9: _DAY_S,
}
# Whose they are; the other classes are anybody's.
RESIDENT = 7
STAFF = 8
SINGLE_USE = 9

# How many windows before and after the present one are looked at to say "expired" or "not yet valid" instead of
# "wrong". A constant: a check costs the same however many drivers or windows a building has.
REACH = 64

# Outcomes of `check`.
VALID = 0
WRONG = 1
OTHER_BUILDING = 2
EXPIRED = 3
NOT_YET_VALID = 4
MALFORMED = 5
TIME_UNKNOWN = 6
_REASONS = {
    WRONG: event.WRONG_CODE,
    OTHER_BUILDING: event.OTHER_BUILDING,
    EXPIRED: event.EXPIRED,
    NOT_YET_VALID: event.NOT_YET_VALID,
    MALFORMED: event.MALFORMED,
    TIME_UNKNOWN: event.TIME_UNKNOWN,
}


class Claim:
    """What a code says and whether this door believes it. Slot, class and window are None unless it is genuine."""

    def __init__(self, outcome: int, slot=None, code_class=None, window=None) -> None:
        self.outcome = outcome
        self.slot = slot
        self.code_class = code_class
        self.window = window

    @property
    def is_single_use(self) -> bool:
        return self.code_class == SINGLE_USE

    @property
    def is_guess(self) -> bool:
        """Whether whoever typed it may have been guessing: nothing in it needed the door's key."""
        return self.outcome in (WRONG, OTHER_BUILDING, MALFORMED)

    @property
    def is_resident(self) -> bool:
        return self.code_class == RESIDENT

    def details(self) -> dict:
        """Returns what the access event says of a genuine code."""
        if self.slot is None:
            return {}
        details = {event.SLOT: self.slot, event.CODE_CLASS: self.code_class, event.WINDOW: self.window}
        if self.code_class in (RESIDENT, STAFF):
            # Roles go by the numbers of `core.credential`: 2 and 3.
            details[event.ROLE] = self.code_class - 5
        return details

    def is_spent(self, ledger) -> bool:
        """Whether it is a single-use code that has opened."""
        return self.is_single_use and ledger.is_code_used(self.slot, self.window)

    def spend(self, ledger) -> None:
        """Spends a single-use code. Raises FlashError."""
        if self.is_single_use:
            ledger.use_code(self.slot, self.window)


def door_key(code_secret: bytes, building: str, door: str) -> bytes:
    """Returns the 32-byte key of one door, derived from the issuer's secret: knowing it opens no other door."""
    return hkdf_sha256(code_secret, b"", b"lobbylock code key 1\0" + (building + "/" + door).encode(), 32)


def window_at(code_class: int, time_s: int, day_start_s: int = 0) -> int:
    """Returns the number of the window that Unix time `time_s` falls into."""
    return (time_s - day_start_s) // WINDOW_S[code_class]


def window_bounds(code_class: int, window: int, day_start_s: int = 0) -> tuple:
    """Returns (first second inside, first second behind) of a window, as Unix time."""
    length = WINDOW_S[code_class]
    start = window * length + day_start_s
    return start, start + length


def code_id(door: str, code_class: int, slot: int, window: int) -> bytes:
    """Returns the 8 bytes that a code of `door` ("building/door") goes by on the building's list of what is revoked.

    It tells nothing of the code's digits: docs/protocol.md, section 2.
    """
    return sha256(b"lobbylock code 1 %s %d %d %d" % (door.encode(), code_class, slot, window)).digest()[:8]


def _mac_digits(mac: Hmac, code_class: int, slot: int, window: int) -> bytes:
    message = b"lobbylock code 1" + bytes([code_class, slot]) + window.to_bytes(4, "big")
    digest = mac.digest(message)
    at = digest[31] & 15
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF
    return b"%06d" % (number % 10**_MAC_DIGITS)


def mint(key: bytes, tag: int, code_class: int, slot: int, window: int) -> str:
    """Returns the ten digits for `slot` (0 to 99) in `window` of `code_class` at the door with `key`.

    Raises ValueError for a tag, class, slot or window out of range.
    """
    if not 0 <= tag <= 9 or code_class not in WINDOW_S or not 0 <= slot < SLOTS or not 0 <= window < 1 << 32:
        raise ValueError("tag, class, slot or window out of range")
    return "%d%d%02d" % (tag, code_class, slot) + _mac_digits(Hmac(key), code_class, slot, window).decode()


class Checker:
    """Checks codes for one door: its `key` (32 bytes), its building's `tag` and the offset of its windows."""

    def __init__(self, key: bytes, tag: int, day_start_s: int = 0) -> None:
        self._mac = Hmac(key)
        self._tag = tag
        self._day_start_s = day_start_s

    def check(self, digits: str, time_s) -> Claim:
        """Returns the Claim in `digits` at Unix time `time_s`, or at an unknown time if that is None."""
        if not _is_digits(digits):
            return Claim(MALFORMED)
        if ord(digits[0]) - 48 != self._tag:
            return Claim(OTHER_BUILDING)
        code_class = ord(digits[1]) - 48
        if code_class not in WINDOW_S:
            return Claim(WRONG)
        if time_s is None:
            return Claim(TIME_UNKNOWN)
        slot = int(digits[2:4])
        outcome, window = self._find(code_class, slot, digits[4:].encode(), time_s)
        if outcome == WRONG:
            return Claim(WRONG)
        return Claim(outcome, slot, code_class, window)

    def _find(self, code_class: int, slot: int, ending: bytes, time_s: int) -> tuple:
        present = window_at(code_class, time_s, self._day_start_s)
        if equal(_mac_digits(self._mac, code_class, slot, present), ending):
            return VALID, present
        found = WRONG, None
        # Nearest last, so that the nearest wins; every window is looked at, whatever was found.
        for distance in range(REACH, 0, -1):
            for window, outcome in ((present - distance, EXPIRED), (present + distance, NOT_YET_VALID)):
                if window >= 0 and equal(_mac_digits(self._mac, code_class, slot, window), ending):
                    found = outcome, window
        return found


def _is_digits(text: str) -> bool:
    """Whether `text` is exactly ten ASCII digits; `str.isdigit` would let other scripts' digits through on the host."""
    if len(text) != DIGITS:
        return False
    for character in text:
        if not "0" <= character <= "9":
            return False
    return True


def decide(claim, is_used) -> Decision:
    """Returns the Decision on a Claim; `is_used(slot, window)` tells whether a single-use code is spent."""
    if claim.outcome != VALID:
        return Decision(_REASONS[claim.outcome], claim)
    if claim.is_single_use and is_used(claim.slot, claim.window):
        return Decision(event.ALREADY_USED, claim)
    return Decision(event.GRANTED, claim)
