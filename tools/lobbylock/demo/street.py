"""The street in front of the virtual door: one thread that alone touches the board, and what there is to see of it.

Requests come from other threads. Whatever has to be computed for one (minting takes a while) is done there; the rest is
handed over to the street's thread, so that the board's time never waits for it.
"""

import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from datetime import datetime, timezone

from lobbylock.demo.hand import KEYS, Hand
from lobbylock.demo.pocket import BADGES, COPIED, Pocket, as_card
from lobbylock.demo.rowedit import RowEdit, alter_row, restore_row
from lobbylock.demo.stage import DOOR, Stage
from lobbylock.errors import UserError
from virtualboard.chip.scene import render

# Light comes and goes within a tenth of a second.
_ROUND_MS = 20
_ANSWER_S = 20.0
_LINES = 12
_VIEW_SIZE = (320, 240)
_VIEW_COMPRESSION = 0x36

# What is done on the street's thread; returns who it is about and what happened, for the list of what happened.
Touch = Callable[[], "tuple[str, str] | None"]


@dataclass(frozen=True)
class Line:
    """Something that happened at the door: `who` it is about, and `what`. `time` is that of the day, as people say it.

    `number` counts all lines from the start.
    """

    number: int
    time: str
    who: str
    what: str


@dataclass(frozen=True)
class View:
    """All that there is to see, at one moment. `power` is "on", "starting" or "off"; `held` names what is held to the
    reader, `altered` says which stored row was written over: both are empty if there is nothing. `frames` counts the
    frames that the camera froze, `lines` are the latest ones, oldest first."""

    power: str = "off"
    is_networked: bool = True
    is_released: bool = False
    is_open: bool = False
    is_lit: bool = False
    is_loud: bool = False
    held: str = ""
    frames: int = 0
    has_used: bool = False
    altered: str = ""
    lines: tuple[Line, ...] = field(default=())


