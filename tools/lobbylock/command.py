"""The `lobbylock` command, and the one place where errors become a sentence and an exit code.

Exit codes: 0 done, 1 the answer is no (a broken link, nothing came), 2 a mistake or a failure that a person can mend,
130 interrupted.
"""

import os
import sqlite3
import sys

import typer

from lobbylock import (
    __version__,
    audit_command,
    boards_command,
    code_command,
    collect_command,
    credential_command,
    demo_command,
    deploy_command,
    doctor_command,
    door_command,
    driver_command,
    image_command,
    install_command,
    issuer_command,
    news_command,
    owner_command,
    phone_command,
    present_command,
    receipt_command,
    release_command,
    revoke_command,
    update_command,
    visit_command,
)
from lobbylock.errors import UserError

app = typer.Typer(
    help="Codes for a street door that decides alone, and the record of who came in.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(issuer_command.app, name="issuer")
app.add_typer(door_command.app, name="door")
app.add_typer(driver_command.app, name="driver")
app.add_typer(phone_command.app, name="phone")
phone_command.app.command("present")(present_command.present)
app.add_typer(receipt_command.app, name="receipt")
app.add_typer(owner_command.app, name="owner")
app.command("install")(install_command.install)
app.command("update")(update_command.update)
app.add_typer(release_command.app, name="release")
app.command("doctor")(doctor_command.examine)
app.add_typer(credential_command.app, name="credential")
app.command("image")(image_command.image)
app.command("flash")(image_command.flash)
app.command("deploy")(deploy_command.deploy)
app.command("code")(code_command.code)
app.command("revoke")(revoke_command.revoke)
app.add_typer(news_command.app, name="news")
app.command("collect")(collect_command.collect)
app.add_typer(audit_command.app, name="audit")
audit_command.app.command("list")(visit_command.list_accesses)
audit_command.app.command("stories")(visit_command.list_stories)
audit_command.app.command("receipts")(visit_command.receipts)
app.command("boards")(boards_command.boards)
app.command("demo")(demo_command.demo)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"lobbylock {__version__}")
        raise typer.Exit


@app.callback()
def _options(version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True)) -> None:
    pass


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line `arguments` (those of the process if None). Returns the exit code."""
    try:
        result = app(args=arguments, prog_name="lobbylock", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        # Whoever read the output has enough. The interpreter's own last flush would complain, so it gets nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except (UserError, typer.TyperException, sqlite3.Error, OSError) as error:
        sentence = _sentence(error)
        # Without arguments the help was the answer, and the error has no text.
        if sentence:
            typer.echo(f"lobbylock: {sentence}", err=True)
        return 2


def _sentence(error: Exception) -> str:
    if isinstance(error, typer.TyperException):
        text = getattr(error, "format_message", lambda: str(error))()
    elif isinstance(error, sqlite3.Error):
        text = f"The store failed: {error}"
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = str(error)
    text = " ".join(text.split())
    return text if not text or text.endswith((".", "!", "?")) else text + "."


if __name__ == "__main__":
    sys.exit(main())
