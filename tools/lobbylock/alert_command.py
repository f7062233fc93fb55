"""`lobbylock alerts`: look at the rules of who is told of what, try them, and see what waits."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from lobbylock import alert_queue
from lobbylock.alert_rules import TEMPLATE, Rules, load_rules, scheme
from lobbylock.alert_sending import check_urls, send
from lobbylock.alert_text import place_of, title_of
from lobbylock.errors import UserError
from lobbylock.home import Home
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
from lobbylock.terminal import open_console

app = typer.Typer(help="Who is told of what at the doors.", no_args_is_help=True)

FileOption = Annotated[
    Path | None, typer.Option("--alerts", metavar="FILE", help="The rules (default: DIR/alerts.toml)")
]


def alerts_path(home: Home, path: Path | None) -> Path:
    """Returns where the rules are."""
    return path.expanduser() if path else home.path / "alerts.toml"


@app.command("template")
def template() -> None:
    """Write rules to begin with."""
    typer.echo(TEMPLATE, nl=False)


@app.command("check")
def check(alerts: FileOption = None, home: HomeOption = DEFAULT_HOME) -> None:
    """Check the rules, and show who is told of what."""
    rules = _load(open_home(home), alerts)
    table = Table("person", "may know what", "is told of", "at", "quiet", "digest", "over")
    for person in rules.persons:
        reader = person.reader.role if person.reader.name is None else f"{person.reader.role}:{person.reader.name}"
        for rule in person.rules:
            table.add_row(
                Text(person.name),
                Text(reader),
                ", ".join(sorted(rule.kinds)),
                ", ".join(sorted(rule.doors | rule.buildings)) or "all doors",
                "" if rule.quiet is None else f"{_clock(rule.quiet.from_s)}-{_clock(rule.quiet.until_s)}",
                "" if rule.digest is None else _digest_text(rule.digest.at_s, rule.digest.every_s),
                ", ".join(f"{count} {name}" for name, count in Counter(map(scheme, person.urls)).items()),
            )
    open_console().print(table)
    typer.echo(f"The rules are right: {len(rules.persons)} {'person' if len(rules.persons) == 1 else 'persons'}.")


@app.command("test")
def test(
    name: Annotated[str, typer.Argument(metavar="PERSON", help="As in the rules.")],
    alerts: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Send a trial message to a person, over each of their addresses. Exit code 1 if one does not take it."""
    rules = _load(open_home(home), alerts)
    person = rules.person(name.strip())
    if person is None:
        raise UserError(f"The rules have no person {name.strip()[:80]!r}; there are {', '.join(rules.by_name)}.")
    is_good = True
    for number, url in enumerate(person.urls, 1):
        was_taken = send(
            url, "LobbyLock: trial", "This is a trial of LobbyLock's alerts. Nothing happened at any door."
        )
        typer.echo(f"URL {number} ({scheme(url)}): {'sent' if was_taken else 'not taken, or no answer'}.")
        is_good = is_good and was_taken
    if not is_good:
        raise typer.Exit(1)


@app.command("list")
def list_alerts(
    store: StoreOption = None,
    pictures: PicturesOption = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show the alerts that wait to be sent, and how many were given up on."""
    with open_database(open_home(home), store, pictures, to_read=True) as database, database.connect() as connection:
        rows = alert_queue.waiting(connection)
        given_up = alert_queue.counts(connection)["given_up"]
    if is_json:
        values = [
            {
                "person": row.person,
                "kind": row.kind,
                "door": place_of(row.about) or None,
                "count": row.heap.count,
                "since_s": row.at_s,
                "due_s": row.due_s,
                "tries": row.tries,
            }
            for row in rows
        ]
        typer.echo(json.dumps({"waiting": values, "given_up": given_up}))
        return
    table = Table("person", "what", "count", "since", "due", "tries")
    now_s = int(time.time())
    for row in rows:
        what = title_of(row.kind, row.about).removeprefix("LobbyLock: ")
        due = "now" if row.due_s <= now_s else format_local(row.due_s)
        table.add_row(Text(row.person), Text(what), str(row.heap.count), format_local(row.at_s), due, str(row.tries))
    open_console().print(table)
    if given_up:
        typer.echo(f"{given_up} could not be delivered and were given up on.")


def _load(home: Home, path: Path | None) -> Rules:
    rules = load_rules(alerts_path(home, path), home.door_names())
    for person in rules.persons:
        check_urls(person.name, person.urls)
    return rules


def _clock(second_s: int) -> str:
    return f"{second_s // 3_600:02d}:{second_s % 3_600 // 60:02d}"


def _digest_text(at_s: int | None, every_s: int) -> str:
    return f"every {every_s // 60} min" if at_s is None else _clock(at_s)
