"""`lobbylock account`: who may see the page. The first manager is made here; there is no default password."""

import json
import sys
import time
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from lobbylock.errors import UserError
from lobbylock.eventline import printable
from lobbylock.moment import format_local
from lobbylock.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    PicturesOption,
    StoreOption,
    open_database,
    open_home,
)
from lobbylock.page.accounts import ROLES, Accounts, check_name
from lobbylock.terminal import open_console

app = typer.Typer(help="Who may see the page.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(metavar="NAME")]
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, one line, instead of asking.")
]
_MAX_LINE_CHARACTERS = 1_000


@app.command("add")
def add(
    name: NameArgument,
    role: Annotated[str, typer.Option(metavar="ROLE", help=" or ".join(ROLES))],
    building: Annotated[
        list[str] | None,
        typer.Option("--building", metavar="BUILDING", help="Which they see; a manager without any sees all."),
    ] = None,
    person: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the record calls a resident, if not NAME.")
    ] = None,
    is_stdin: StdinOption = False,
    store: StoreOption = None,
    pictures: PicturesOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make an account."""
    folder = open_home(home)
    known = {full.partition("/")[0] for full in folder.door_names()}
    for each in building or []:
        if each not in known:
            raise UserError(f"There is no door in a building {each[:40]}; `lobbylock door list` shows them.")
    check_name(name)
    with open_database(folder, store, pictures) as database:
        accounts = Accounts(database)
        if accounts.find(name) is not None:
            raise UserError(f"There is an account {name} already.")
        made = accounts.create(
            name, role, _read_password(is_stdin), int(time.time()), buildings=building or [], person=person
        )
    sees = ", ".join(made.buildings) or "all buildings"
    typer.echo(f"{made.name} may log in as {made.role} and sees {sees}.")


@app.command("list")
def list_accounts(
    store: StoreOption = None,
    pictures: PicturesOption = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show the accounts."""
    with open_database(open_home(home), store, pictures, to_read=True) as database:
        found = Accounts(database).list()
    if is_json:
        values = [
            {
                "name": account.name,
                "role": account.role,
                "person": account.person,
                "buildings": list(account.buildings),
                "created_s": account.created_s,
                "changed_s": account.changed_s,
                "disabled_s": account.disabled_s,
            }
            for account in found
        ]
        typer.echo(json.dumps(values))
        return
    table = Table("name", "role", "sees", "in the record", "made", "kept out since")
    for account in found:
        texts = (account.name, account.role, ", ".join(account.buildings) or "all", account.person or "")
        kept_out = format_local(account.disabled_s) if account.disabled_s else ""
        shown = [Text(printable(text)) for text in texts]
        table.add_row(*shown, format_local(account.created_s), kept_out)
    open_console().print(table)


@app.command("password")
def password(
    name: NameArgument,
    is_stdin: StdinOption = False,
    store: StoreOption = None,
    pictures: PicturesOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Give an account another password; its sessions end."""
    with open_database(open_home(home), store, pictures) as database:
        accounts = Accounts(database)
        if accounts.find(name) is None:
            raise UserError(f"There is no account {name[:64]}; `lobbylock account list` shows them.")
        accounts.set_password(name, _read_password(is_stdin), int(time.time()))
    typer.echo(f"{name} has another password; all sessions have ended.")


@app.command("disable")
def disable(
    name: NameArgument,
    is_undone: Annotated[bool, typer.Option("--undo", help="Let it in again.")] = False,
    store: StoreOption = None,
    pictures: PicturesOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Keep an account out; its sessions end."""
    with open_database(open_home(home), store, pictures) as database:
        Accounts(database).set_disabled(name, None if is_undone else int(time.time()))
    typer.echo(f"{name} may log in again." if is_undone else f"{name} is kept out; all sessions have ended.")


@app.command("remove")
def remove(
    name: NameArgument,
    store: StoreOption = None,
    pictures: PicturesOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Forget an account."""
    with open_database(open_home(home), store, pictures) as database:
        Accounts(database).remove(name)
    typer.echo(f"{name} is forgotten.")


def _read_password(is_stdin: bool) -> str:
    """Returns the password from standard input, or as it is typed twice without being shown."""
    if is_stdin:
        line = sys.stdin.readline(_MAX_LINE_CHARACTERS)
        return line.rstrip("\r\n")
    return typer.prompt("Password", hide_input=True, confirmation_prompt=True)
