"""Who is kept out of a building, and the list that tells its doors.

revoked/BUILDING.json   whose ids are on the list, and until when
revoked/BUILDING.list   the list that was made last
"""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from firmware.core import bulletin
from lobbylock.bulletin import make_list, read_version
from lobbylock.coderegister import Code
from lobbylock.errors import UserError
from lobbylock.files import make_folder, read_json, write_json, write_private
from lobbylock.home import Home
from lobbylock.names import check_building

# A clock of a lock may be so far off, so an id stays that long after its credential has expired.
_MARGIN_S = 86_400
_MAX_VERSION = (1 << 32) - 1


@dataclass(frozen=True)
class Entry:
    """One id of a list: `key` in hex, until when it stays on it (Unix time), and for people whose and since when."""

    key: str
    until_s: int
    subject: str
    since_s: int

    @classmethod
    def load(cls, value: Any) -> "Entry":
        entry = cls(**value)
        are_right = type(entry.until_s) is type(entry.since_s) is int and isinstance(entry.subject, str)
        if not are_right or len(bytes.fromhex(entry.key)) != bulletin.ID_BYTES:
            raise ValueError("no entry")
        return entry


@dataclass(frozen=True)
class Revoked:
    """What revoking came to: the entries that changed, the list that is in force now, and the doors that it is for."""

    book: "Book"
    changed: list[Entry]
    data: bytes
    doors: list[str]


class Book:
    """What the issuer at `home` has revoked in one building; `version` is that of the last list that was made.

    Raises UserError for what is no building's name, and for a damaged book.
    """

    def __init__(self, home: Home, building: str) -> None:
        self.building = check_building(building)
        self._home = home
        path = self._path
        value = read_json(path, "book of revoked credentials") if path.exists() else {"version": 0, "entries": []}
        try:
            self.version = _read_version(value["version"])
            self.entries = [Entry.load(each) for each in value["entries"]]
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path} is damaged: its entries are not ones.") from None

    @property
    def _path(self) -> Path:
        return self._home.path / "revoked" / f"{self.building}.json"

    @property
    def list_path(self) -> Path:
        """Where the last list is."""
        return self._path.with_suffix(".list")

    def add(self, entries: Iterable[Entry]) -> list[Entry]:
        """Revokes; returns the entries that are new or stay longer now. To be followed by `make`."""
        changed = []
        for entry in entries:
            known = next((each for each in self.entries if each.key == entry.key), None)
            if known and known.until_s >= entry.until_s:
                continue
            if known:
                self.entries.remove(known)
            self.entries.append(entry)
            changed.append(entry)
        return changed

    def remove(self, keys: Iterable[str]) -> list[Entry]:
        """Takes ids (in hex) off again; returns those that were there. To be followed by `make`."""
        unwanted = set(keys)
        gone = [entry for entry in self.entries if entry.key in unwanted]
        self.entries = [entry for entry in self.entries if entry not in gone]
        return gone

    def make(self, now_s: int | None = None) -> bytes:
        """Makes the next list, signed with the issuer's newest key, and keeps it; expired ids drop out.

        To be called inside `home.locked()`. Raises UserError, and then nothing is changed; after an OSError the list
        may be missing, see `current`.
        """
        now_s = int(time.time()) if now_s is None else now_s
        entries = sorted((each for each in self.entries if each.until_s > now_s), key=lambda each: each.key)
        version = self.version + 1
        if version > _MAX_VERSION:
            raise UserError("There are no more versions of that list.")
        data = make_list(self._home.issuer().signer, self.building, version, [bytes.fromhex(e.key) for e in entries])
        # The book first: a version that was given to somebody is never given to another list.
        make_folder(self._path.parent)
        write_json(self._path, {"version": version, "entries": [asdict(entry) for entry in entries]})
        self.version, self.entries = version, entries
        write_private(self.list_path, data)
        return data

    def is_made(self) -> bool:
        """Whether the list of this book is there. Else it is being made, or whoever made it was cut off at that."""
        try:
            return read_version(self.list_path.read_bytes()) >= self.version
        except (FileNotFoundError, UserError):
            return False

    def current(self, now_s: int | None = None) -> bytes:
        """Returns the list of this book, made anew if it is not there. As `make`, and `list` if none was ever made."""
        return self.list() if self.is_made() or not self.version else self.make(now_s)

    def list(self) -> bytes:
        """Returns the last list. Raises UserError if none was made."""
        try:
            return self.list_path.read_bytes()
        except FileNotFoundError:
            raise UserError(f"No list was made for {self.building} yet; `lobbylock revoke` makes one.") from None


def _read_version(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_VERSION:
        raise ValueError("no version")
    return value


def revoke(
    home: Home, building: str, entries: Iterable[Entry], now_s: int | None = None, *, is_undone: bool = False
) -> Revoked:
    """Puts `entries` on the list of a building, or takes them off, and makes the next list if that changes it.

    Raises UserError, and then nothing is changed. The doors know only once somebody brings them the list.
    """
    with home.locked():
        book = Book(home, building)
        changed = book.remove(entry.key for entry in entries) if is_undone else book.add(entries)
        data = book.make(now_s) if changed or not book.version else book.current(now_s)
    doors = [name for name in home.door_names() if name.startswith(f"{building}/")]
    return Revoked(book, changed, data, doors)


def code_entries(codes: Iterable[Code], now_s: int) -> list[Entry]:
    """Returns what revokes `codes`, until their windows have ended at every door's clock."""
    return [
        Entry(code.key, stays_until_s(code.until_s), f"{code.person} (code at {code.door})", now_s) for code in codes
    ]


def stays_until_s(expires_s: int) -> int:
    """Returns until when the id of a credential or code that ends at `expires_s` has to be on lists."""
    return min(expires_s + _MARGIN_S, _MAX_VERSION)
