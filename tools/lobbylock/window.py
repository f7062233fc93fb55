"""Which window class covers the time that somebody asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

from firmware.core import keycode
from lobbylock.errors import UserError
from lobbylock.moment import format_local

DRIVER = "driver"
ROLE_CLASSES = {"resident": keycode.RESIDENT, "staff": keycode.STAFF}
ROLES = (DRIVER, *ROLE_CLASSES)


@dataclass(frozen=True)
class Window:
    """One window of the door's clock: valid from `from_s` to before `until_s`, Unix seconds."""

    code_class: int
    number: int
    from_s: int
    until_s: int

    @property
    def is_single_use(self) -> bool:
        return self.code_class == keycode.SINGLE_USE


def window_at(code_class: int, time_s: int, day_start_s: int) -> Window:
    """Returns the window of `code_class` that `time_s` falls into. Raises UserError before the first one."""
    number = keycode.window_at(code_class, time_s, day_start_s)
    if not 0 <= number < 1 << 32:
        raise UserError("The lock has no windows at that time.")
    return Window(code_class, number, *keycode.window_bounds(code_class, number, day_start_s))


def choose_window(
    from_s: int,
    for_s: int | None,
    day_start_s: int,
    code_class: int | None = None,
    is_single_use: bool = False,
    role: str = DRIVER,
) -> Window:
    """Returns the shortest window that holds all of `from_s` to `from_s + for_s`; without `for_s`, just `from_s`.

    Codes of residents and of staff have a class of their own, with windows of 28 days. Raises UserError that names the
    windows if none does, or if `code_class` contradicts what was asked.
    """
    if code_class is not None and code_class not in keycode.WINDOW_S:
        classes = ", ".join(str(known) for known in sorted(keycode.WINDOW_S))
        raise UserError(f"There is no class {code_class}; the classes are {classes}.")
    if is_single_use and code_class not in (None, keycode.SINGLE_USE):
        raise UserError(f"A code that works once has a class of its own, {keycode.SINGLE_USE}, not {code_class}.")
    if role != DRIVER and (is_single_use or code_class not in (None, ROLE_CLASSES[role])):
        raise UserError(
            f"A code of {role} is for 28 days and any number of uses: never for once, and of no other class."
        )
    if role == DRIVER and code_class in ROLE_CLASSES.values():
        raise UserError(f"Class {code_class} says whose the code is: ask for it with --role.")
    code_class = ROLE_CLASSES.get(role, code_class)
    candidates = [window_at(each, from_s, day_start_s) for each in _classes(code_class, is_single_use)]
    until_s = from_s + (for_s or 0)
    for window in candidates:
        if until_s <= window.until_s:
            return window
    windows = "; ".join(
        f"class {window.code_class}: {format_local(window.from_s)} to {format_local(window.until_s)}"
        for window in candidates
    )
    raise UserError(
        f"No single window holds {format_local(from_s)} to {format_local(until_s)} ({windows}):"
        " ask for a shorter time, or make one code for each window."
    )


def _classes(code_class: int | None, is_single_use: bool) -> Iterator[int]:
    if is_single_use:
        code_class = keycode.SINGLE_USE
    if code_class is not None:
        yield code_class
        return
    for each in sorted(keycode.WINDOW_S, key=keycode.WINDOW_S.__getitem__):
        if each != keycode.SINGLE_USE and each not in ROLE_CLASSES.values():
            yield each
