"""A board's console, played: docs/protocol.md section 7 with what a board keeps, and a cable that can be pulled.

Time is the script's own: it passes where the host waits.
"""

import base64
import json
import zlib
from hashlib import sha256
from secrets import token_hex

from lobbylock.console.client import DOMAIN
from lobbylock.console.line import LineLost
from lobbylock.errors import UserError
from lobbylock.signature import Signer, is_signed

NO_DOOR = "unset/unset"
_BOOT_MS = 4_000
_SECRETS = ("code_key", "mqtt_password", "wifi_password", "mqtt_key")
_NOT_REPEATED = ("hello", "status", "preview", "test", "picture", "export")
JPEG = b"\xff\xd8" + bytes(range(256)) * 4 + b"\xff\xd9"


class No(Exception):
    """The board refuses: (word, sentence)."""


class ScriptedBoard:
    """What survives: who owns it, its settings and journal. `port` is where a host opens the line.

    `pull_at(n)` has the cable pulled at the n-th request from now on: before the board has it ("before"), or after it
    did it and before its reply is through ("after"), or with the board's power ("power"). `lost_opens` is how often
    the port cannot be opened then.
    """

    def __init__(self, board: str = "esp32-devkitc", seed: bytes = b"\x11" * 32) -> None:
        self.signer = Signer(seed)
        self.kind = board
        self.protocol = 1
        self.owner = ""
        self.installers: list[str] = []
        self.settings: dict | None = None
        self.settings_sha256 = ""
        self.candidate: dict | None = None
        self.candidate_sha256 = ""
        self.door = NO_DOOR
        self.boot = 1
        self.journal = {"seq": 1, "key": "ab" * 32}
        self.acked = 0
        self.acks_after_ms: float | None = 3_000
        self.time_s: int | None = None
        self.told_ms = 0.0
        self.now_ms = 0.0
        self.began_ms = 0.0
        self.trial_ms = 120_000
        self.status_more: dict = {}
        self.counts = {"contact": ("changes", 2), "reader": ("cards", 1), "keypad": ("keys", 12)}
        self.requests: list[dict] = []
        self.tested: list[str] = []
        self.applied = 0
        self.refuses_to_run = ""
        # Lines that come before each reply, requests by number whose pieces arrive damaged, parts that fail.
        self.noise: list[str] = []
        self.damages: set[int] = set()
        self.fails: dict[str, tuple[str, str]] = {}
        self.is_mute = False
        self.pulls = self.pieces = 0
        # What is in RAM.
        self.transfer: dict = {}
        self.nonce = ""
        self.role = ""
        self._replies: dict[bytes, list[dict]] = {}
        self._cut: tuple[int, str] | None = None
        self._is_out = False
        self.lost_opens = 0
        self.port = ScriptedPort(self)

    # The cable.

    def pull_at(self, request: int, how: str = "before", lost_opens: int = 0) -> None:
        self._cut = (len(self.requests) + request, how)
        self.lost_opens = lost_opens

    def restart(self) -> None:
        """Starts anew: RAM is gone."""
        self.boot += 1
        self.began_ms = self.now_ms + _BOOT_MS
        self.transfer, self.nonce, self.role = {}, "", ""
        self._replies = {}
        self.time_s = None
        if self.candidate is not None and self.refuses_to_run:
            self.candidate, self.candidate_sha256 = None, ""
        running = self.candidate or self.settings
        self.door = f"{running['building']}/{running['door']}" if running else NO_DOOR

    @property
    def unix_s(self) -> int | None:
        return None if self.time_s is None else self.time_s + int(self.now_ms - self.told_ms) // 1000

    @property
    def is_up(self) -> bool:
        return self.now_ms >= self.began_ms

    def tick(self, ms: float) -> None:
        self.now_ms += ms
        if self.candidate is not None and self.now_ms - self.began_ms >= self.trial_ms:
            self.settings, self.settings_sha256 = self.candidate, self.candidate_sha256
            self.candidate, self.candidate_sha256 = None, ""
        running = self.candidate or self.settings
        if running and self.acks_after_ms is not None and self.now_ms - self.began_ms >= self.acks_after_ms:
            self.acked = max(self.acked, 5)

    def hear(self, data: bytes) -> list[str]:
        """Handles one line from the host; returns the lines that come back. Raises LineLost at the cut."""
        assert len(data) + 1 <= 256, data
        if not data.strip() or not self.is_up or self.is_mute:
            return []
        try:
            request = json.loads(data)
        except ValueError:
            return [json.dumps({"id": None, "ok": False, "error": "bad_line", "say": "That is not a line of JSON."})]
        self.requests.append(request)
        cut = self._cut if self._cut and self._cut[0] == len(self.requests) else None
        if cut and cut[1] == "before":
            self._pull()
        known = self._replies.get(data)
        lines = known if known is not None else self._answer(request)
        self._replies = {} if request["do"] in _NOT_REPEATED else {data: lines}
        if cut and cut[1] == "power":
            self.restart()
        if cut:
            self._pull()
        return [*self.noise, *map(json.dumps, lines)]

    def _pull(self) -> None:
        self._cut = None
        self._is_out = True
        self.pulls += 1
        raise LineLost("The line broke: is the cable still in?")

    # The commands.

    def _answer(self, request: dict) -> list[dict]:
        events: list[dict] = []
        try:
            reply = getattr(self, "_do_" + request["do"], self._unknown)(request, events)
            last = {"id": request["id"], "ok": True, **reply}
        except No as no:
            last = {"id": request["id"], "ok": False, "error": no.args[0], "say": no.args[1]}
        return [*({"id": request["id"], "event": event} for event in events), last]

    def _unknown(self, request: dict, events: list) -> dict:
        raise No("unknown", "There is no such command.")

    def _need(self, role: str = "") -> None:
        if not self.role:
            raise No("session", "There is no session.")
        if role and self.role != role:
            raise No("role", "This is for the owner.")

    def _do_hello(self, request: dict, events: list) -> dict:
        return {
            "lobbylock": "0.1.0",
            "protocol": self.protocol,
            "board": self.kind,
            "chip": "esp32",
            "door": self.door,
            "public_key": self.signer.public_key.hex(),
            "claimed": bool(self.owner),
            "boot": self.boot,
            "slot": "a",
        }

    def _do_claim(self, request: dict, events: list) -> dict:
        if self.owner:
            raise No("claimed", "The board has an owner.")
        self.owner = request["owner"]
        return self._keys()

    def _keys(self) -> dict:
        return {"public_key": self.signer.public_key.hex(), "journal": self.journal}

    def _do_nonce(self, request: dict, events: list) -> dict:
        self.nonce = token_hex(32)
        return {"nonce": self.nonce}

    def _do_open(self, request: dict, events: list) -> dict:
        nonce, self.nonce = self.nonce, ""
        if not nonce:
            raise No("nonce", "Ask for a nonce first.")
        key = bytes.fromhex(request["key"])
        message = DOMAIN + self.signer.public_key + bytes.fromhex(nonce)
        is_known = request["key"] in (self.owner, *self.installers)
        if not is_known or not is_signed(key, message, bytes.fromhex(request["sig"])):
            raise No("signature", "That is not the owner's signature.")
        self.role = "owner" if request["key"] == self.owner else "installer"
        return {"role": self.role, "idle_s": 300, "limit_s": 3600}

    def _do_close(self, request: dict, events: list) -> dict:
        self.role = ""
        return {}

    def _do_enrolment(self, request: dict, events: list) -> dict:
        self._need("owner")
        if self.acked:
            raise No("enrolled", "The collector has acknowledged events already.")
        return self._keys()

    def _do_status(self, request: dict, events: list) -> dict:
        self._need()
        events.append({"version": "0.1.0", "slot": "a", "boot": self.boot})
        kept = {"sha256": self.settings_sha256 or None, "trial": self.candidate_sha256 or None}
        running = self.candidate is not None or self.settings is not None
        events.append({"settings": {**kept, "refused": "", "running": running}})
        events.append({"time": {"unix_s": self.unix_s, "uncertainty_s": 1, "known": self.time_s is not None}})
        events.append({"journal": {"seq": 9, "acked": self.acked}})
        reached = self.acks_after_ms is not None
        events.append({"wifi": {"state": "up", "up": True, "rssi": -60}})
        events.append({"uplink": {"broker": True, "connected": reached, "last_error": None}})
        events.append({"reader": {"line": "uart", "state": "ready"}, "contact": "closed", "strike": "rests"})
        events.append(self.status_more)
        return {}

    def _do_time(self, request: dict, events: list) -> dict:
        self._need()
        self.time_s, self.told_ms = request["unix_s"], self.now_ms
        return {}

    def _do_installers(self, request: dict, events: list) -> dict:
        self._need("owner")
        if "set" in request:
            self.installers[request["set"] : request["set"] + 1] = [request["key"]] if request["key"] else []
        return {"ids": [sha256(bytes.fromhex(key)).hexdigest()[:16] for key in self.installers]}

    def _do_begin(self, request: dict, events: list) -> dict:
        self._need()
        if self.transfer.get("sha256") != request["sha256"]:
            self.transfer = {"sha256": request["sha256"], "bytes": request["bytes"], "data": b""}
        return {"have": len(self.transfer["data"])}

    def _do_piece(self, request: dict, events: list) -> dict:
        self._need()
        if not self.transfer:
            raise No("order", "Nothing is coming in.")
        data = base64.b64decode(request["data"])
        assert len(data) <= 120
        self.pieces += 1
        if self.pieces in self.damages:
            data = b"\x00" + data[1:]
        if f"{zlib.crc32(data):08x}" != request["crc"]:
            raise No("crc", "The piece was damaged on the way.")
        have = self.transfer["data"]
        if request["at"] == len(have):
            self.transfer["data"] = have + data
        return {"have": len(self.transfer["data"])}

    def _received(self) -> dict:
        data = self.transfer.get("data", b"")
        if sha256(data).hexdigest() != self.transfer.get("sha256"):
            raise No("order", "Only a part is there.")
        return json.loads(data)

    def _do_preview(self, request: dict, events: list) -> dict:
        self._need()
        new = self._received()
        old = self.settings or {}
        names = [name for name in new if new[name] != old.get(name)]
        for name in names:
            events.append(
                {"field": name} if name in _SECRETS else {"field": name, "old": old.get(name), "new": new[name]}
            )
        return {"changed": len(names)}

    def _do_apply(self, request: dict, events: list) -> dict:
        self._need()
        new = self._received()
        if request["sha256"] != self.transfer["sha256"]:
            raise No("sha256", "Other settings were sent.")
        if request["sha256"] == self.settings_sha256:
            return {"changed": 0}
        self.candidate, self.candidate_sha256 = new, request["sha256"]
        self.applied += 1
        self.restart()
        return {"changed": 1}

    def _do_test(self, request: dict, events: list) -> dict:
        self._need()
        self.tested.append(request["what"])
        if request["what"] in self.fails:
            raise No(*self.fails[request["what"]])
        if request["what"] == "camera":
            return {"picture": 1, "bytes": len(JPEG), "sha256": sha256(JPEG).hexdigest()}
        if request["what"] in self.counts:
            name, count = self.counts[request["what"]]
            events.append({name: count})
            return {name: count}
        return {}

    def _do_picture(self, request: dict, events: list) -> dict:
        self._need()
        piece = JPEG[request["at"] : request["at"] + 480]
        return {"data": base64.b64encode(piece).decode(), "total": len(JPEG)}

    def _do_reset(self, request: dict, events: list) -> dict:
        self._need("owner")
        self.owner, self.settings, self.settings_sha256 = "", None, ""
        self.restart()
        return {}


class ScriptedPort:
    """Opens lines to the board; time passes where somebody waits."""

    def __init__(self, board: ScriptedBoard) -> None:
        self.name = "scripted"
        self._board = board
        self.opened = 0

    def open(self) -> "ScriptedLine":
        if self._board._is_out and self._board.lost_opens > 0:
            self._board.lost_opens -= 1
            raise UserError("There is no port scripted.")
        self._board._is_out = False
        self.opened += 1
        return ScriptedLine(self._board)

    def now_ms(self) -> float:
        return self._board.now_ms

    def sleep_ms(self, duration_ms: float) -> None:
        self._board.tick(duration_ms)


class ScriptedLine:
    def __init__(self, board: ScriptedBoard) -> None:
        self._board = board
        self._lines: list[str] = []
        self._partial = b""

    def write(self, data: bytes) -> None:
        if self._board._is_out:
            raise LineLost("The line broke: is the cable still in?")
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._lines += self._board.hear(line)

    def read_line(self, timeout_ms: float) -> str | None:
        if self._board._is_out:
            raise LineLost("The line broke: is the cable still in?")
        self._board.tick(2)
        if self._lines:
            return self._lines.pop(0)
        self._board.tick(timeout_ms)
        return None

    def close(self) -> None:
        pass
