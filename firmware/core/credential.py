"""A credential: who may open which doors of one building and when, signed by one of its issuers.

A CWT (RFC 8392) in a COSE_Sign1 with EdDSA, docs/protocol.md section 8. Whatever this file does not know is refused: a
claim that nobody here understands may be a restriction.
"""

from hashlib import sha256

import cbor
import cose
from constant import const

from firmware.core import event
from firmware.core.name import is_name

MAX_BYTES = 512

# A resident's credential with a visitor's behind it, `core.chain`: how long it may be, and how it begins.
MAX_CHAIN_BYTES = 1024
CHAIN = b"\x82"

# Roles. A visitor's is given by a resident only.
DRIVER = 1
RESIDENT = 2
STAFF = 3
VISITOR = 4

# Registered claims (RFC 8392 section 4, RFC 8747 section 3) and ours, which lie in the range for private use.
_ISSUER = const(1)
_SUBJECT = const(2)
_AUDIENCE = const(3)
_EXPIRES = const(4)
_NOT_BEFORE = const(5)
_ISSUED = const(6)
_ID = const(7)
_CONFIRMATION = const(8)
_ROLE = const(-70001)
_AREAS = const(-70002)
_USES = const(-70003)
_HOURS = const(-70004)

# Unix seconds are kept in four bytes.
_MAX_S = const(0xFFFFFFFF)


class CredentialError(Exception):
    """The bytes are not a credential of one of our issuers; the first argument is the reason of `core.event`."""


class Credential:
    """What the claims say, checked for form. `holder` is the public P-256 key x || y, None for a bearer credential.

    Times are Unix seconds; `not_before_s`, `issued_s`, `uses` and `hours` are None without such a claim. `hours` are
    triples of days (bit 0 is Monday), start and end in minutes of local time. `judged_s` is for `core.decision`.
    `parent` is the resident's credential that a visitor's hangs on, None for every other.
    """

    def __init__(self, kid: bytes, claims: dict, parent=None) -> None:
        """Takes decoded claims, which are used up. Raises CredentialError."""
        take = claims.pop
        self.kid = kid
        self.parent = parent
        self.issuer = _text(take(_ISSUER, None))
        self.subject = _text(take(_SUBJECT, None))
        self.building = _name(take(_AUDIENCE, None))
        self.expires_s = _number(take(_EXPIRES, None), 1, _MAX_S)
        # It is valid for a while, and was issued before that is over.
        self.not_before_s = _number(take(_NOT_BEFORE), 0, self.expires_s - 1) if _NOT_BEFORE in claims else None
        self.issued_s = _number(take(_ISSUED), 0, self.expires_s) if _ISSUED in claims else None
        self.id = _bytes(take(_ID, None), 8, 16)
        self.holder = _holder(take(_CONFIRMATION)) if _CONFIRMATION in claims else None
        self.role = _number(take(_ROLE, None), VISITOR if parent else DRIVER, VISITOR if parent else STAFF)
        self.areas = [_name(area) for area in _list(take(_AREAS, None), 8)]
        self.uses = _number(take(_USES), 1, 255) if _USES in claims else None
        self.hours = [_hours(triple) for triple in _list(take(_HOURS), 7)] if _HOURS in claims else None
        self.judged_s = None
        _require(not claims)

    @property
    def is_resident(self) -> bool:
        return self.role == RESIDENT

    @property
    def key(self) -> bytes:
        """Eight bytes under which the ledger counts its uses, and a list of revoked ones has it."""
        return self._digest()[:8]

    def _digest(self) -> bytes:
        # A resident chooses the id of a visitor's: it must not be that of anybody else's.
        return sha256((self.parent._digest() if self.parent else self.kid) + self.id).digest()

    def details(self) -> dict:
        """Returns what the access event says of it."""
        details = {
            event.SUBJECT: self.subject,
            event.CREDENTIAL_ID: self.id,
            event.ROLE: self.role,
            event.KID: self.kid,
        }
        if self.parent:
            details[event.PARENT_ID] = self.parent.id
        return details

    def is_spent(self, ledger) -> bool:
        """Whether its uses are used up, or those of the credential that it hangs on. The ledger has `uses_of(key)`."""
        if self.uses is not None and ledger.uses_of(self.key) >= self.uses:
            return True
        return self.parent is not None and self.parent.is_spent(ledger)

    def spend(self, ledger) -> None:
        """Counts a use, if they are counted, at the time it was judged. Raises FlashError or LedgerFull."""
        parent = self.parent
        if self.uses is not None:
            if parent and parent.uses is not None:
                # Neither counts unless there is room for both.
                ledger.use(self.key, self.expires_s, self.judged_s, parent.key)
            else:
                ledger.use(self.key, self.expires_s, self.judged_s)
        if parent:
            parent.spend(ledger)


