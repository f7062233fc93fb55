"""Sends a message to people over apprise: mail, push, chat, webhook. Attempts run in threads of their own.

apprise logs what it sends to whom, so its logger is silenced; what fails is told by person, number and kind of the URL.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lobbylock.alert_queue import Waiting
from lobbylock.alert_rules import scheme
from lobbylock.errors import UserError

# An attempt that hangs longer counts as failed. Its thread is waited for before that person's next one.
_LONGEST_S = 90
_AT_ONCE = 4

# Returns whether the message was taken: (url, title, body) -> bool.
Send = Callable[[str, str, str], bool]


def send(url: str, title: str, body: str) -> bool:
    """Returns whether the service behind `url` took the message. Never raises, and never tells the URL."""
    import apprise

    _silence()
    try:
        service = apprise.Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)
        if service is None:
            return False
        # Services that have HTML get the text escaped.
        return bool(service.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT))
    except Exception:  # noqa: BLE001 plugins of many authors; what they raise may have the URL in it
        return False


def check_urls(person: str, urls: Sequence[str]) -> None:
    """Raises UserError for a URL that apprise has no service for, by its number."""
    import apprise

    _silence()
    for number, url in enumerate(urls, 1):
        try:
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


def _silence() -> None:
    logger = logging.getLogger("apprise")
    logger.disabled = True
    logger.propagate = False


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt to send `rows` to `person`; `why` is "" if all their URLs took it."""

    person: str
    rows: tuple[Waiting, ...]
    told_lost: bool
    why: str


class Sender:
    """Runs attempts, one at a time for each person and a few at once. Called from one thread.

    A URL that took a message does not get it again while another URL of the person still refuses it.
    """

    def __init__(self, send: Send = send, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._monotonic_s = monotonic_s
        self._running: dict[str, _Attempt] = {}
        self._hanging: dict[str, threading.Thread] = {}
        self._finished: queue.Queue[Outcome] = queue.Queue()
        self._reached: dict[tuple[str, tuple[int, ...]], set[str]] = {}

    @property
    def busy(self) -> set[int]:
        """The ids of rows that are being sent."""
        return {row.id for attempt in self._running.values() for row in attempt.rows}

    def is_free(self, person: str) -> bool:
        """Whether an attempt for `person` can be started now."""
        thread = self._hanging.get(person)
        if thread is not None and not thread.is_alive():
            del self._hanging[person]
        return len(self._running) < _AT_ONCE and person not in self._running and person not in self._hanging

    def start(
        self, person: str, urls: Sequence[str], message: tuple[str, str], rows: Sequence[Waiting], *, told_lost: bool
    ) -> None:
        """Starts an attempt; `told_lost` says that the message tells of earlier ones that were given up."""
        key = (person, tuple(row.id for row in rows))
        reached = self._reached.setdefault(key, set())
        # Those of other rows can be of no more use: a row that failed comes back alone or with later ones.
        for other in [other for other in self._reached if other[0] == person and other != key]:
            del self._reached[other]
        attempt = _Attempt(person, tuple(rows), told_lost, self._monotonic_s())
        thread = threading.Thread(
            target=self._attempt, args=(attempt, tuple(urls), message, reached), name="lobbylock-alert", daemon=True
        )
        attempt.thread = thread
        self._running[person] = attempt
        thread.start()

    def _attempt(self, attempt: "_Attempt", urls: Sequence[str], message: tuple[str, str], reached: set[str]) -> None:
        failed = []
        for number, url in enumerate(urls, 1):
            if url in reached:
                continue
            if self._send(url, *message):
                reached.add(url)
            else:
                failed.append(f"URL {number} ({scheme(url)})")
        why = f"{' and '.join(failed)} took no message." if failed else ""
        self._finished.put(Outcome(attempt.person, attempt.rows, attempt.told_lost, why))

    def outcomes(self) -> list[Outcome]:
        """Returns what came of attempts since the last call."""
        found = []
        while not self._finished.empty():
            outcome = self._finished.get()
            attempt = self._running.get(outcome.person)
            if attempt is None or attempt.rows != outcome.rows:
                # It was counted as failed already.
                continue
            del self._running[outcome.person]
            if not outcome.why:
                self._reached.pop((outcome.person, tuple(row.id for row in outcome.rows)), None)
            found.append(outcome)
        for person, attempt in list(self._running.items()):
            if self._monotonic_s() - attempt.started_s > _LONGEST_S and attempt.thread is not None:
                self._hanging[person] = attempt.thread
                del self._running[person]
                found.append(Outcome(person, attempt.rows, attempt.told_lost, "A service did not answer in time."))
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
    rows: tuple[Waiting, ...]
    told_lost: bool
    started_s: float
    thread: threading.Thread | None = None
