"""The host's end of docs/protocol.md section 7, as short as can be: written from that page, not from ours."""

import base64
import json
import zlib
from hashlib import sha256
from typing import Any

from lobbylock.signature import Signer
from virtualboard import VirtualBoard

OWNER = Signer(bytes([3]) * 32)
INSTALLER = Signer(bytes([5]) * 32)
STRANGER = Signer(bytes([6]) * 32)
# Longer than any request takes when nobody is at the door.
_LIMIT_MS = 90_000


class Talker:
    """Counts its requests; `strange` are the lines that belong to none of them."""

    def __init__(self, board: VirtualBoard) -> None:
        self.board = board
        self.strange: list[Any] = []
        self.events: list[dict[str, Any]] = []
        self._id = 0

    def ask(self, word: str, **fields: Any) -> dict[str, Any]:
        """Sends a request and returns its reply; the events before it are in `events`."""
        self._id += 1
        line = json.dumps({"id": self._id, "do": word, **fields}, separators=(",", ":")).encode() + b"\n"
        assert len(line) <= 256, line
        return self.say(line, self._id)

    def say(self, line: bytes, number: int | None) -> dict[str, Any]:
        """Sends a line as it is and returns the reply with that number."""
        self.board.line.write(line)
        self.events = []
        while True:
            text = self.board.line.read_line(_LIMIT_MS)
            assert text is not None, (line, self.board.console[-3:])
            assert len(text) < 1024
            try:
                said = json.loads(text)
            except ValueError:
                said = text
            if not isinstance(said, dict) or "id" not in said or said["id"] != number:
                self.strange.append(said)
            elif "event" in said:
                self.events.append(said["event"])
            else:
                assert (said["ok"] is True) or (said["error"] and said["say"].endswith(".")), said
                return said

    def claim(self) -> dict[str, Any]:
        reply = self.ask("claim", owner=OWNER.public_key.hex())
        assert reply["ok"], reply
        return reply

    def open(self, signer: Signer = OWNER) -> dict[str, Any]:
        public_key = bytes.fromhex(self.ask("hello")["public_key"])
        nonce = bytes.fromhex(self.ask("nonce")["nonce"])
        signature = signer.sign(b"LobbyLock console 1" + public_key + nonce)
        return self.ask("open", key=signer.public_key.hex(), sig=signature.hex())

    def send(self, data: bytes, what: str = "settings") -> str:
        """Sends `data` in pieces; returns its hash."""
        digest = sha256(data).hexdigest()
        reply = self.ask("begin", what=what, bytes=len(data), sha256=digest)
        assert reply["ok"], reply
        have = reply["have"]
        while have < len(data):
            piece = data[have : have + 120]
            crc = f"{zlib.crc32(piece):08x}"
            reply = self.ask("piece", at=have, data=base64.b64encode(piece).decode(), crc=crc)
            assert reply["ok"], reply
            have = reply["have"]
        return digest

    def status(self) -> dict[str, Any]:
        assert self.ask("status")["ok"]
        return {name: value for event in self.events for name, value in event.items()}

    def fetch_picture(self) -> bytes:
        data = b""
        while True:
            reply = self.ask("picture", at=len(data))
            data += base64.b64decode(reply["data"])
            if len(data) >= reply["total"]:
                return data
