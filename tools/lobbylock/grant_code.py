"""A keypad code of the same grant as a credential, as far as ten digits can say it."""

from typing import NamedTuple

from firmware.core.event_names import ROLE_NAMES
from lobbylock.errors import UserError
from lobbylock.grant import Grant
from lobbylock.home import Home
from lobbylock.minting import CodeWish, make_code
from lobbylock.window import choose_window


class GrantCode(NamedTuple):
    """Ten digits, or None and the sentence why there are none."""

    digits: str | None
    note: str


def make_grant_code(folder: Home, name: str, grant: Grant, now_s: int) -> GrantCode:
    """Returns a code for the door `name` and lists the driver there. Raises UserError for a door of another building.

    A code is valid for a whole window, so it is made only where one holds all of the grant.
    """
    if grant.hours or grant.uses not in (None, 1):
        return GrantCode(None, "No keypad code: one knows neither weekly hours nor a number of uses but one.")
    door = folder.door(name)
    if door.building != grant.building:
        raise UserError(f"{name} is not in {grant.building}.")
    for_s, role, is_single_use = grant.until_s - grant.from_s, ROLE_NAMES[grant.role], grant.uses == 1
    try:
        choose_window(grant.from_s, for_s, door.options.day_start_s, None, is_single_use, role)
    except UserError as error:
        return GrantCode(None, f"No keypad code: {error}")
    made = make_code(folder, CodeWish(name, grant.subject, grant.from_s, for_s, role, is_single_use), now_s)
    if made.is_again:
        return GrantCode(None, "No keypad code: this driver's single-use code of that window was made before.")
    return GrantCode(made.digits, "")
