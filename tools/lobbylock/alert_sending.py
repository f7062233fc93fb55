"""Sends a message to people over apprise: mail, push, chat, webhook. Attempts run in threads of their own.

apprise and what it sends with log what goes where, so they are silenced; what fails is told by person, number and kind
of the URL.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lobbylock import logs
from lobbylock.alert_queue import Waiting
from lobbylock.alert_rules import Way, scheme
from lobbylock.alert_text import cut
from lobbylock.errors import UserError

# An attempt that hangs longer counts as failed. Its thread is waited for before the next one over that address.
_LONGEST_S = 90
_AT_ONCE = 8
# Of one person, so that their dead addresses leave room for others.
_OF_ONE = 4
# What a service has no room for goes out in parts; a digest is not to become fifty text messages.
_MAX_PARTS = 4

# Returns whether the message was taken: (url, title, body) -> bool.
Send = Callable[[str, str, str], bool]


def send(url: str, title: str, body: str) -> bool:
    """Returns whether the service behind `url` took the message. Never raises, and never tells the URL."""
    import apprise

    try:
        with logs.muted():
            service = apprise.Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)
            if service is None:
                return False
            # Left to itself, what is too long goes out whole, and is refused each time.
            if service.overflow_mode == apprise.OverflowMode.UPSTREAM:
                service.overflow_mode = apprise.OverflowMode.SPLIT
            body = cut(body, _MAX_PARTS * service.body_maxlen)
            # Services that have HTML get the text escaped.
            return bool(service.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT))
    except Exception:  # noqa: BLE001 plugins of many authors; what they raise may have the URL in it
        return False


def check_urls(person: str, urls: Sequence[str]) -> None:
    """Raises UserError for a URL that apprise has no service for, by its number."""
    import apprise

    for number, url in enumerate(urls, 1):
        try:
            with logs.muted():
                is_known = apprise.Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True) is not None
        except Exception:  # noqa: BLE001 as above
            is_known = False
        if not is_known:
            raise UserError(f"Person {person!r}: URL {number} ({scheme(url)}) is none that apprise can send to.")


def _asset() -> Any:
    import apprise

    # Nothing is kept on disk, no picture of the service's maker is linked to, and a message goes where its URL says.
    return apprise.AppriseAsset(
        app_id="LobbyLock",
        app_desc="LobbyLock alerts",
        app_url="",
        image_url_mask=None,
        image_url_logo=None,
        interpret_emojis=False,
        pgp_autogen=False,
        pem_autogen=False,
        http_redirects=False,
        allow_templates=False,
    )


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt to send `rows` to `person` over `way`; `why` is "" if it took the message."""

    person: str
    way: Way
    rows: tuple[Waiting, ...]
    told_lost: bool
    why: str


class Sender:
    """Runs attempts, one at a time for each address of a person and a few at once. Called from one thread."""

    def __init__(self, send: Send = send, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._monotonic_s = monotonic_s
        self._running: dict[tuple[str, str], _Attempt] = {}
        # What counted as failed, but may still be taken.
        self._hanging: dict[tuple[str, str], _Attempt] = {}
        self._finished: queue.Queue[tuple[_Attempt, bool]] = queue.Queue()
        self._is_closed = False

    @property
    def busy(self) -> set[int]:
        """The ids of rows that are being sent."""
        return {row.id for attempt in [*self._running.values(), *self._hanging.values()] for row in attempt.rows}

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs of which an outcome is to come soon."""
        return not self._running

    def is_hanging(self, person: str, url: str) -> bool:
        return (person, url) in self._hanging

    def is_free(self, person: str, url: str) -> bool:
        """Whether an attempt for `person` over `url` can be started now."""
        theirs = sum(name == person for name, _ in self._running)
        if self._is_closed or len(self._running) >= _AT_ONCE or theirs >= _OF_ONE:
            return False
        return (person, url) not in self._running and (person, url) not in self._hanging

    def close(self) -> None:
        """Has nothing more be started."""
        self._is_closed = True

    def start(
        self, person: str, way: Way, message: tuple[str, str], rows: Sequence[Waiting], *, told_lost: bool
    ) -> None:
        """Starts an attempt; `told_lost` says that the message tells of earlier ones that were given up."""
        attempt = _Attempt(person, way, tuple(rows), told_lost, self._monotonic_s())
        thread = threading.Thread(target=self._attempt, args=(attempt, message), name="lobbylock-alert", daemon=True)
        attempt.thread = thread
        self._running[person, way.url] = attempt
        thread.start()

    def _attempt(self, attempt: "_Attempt", message: tuple[str, str]) -> None:
        was_taken = False
        try:
            was_taken = self._send(attempt.way.url, *message)
        finally:
            self._finished.put((attempt, was_taken))

    def outcomes(self) -> list[Outcome]:
        """Returns what came of attempts since the last call."""
        found = []
        while not self._finished.empty():
            attempt, was_taken = self._finished.get()
            key = (attempt.person, attempt.way.url)
            if self._running.get(key) is attempt:
                del self._running[key]
            elif self._hanging.pop(key, None) is None or not was_taken:
                # It was counted as failed already.
                continue
            found.append(attempt.outcome("" if was_taken else f"{attempt.way.label} took no message."))
        for key, attempt in list(self._running.items()):
            if self._monotonic_s() - attempt.started_s > _LONGEST_S:
                self._hanging[key] = self._running.pop(key)
                found.append(attempt.outcome(f"{attempt.way.label} did not answer in time."))
        return found

    def wait(self, timeout_s: float) -> None:
        """Waits until nothing is being sent, `timeout_s` at most."""
        until_s = self._monotonic_s() + timeout_s
        for attempt in list(self._running.values()):
            if attempt.thread is not None:
                attempt.thread.join(max(0.0, until_s - self._monotonic_s()))


@dataclass
class _Attempt:
    person: str
    way: Way
    rows: tuple[Waiting, ...]
    told_lost: bool
    started_s: float
    thread: threading.Thread | None = None

    def outcome(self, why: str) -> Outcome:
        return Outcome(self.person, self.way, self.rows, self.told_lost, why)
