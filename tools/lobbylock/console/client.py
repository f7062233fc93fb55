"""Requests to a board and their replies: ids, time-outs, repeats, and a line that may break at any moment."""

import base64
import json
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from lobbylock.console.line import Line, LineLost, Port
from lobbylock.console.sentences import explain
from lobbylock.errors import UserError
from lobbylock.signature import Signer

PROTOCOL = 1
MAX_LINE_BYTES = 256
PIECE_BYTES = 120
DOMAIN = b"LobbyLock console 1"

_REPLY_MS = 4_000
# Nobody is answered while somebody is at the door.
_REPEATS = 5
# Longer than a start that makes tables of keys, docs/architecture.md.
RESTART_MS = 240_000
_PATIENCE_MS = 60_000
_LOOK_MS = 500
_BUSY_MS = 5_000
_MOST_BREAKS = 8
_MOST_STILL = 5
_MOST_REFUSALS = 20
# Refusals of a piece that another attempt may not meet.
_AGAIN = frozenset(("order", "crc", "sha256", "flash", "memory", "busy", "session"))
_MAX_ID = 1 << 31
# Lines kept to tell what else is on the line when nobody answers.
_MOST_HEARD = 200

Note = Callable[[str], None]
Progress = Callable[[int, int], None]
Listener = Callable[[dict[str, Any]], None]


class NoAnswer(UserError):
    """Nobody answered, although the line is open."""


class Refused(UserError):
    """The board said no. `word` is its error, as docs/protocol.md section 7 lists them."""

    def __init__(self, do: str, word: str, say: str = "") -> None:
        super().__init__(explain(do, word, say))
        self.do = do
        self.word = word


class Restarted(Exception):
    """The board started anew before it replied."""


