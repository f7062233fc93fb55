"""What the driver in front of the demonstration's page carries: minted in this process, so that it is there at once."""

import os
from collections import deque

from cryptography.hazmat.primitives.asymmetric import ec

from lobbylock import grant as grants
from lobbylock.badge import compose
from lobbylock.demo.deck import BUILDING, DRIVER, forge
from lobbylock.demo.stage import DOOR, Stage
from lobbylock.errors import UserError
from lobbylock.grant import ID_BYTES, Grant, parse_holder
from lobbylock.home import Home
from lobbylock.minting import CodeWish, MadeCode, make_code, make_credential
from lobbylock.phone import Phone, load_key
from virtualboard.chip.card import Card, Ntag215
from virtualboard.chip.isodep_card import IsoDepCard

VALID, EXPIRED, FORGED, COPIED = "valid", "expired", "forged", "copied"
BADGES = {
    VALID: "the driver's badge, good for one visit",
    EXPIRED: "a badge that ended an hour ago",
    FORGED: "a badge that somebody made himself",
    COPIED: "a copy of the badge that was used last",
}
CODE_DRIVER = "UPS 4711"
_HOUR_S = 3_600
# The lock's clock may be somewhat behind, most of all on a busy machine: what is good from now on is good before that.
_BEHIND_S = 60
# Windows of 28 days; none reaches over their end.
_LONGEST_CLASS = 6
_PAGE = "lobbylock.example/badge"
_UID = b"\x04\x5a\x1b\x72\xc3"


class Pocket:
    """Badges, phones and codes for the door of `stage`, by its own time."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._home = Home(stage.home)
        self._badges = 0
        self._used: bytes | None = None
        # The latest valid badges; of two clicks one may never get to the reader.
        self._fresh: deque[tuple[Card, bytes]] = deque(maxlen=8)
        self._credential: bytes | None = None
        self._credential_until_s = 0

    @property
    def has_used(self) -> bool:
        """Whether there is a used badge that a copy could be made of."""
        return self._used is not None

    def code(self, driver: str = CODE_DRIVER) -> MadeCode:
        """Returns a code for an hour at least, or for what is left of the longest windows if that is less."""
        now_s = int(self._stage.now_s)
        try:
            return make_code(self._home, CodeWish(DOOR, driver, now_s), now_s)
        except UserError:
            return make_code(self._home, CodeWish(DOOR, driver, now_s, code_class=_LONGEST_CLASS), now_s)

    def badge(self, kind: str) -> Card | None:
        """Returns a badge of one of BADGES; None for a copy while none has been used."""
        if kind == COPIED:
            return None if self._used is None else self._card(self._used)
        if kind == EXPIRED:
            now_s = int(self._stage.now_s)
            return self._card(make_credential(self._home, self._grant(now_s - 2 * _HOUR_S, now_s - _HOUR_S)))
        if kind == FORGED:
            issuer = self._home.issuer()
            now_s = int(self._stage.now_s)
            # It never was on anybody's list.
            return self._card(forge(grants.mint(self._grant(now_s, now_s + _HOUR_S), issuer.name, issuer.signer)))
        credential = self._mint()
        card = self._card(credential)
        self._fresh.append((card, credential))
        return card

    def use(self, card: Card) -> None:
        """Notes that the lock has let `card` in. Until then a copy of it would be as good as the badge itself."""
        for fresh, credential in list(self._fresh):
            if fresh is card:
                self._used = credential

    def phone(self) -> Phone:
        """Returns the driver's phone, that wants a receipt."""
        now_s = int(self._stage.now_s)
        if self._credential is None or now_s > self._credential_until_s - _HOUR_S // 2:
            from_s = now_s - _BEHIND_S
            self._credential_until_s = from_s + _HOUR_S
            holder = parse_holder(str(self._stage.phone_key))
            self._credential = make_credential(
                self._home, self._grant(from_s, self._credential_until_s, uses=None, holder=holder)
            )
        return Phone(self._credential, self._key(), wants_receipt=True, door_key=self._stage.door_key)

    def _key(self) -> ec.EllipticCurvePrivateKey:
        return load_key(self._stage.phone_key)

    def _mint(self) -> bytes:
        from_s = int(self._stage.now_s) - _BEHIND_S
        return make_credential(self._home, self._grant(from_s, from_s + _HOUR_S))

    def _grant(self, from_s: int, until_s: int, uses: int | None = 1, holder: bytes | None = None) -> Grant:
        role = grants.ROLES["driver"]
        number = os.urandom(ID_BYTES)
        return Grant(DRIVER, BUILDING, role, ["lobby"], from_s, until_s, from_s, number, uses, holder=holder)

    def _card(self, credential: bytes) -> Card:
        # Each has a UID of its own, a copy as well: cloning one would not make it good again.
        self._badges += 1
        return Ntag215(compose(credential, _PAGE), _UID + self._badges.to_bytes(2, "big"))


def as_card(phone: Phone) -> Card:
    """Returns what a reader sees of a phone that is held to it."""
    return IsoDepCard(phone.handle)