def read(data: bytes, issuers: dict) -> Credential:
    """Returns the credential in `data`, its signature checked. Raises CredentialError.

    `issuers` maps a kid to an object with `name` and `verify(message, signature) -> bool`.
    """
    kid, payload, protected, signature = unwrap(data)
    issuer = issuers.get(kid)
    if issuer is None:
        raise CredentialError(event.UNKNOWN_ISSUER)
    if not issuer.verify(cose.to_be_signed(payload, protected), signature):
        raise CredentialError(event.FORGED)
    credential = parse(kid, payload)
    if credential.issuer != issuer.name:
        raise CredentialError(event.UNKNOWN_ISSUER)
    return credential


def unwrap(data: bytes, wanted_alg: int = -8) -> tuple:
    """Returns (kid, payload, protected header, signature); only the form was checked. Raises CredentialError.

    With an algorithm other than EdDSA, -8, there is no kid: a resident signed it, whose key stands in another one.
    """
    _require(len(data) <= MAX_BYTES)
    # What a CWT may wear: tag 18, or tag 61 around that (RFC 8392 section 6).
    if data[:3] == b"\xd8\x3d\xd2":
        data = data[3:]
    elif data[:1] == b"\xd2":
        data = data[1:]
    try:
        protected, alg, kid, payload, signature = cose.parse(data, MAX_BYTES)
    except cose.CoseError:
        raise CredentialError(event.MALFORMED)
    _require(alg == wanted_alg and payload is not None)
    if alg == -8:
        _bytes(kid, 1, 8)
    else:
        _require(kid is None)
    return kid, payload, protected, signature


def parse(kid: bytes, payload: bytes, parent=None) -> Credential:
    """Returns what `payload` claims; whether anybody signed it is not looked at. Raises CredentialError.

    With the Credential `parent` it has to be a visitor's.
    """
    try:
        claims = cbor.decode(payload)
    except cbor.CborError:
        raise CredentialError(event.MALFORMED)
    _require(isinstance(claims, dict))
    return Credential(kid, claims, parent)


def _require(is_right: bool) -> None:
    if not is_right:
        raise CredentialError(event.MALFORMED)


def _number(value, low: int, high: int) -> int:
    _require(isinstance(value, int) and not isinstance(value, bool) and low <= value <= high)
    return value


def _bytes(value, low: int, high: int) -> bytes:
    _require(isinstance(value, bytes) and low <= len(value) <= high)
    return value


def _text(value) -> str:
    # As UTF-8: the event it goes into has room for so many bytes.
    _require(isinstance(value, str) and 1 <= len(value.encode()) <= 32)
    return value


def _name(value) -> str:
    _require(is_name(value))
    return value


def _list(value, most: int) -> list:
    _require(isinstance(value, list) and 1 <= len(value) <= most)
    return value


def _hours(value) -> tuple:
    _require(len(_list(value, 3)) == 3)
    return _number(value[0], 1, 127), _number(value[1], 0, 1439), _number(value[2], 1, 1440)


def _holder(value) -> bytes:
    """Returns x || y of {1: COSE_Key} with an EC2 key on P-256 (RFC 9053 section 7.1.1) and nothing else."""
    _require(isinstance(value, dict) and len(value) == 1)
    key = value.get(1)
    _require(isinstance(key, dict) and len(key) == 4)
    _number(key.get(1), 2, 2)
    _number(key.get(-1), 1, 1)
    return _bytes(key.get(-2), 32, 32) + _bytes(key.get(-3), 32, 32)