class Street:
    """Lives on an open `stage`; from entering it as a context manager until leaving, its thread runs the board."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._board = stage.board
        self._hand = Hand(stage)
        self._pocket = Pocket(stage)
        self._jobs: queue.SimpleQueue[tuple[Touch, Future[str]]] = queue.SimpleQueue()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="street", daemon=True)
        self._lock = threading.Lock()
        self._listeners: list[Callable[[View], object]] = []
        self._lines: deque[Line] = deque(maxlen=_LINES)
        self._said = 0
        self._held = ""
        # Edits come from the threads of requests, one at a time.
        self._editing = threading.Lock()
        self._edit: RowEdit | None = None
        # How many lines the board had printed when its power came back; None once it serves.
        self._printed: int | None = None
        self._moves = 0
        self.frame = b""
        self.view = View()
        self._acts: dict[str, Callable[[str], Touch]] = {
            "key": self._key,
            "badge": self._badge,
            "phone": self._phone,
            "exit": self._exit,
            "door": self._door,
            "network": self._network,
            "power": self._power,
            "row": self._row,
        }

    @property
    def pocket(self) -> Pocket:
        return self._pocket

    def __enter__(self) -> "Street":
        self._board.camera.wall_clock = lambda: self._clock("%Y-%m-%d %H:%M:%S")
        self._moves = len(self._board.strike.history)
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def do(self, act: str, value: str) -> str:
        """Does something at the door, and returns what came of it at once, in a sentence or "".

        (act, value) is one of: key 0-9 * #; badge, one of pocket.BADGES; phone nfc|ble; exit press; door
        open|force|close; network on|off; power on|off; row alter|restore. Raises KeyError for anything else and
        UserError where it cannot be done.
        """
        touch = self._acts[act](value)
        done: Future[str] = Future()
        self._jobs.put((touch, done))
        try:
            return done.result(_ANSWER_S)
        except FutureTimeout:
            raise UserError("The virtual board does not answer.") from None

    def listen(self, listener: Callable[[View], object]) -> Callable[[], None]:
        """Calls `listener` with every new view from now on, on the street's thread; returns what ends that."""
        with self._lock:
            self._listeners.append(listener)

        def leave() -> None:
            with self._lock, contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return leave

    def scene(self) -> bytes:
        """Returns what the camera would see now, as a JPEG."""
        moment = self._clock("%Y-%m-%d %H:%M:%S")
        return render(_VIEW_SIZE, _VIEW_COMPRESSION, DOOR, moment, self.view.frames + 1)

    def now_s(self) -> float:
        """Returns the time of day at the door, Unix time."""
        return self._stage.now_s

    def _clock(self, form: str) -> str:
        # As the page tells it: the door was made without a zone, so its building goes by UTC.
        return datetime.fromtimestamp(self._stage.now_s, timezone.utc).strftime(form)

    # The street's own thread.

    def _live(self) -> None:
        while not self._is_over.is_set():
            self._board.run_until(lambda: not self._jobs.empty(), _ROUND_MS)
            self._work()
            self._look()

    def _work(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                touch, done = self._jobs.get_nowait()
                try:
                    said = touch()
                except Exception as error:  # noqa: BLE001 whoever asked for it gets it
                    done.set_exception(error)
                    continue
                if said is not None:
                    self._say(*said)
                done.set_result(f"{said[0].capitalize()}: {said[1]}" if said else "")

    def _say(self, who: str, what: str) -> None:
        self._said += 1
        self._lines.append(Line(self._said, self._clock("%H:%M:%S"), who, what))

    def _look(self) -> None:
        """Notices what the chips did, and shows it."""
        board = self._board
        history = board.strike.history
        for _, level in history[self._moves :]:
            self._say("strike", "released: the door can be pulled open" if level else "at rest: locked")
        self._moves = len(history)
        told = self._hand.end_visit()
        if told is not None:
            self._say("phone", f"was told: {told}")
        frames = board.camera.pictures
        if len(frames) > self.view.frames:
            self.frame = frames[-1]
            self._say("camera", f"froze frame {len(frames)}")
        self._hand.let_go()
        opener = self._hand.take_opener()
        if opener is not None:
            self._pocket.use(opener)
        if not self._hand.is_holding:
            self._held = ""
        self._show(
            View(
                self._read_power(),
                board.wlan.available,
                board.strike.is_released,
                board.contact.is_open,
                board.led.is_on,
                board.buzzer.is_on,
                self._held,
                len(frames),
                self._pocket.has_used,
                self._edit.sentence if self._edit else "",
                tuple(self._lines),
            )
        )

    def _read_power(self) -> str:
        if not self._board.is_powered:
            return "off"
        if self._printed is None:
            return "on"
        for text in self._board.console[self._printed :]:
            with contextlib.suppress(ValueError, KeyError):
                self._stage.hear(text)
                self._printed = None
                self._say("power", f"the lock has started, for the {self._stage.boot}. time")
                return "on"
        return "starting"

    def _show(self, view: View) -> None:
        if view == self.view:
            return
        self.view = view
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(view)

    # What can be done. Each returns what is left for the street's thread.

    def _key(self, value: str) -> Touch:
        if value not in KEYS or len(value) != 1:
            raise KeyError(value)

        def touch() -> None:
            self._hand.type(value)

        return touch

    def _badge(self, value: str) -> Touch:
        name = BADGES[value]
        card = self._pocket.badge(value)
        if card is None:
            raise UserError("There is nothing to copy yet: hold the valid badge to the reader first.")

        def touch() -> tuple[str, str]:
            if not self._hand.hold(card):
                raise UserError("Something is held to the reader already.")
            self._held = COPIED if value == COPIED else value
            return "reader", name

        return touch

    def _phone(self, value: str) -> Touch:
        if value not in ("nfc", "ble"):
            raise KeyError(value)
        phone = self._pocket.phone()
        card = as_card(phone)

        def tap() -> tuple[str, str]:
            if not self._hand.hold(card):
                raise UserError("Something is held to the reader already.")
            self._held = "phone"
            return "reader", "the driver's phone"

        def come() -> tuple[str, str]:
            if not self._hand.come(phone):
                raise UserError("The phone is still talking to the lock.")
            return "phone", "the driver presses the button"

        return tap if value == "nfc" else come

    def _exit(self, value: str) -> Touch:
        if value != "press":
            raise KeyError(value)

        def touch() -> tuple[str, str]:
            self._hand.press_exit()
            return "exit", "the button inside was pressed"

        return touch

    def _door(self, value: str) -> Touch:
        contact = self._board.contact

        def pull() -> tuple[str, str]:
            if contact.is_open:
                return "door", "is open already"
            if not self._board.strike.is_released:
                return "door", "is locked and stays shut"
            contact.open()
            return "door", "was pulled open"

        def force() -> tuple[str, str]:
            contact.open()
            return "door", "was forced open"

        def close() -> tuple[str, str]:
            contact.close()
            return "door", "was closed"

        return {"open": pull, "force": force, "close": close}[value]

    def _network(self, value: str) -> Touch:
        is_there = {"on": True, "off": False}[value]

        def touch() -> tuple[str, str]:
            self._board.wlan.available = is_there
            return "network", "is back" if is_there else "is gone: the lock decides alone, and keeps what happens"

        return touch

    def _power(self, value: str) -> Touch:
        def cut() -> tuple[str, str]:
            self._board.power_off()
            self._printed = None
            return "power", "is cut: the strike is at rest"

        def give() -> tuple[str, str]:
            if self._board.is_powered:
                return "power", "is on already"
            self._printed = len(self._board.console)
            self._board.power_on()
            return "power", "is back"

        return {"off": cut, "on": give}[value]

    def _row(self, value: str) -> Touch:
        """Done in the store, in the thread that asks: the board has no part in it."""
        says = {"alter": self._alter, "restore": self._restore}[value]
        try:
            sentence = says()
        except sqlite3.Error as error:
            raise UserError(f"The store could not be altered: {error}.") from None
        return lambda: ("database", sentence)

    def _alter(self) -> str:
        with self._editing:
            if self._edit is not None:
                raise UserError(f"{self._edit.sentence} Put it back first.")
            edit = self._edit = alter_row(self._stage.store)
        if edit is None:
            raise UserError("Nothing is stored yet that could be altered.")
        return edit.sentence

    def _restore(self) -> str:
        with self._editing:
            edit = self._edit
            if edit is None:
                raise UserError("No row is altered.")
            restore_row(self._stage.store, edit)
            self._edit = None
        return f"Row #{edit.seq} of {edit.door} is as it was."
