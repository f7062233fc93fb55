"""A page for tests, and browsers without scripts that look at it."""

import re
import warnings
from typing import Any

import argon2
import httpx

from lobbylock.page.accounts import Passwords

with warnings.catch_warnings():
    # It would rather have another client, which is not installed.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

NOW_S = 1_790_000_000
PASSWORD = "a horse on the stairs"
# The least work that is still Argon2id.
CHEAP = Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
# For clients over sockets. The server ends a connection that was idle for 5 s, just as long as httpx would use it
# again: a request that is sent in that moment is lost. So each has a connection of its own.
UNHURRIED: dict[str, Any] = {"timeout": 60, "limits": httpx.Limits(max_keepalive_connections=0)}


class Clock:
    """Unix time that stands still until it is moved."""

    def __init__(self):
        self.now_s = float(NOW_S)

    def __call__(self):
        return self.now_s


class Visitor(TestClient):
    """A browser without scripts: it keeps cookies and fills in the forms that it is given."""

    def __init__(self, app, **options):
        super().__init__(app, follow_redirects=False, raise_server_exceptions=False, **options)

    def token(self, path):
        """Returns what the first form of a page carries."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        return found.group(1) if found else ""

    def submit(self, path, *, page=None, **values):
        """Posts a form with the token of `page`, or of the form's own address."""
        return self.post(path, data={"csrf": self.token(page or path), **values})

    def login(self, name, password=PASSWORD, **more):
        return self.submit("/login", name=name, password=password, **more)
