"""Who holds what: codes and credentials that open, or will, and those among them that are revoked."""

from collections.abc import Collection
from dataclasses import dataclass

from lobbylock.coderegister import Code, CodeRegister
from lobbylock.home import Home
from lobbylock.register import Minted, Register
from lobbylock.revocation import Book, Entry, code_entries, stays_until_s

CODE = "code"
BADGE = "badge"
PHONE = "phone"
CREDENTIAL = "credential"


@dataclass(frozen=True)
class Holding:
    """A code at one door or a credential of a building, `place`. `key` is what it is revoked by, in hex.

    `what` is CODE, BADGE, PHONE, or CREDENTIAL where the record does not say which of the two; `from_s` is None where
    it does not say since when. `revoked_s` is when it was revoked, None if it was not.
    """

    person: str
    role: str
    what: str
    building: str
    place: str
    from_s: int | None
    until_s: int
    key: str
    revoked_s: int | None
    detail: str = ""


def list_holdings(home: Home, doors: Collection[str], now_s: int) -> list[Holding]:
    """Returns what has not ended at `doors` and in their buildings, by person. Raises UserError for a damaged book."""
    buildings = sorted({name.partition("/")[0] for name in doors})
    revoked = {building: {entry.key: entry.since_s for entry in Book(home, building).entries} for building in buildings}
    found = [_of_code(code, revoked) for code in CodeRegister(home.path).live(now_s) if code.door in doors]
    for minted in Register(home.path).all():
        if minted.building in revoked and minted.expires_s > now_s:
            found.append(_of_credential(minted, revoked))
    return sorted(found, key=lambda each: (each.person.casefold(), each.place, each.until_s))


def find_entries(home: Home, building: str, key: str, now_s: int) -> list[Entry]:
    """Returns the entry that revokes what goes by `key` (hex) in a building: one, or none if no record has it."""
    codes = [code for code in CodeRegister(home.path).all() if code.building == building and code.key == key]
    if codes:
        return code_entries(codes[:1], now_s)
    for minted in Register(home.path).all():
        if minted.building == building and minted.key == key:
            return [Entry(key, stays_until_s(minted.expires_s), minted.subject, now_s)]
    # It may be on the list from elsewhere, to be taken off again.
    return [entry for entry in Book(home, building).entries if entry.key == key]


def _of_code(code: Code, revoked: dict[str, dict[str, int]]) -> Holding:
    key = code.key
    detail = "once" if code.single_use else ""
    since_s = revoked[code.building].get(key)
    return Holding(
        code.person, code.role, CODE, code.building, code.door, code.from_s, code.until_s, key, since_s, detail
    )


def _of_credential(minted: Minted, revoked: dict[str, dict[str, int]]) -> Holding:
    what = CREDENTIAL if minted.holder is None else PHONE if minted.holder else BADGE
    since_s = revoked[minted.building].get(minted.key)
    return Holding(
        minted.subject,
        minted.role,
        what,
        minted.building,
        minted.building,
        None,
        minted.expires_s,
        minted.key,
        since_s,
        f"id {minted.id}",
    )
