"""An installation: a board becomes one building's door, step by step, from wherever it stands."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from lobbylock import boards
from lobbylock.building_file import DoorPlan
from lobbylock.console.client import RESTART_MS, Client, Refused, Reply
from lobbylock.console.status import Status, read_status
from lobbylock.door import Door, parse_public_key
from lobbylock.errors import UserError
from lobbylock.files import make_folder, write_private
from lobbylock.handover import Sheet, write_html, write_text
from lobbylock.home import Home
from lobbylock.install_dialog import Dialog
from lobbylock.install_results import FAILED, UNWATCHED, Result, load_results, save_results, sheet_folder
from lobbylock.install_selftest import SelfTest
from lobbylock.journalkey import JournalKey
from lobbylock.names import NO_DOOR
from lobbylock.owner import find_owner, make_owner
from lobbylock.settings import Options, compose
from lobbylock.signature import Signer

_LOOK_MS = 2_000
_TRIAL_LOOK_MS = 5_000
_ATTEMPTS = 4
# A board reads eight kilobytes field by field for it.
_CHECK_MS = 20_000
# A trial takes two minutes from the start on, docs/protocol.md section 6.
_TRIAL_MS = 240_000
_CLOCK_OFF_S = 2
_OWNER = "owner"


@dataclass
class Wishes:
    """What the person at the installation chose. `key` is an installer's, None for the home's owner."""

    may_replace: bool = False
    tests_again: bool = False
    acknowledgement_ms: float = 60_000
    key: Signer | None = None
    folder: Path | None = None
    now_s: Callable[[], float] = time.time


@dataclass
class Outcome:
    """What came of it: `changed` names what was changed on the board, `sheet` is where the hand-over sheet lies."""

    door: str
    public_key: bytes
    changed: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sheet: Path | None = None

    @property
    def is_good(self) -> bool:
        """Whether no test failed."""
        return all(result.outcome != FAILED for result in self.results)


class Installation:
    """Makes the board behind `client` the door of `plan`. Every step looks first at what is there already.

    Methods raise UserError for whatever a person can put right; what was done until then stays done.
    """

    def __init__(self, client: Client, home: Home, plan: DoorPlan, dialog: Dialog, wishes: Wishes) -> None:
        self._client = client
        self._home = home
        self._plan = plan
        self._dialog = dialog
        self._wishes = wishes
        self._hello: Reply = Reply({})
        self._role = ""
        self._owner_key = b""
        self._settings_sha256 = ""
        self._is_on_trial = False
        self._is_confirmed = False
        self._outcome = Outcome(plan.name, b"")
        self._picture_sha256 = ""

    def run(self) -> Outcome:
        """Goes through all steps; returns what came of it."""
        self._meet()
        self._claim()
        self._sign_in()
        try:
            self._enrol()
            self._configure()
            self._tell_time()
            self._look_at_keys()
            self._test()
            self._await_trial()
            self._await_acknowledgement()
        finally:
            self._client.sign_out()
        self._hand_over()
        return self._outcome

    # Who is there.

    def _meet(self) -> None:
        """Makes sure that the board is the one for this door, before anything is changed on it or here."""
        dialog, plan = self._dialog, self._plan
        dialog.step("The board")
        self._home.issuer()
        self._hello = hello = self._client.hello()
        kind, door = hello.text("board"), hello.text("door")
        self._outcome.public_key = parse_public_key(hello.text("public_key"))
        dialog.say(f"{kind} with LobbyLock {hello.text('lobbylock')}, {_claim_words(hello)}, door {_door_words(door)}.")
        if kind != plan.board.name:
            raise UserError(
                f"The board runs the firmware of {kind}, but {plan.name} is to be {plan.board.name}: its pins would be"
                " others. Connect the right board, flash the right image, or correct `board` in the building's file."
            )
        if door not in (NO_DOOR, plan.name):
            raise UserError(
                f"This board is {door}, not {plan.name}. If it is to move, its owner resets it first:"
                f" `lobbylock owner reset {door} --port {self._client.port.name}`."
            )
        known = self._record()
        if known and known.public_key not in (None, self._outcome.public_key) and not self._wishes.may_replace:
            raise UserError(
                f"{plan.name} has another board enrolled. If this one takes its place, add --replace; its record so far"
                " stays readable."
            )

    def _record(self) -> Door | None:
        return self._home.door(self._plan.name) if self._plan.name in self._home.door_names() else None

    def _claim(self) -> None:
        """Gives an unclaimed board its owner, and keeps its keys before anything else happens to them."""
        if self._hello.fields.get("claimed") is True:
            return
        if self._wishes.key is not None:
            raise UserError("The board has no owner yet: its owner claims it first, without --key.")
        self._dialog.step("Claim")
        owner = find_owner(self._home)
        if owner is None:
            owner = make_owner(self._home)
            self._dialog.say(f"Made the owner's key in {self._home.path / 'owner.json'}: keep a copy of that folder.")
        self._make_record()
        try:
            reply = self._client.ask("claim", owner=owner.public_key.hex())
        except Refused as error:
            # A claim whose reply was lost, and that was made again: whose it is shows when the session is opened.
            if self._client.hello().fields.get("claimed") is not True:
                raise
            self._dialog.say(str(error))
            return
        self._save_keys(reply)
        self._outcome.changed.append("owner")
        self._dialog.say("The board is yours: from now on it answers to the owner's key alone.")

    def _make_record(self) -> None:
        """Has a record of the door in the home, before there is a key to be kept in it."""
        if self._record() is None:
            self._home.new_door(self._plan.name, self._plan.options)

    def _save_keys(self, reply: Reply) -> None:
        """Keeps the board's public key and its journal's, from a reply to `claim` or `enrolment`."""
        public_key = parse_public_key(reply.text("public_key"))
        journal = reply.fields.get("journal")
        key = JournalKey.parse(journal.get("seq"), journal.get("key")) if isinstance(journal, dict) else None
        if public_key != self._outcome.public_key:
            raise UserError("The board names another public key than before: pull its power, and run this again.")
        with self._home.locked():
            door = self._home.door(self._plan.name)
            door.enrol(public_key, key, may_replace=self._wishes.may_replace)
            self._home.save_door(door)

    def _sign_in(self) -> None:
        signer = self._wishes.key or find_owner(self._home)
        if signer is None:
            raise UserError(
                f"The board has an owner, but {self._home.path} has no owner's key: run this with the owner's folder"
                " (--home), or with a key that the owner let in (--key)."
            )
        try:
            self._role = self._client.sign_in(signer, self._outcome.public_key)
        except Refused as error:
            if error.word != "signature":
                raise
            raise UserError(
                "The board is claimed by somebody else: it refuses this key. Its owner resets it, or lets your key in"
                " (`lobbylock owner installers add`)."
            ) from None
        owner = signer if self._role == _OWNER else find_owner(self._home)
        self._owner_key = owner.public_key if owner else b""

    def _enrol(self) -> None:
        """Has the home know the board's key and its journal's, so that the collector takes its events."""
        self._make_record()
        door = self._home.door(self._plan.name)
        if door.public_key == self._outcome.public_key and door.journal_key is not None:
            return
        self._dialog.step("Enrolment")
        if self._role != _OWNER:
            raise UserError(
                f"{self._plan.name} is not enrolled yet, which takes the owner: run this with his key first."
            )
        try:
            self._save_keys(self._client.ask("enrolment"))
        except Refused as error:
            raise UserError(
                f"{self._plan.name} cannot be enrolled: {error} Its events were acknowledged by another collector"
                " already: take the record of that one, or reset the board."
            ) from None
        self._outcome.changed.append("enrolment")
        self._dialog.say("Its keys are kept, so the collector can check all it records.")

    # Settings.

    def _configure(self) -> None:
        """Brings the settings to what the file says, if they differ, and waits for the board to run with them."""
        self._dialog.step("Settings")
        data = self._compose()
        self._settings_sha256 = sha256(data).hexdigest()
        for attempt in range(_ATTEMPTS):
            try:
                self._bring(data)
                return
            except Refused as error:
                # A board that started anew meanwhile knows of no transfer; or it is what started it, and is done.
                if error.word not in ("order", "sha256") or attempt + 1 == _ATTEMPTS:
                    raise

    def _bring(self, data: bytes) -> None:
        status = read_status(self._client)
        if _running(status) == self._settings_sha256:
            self._is_on_trial = bool(status.get("settings", "trial"))
            if self._is_confirmed:
                self._outcome.changed.append("settings")
                self._dialog.say("It runs with them.")
            else:
                self._dialog.say(
                    "They are on the board already, on trial." if self._is_on_trial else "Nothing to change."
                )
            return
        with self._dialog.progress("Sending the settings") as advance:
            self._client.send("settings", data, advance)
        if not self._is_confirmed:
            preview = self._client.ask("preview", timeout_ms=_CHECK_MS)
            changes = [event for event in preview.events if "field" in event]
            if preview.fields.get("changed") == 0:
                self._dialog.say("Nothing to change.")
                return
            self._show(changes)
            if not self._dialog.confirm(f"Put these {len(changes)} settings on the board?"):
                raise UserError("Nothing was changed on the board.")
            self._is_confirmed = True
        self._apply()

    def _compose(self) -> bytes:
        """Returns settings.json for the board; the door's record in the home gets the same options."""
        with self._home.locked():
            door = self._home.door(self._plan.name)
            if door.options != self._plan.options:
                door.options = self._plan.options
                self._home.save_door(door)
        code_key, collector_key = self._home.code_key(door), self._home.collector().public_key
        keys = self._home.issuer().keys
        return compose(door.building, door.door, door.tag, code_key, collector_key, door.options, keys)

    def _show(self, changes: list[dict[str, Any]]) -> None:
        for change in changes:
            name = str(change["field"])[:40]
            if "new" not in change:
                self._dialog.say(f"{name}: changed")
            elif change.get("old") is None:
                self._dialog.say(f"{name}: {_value_words(change['new'])}")
            else:
                self._dialog.say(f"{name}: {_value_words(change['old'])} -> {_value_words(change['new'])}")

    def _apply(self) -> None:
        boot = self._client.hello().fields.get("boot")
        reply = self._client.ask("apply", sha256=self._settings_sha256, timeout_ms=_CHECK_MS)
        if reply.fields.get("changed") == 0:
            self._dialog.say("Nothing to change.")
            return
        self._dialog.say("The board starts with them; tables of keys may take it a minute.")
        self._await_start(boot)
        status = read_status(self._client)
        if _running(status) != self._settings_sha256:
            raise UserError(f"The board went back to its old settings{_why_reverted(status)}.")
        self._outcome.changed.append("settings")
        self._is_on_trial = bool(status.get("settings", "trial"))
        if self._is_on_trial:
            self._dialog.say("It runs with them, on trial for two minutes.")

    def _await_start(self, boot: object) -> None:
        """Returns once the board has started anew since it said `boot`. Raises UserError if it does not."""
        end_ms = self._client.port.now_ms() + RESTART_MS
        while self._client.port.now_ms() < end_ms:
            # It goes when nobody is at the door, and answers until then.
            self._client.port.sleep_ms(_LOOK_MS)
            self._hello = self._client.wait_for_start()
            if self._hello.fields.get("boot") != boot:
                return
        raise UserError(
            "The board has taken the settings and does not restart: switch it off and on, and run this again."
        )

    def _await_trial(self) -> None:
        """Waits until the board has accepted the settings that it runs with on trial."""
        if not self._is_on_trial:
            return
        self._dialog.step("Trial of the settings")
        end_ms = self._client.port.now_ms() + _TRIAL_MS
        with self._dialog.progress("Waiting for the board to accept them") as advance:
            begun_ms = self._client.port.now_ms()
            while True:
                status = read_status(self._client)
                if not status.get("settings", "trial"):
                    break
                now_ms = self._client.port.now_ms()
                if now_ms > end_ms:
                    raise UserError("The board is still trying its settings; run this again in some minutes.")
                advance(int(now_ms - begun_ms), int(_TRIAL_MS / 2))
                self._client.port.sleep_ms(_TRIAL_LOOK_MS)
        if _running(status) != self._settings_sha256:
            raise UserError(f"The board went back to its old settings{_why_reverted(status)}.")
        self._dialog.say("Accepted.")

    # Time and keys.

    def _tell_time(self) -> None:
        self._dialog.step("Clock")
        status = read_status(self._client)
        now_s = self._wishes.now_s()
        lock_s = status.number("time", "unix_s")
        slack_s = max(_CLOCK_OFF_S, status.number("time", "uncertainty_s") or 0)
        if lock_s is not None and abs(lock_s - now_s) <= slack_s:
            self._dialog.say("It is right.")
            return
        try:
            self._client.ask("time", unix_s=int(self._wishes.now_s()), uncertainty_s=1)
        except Refused as error:
            if error.word != "time":
                raise
            self._note(f"{error} Is this machine's clock right?")
            return
        self._outcome.changed.append("clock")
        self._dialog.say("Set to this machine's.")

    def _look_at_keys(self) -> None:
        """Says whether the tables of the issuer's keys are made: the lock makes them before it starts its tasks."""
        self._dialog.step("Issuer's keys")
        kids = [key.kid.hex() for key in self._home.issuer().keys]
        if self._plan.options.nfc == "off":
            self._dialog.say(f"{', '.join(kids)}: without a card reader nothing is made of them.")
        elif read_status(self._client).get("reader", "state") == "left_out":
            self._note("The lock runs without its card reader; `lobbylock doctor` says why.")
        else:
            self._dialog.say(f"{', '.join(kids)}: their tables are ready.")

    # Tests.

    def _test(self) -> None:
        folder = self._folder()
        self._dialog.step("Self-test")
        kept, picture = load_results(folder, self._outcome.public_key, self._settings_sha256)
        options = self._plan.options
        test = SelfTest(self._client, self._dialog, options, folder)
        wanted = test.parts
        is_kept = [result.part for result in kept if result.outcome != FAILED] == wanted
        if is_kept and not self._wishes.tests_again and "settings" not in self._outcome.changed:
            # What nobody was there for is made up for as soon as somebody is.
            wanted = [] if self._dialog.is_unattended else [each.part for each in kept if each.outcome == UNWATCHED]
            self._dialog.say("The other parts were tested before." if wanted else "Done before; --test does it again.")
        else:
            kept, picture = [], ""
        if wanted:
            make_folder(folder)
            seen = {result.part: result for result in [*kept, *test.run(wanted)]}
            kept, picture = list(seen.values()), test.picture_sha256 or picture
            save_results(folder, self._outcome.public_key, self._settings_sha256, kept, picture)
        self._outcome.results, self._picture_sha256 = kept, picture

    def _await_acknowledgement(self) -> None:
        """Waits for the collector's first acknowledgement, for some time: the door works without."""
        self._dialog.step("Collector")
        if not self._plan.options.mqtt_url:
            self._note("No broker is set: what the door records waits on the board, and nobody is told.")
            return
        client, wishes = self._client, self._wishes
        end_ms = client.port.now_ms() + wishes.acknowledgement_ms
        with self._dialog.progress("Waiting for the first acknowledgement") as advance:
            begun_ms = client.port.now_ms()
            while True:
                status = read_status(client)
                acknowledged = status.number("journal", "acked")
                if acknowledged:
                    break
                now_ms = client.port.now_ms()
                if now_ms > end_ms:
                    self._note(_why_unacknowledged(status))
                    return
                advance(int(now_ms - begun_ms), int(wishes.acknowledgement_ms))
                client.port.sleep_ms(_LOOK_MS)
        self._dialog.say(f"It has acknowledged everything up to event {acknowledged}.")

    # Hand-over.

    def _note(self, text: str) -> None:
        self._dialog.warn(text)
        self._outcome.notes.append(text)

    def _folder(self) -> Path:
        return self._wishes.folder or sheet_folder(self._home, self._plan.name)

    def _hand_over(self) -> None:
        self._dialog.step("Hand-over")
        if not self._outcome.changed:
            self._dialog.say("Nothing to change: the board is as the file says.")
        sheet = Sheet(
            door=self._plan.name,
            public_key=self._outcome.public_key,
            owner_key=self._owner_key,
            version=self._hello.text("lobbylock"),
            board=f"{self._plan.board.title} ({self._plan.board.name})",
            date_s=int(self._wishes.now_s()),
            settings_sha256=self._settings_sha256,
            wiring=wiring_rows(self._plan.board, self._plan.options),
            results=self._outcome.results,
            picture_sha256=self._picture_sha256,
            notes=self._outcome.notes,
        )
        folder = self._folder()
        make_folder(folder)
        text = write_text(sheet)
        write_private(folder / "sheet.txt", text.encode())
        write_private(folder / "sheet.html", write_html(sheet).encode())
        self._outcome.sheet = folder / "sheet.html"
        self._dialog.say(f"The sheet to print and to keep: {folder / 'sheet.html'} (as text: sheet.txt).")


