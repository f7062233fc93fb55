"""A keypad code of the same grant as a credential, as far as ten digits can say it."""

from typing import NamedTuple

from firmware.core.event_names import ROLE_NAMES
from lobbylock.code_command import mint
from lobbylock.errors import UserError
from lobbylock.grant import Grant
from lobbylock.home import Home
from lobbylock.window import choose_window


class GrantCode(NamedTuple):
    """Ten digits, or None and the sentence why there are none."""

    digits: str | None
    note: str


def make_code(folder: Home, name: str, grant: Grant, now_s: int) -> GrantCode:
    """Returns a code for the door `name` and lists the driver there. Raises UserError for a door of another building.

    A code is valid for a whole window, so it is made only where one holds all of the grant.
    """
    if grant.hours or grant.uses not in (None, 1):
        return GrantCode(None, "No keypad code: one knows neither weekly hours nor a number of uses but one.")
    with folder.locked():
        door = folder.door(name)
        if door.building != grant.building:
            raise UserError(f"{name} is not in {grant.building}.")
        role = ROLE_NAMES[grant.role]
        try:
            window = choose_window(
                grant.from_s, grant.until_s - grant.from_s, door.options.day_start_s, None, grant.uses == 1, role
            )
        except UserError as error:
            return GrantCode(None, f"No keypad code: {error}")
        person = door.list_driver(grant.subject, now_s, role=role)
        if window.is_single_use and window.until_s == person.single_use_until_s:
            return GrantCode(None, "No keypad code: this driver's single-use code of that window was made before.")
        person.valid_until_s = max(person.valid_until_s, window.until_s)
        if window.is_single_use:
            person.single_use_until_s = window.until_s
        folder.save_door(door)
    return GrantCode(mint(folder, door, person, window), "")
