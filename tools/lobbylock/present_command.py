"""`lobbylock phone present`: a visit of the reference phone over Bluetooth."""

import asyncio
import contextlib
import json
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from firmware.core import bulletin, event, event_names
from lobbylock.ble_phone import BleVisit, CarrierLost, StrangeLock
from lobbylock.ble_radio import Radio
from lobbylock.bulletin import read_list, read_token
from lobbylock.errors import UserError
from lobbylock.files import check_writable, write_private
from lobbylock.names import split_door
from lobbylock.options import JsonOption
from lobbylock.phone import Phone, load_key
from lobbylock.phone_command import WalletArgument
from lobbylock.visit_receipt import read_visit_receipt
from lobbylock.wallet import Wallet

_WORDS = {
    event.GRANTED: "The door is open.",
    event.OTHER_BUILDING: "This credential is for another building.",
    event.EXPIRED: "This credential has expired.",
    event.NOT_YET_VALID: "This credential is not valid yet.",
    event.ALREADY_USED: "This credential is used up.",
    event.TIME_UNKNOWN: "The lock does not know the time yet: try again in a minute, or bring it a token.",
    event.FORGED: "The signature of this credential does not hold.",
    event.UNKNOWN_ISSUER: "The lock does not know who issued this credential.",
    event.WRONG_AREA: "This credential does not lead through this door.",
    event.OUTSIDE_HOURS: "This credential is not for this hour.",
    event.NO_BEARER: "Over Bluetooth a credential has to name its holder's key.",
    event.WRONG_HOLDER: "This credential is another phone's: the key does not fit.",
    event.REVOKED: "This credential was revoked.",
    event.NO_LIST: "The lock has lost its list of revoked credentials: bring it one.",
    event.WIDER: "This credential gives more than its parent has.",
    event.NO_ACT: "Nobody asked for the door to be opened: press Enter right before.",
    event.TOO_SLOW: "The phone answered too slowly: come closer and try again.",
    event.NO_DELEGATION: "The parent of this credential may not let others in.",
}


def present(
    path: WalletArgument,
    door: Annotated[
        str | None,
        typer.Option("--door", metavar="BUILDING/DOOR", help="Only this door (default: the first one heard)"),
    ] = None,
    receipt: Annotated[
        Path | None,
        typer.Option("--receipt", metavar="FILE", help="Where the receipt goes (default: beside the wallet)"),
    ] = None,
    no_receipt: Annotated[bool, typer.Option("--no-receipt", help="Ask for none.")] = False,
    list_file: Annotated[
        Path | None, typer.Option("--list", metavar="FILE", help="Bring this list of revoked credentials.")
    ] = None,
    token: Annotated[Path | None, typer.Option("--token", metavar="FILE", help="Bring this time token.")] = None,
    limit_s: Annotated[float, typer.Option("--seconds", min=1, max=600, help="How long to look for the door.")] = 30,
    is_there: Annotated[bool, typer.Option("--yes-i-am-at-the-door", help="Do not wait for Enter; for tests.")] = False,
    is_json: JsonOption = False,
) -> None:
    """Find a door over Bluetooth and show it the credential; Enter is the act that asks it to open.

    Exits with 1 if the door stays closed.
    """
    held = Wallet.load(path)
    if receipt is not None:
        check_writable(receipt, path, held.key, list_file, token)
    doors = list(held.doors) if door is None else [door]
    visit = Presentation(
        held,
        Phone(
            held.credential,
            load_key(held.key),
            wants_receipt=not no_receipt,
            list_file=_read_list(list_file, doors) if list_file else b"",
            token=_read_token(token, doors) if token else b"",
            version=2,
        ),
        door,
    )
    outcome = asyncio.run(visit.play(Radio(), limit_s, None if is_there else _wait_for_enter))
    for number, data in enumerate(visit.phone.receipts):
        file = receipt if receipt is not None and number == 0 else path.parent / _receipt_name(data)
        write_private(file, data)
        outcome.receipts.append(str(file))
    typer.echo(json.dumps(outcome.values()) if is_json else outcome.text())
    if outcome.reason != event.GRANTED:
        raise typer.Exit(1)


def _read_list(path: Path, doors: list[str]) -> bytes:
    """Returns the list in `path`; whether its signature holds is for the lock. Raises UserError if it is none, or of
    another building than `doors`."""
    data = _read_news(path)
    try:
        building, _, _ = read_list(data)
    except UserError:
        raise UserError(f"{path} is no whole list; `lobbylock news list BUILDING --out FILE` writes one.") from None
    if all(split_door(door)[0] != building for door in doors):
        raise UserError(f"The list {path} is of {building}, and {', '.join(doors)} would not take it: leave it out.")
    return data


