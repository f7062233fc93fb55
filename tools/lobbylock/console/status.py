"""What a board says about itself in a session: the `status` request, docs/protocol.md section 7."""

from typing import Any

from lobbylock.console.client import Client


class Status:
    """The event lines of one `status` as one object."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def get(self, *path: str) -> Any:
        """Returns what lies at `path`, None if it is not there: an older board says less, a newer one more."""
        value: Any = self.values
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def number(self, *path: str) -> int | None:
        """Returns the integer at `path`, None if there is none."""
        value = self.get(*path)
        return value if type(value) is int else None


def read_status(client: Client) -> Status:
    """Asks for it; needs a session."""
    return Status(client.ask("status").merged)