def _claim_words(hello: Reply) -> str:
    return "claimed" if hello.fields.get("claimed") is True else "unclaimed"


def _door_words(door: str) -> str:
    return "none yet" if door == NO_DOOR else door


def _value_words(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:100] or "nothing"


def _running(status: Status) -> str:
    """Returns the SHA-256 of the settings that the board runs with, "" if there are none."""
    return str(status.get("settings", "trial") or status.get("settings", "sha256") or "")


def _why_reverted(status: Status) -> str:
    refused = status.get("settings", "refused")
    return f"; it refuses {str(refused)[:40]}" if refused else ": it did not start well with the new ones"


def _why_unacknowledged(status: Status) -> str:
    """Returns what keeps the first acknowledgement away, as far as the board knows."""
    again = "Run this again to see it come."
    if status.get("wifi", "up") is False:
        return f"The board is not in its Wi-Fi: look at ssid and password, and at the signal. {again}"
    if status.get("uplink", "connected") is False:
        error = status.get("uplink", "last_error")
        told = f" ({error})" if error else ""
        return f"The board does not reach its broker{told}. The door works all the same. {again}"
    return f"The board is with its broker, but no collector answers: is `lobbylock collect` running? {again}"


def wiring_rows(board: boards.Board, options: Options) -> list[tuple[str, ...]]:
    """Returns the rows of the wiring that a door with these options has, with their heading."""
    rows: list[tuple[str, ...]] = [("part", "line", "GPIO", "supply", "pull", "note")]
    for wire in board.wiring(keypad=options.keypad, nfc=options.nfc):
        if options.camera == "off" and wire.part.startswith("camera"):
            continue
        gpios = " ".join(map(str, wire.gpios))
        rows.append((wire.part, wire.line, gpios, wire.supply, wire.pull, wire.note))
    return rows
