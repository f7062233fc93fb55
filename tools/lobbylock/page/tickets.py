"""Forms that make something are good for one time: sent again, as when a result is reloaded, they make nothing."""

import re
import secrets
import threading
from collections import OrderedDict

from starlette.requests import Request

_REMEMBERED = 2_000
_TICKET = re.compile(r"[A-Za-z0-9_-]{22}")


class Tickets:
    """Remembers the tickets that were used, the latest _REMEMBERED of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: OrderedDict[str, None] = OrderedDict()

    def take(self, ticket: str) -> bool:
        """Whether `ticket` is one and was not used before; it is used then."""
        with self._lock:
            if not _TICKET.fullmatch(ticket) or ticket in self._used:
                return False
            self._used[ticket] = None
            while len(self._used) > _REMEMBERED:
                self._used.popitem(last=False)
            return True

    def give_back(self, ticket: str) -> None:
        """Makes a ticket good again, because nothing came of it."""
        with self._lock:
            self._used.pop(ticket, None)


def new_ticket() -> str:
    """Returns a ticket for a form."""
    return secrets.token_urlsafe(16)


def tickets_of(request: Request) -> Tickets:
    """Returns the tickets of the application that serves a request."""
    state = request.app.state
    if not hasattr(state, "tickets"):
        state.tickets = Tickets()
    return state.tickets
