"""The virtual door in a terminal: keys go to the keypad, and what the chips and the collector do is printed."""

import contextlib
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from lobbylock.demo.deck import Deck, forge
from lobbylock.demo.hand import KEYS, Hand
from lobbylock.demo.stage import DOOR, Stage
from lobbylock.minting import group_digits
from virtualboard.chip.card import Card

_LOOK_S = 0.05
_STILL_S = 3.0
_HELP = (
    "0-9 * #: keypad   b: badge   f: forged badge   t: phone   u: phone by Bluetooth   "
    "o/c: open, close the door   e: exit button   n: network on/off   p: power cut   q: quit"
)
_CARDS = {"b": "the driver's badge", "f": "a badge that somebody made himself", "t": "the driver's phone"}


class Live:
    """Shows one open stage on `console` until the person has had enough."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._board = stage.board
        self._console = console
        self._typed = ""
        self._is_mid_line = False
        self._moves = len(stage.board.strike.history)
        self._frames = len(stage.board.camera.frozen_ms)
        self._said = 0
        self._is_networked = True
        self._deck = Deck(stage)
        self._hand = Hand(stage)

    def run(self) -> None:
        """Returns when `q` is typed or the input ends."""
        with keyboard() as key_in:
            self._board.start_pump()
            try:
                self._greet()
                self._follow(key_in)
            finally:
                self._board.stop_pump()

    def _greet(self) -> None:
        code = self._stage.code("UPS 4711")
        once = self._stage.code("FedEx 12", "--once")
        self._say("door", f"{DOOR} is locked. The driver of UPS 4711 stands there.")
        self._console.print(Text.assemble("  type ", (group_digits(code) + " #", "bold green"), "  for a delivery"))
        self._console.print(Text.assemble("  type ", (group_digits(once) + " #", "green"), "  for one that works once"))
        self._console.print(Text("  " + _HELP, "dim"))

    def _follow(self, key_in: Iterator[str]) -> None:
        end_s = None
        while end_s is None or time.monotonic() < end_s:
            key = next(key_in, "q")
            if key == "q" and end_s is None:
                # What is under way may still arrive.
                end_s = time.monotonic() + _STILL_S
            elif key:
                self._press(key)
            self._show_changes()

    def _press(self, key: str) -> None:
        board = self._board
        if key in KEYS:
            self._hand.type(key)
            self._echo(key)
        elif key in _CARDS:
            self._hold(key)
        elif key == "u":
            self._come()
        elif key == "o":
            board.contact.open()
            self._say("door", "opened")
        elif key == "c":
            board.contact.close()
            self._say("door", "closed")
        elif key == "e":
            self._hand.press_exit()
            self._say("exit", "button pressed")
        elif key == "n":
            self._is_networked = not self._is_networked
            board.wlan.available = self._is_networked
            self._say("network", "back" if self._is_networked else "gone")
        elif key == "p":
            self._cut_power()

    def _hold(self, key: str) -> None:
        """Holds a card to the reader for a moment."""
        if self._hand.is_holding:
            return
        self._say("reader", _CARDS[key])
        card: Card
        if key == "t":
            card, _ = self._deck.phone()
        else:
            credential = self._deck.credential()
            card = self._deck.badge(credential if key == "b" else forge(credential))
        self._hand.hold(card)

    def _come(self) -> None:
        """Has the driver press the button on the phone, which is in the pocket otherwise."""
        _, phone = self._deck.phone(wants_receipt=True, door_key=self._stage.door_key)
        if self._hand.come(phone):
            self._say("phone", "the driver presses the button")

    def _show_visit(self) -> None:
        told = self._hand.end_visit()
        if told is not None:
            self._say("phone", f"was told: {told}")

    def _echo(self, key: str) -> None:
        """Shows the keys of one code in one line, as stars: a code is a secret on a screen, too."""
        self._typed += "•" if key in "0123456789" else key
        self._console.print(Text.assemble(("\r    keypad  ", "dim"), self._typed), end="")
        self._is_mid_line = True
        if key in "*#":
            self._typed = ""
            self._end_line()

    def _end_line(self) -> None:
        if self._is_mid_line:
            self._console.print()
        self._is_mid_line = False

    def _cut_power(self) -> None:
        self._say("power", "cut")
        self._board.stop_pump()
        self._board.power_off()
        self._stage.start_lock()
        self._board.start_pump()
        self._say("power", "back, the lock has started")

    def _show_changes(self) -> None:
        history = self._board.strike.history
        for _, level in history[self._moves :]:
            self._say("strike", "RELEASED, the door can be pulled open" if level else "at rest, locked")
        self._moves = len(history)
        self._hand.let_go()
        frozen = self._board.camera.frozen_ms
        if len(frozen) > self._frames:
            self._say("camera", "frame frozen")
        self._frames = len(frozen)
        self._show_visit()
        self._stage.events()
        for line in self._stage.lines[self._said :]:
            self._show_line(line)
        self._said = len(self._stage.lines)

    def _show_line(self, line: dict[str, Any]) -> None:
        if line["type"] == "picture":
            self._say("picture", f"stored, hash is the event's: {line['file']}")
        elif line["type"] == "event" and line["kind"] == "seal":
            self._say("collector", f"signature and chain verified up to #{line['seq']}")
        elif line["type"] == "event":
            shown = [f"{name} {str(value)[:16]}" for name, value in line["details"].items()]
            if "driver" in line:
                shown.insert(0, line["driver"])
            self._say("event", f"#{line['seq']} {line['kind']}" + (f" ({', '.join(shown)})" if shown else ""))
        elif line["type"] == "refused":
            self._say("collector", f"refused: {line['reason']}")

    def _say(self, who: str, what: str) -> None:
        self._end_line()
        style = {"strike": "bold green", "event": "cyan", "collector": "magenta", "picture": "blue"}.get(who, "")
        self._console.print(Text.assemble((f"{who:>10}  ", "dim"), (what, style)), soft_wrap=True)


@contextlib.contextmanager
def keyboard() -> Iterator[Iterator[str]]:
    """Yields an iterator over typed characters, "" whenever none came for a moment; it ends with the input."""
    if not sys.stdin.isatty():
        yield _characters(sys.stdin.fileno())
        return
    before = termios.tcgetattr(sys.stdin)
    # Not flushed: what was typed ahead counts.
    tty.setcbreak(sys.stdin, termios.TCSADRAIN)
    try:
        yield _characters(sys.stdin.fileno())
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _characters(number: int) -> Iterator[str]:
    with open(number, "rb", buffering=0, closefd=False) as source:
        while True:
            if not select.select([source], [], [], _LOOK_S)[0]:
                yield ""
                continue
            data = source.read(1)
            if not data:
                return
            if data not in b"\r\n":
                yield data.decode("ascii", "ignore")


def show(folder: Path, console: Console) -> None:
    """Opens the door in the empty `folder` and lets the person have a go."""
    console.print(Text("Starting a broker, a collector and the firmware ...", "dim"))
    with Stage(folder) as stage:
        live = Live(stage, console)
        stage.wait_for_time()
        live.run()