@dataclass(frozen=True)
class Reply:
    """A board's reply: its `fields` without id and ok, and the events that came before it."""

    fields: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)

    def text(self, name: str) -> str:
        """Returns a field that is a text. Raises UserError if it is not there or something else."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise UserError(f"The board's reply has no {name}: this lobbylock and the board do not fit together.")
        return value

    def number(self, name: str) -> int:
        """Returns a field that is an integer. Raises UserError if it is not there or something else."""
        value = self.fields.get(name)
        if type(value) is not int:
            raise UserError(f"The board's reply has no {name}: this lobbylock and the board do not fit together.")
        return value

    @property
    def merged(self) -> dict[str, Any]:
        """All events as one object, later ones over earlier ones."""
        whole: dict[str, Any] = {}
        for event in self.events:
            whole.update(event)
        return whole


class Client:
    """Talks to the board at `port`. `note` is told in sentences why it takes longer.

    A request that finds the line broken waits for the port to come back and is made again; so is one that the board
    forgot because it started anew. With `sign_in` done, a session that ended is opened again on the way.
    """

    def __init__(self, port: Port, note: Note = lambda text: None, patience_ms: float = _PATIENCE_MS) -> None:
        self.port = port
        self.heard: list[str] = []
        self.boots = 0
        self._note = note
        self._patience_ms = patience_ms
        self._line: Line | None = None
        # Not from 0: the board may remember the last ids of whoever was here before.
        self._id = secrets.randbelow(_MAX_ID)
        self._signer: Signer | None = None
        self._door_key = b""
        self._has_answered = False

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the port go. A session on the board ends by itself, or by `ask("close")` before."""
        line, self._line = self._line, None
        if line:
            line.close()

    # Requests.

    def ask(self, do: str, *, timeout_ms: float = _REPLY_MS, listen: Listener | None = None, **values: Any) -> Reply:
        """Makes a request and returns its reply; `listen` is told each event line as it comes.

        `timeout_ms` is how long nothing at all may come. Raises Refused, NoAnswer, LineLost, or UserError if the port
        does not come back.
        """
        is_renewed = is_busy = False
        starts = self.boots
        for _ in range(_MOST_BREAKS):
            try:
                return self._ask(do, values, timeout_ms, listen)
            except LineLost as error:
                is_renewed = False
                self._wait_for_port(error)
            except Restarted:
                is_renewed = False
                # To open a port may reset a board, which is nothing to speak of.
                if self._has_answered:
                    self._note("The board has started anew.")
                self.wait_for_start()
            except Refused as error:
                if error.word == "busy":
                    # Whoever is at the door comes first.
                    is_busy = True
                    self.port.sleep_ms(_BUSY_MS)
                elif error.word == "session" and self._signer and not is_renewed:
                    is_renewed = True
                    self._open_session()
                else:
                    raise
        if is_busy:
            raise UserError("The board is busy at the door all the time; run this again when it is quiet.")
        if self.boots - starts >= _MOST_BREAKS // 2:
            raise UserError("The board starts again and again; `lobbylock doctor` looks into it.")
        raise UserError(f"The line to {self.port.name} breaks again and again: try another cable or USB port.")

    def _ask(self, do: str, values: dict[str, Any], timeout_ms: float, listen: Listener | None) -> Reply:
        self._id = (self._id + 1) % _MAX_ID
        request = json.dumps({"id": self._id, "do": do, **values}, separators=(",", ":")).encode() + b"\n"
        if len(request) > MAX_LINE_BYTES:
            raise UserError(f"The request `{do}` is longer than a line to the board may be.")
        line = self._opened()
        for attempt in range(_REPEATS):
            # What a broken attempt left on the line must not become the beginning of this one.
            line.write(b"\n" + request if attempt else request)
            reply = self._await(line, do, timeout_ms, listen)
            if reply:
                return reply
        raise NoAnswer(f"The board at {self.port.name} does not answer `{do}`; `lobbylock doctor` looks into it.")

    def _await(self, line: Line, do: str, timeout_ms: float, listen: Listener | None) -> Reply | None:
        events: list[dict[str, Any]] = []
        end_ms = self.port.now_ms() + timeout_ms
        while True:
            # Only lines about this request gain it time: a board may print others without end.
            left_ms = end_ms - self.port.now_ms()
            text = line.read_line(left_ms) if left_ms > 0 else None
            if text is None:
                return None
            value = self._take(text)
            if value is None or value.get("id") != self._id:
                continue
            end_ms = self.port.now_ms() + timeout_ms
            self._has_answered = True
            if isinstance(value.get("event"), dict):
                events.append(value["event"])
                if listen:
                    listen(value["event"])
                continue
            if value.get("ok") is True:
                return Reply({name: value[name] for name in value if name not in ("id", "ok")}, events)
            raise Refused(do, str(value.get("error")), str(value.get("say") or ""))

    def _take(self, text: str) -> dict[str, Any] | None:
        """Returns a line of ours, None for anything else. Raises Restarted for a lock's first line."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and "id" in value:
            return value
        self.heard = [*self.heard[-_MOST_HEARD:], text]
        if isinstance(value, dict) and "lobbylock" in value and "public_key" in value:
            self.boots += 1
            raise Restarted
        return None

    # The line.

    def _opened(self) -> Line:
        if self._line is None:
            self._line = self.port.open()
            # Ends whatever half a line somebody left there.
            self._line.write(b"\n")
        return self._line

    def _wait_for_port(self, error: LineLost) -> None:
        """Returns when the port can be opened again. Raises UserError when that takes too long."""
        self.close()
        self._note(f"The line to {self.port.name} broke. Put the cable back in; this goes on where it was.")
        end_ms = self.port.now_ms() + self._patience_ms
        while True:
            try:
                self._opened()
                return
            except UserError:
                self.close()
                if self.port.now_ms() >= end_ms:
                    raise UserError(
                        f"{error} The port did not come back. Nothing is lost: run the same command again."
                    ) from None
            self.port.sleep_ms(_LOOK_MS)

    def wait_for_start(self, limit_ms: float = RESTART_MS) -> Reply:
        """Returns what `hello` says as soon as the board answers. Raises NoAnswer when it does not."""
        end_ms = self.port.now_ms() + limit_ms
        while True:
            try:
                return self._ask("hello", {}, _LOOK_MS * 2, None)
            except LineLost as error:
                self._wait_for_port(error)
            except Restarted:
                continue
            except NoAnswer:
                if self.port.now_ms() >= end_ms:
                    raise NoAnswer(
                        f"The board at {self.port.name} has not come back after its restart;"
                        " `lobbylock doctor` looks into it."
                    ) from None

    def hello(self) -> Reply:
        """Returns who is there. Raises UserError if it speaks another protocol."""
        reply = self.ask("hello")
        if reply.fields.get("protocol") != PROTOCOL:
            version = str(reply.fields.get("lobbylock"))[:20]
            raise UserError(
                f"The board runs LobbyLock {version}, which speaks another console protocol than this one:"
                " bring both to the same version (`lobbylock update`, or `make flash`)."
            )
        return reply

    # The session.

    def sign_in(self, signer: Signer, door_key: bytes) -> str:
        """Opens a session with `signer`'s key on the board with the public key `door_key`; returns its role.

        Raises Refused when the board does not know the key.
        """
        self._signer, self._door_key = signer, door_key
        try:
            return self._open_session()
        except Refused:
            self._signer = None
            raise

    def _open_session(self) -> str:
        signer = self._signer
        if signer is None:
            raise ValueError("nobody has signed in")
        error: Refused | None = None
        for _ in range(2):
            nonce = self.ask("nonce").text("nonce")
            message = DOMAIN + self._door_key + _unhex(nonce, 32)
            try:
                reply = self.ask("open", key=signer.public_key.hex(), sig=signer.sign(message).hex())
            except Refused as refused:
                # A nonce serves once: the first attempt may have been heard although its reply was lost.
                if refused.word != "nonce":
                    raise
                error = refused
                continue
            return reply.text("role")
        raise error or ValueError("no attempt")

    def sign_out(self) -> None:
        """Ends the session, if there is one; a board that is gone ends it by itself."""
        if self._signer is None:
            return
        self._signer = None
        try:
            self._ask("close", {}, _LOOK_MS * 2, None)
        except (UserError, Restarted):
            pass

    # Transfers.

    def send(self, what: str, data: bytes, progress: Progress = lambda done, total: None) -> str:
        """Sends `data` as `what` ("settings", "update") in pieces; returns its SHA-256, hex.

        Goes on where an earlier attempt with the same content was interrupted. Raises what `ask` does.
        """
        digest = sha256(data).hexdigest()
        still = refusals = 0
        have = self._begin(what, data, digest)
        while have < len(data):
            progress(have, len(data))
            piece = data[have : have + PIECE_BYTES]
            text = base64.b64encode(piece).decode()
            before = have
            try:
                have = self.ask("piece", at=have, data=text, crc=f"{zlib.crc32(piece):08x}").number("have")
            except Refused as refused:
                # Damaged on the way, or the board started anew and does not know what is coming: both are asked again.
                still += 1
                refusals += 1
                if still >= _MOST_STILL or refusals >= _MOST_REFUSALS or refused.word not in _AGAIN:
                    raise
                have = self._begin(what, data, digest)
                continue
            still = 0 if have > before else still + 1
            if still >= _MOST_STILL:
                raise UserError("The board takes no more pieces: pull its power, and run the same command again.")
        progress(len(data), len(data))
        return digest

    def _begin(self, what: str, data: bytes, digest: str) -> int:
        have = self.ask("begin", what=what, bytes=len(data), sha256=digest).number("have")
        return max(0, min(have, len(data)))


def _unhex(text: str, size: int) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != size:
        raise UserError("The board's reply is not what it should be: this lobbylock and the board do not fit together.")
    return data
