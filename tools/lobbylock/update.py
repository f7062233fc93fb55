"""Brings a package to a board over its serial line, and sees what becomes of it: docs/protocol.md, section 13."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from lobbylock.console.client import Client, Progress, Refused, Reply
from lobbylock.door import parse_public_key
from lobbylock.errors import UserError
from lobbylock.release import Package, version_number
from lobbylock.signature import Signer

ACCEPTED = "accepted"
REVERTED = "reverted"
ALREADY = "already"

# How long a version has to run before it is accepted; three starts that hang and are reset take ten minutes.
_SETTLE_MS = 120_000
_LIMIT_MS = 3_600_000
_LOOK_MS = 5_000
_RESTART_MS = 20_000
# A slot is emptied before the first file comes.
_PATIENCE_MS = 15_000
_UNSETTLED = "trial"

# Why `main.py` went back, beyond the names of exceptions.
_REASONS = {"starts": "it was restarted three times before it had run for two minutes"}

Say = Callable[[str], None]
MakeProgress = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Outcome:
    """What became of it: ACCEPTED, REVERTED or ALREADY, the version that runs now, and a sentence."""

    state: str
    version: str
    say: str


class Update:
    """Brings `package` to the board that `client` talks to. `keys` are the release keys that this side knows."""

    def __init__(
        self, client: Client, signer: Signer, package: Package, keys: Sequence[bytes], say: Say, progress: MakeProgress
    ) -> None:
        self._client = client
        self._signer = signer
        self._package = package
        self._keys = keys
        self._say = say
        self._progress = progress
        self._before = ""

    def run(self) -> Outcome:
        """Returns what became of it. Raises UserError when it does not begin, or is cut for good."""
        package = self._package
        if self._keys and not any(package.is_signed_by(key) for key in self._keys):
            raise UserError("The package is not signed by a release key that this home knows; nothing was sent.")
        hello = self._client.hello()
        self._check(hello)
        self._before = hello.text("lobbylock")
        if self._before == package.version and self._state() != _UNSETTLED:
            return Outcome(ALREADY, package.version, f"Version {package.version} is there already; nothing to do.")
        if self._before != package.version:
            self._send(hello)
        return self._wait()

    def _check(self, hello: Reply) -> None:
        package = self._package
        if hello.fields.get("claimed") is not True:
            raise UserError("The board has no owner yet, and takes no update: `lobbylock install`, or `make flash`.")
        board = hello.text("board")
        if board != package.board:
            raise UserError(f"The package is for the board {package.board}, this is {board}; nothing was sent.")
        running = hello.text("lobbylock")
        if version_number(package.version) < version_number(running):
            raise UserError(
                f"The board runs {running}; the package is the older {package.version}, which no board takes back."
            )
        self._client.sign_in(self._signer, parse_public_key(hello.text("public_key")))

    def _send(self, hello: Reply) -> None:
        package = self._package
        self._say(f"The board runs {hello.text('lobbylock')} in slot {hello.text('slot')}.")
        data = package.dump()
        with self._progress(f"Sending {package.version}") as progress:
            self._client.send("update", data, progress)
        try:
            self._client.ask("update_commit", timeout_ms=_PATIENCE_MS)
        except Refused as refused:
            # The board may have started anew just now: with it on trial, or with all that was sent still there.
            if refused.word not in ("incomplete", "order"):
                raise
            if self._client.hello().text("lobbylock") == self._before:
                self._client.send("update", data)
                self._client.ask("update_commit", timeout_ms=_PATIENCE_MS)
        self._say("It is all there and was checked; the board restarts with it on trial.")

    def _state(self) -> str:
        return str(self._status().get("state"))

    def _status(self) -> dict[str, Any]:
        value = self._client.ask("status", timeout_ms=_PATIENCE_MS).merged.get("update")
        return value if isinstance(value, dict) else {}

    def _wait(self) -> Outcome:
        """Returns once the board has accepted the version, or gone back to the other one."""
        port = self._client.port
        start_ms = port.now_ms()
        seen_ms: float | None = None
        wanted = self._package.version
        if self._before != wanted:
            port.sleep_ms(_LOOK_MS)
        while port.now_ms() - start_ms < _LIMIT_MS:
            running = self._client.wait_for_start(_LIMIT_MS - (port.now_ms() - start_ms)).text("lobbylock")
            if running == wanted:
                if seen_ms is None:
                    seen_ms = port.now_ms()
                    self._say(f"Version {wanted} has started; it has to run for two minutes.")
                if (self._before == wanted or port.now_ms() - seen_ms > _SETTLE_MS) and self._state() != _UNSETTLED:
                    return Outcome(ACCEPTED, wanted, f"The board has accepted version {wanted}.")
            elif port.now_ms() - start_ms > _RESTART_MS:
                status = self._status()
                if status.get("state") != _UNSETTLED:
                    return self._reverted(running, status)
            port.sleep_ms(_LOOK_MS)
        raise UserError(
            f"The board has neither accepted version {wanted} nor gone back; `lobbylock doctor` looks into it."
        )

    def _reverted(self, running: str, status: dict[str, Any]) -> Outcome:
        wanted = self._package.version
        name = str(status.get("reason") or "")
        why = _REASONS.get(name, f"it ended with {name}" if name else "it never ran")
        return Outcome(REVERTED, running, f"The board went back to version {running}: {why}; {wanted} is not in force.")
