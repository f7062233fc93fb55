"""Deletes old pictures by the house's rules while a collector runs, every ten minutes."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lobbylock.door import Door
from lobbylock.errors import StoreFailed, UserError
from lobbylock.retention import parse_rules, prune
from lobbylock.signature import Signer

if TYPE_CHECKING:
    from lobbylock.database import Database

_BETWEEN_S = 600
_STOP_S = 10
_logger = logging.getLogger(__name__)


class Pruning:
    """A thread that deletes what `rules` ("30d", "maple-12=7d") say. Raises UserError for one that is none."""

    def __init__(
        self,
        database: "Database",
        doors: Callable[[], dict[str, Door]],
        signer: Signer,
        rules: Sequence[str],
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._doors = doors
        self._signer = signer
        self._rules = parse_rules(rules)
        self._now_s = now_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins, with what is old already; without rules nothing is ever deleted."""
        if self._rules:
            self._thread = threading.Thread(target=self._run, name="pruning", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        while True:
            try:
                deleted = prune(self._database, self._doors(), self._signer, self._rules, int(self._now_s()))
                if deleted:
                    _logger.info("%d old pictures were deleted", len(deleted))
            except (StoreFailed, UserError, OSError) as error:
                _logger.warning("old pictures could not be deleted: %s", error)
            if self._stop.wait(_BETWEEN_S):
                return
