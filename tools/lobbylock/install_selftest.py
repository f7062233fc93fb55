"""The self-test: each part is tried by the board, and the person at it says what was seen."""

import base64
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from lobbylock.console.client import Client, Refused, Reply
from lobbylock.errors import UserError
from lobbylock.files import write_private
from lobbylock.install_dialog import Dialog
from lobbylock.install_results import FAILED, PASSED, UNWATCHED, Result
from lobbylock.settings import Options

# How long the board listens to what the person does, and how long it may be silent meanwhile.
_WATCH_S = 20
_SPARE_MS = 15_000
_MATRIX_KEYS = 12
_MAX_PICTURE_BYTES = 1 << 18
PICTURE = "picture.jpg"


class SelfTest:
    """Tests the parts that a door with `options` has; the picture lands in `folder`."""

    def __init__(self, client: Client, dialog: Dialog, options: Options, folder: Path) -> None:
        self._client = client
        self._dialog = dialog
        self._options = options
        self._folder = folder
        self.picture_sha256 = ""

    @property
    def parts(self) -> list[str]:
        """The names of the parts, in the order in which they are tested."""
        return [name for name, _ in self._tests()]

    def _tests(self) -> list[tuple[str, Callable[[], Result]]]:
        options = self._options
        found: list[tuple[str, Callable[[], Result]]] = [("indicator", self._indicator), ("strike", self._strike)]
        if options.has_contact:
            found.append(("contact", self._contact))
        if options.camera != "off":
            found.append(("camera", self._camera))
        if options.nfc != "off":
            found.append(("reader", self._reader))
        found.append(("keypad", self._keypad))
        return found

    def run(self, wanted: list[str]) -> list[Result]:
        """Tests one part of `wanted` after the other; what fails is a result like another."""
        results = []
        for part, test in self._tests():
            if part not in wanted:
                continue
            try:
                result = test()
            except Refused as error:
                result = Result(part, FAILED, str(error))
            tell = self._dialog.warn if result.outcome == FAILED else self._dialog.say
            tell(f"{part}: {result.outcome}" + (f" ({result.note})" if result.note else ""))
            results.append(result)
        return results

    def _try(self, what: str, seconds: int) -> Reply:
        seen = self._client.ask(
            "test", what=what, seconds=seconds, timeout_ms=seconds * 1000 + _SPARE_MS, listen=self._show
        )
        return seen

    def _show(self, event: dict[str, Any]) -> None:
        words = ", ".join(f"{name} {value}" for name, value in event.items() if not isinstance(value, dict))
        self._dialog.say(f"  the board sees: {words[:160]}")

    def _watched(self, part: str, question: str) -> Result:
        if self._dialog.is_unattended:
            return Result(part, PASSED, "by the board; nobody watched")
        return Result(part, PASSED if self._dialog.confirm(question) else FAILED, "seen by the installer")

    # What happens by itself and has to be watched.

    def _indicator(self) -> Result:
        self._dialog.say("Lamp and buzzer will show what they have to say.")
        self._try("indicator", 1)
        return self._watched("indicator", "Did the lamp light up and the buzzer sound?")

    def _strike(self) -> Result:
        self._dialog.say("The strike will be released for a moment: try the door.")
        self._try("strike", 1)
        return self._watched("strike", "Could the door be opened, and is it locked again now?")

    def _camera(self) -> Result:
        self._dialog.say("The camera will take a picture.")
        digest = self._try("camera", 1).text("sha256")
        data = self._fetch_picture()
        path = self._folder / PICTURE
        write_private(path, data)
        self.picture_sha256 = sha256(data).hexdigest()
        note = f"{len(data)} bytes in {path.name}"
        if self.picture_sha256 != digest:
            return Result("camera", FAILED, f"{note}, which are not the ones that the board took")
        if data[:2] != b"\xff\xd8" or data[-2:] != b"\xff\xd9":
            return Result("camera", FAILED, f"{note}, which are no JPEG")
        if self._dialog.is_unattended:
            return Result("camera", PASSED, f"{note}; nobody looked at it")
        self._dialog.say(f"The picture is {path}.")
        is_right = self._dialog.confirm("Does it show who stands at the door?")
        return Result("camera", PASSED if is_right else FAILED, note)

    def _fetch_picture(self) -> bytes:
        data = bytearray()
        with self._dialog.progress("Fetching the picture") as advance:
            while True:
                reply = self._client.ask("picture", at=len(data))
                total = reply.number("total")
                if not 0 < total <= _MAX_PICTURE_BYTES:
                    raise UserError("The board's test picture has no size that a picture can have.")
                try:
                    piece = base64.b64decode(reply.text("data"), validate=True)
                except ValueError:
                    piece = b""
                if not piece or len(data) + len(piece) > total:
                    raise UserError("The board's test picture comes in pieces that do not fit; run this again.")
                data += piece
                advance(len(data), total)
                if len(data) == total:
                    return bytes(data)

    # What the person does and the board has to see.

    def _contact(self) -> Result:
        return self._noticed("contact", "Open the door and close it again", "changes", 2)

    def _reader(self) -> Result:
        return self._noticed("reader", "Hold any card or phone to the reader", "cards", 1)

    def _keypad(self) -> Result:
        keys = _MATRIX_KEYS if self._options.keypad == "matrix" else 1
        return self._noticed("keypad", "Press every key once", "keys", keys)

    def _noticed(self, part: str, request: str, counted: str, least: int) -> Result:
        """Tests a part that only a person can do something to; the board counts what it notices."""
        if self._dialog.is_unattended:
            is_ready = self._try(part, 1).fields.get("ready", True)
            if is_ready is not True:
                return Result(part, FAILED, "it does not answer the board")
            return Result(part, UNWATCHED, "nobody was there to do something")
        self._dialog.say(f"{request}, within {_WATCH_S} seconds.")
        count = self._try(part, _WATCH_S).number(counted)
        if count >= least:
            return Result(part, PASSED, f"the board noticed {count} {counted}")
        return Result(part, FAILED, f"the board noticed {count} {counted} where {least} were to come")
