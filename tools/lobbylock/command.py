"""The `lobbylock` command, and the one place where errors become a sentence and an exit code.

Exit codes: 0 done, 1 the answer is no (a broken link, nothing came), 2 a mistake or a failure that a person can mend,
130 interrupted.
"""

import os
import sys
from functools import cache
from importlib import import_module

import typer

from lobbylock import __version__
from lobbylock.errors import StoreFailed, UserError
from lobbylock.late_group import LateGroup


@cache
def _phone() -> typer.Typer:
    from lobbylock import phone_command, present_command

    phone_command.app.command("present")(present_command.present)
    return phone_command.app


@cache
def _audit() -> typer.Typer:
    from lobbylock import audit_command, visit_command

    audit_command.app.command("list")(visit_command.list_accesses)
    audit_command.app.command("stories")(visit_command.list_stories)
    audit_command.app.command("receipts")(visit_command.receipts)
    return audit_command.app


class _Commands(LateGroup):
    # A line each. What a command imports is paid for by those who call it, and by who wants to see all of them.
    table = {
        "issuer": lambda: import_module("lobbylock.issuer_command").app,
        "door": lambda: import_module("lobbylock.door_command").app,
        "driver": lambda: import_module("lobbylock.driver_command").app,
        "phone": _phone,
        "receipt": lambda: import_module("lobbylock.receipt_command").app,
        "owner": lambda: import_module("lobbylock.owner_command").app,
        "install": lambda: import_module("lobbylock.install_command").install,
        "update": lambda: import_module("lobbylock.update_command").update,
        "release": lambda: import_module("lobbylock.release_command").app,
        "doctor": lambda: import_module("lobbylock.doctor_command").examine,
        "credential": lambda: import_module("lobbylock.credential_command").app,
        "image": lambda: import_module("lobbylock.image_command").image,
        "flash": lambda: import_module("lobbylock.image_command").flash,
        "deploy": lambda: import_module("lobbylock.deploy_command").deploy,
        "code": lambda: import_module("lobbylock.code_command").code,
        "revoke": lambda: import_module("lobbylock.revoke_command").revoke,
        "news": lambda: import_module("lobbylock.news_command").app,
        "collect": lambda: import_module("lobbylock.collect_command").collect,
        "serve": lambda: import_module("lobbylock.serve_command").serve,
        "account": lambda: import_module("lobbylock.account_command").app,
        "audit": _audit,
        "store": lambda: import_module("lobbylock.store_command").app,
        "boards": lambda: import_module("lobbylock.boards_command").boards,
        "alerts": lambda: import_module("lobbylock.alert_command").app,
        "demo": lambda: import_module("lobbylock.demo_command").demo,
    }


app = typer.Typer(
    cls=_Commands,
    help="Codes for a street door that decides alone, and the record of who came in.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
    except (UserError, typer.TyperException, StoreFailed, OSError) as error:
        sentence = _sentence(error)
        # Without arguments the help was the answer, and the error has no text.
        if sentence:
            typer.echo(f"lobbylock: {sentence}", err=True)
        return 2


def _sentence(error: Exception) -> str:
    if isinstance(error, typer.TyperException):
        text = getattr(error, "format_message", lambda: str(error))()
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = str(error)
    text = " ".join(text.split())
    return text if not text or text.endswith((".", "!", "?")) else text + "."


if __name__ == "__main__":
    sys.exit(main())
