"""The visits that faults are injected into, played at a virtual board whose lock has probes.

Each begins with a lock that knows the time and has served before, and ends more than 10 s after the door has locked.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))

import cardcase
import lockroom
from lockroom import FlashImage, Lockroom
from probetree import Tree

from lobbylock.phone import Phone
from lobbylock.signature import Signer
from virtualboard import VirtualBoard
from virtualboard.chip.isodep_card import IsoDepCard

__all__ = ("VISITS", "FlashImage", "Lockroom", "Stage")

# Instrumented code is several times as large.
_HEAP = "1m"
_COLLECTOR_SEED = b"\x07" * 32
_START_MS = 30_000
# Camera, card reader and inputs are ready, and events of the start are sealed and acknowledged.
_SETTLE_MS = 6_000
# By then an order has been taken.
_ORDER_MS = 600
_LOCKED_MS = 5_500
_AFTER_MS = 10_500
WRONG_CODE = "3407000001"


def _open_and_close(room: Lockroom) -> None:
    """Waits for the strike, goes through the door, and lets it fall shut."""
    room.board.run_until(lambda: room.is_released, 9_000)
    room.board.run_for(700)
    room.board.contact.open()
    room.board.run_for(1_500)
    room.board.contact.close()
    room.board.run_for(_LOCKED_MS + _AFTER_MS)


def visit_keypad(room: Lockroom) -> None:
    """A wrong code, then one for a single use: picture, door, event and picture acknowledged."""
    press(room, WRONG_CODE)
    room.board.run_for(4_000)
    press(room, single_use_code(room))
    room.board.run_for(1_600)
    _open_and_close(room)


def visit_wiegand(room: Lockroom) -> None:
    """A card that means nothing here, then a code, at a keypad of the other sort."""
    room.board.wiegand.card(12, 3456)
    room.board.run_for(3_000)
    press(room, single_use_code(room))
    room.board.run_for(1_600)
    _open_and_close(room)


def visit_phone(room: Lockroom) -> None:
    """A phone with a credential for one use, that wants a receipt; the camera is required; then somebody leaves."""
    tap_phone(room)
    _open_and_close(room)
    room.board.exit_button.press()
    room.board.run_for(300)
    room.board.exit_button.release()
    _open_and_close(room)


def visit_badge(room: Lockroom) -> None:
    """A badge that was copied from another building, then a right one; the door is forced and shut again."""
    tap_badge(room, cardcase.badge_credential(building="oak-3"), 1)
    tap_badge(room, cardcase.badge_credential(), 2)
    _open_and_close(room)
    room.board.contact.open()
    room.board.run_for(1_000)
    room.board.contact.close()
    room.board.run_for(_AFTER_MS)


def press(room: Lockroom, digits: str) -> None:
    """Starts typing `digits` and # at the keypad that is fitted."""
    if room.settings["keypad"] == "wiegand":
        room.board.wiegand.type(digits + "#")
    else:
        room.press(digits + "#")


def show_code(room: Lockroom) -> None:
    press(room, single_use_code(room))


def single_use_code(room: Lockroom) -> str:
    return room.code(9, 11)


def tap_phone(room: Lockroom) -> None:
    made = Phone(cardcase.phone_credential(uses=1), cardcase.PHONE_KEY, wants_receipt=True)
    card = IsoDepCard(made.handle)
    room.board.nfc.place(card)
    room.board.run_for(3_000)
    room.board.nfc.remove(card)
    room.board.run_for(2_500)


def tap_badge(room: Lockroom, data: bytes, number: int) -> None:
    card = cardcase.badge(data, number)
    room.board.nfc.place(card)
    room.board.run_for(1_500)
    room.board.nfc.remove(card)
    room.board.run_for(2_500)


# Name: (the visit, what its door has in its settings, showing again what was for one use, presses of the exit button).
VISITS = {
    "keypad": (visit_keypad, {}, show_code, 0),
    "phone": (visit_phone, {"camera": "required", **cardcase.SETTINGS}, tap_phone, 1),
    "badge": (
        visit_badge,
        {"nfc": "spi", **{key: value for key, value in cardcase.SETTINGS.items() if key != "nfc"}},
        lambda room: tap_badge(room, cardcase.badge_credential(), 3),
        0,
    ),
    "wiegand": (visit_wiegand, {"keypad": "wiegand", "camera": "off"}, show_code, 0),
}


class Stage:
    """A door of `tree` for the visit `name`, in `folder`; a copy of the state `before`, if that is given."""

    def __init__(self, tree: Tree, name: str, folder: Path, before: Path | None = None) -> None:
        if before:
            shutil.copytree(before, folder)
        usual = lockroom.VirtualBoard
        lockroom.VirtualBoard = lambda at, **more: VirtualBoard(at, **{**more, "root": tree.root, "heap": _HEAP})
        try:
            collector = Signer(_COLLECTOR_SEED).public_key.hex()
            self.room = Lockroom(folder, ntp="", collector_key=collector, **VISITS[name][1])
        finally:
            lockroom.VirtualBoard = usual
        self.board = self.room.board

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_) -> None:
        self.room.close()

    def start(self) -> None:
        """Power on, and until the lock serves."""
        self.board.power_on()
        assert self.await_start(), self.board.console[-20:]
        self.board.run_for(_SETTLE_MS)

    def await_start(self) -> bool:
        """Waits until every start of the board has said its line; returns whether it has."""
        return self.board.run_until(self.has_started, _START_MS)

    def has_started(self) -> bool:
        greetings = sum(line.startswith('{"lobbylock"') for line in self.board.console)
        return greetings >= len(self.board.reset_causes)

    def order(self, words: str) -> None:
        """Tells the probes what to do and waits until they have been told."""
        target = self.board.vfs / "order"
        target.with_suffix(".new").write_text(words)
        target.with_suffix(".new").rename(target)
        self.board.run_for(_ORDER_MS)
        assert not target.exists()
