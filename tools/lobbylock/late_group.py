"""A group of commands, each of which is loaded when it is asked for: a start loads what one command needs."""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

# Returns a function that is a command, or a Typer that is a group of them.
Load = Callable[[], Any]


class LateGroup(TyperGroup):
    """Has what was registered in the usual way and, by name, what `table` loads; a subclass sets it."""

    table: dict[str, Load] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # None until it is loaded; the names are all there, also for guessing what somebody meant.
        self._late: dict[str, Any] = {**dict.fromkeys(self.table), **self.commands}
        self.commands = self._late

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self._late)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in self._late and self._late[cmd_name] is None:
            self._late[cmd_name] = _build(cmd_name, self.table[cmd_name]())
        return self._late.get(cmd_name)


def _build(name: str, found: Any) -> Any:
    if isinstance(found, typer.Typer):
        made: Any = get_group(found)
    else:
        single = typer.Typer(add_completion=False)
        single.command(name)(found)
        made = get_command(single)
    made.name = name
    return made
