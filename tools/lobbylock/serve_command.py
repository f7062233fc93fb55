"""`lobbylock serve`: the collector and the page in one process."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from lobbylock import logs
from lobbylock.address import Address
from lobbylock.alert_command import FileOption, alerts_path
from lobbylock.alert_rules import load_rules
from lobbylock.alerts import Alerts
from lobbylock.collector import Listener
from lobbylock.errors import UserError
from lobbylock.home_assistant_option import (
    DEFAULT_PREFIX,
    AllOption,
    Destination,
    HomeAssistantCaOption,
    HomeAssistantOption,
    HomeAssistantPasswordOption,
    HomeAssistantUserOption,
    PrefixOption,
)
from lobbylock.metrics import Metrics
from lobbylock.options import (
    DEFAULT_HOME,
    HomeOption,
    KeepOption,
    PicturesOption,
    StoreOption,
    open_database,
    open_home,
)
from lobbylock.page.accounts import Accounts
from lobbylock.page.metrics import read_token
from lobbylock.page.server import Listening, parse_listen
from lobbylock.page.service import DoorBook, Service, Serving
from lobbylock.service_log import ServiceLog
from lobbylock.terminal import open_error_console


def serve(
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the page is served.")] = "127.0.0.1:8480",
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="The address that people open, if it is another one.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM certificate of the page, with its chain.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM key of the page.")] = None,
    broker: Annotated[str, typer.Option(envvar="LOBBYLOCK_BROKER", metavar="URL")] = "mqtt://127.0.0.1:1883",
    user: Annotated[str | None, typer.Option(help="Broker user of the collector.")] = None,
    password: Annotated[str | None, typer.Option(envvar="LOBBYLOCK_MQTT_PASSWORD", show_envvar=True)] = None,
    ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM certificate that the broker's chains to.")
    ] = None,
    cert: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM certificate of the collector.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM key of the collector.")] = None,
    store: StoreOption = None,
    pictures: PicturesOption = None,
    keep: KeepOption = None,
    alerts: FileOption = None,
    metrics_token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Lets whoever knows the token in it read /metrics.")
    ] = None,
    log_json: Annotated[bool, typer.Option("--log-json", help="Write the log as JSON lines.")] = False,
    home_assistant: HomeAssistantOption = None,
    home_assistant_prefix: PrefixOption = DEFAULT_PREFIX,
    home_assistant_user: HomeAssistantUserOption = None,
    home_assistant_password: HomeAssistantPasswordOption = None,
    home_assistant_ca: HomeAssistantCaOption = None,
    home_assistant_all: AllOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Collect what the locks record, and show it to residents and managers."""
    folder = open_home(home)
    check_keep(folder.door_names(), keep)
    host, port = parse_listen(listen)
    serving = Serving(
        Listening(host, port, tls_cert, tls_key),
        check_url(url),
        tuple(keep or ()),
        None if metrics_token_file is None else read_token(metrics_token_file),
    )
    address = Address.parse(broker, user=user, password=password, ca=ca, cert=cert, key=key)
    shown = Destination.parse(
        home_assistant,
        home_assistant_prefix,
        user=home_assistant_user,
        password=home_assistant_password,
        ca=home_assistant_ca,
        shows_all=home_assistant_all,
    )
    logs.configure(log_json)
    with ExitStack() as stack:
        database = stack.enter_context(open_database(folder, store, pictures))
        check_manager(Accounts(database))
        if alerts is not None:
            load_rules(alerts)
        told = Alerts(database, alerts_path(folder, alerts), DoorBook(folder), home_path=folder.path)
        listeners: list[Listener] = [ServiceLog(), told]
        if shown is not None:
            listeners.append(shown.make(folder, database, serving.url))
        service = Service(folder, database, address, serving, listeners=listeners, metrics=Metrics())
        stop = stack.enter_context(_signals())
        stack.enter_context(service)
        open_error_console().print(f"The page is at {service.url}; Ctrl-C ends it.", soft_wrap=True)
        stop.wait()


def check_keep(doors: Sequence[str], keep: Sequence[str] | None) -> None:
    """Raises UserError for a rule of how long pictures are kept that is about no building of `doors`."""
    buildings = {name.partition("/")[0] for name in doors}
    for text in keep or ():
        building, is_one, _ = text.partition("=")
        if is_one and building not in buildings:
            known = ", ".join(sorted(buildings)) or "none"
            raise UserError(
                f"--keep-pictures names {building[:60]!r}, and there is no such building; there are: {known}."
            )


def check_manager(accounts: Accounts) -> None:
    """Raises UserError unless somebody can log in as a manager."""
    if not accounts.has_manager():
        raise UserError("Nobody can log in yet: `lobbylock account add NAME --role manager` makes the first account.")


def check_url(url: str | None) -> str | None:
    """Returns an address as "https://name" or "http://name:port". Raises UserError for anything longer."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        is_plain = parts.username is None and parts.path in ("", "/") and not parts.query and not parts.fragment
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise UserError("The page's address is not of the form https://name[:port].")
    return url.rstrip("/")


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Yields what SIGINT and SIGTERM set."""
    stop = threading.Event()
    before: dict[int, Any] = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
