"""What an issuer gives out: codes and credentials, each put on record before anybody sees it.

The commands and the page both make them here.
"""

from dataclasses import dataclass, field

from firmware.core import keycode
from lobbylock import grant as grants
from lobbylock.coderegister import Code, CodeRegister
from lobbylock.door import Door, Driver
from lobbylock.errors import UserError
from lobbylock.home import Home
from lobbylock.register import Register
from lobbylock.revocation import Book
from lobbylock.window import DRIVER, ROLES, Window, choose_window

USUAL_S = 3_600


@dataclass(frozen=True)
class CodeWish:
    """A code that somebody asks for: `person` at the door `name` from `from_s` (Unix time), for `for_s` seconds.

    Without `for_s` it is an hour, or what the class, the role or a single use say by themselves.
    """

    name: str
    person: str
    from_s: int
    for_s: int | None = None
    role: str = DRIVER
    is_single_use: bool = False
    code_class: int | None = None
    slot: int | None = None


@dataclass(frozen=True)
class MadeCode:
    """A code that was made; `digits` are secret. `is_again`: it is the single-use code of a window that had one."""

    door: Door
    person: Driver
    window: Window
    is_again: bool
    digits: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The digits in groups."""
        return group_digits(self.digits)


def make_code(home: Home, wish: CodeWish, now_s: int) -> MadeCode:
    """Makes a code, gives its person a slot at the door, and notes it in the register. Raises UserError.

    A code is digits of a slot and a window, so one that was revoked would come out again: then the person gets another
    slot.
    """
    if wish.role not in ROLES:
        raise UserError(f"A role is one of {', '.join(ROLES)}.")
    # A class says how long by itself, and there is but one class of codes that work once.
    is_plain = wish.code_class is None and not wish.is_single_use and wish.role == DRIVER
    for_s = wish.for_s if wish.for_s is not None or not is_plain else USUAL_S
    with home.locked():
        door = home.door(wish.name)
        start_s = door.options.day_start_s
        window = choose_window(wish.from_s, for_s, start_s, wish.code_class, wish.is_single_use, wish.role)
        person = _list_person(home, door, wish, window, now_s)
        is_again = window.is_single_use and window.until_s == person.single_use_until_s
        person.valid_until_s = max(person.valid_until_s, window.until_s)
        if window.is_single_use:
            person.single_use_until_s = window.until_s
        # Before the code is shown: its slot must stay this person's for as long as it is valid.
        home.save_door(door)
        CodeRegister(home.path).add(_record(door, person, window, now_s))
    digits = keycode.mint(home.code_key(door), door.tag, window.code_class, person.slot, window.number)
    return MadeCode(door, person, window, is_again, digits)


def remove_person(home: Home, name: str, person: str, now_s: int) -> Driver:
    """Takes a person off the list of the door `name`; codes go on, and so does their slot until the last one has ended.
    Raises UserError if there is nobody of that name."""
    with home.locked():
        door = home.door(name)
        listed = door.driver(person.strip())
        if listed is None:
            raise UserError(f"{name} has no driver {person.strip()[:80]!r}.")
        listed.removed_s = now_s
        home.save_door(door)
    return listed


def _list_person(home: Home, door: Door, wish: CodeWish, window: Window, now_s: int) -> Driver:
    """Returns the person's place on the door's list, one whose code of `window` is not revoked."""
    # What a window that is over had matters to nobody, and would find its slot free.
    entries = Book(home, door.building).entries if window.until_s > now_s else []
    revoked = {entry.key for entry in entries}
    person = door.list_driver(wish.person, now_s, wish.slot, wish.role)
    while _record(door, person, window, now_s).key in revoked:
        if wish.slot is not None:
            raise UserError(
                f"The code of slot {wish.slot:02d} for that time is revoked, and it would be the same again:"
                " leave out the slot."
            )
        person.removed_s = now_s
        # Nobody else gets that slot meanwhile.
        person.valid_until_s = max(person.valid_until_s, window.until_s)
        person = door.list_driver(wish.person, now_s, None, wish.role)
    return person


def _record(door: Door, person: Driver, window: Window, now_s: int) -> Code:
    return Code(
        door.name,
        person.name,
        person.role,
        window.code_class,
        person.slot,
        window.number,
        window.from_s,
        window.until_s,
        now_s,
        window.is_single_use,
    )


def make_credential(home: Home, grant: grants.Grant) -> bytes:
    """Returns the credential that says `grant`, signed with the issuer's newest key and put on record.

    Raises UserError if no lock would read it.
    """
    issuer = home.issuer()
    data = grants.mint(grant, issuer.name, issuer.signer)
    Register(home.path).add(data)
    return data


def group_digits(digits: str) -> str:
    """Returns ten digits in groups that people read and type without slips.

    >>> group_digits("3407492808")
    '3407 492 808'
    """
    return f"{digits[:4]} {digits[4:7]} {digits[7:]}"
