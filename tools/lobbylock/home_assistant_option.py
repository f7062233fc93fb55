"""How `lobbylock serve` is told where Home Assistant's broker is, and what goes there."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lobbylock.address import Address
from lobbylock.errors import UserError
from lobbylock.history import History
from lobbylock.home import Home
from lobbylock.home_assistant import HomeAssistant
from lobbylock.home_assistant_device import DEFAULT_PREFIX, Names, check_prefix
from lobbylock.home_assistant_publisher import Showing
from lobbylock.page.service import DoorBook

if TYPE_CHECKING:
    from lobbylock.database import Database

HomeAssistantOption = Annotated[
    str | None,
    typer.Option(
        "--home-assistant",
        envvar="LOBBYLOCK_HOME_ASSISTANT",
        metavar="URL",
        help="Show the doors to Home Assistant: the address of its broker, as mqtt://HOST.",
    ),
]
PrefixOption = Annotated[
    str, typer.Option("--home-assistant-prefix", metavar="NAME", help="Home Assistant's discovery prefix.")
]
HomeAssistantUserOption = Annotated[
    str | None, typer.Option("--home-assistant-user", help="Broker user that may write there.")
]
HomeAssistantPasswordOption = Annotated[
    str | None,
    typer.Option("--home-assistant-password", envvar="LOBBYLOCK_HOME_ASSISTANT_PASSWORD", show_envvar=True),
]
HomeAssistantCaOption = Annotated[
    Path | None,
    typer.Option("--home-assistant-ca", metavar="FILE", help="PEM certificate that its broker's chains to."),
]
AllOption = Annotated[
    bool,
    typer.Option("--home-assistant-all", help="Show what managers may read there, not only what residents may."),
]


@dataclass(frozen=True)
class Destination:
    """Home Assistant's broker, and what goes there."""

    address: Address
    prefix: str
    shows_all: bool

    @classmethod
    def parse(
        cls,
        url: str | None,
        prefix: str,
        *,
        user: str | None = None,
        password: str | None = None,
        ca: Path | None = None,
        shows_all: bool = False,
    ) -> "Destination | None":
        """Returns what the options mean, None without an address. Raises UserError for those that do not fit."""
        if url is None:
            # The password may stand in the environment of every command.
            if user or ca or shows_all or prefix != DEFAULT_PREFIX:
                raise UserError("Say where Home Assistant's broker is: add --home-assistant mqtt://HOST.")
            return None
        if password and not user:
            raise UserError("A password needs a user: add --home-assistant-user NAME.")
        return cls(Address.parse(url, user=user, password=password, ca=ca), check_prefix(prefix), shows_all)

    def make(self, home: Home, database: "Database", page: str | None = None) -> HomeAssistant:
        """Returns what publishes there, to be started and stopped; `page` is the address that people open. Raises
        UserError without an issuer."""
        collector_key = home.collector().public_key
        names = Names(collector_key, self.prefix)
        doors = DoorBook(home)
        history = History(database, doors, collector_key, home.path)
        return HomeAssistant(database, doors, history, self.address, names, Showing(page, self.shows_all))