def _read_token(path: Path, doors: list[str]) -> bytes:
    """As `_read_list`, of a time token, which is for one of `doors`."""
    data = _read_news(path)
    try:
        door, _ = read_token(data)
    except UserError:
        raise UserError(f"{path} is no time token; `lobbylock news token` writes one with --out FILE.") from None
    if door not in doors:
        raise UserError(f"The token {path} is for {door}, and {', '.join(doors)} would not take it: leave it out.")
    return data


def _read_news(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            # One byte more than there may be is enough to be refused.
            return file.read(bulletin.MAX_LIST_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"There is no file at {path}; `lobbylock news` makes it.") from None


def _receipt_name(data: bytes) -> str:
    said = read_visit_receipt(data, None)
    return f"{said.door.replace('/', '-')}-{said.seq}.receipt" if said else "unknown.receipt"


async def _wait_for_enter(door: str) -> None:
    typer.echo(f"{door} is here. Press Enter to have it opened.", err=True)
    loop = asyncio.get_running_loop()
    pressed = loop.create_future()
    # No thread of an executor: whoever gives up with Ctrl-C would have to press Enter all the same.
    threading.Thread(target=_read_line, args=(loop, pressed), daemon=True).start()
    if not await pressed:
        raise UserError("Nobody pressed Enter.")


def _read_line(loop: asyncio.AbstractEventLoop, pressed: asyncio.Future[bool]) -> None:
    # Not by sys.stdin, whose lock the interpreter wants to have when it ends.
    last = b" "
    while last not in (b"", b"\n"):
        last = os.read(sys.stdin.fileno(), 1)
    # Nobody waits any more after Ctrl-C.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_settle, pressed, last == b"\n")


def _settle(pressed: asyncio.Future[bool], is_pressed: bool) -> None:
    if not pressed.done():
        pressed.set_result(is_pressed)


@dataclass
class Outcome:
    """What came of a visit. `reason` is None if the lock said nothing; `trouble` says why not, if that is known."""

    door: str | None
    reason: int | None
    trouble: str
    list_version: int | None
    nonce: bytes | None
    receipts: list[str]

    def values(self) -> dict[str, Any]:
        """Returns the same as JSON values."""
        return {
            "door": self.door,
            "granted": self.reason == event.GRANTED,
            "reason": None if self.reason is None else _reason_name(self.reason),
            "trouble": self.trouble or None,
            "list_version": self.list_version,
            "nonce": None if self.nonce is None else self.nonce.hex(),
            "receipts": self.receipts,
        }

    def text(self) -> str:
        """Returns it in words."""
        if self.reason is None:
            lines = [self.trouble or "The lock hung up without a word."]
        else:
            lines = [_WORDS.get(self.reason, f"The door stays closed: {_reason_name(self.reason)}.")]
        lines += [f"The receipt is in {file}." for file in self.receipts]
        if self.nonce is not None:
            lines.append(f"The lock would like to have the time: `lobbylock news token --nonce {self.nonce.hex()}`.")
        return "\n".join(lines)


def _reason_name(reason: int) -> str:
    names = event_names.REASON_NAMES
    return names[reason] if 0 <= reason < len(names) else f"reason_{reason}"


class Presentation:
    """One visit of `phone` with what `held` has, at `door` or at whichever of its doors is heard first."""

    def __init__(self, held: Wallet, phone: Phone, door: str | None) -> None:
        if door is not None and door not in held.doors:
            raise UserError(f"The wallet has no key of {door}; `phone wallet --door {door}=HEX` puts it there.")
        self.phone = phone
        self._doors = {name: key for name, key in held.doors.items() if door in (None, name)}

    async def play(self, radio: Radio, limit_s: float, wait_for_act: Any) -> Outcome:
        """Returns what came of it. `wait_for_act(door)` returns when the person has acted; None is an act at once."""
        found = await radio.find(self._doors, limit_s)
        if found is None:
            return self._outcome(None, "No door of this wallet is in reach.")
        door, device = found
        if wait_for_act is not None:
            await wait_for_act(door)
        pressed_s = asyncio.get_running_loop().time()
        self.phone.door_key = self._doors[door]
        try:
            carrier = await radio.connect(device)
            await BleVisit(self.phone, carrier, self._doors[door], door, pressed_s).run()
        except CarrierLost as error:
            return self._outcome(door, f"There was no connection: {error}.")
        except StrangeLock as error:
            return self._outcome(door, f"That is not the door, or somebody is in between: {error}.")
        return self._outcome(door, "")

    def _outcome(self, door: str | None, trouble: str) -> Outcome:
        told = self.phone
        return Outcome(door, told.reason, trouble, told.list_version, told.nonce, [])
