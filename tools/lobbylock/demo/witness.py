"""What comes out of the virtual door and its collector, for the steps of the demonstration to be judged by."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lobbylock.demo.stage import RELEASE_MS, Stage

SLACK_MS = 100
LIMIT_MS = 10_000
ARRIVAL_LIMIT_MS = 30_000
# How the waits of lock and network take turns: so much on the board's clock, then so much on the machine's.
_WIND_MS = 1_000
_TURN_MS = 200
# Until the pulse is over, the picture in flash and the seal made.
CALM_MS = 8_000

Step = Callable[[], dict[str, Any]]


class Failed(Exception):
    """A step did not show what it should; the text says what was seen instead."""


class Witness:
    """Looks at `stage`, which is open."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._board = stage.board
        # How many codes were typed and cards shown so far, each of them an event.
        self._shown = 0

    def _require(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            raise Failed(otherwise)

    def _is_released(self) -> bool:
        return bool(self._board.strike.is_released)

    def _reasons(self, count: int = 1) -> list[str]:
        """Waits until what was shown has reached the collector; returns the reasons of the last `count`."""
        arrived = self._arrives(lambda: len(self._stage.events("access")) >= self._shown)
        self._require(arrived, "the event did not reach the collector")
        last = self._stage.events("access")[self._shown - count : self._shown]
        return [found["details"]["reason"] for found in last]

    def _require_reason(self, reason: str) -> None:
        (seen,) = self._reasons()
        self._require(seen == reason, f"reason {seen}")

    def _arrives(self, condition: Callable[[], bool]) -> bool:
        """Waits for what the lock sends; returns whether it came.

        The lock sends when nobody has been at the door for a while: those waits are wound forward.
        """
        for _ in range(ARRIVAL_LIMIT_MS // _TURN_MS):
            if self._stage.wait(condition, _TURN_MS):
                return True
            self._stage.skip(_WIND_MS)
        return self._stage.wait(condition, ARRIVAL_LIMIT_MS)

    def _wait_for_pulse(self) -> None:
        self._require(self._stage.wait(self._is_released, LIMIT_MS), "the strike did not release")
        self._wait_for_rest()

    def _wait_for_rest(self) -> tuple[float, float]:
        """Returns when the strike released and came to rest; judged by the board's own stamps, for a busy machine
        notices late."""
        self._require(self._stage.wait(lambda: not self._is_released(), LIMIT_MS), "the strike did not come to rest")
        on_ms, off_ms = self._last_pulse()
        self._require(off_ms - on_ms <= RELEASE_MS + SLACK_MS, f"the pulse took {off_ms - on_ms:.0f} ms")
        return on_ms, off_ms

    def _wind_to(self, condition: Callable[[], bool], limit_ms: float) -> bool:
        """Runs on the board's own clock until `condition` holds, where nothing waits for the network."""
        self._board.set_pace("fast")
        holds = bool(self._board.run_until(condition, limit_ms))
        self._board.set_pace("real")
        return holds

    def _last_pulse(self) -> tuple[float, float]:
        history = self._board.strike.history
        on_ms = max(at_ms for at_ms, level in history if level)
        off_ms = next(at_ms for at_ms, level in history if at_ms > on_ms and not level)
        return on_ms, off_ms

    def _audit(self, store: Path) -> Any:
        return self._stage.run("audit", "verify", "--store", str(store), "--json")
