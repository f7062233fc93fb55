"""What somebody at the virtual door does with the hands: keys, cards, the phone's button, the door itself."""

from collections import deque

from firmware.core import event_names
from lobbylock.ble_phone import CarrierLost, StrangeLock
from lobbylock.demo.air import visit
from lobbylock.demo.stage import Stage
from lobbylock.phone import Phone
from virtualboard.ble import Task
from virtualboard.chip.card import Card

KEYS = "0123456789*#"
# A key is let go once the lock has clicked, as people do: while the lock signs, or on a busy machine, that is later.
_KEY_MS = 100
_LONGEST_KEY_MS = 600
_GAP_MS = 100
# A card is taken away a moment after the lock's lamp or buzzer has answered, as people do.
_ANSWERED_MS = 500
_LONGEST_HELD_MS = 10_000
# The button inside is held until the strike has moved, for the same reason.
_EXIT_MS = 200
_LONGEST_EXIT_MS = 5_000


class Hand:
    """Acts on the board of `stage`; to be called by the thread that lets the board's time pass, or beside its pump."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._board = stage.board
        self._keys: deque[str] = deque()
        self._key: str | None = None
        self._pressed_ms = 0
        self._free_ms = 0
        self._sounds = 0
        self._card: Card | None = None
        self._held_since_ms = 0
        self._opener: Card | None = None
        self._exit_since_ms: int | None = None
        # A visit over Bluetooth that goes on, and whose it is.
        self._visit: Task[int | None] | None = None
        self._visitor: Phone | None = None

    def type(self, key: str) -> None:
        """Presses a key behind the one before: two that overlap would be two at once."""
        self._keys.append(key)
        self._move_finger()

    def _move_finger(self) -> None:
        now_ms = self._board.now_ms
        heard = sum(level for _, level in self._board.buzzer.history)
        if self._key is not None:
            if now_ms - self._pressed_ms < (_KEY_MS if heard > self._sounds else _LONGEST_KEY_MS):
                return
            self._board.keypad.release(self._key)
            self._key, self._free_ms = None, now_ms + _GAP_MS
        if self._keys and now_ms >= self._free_ms:
            self._key, self._pressed_ms, self._sounds = self._keys.popleft(), now_ms, heard
            self._board.keypad.press(self._key)

    def hold(self, card: Card) -> bool:
        """Holds a card to the reader until the lock answers. Returns False if another one is there."""
        if self._card is not None:
            return False
        self._board.nfc.place(card)
        self._card = card
        self._held_since_ms = self._board.now_ms
        return True

    def let_go(self) -> None:
        """Takes the finger off a key or the button, and the card away, once the lock has answered; to be called again
        and again."""
        self._move_finger()
        self._release_exit()
        card = self._card
        if card is None:
            return
        since_ms = self._held_since_ms
        shown = [
            at_ms for part in (self._board.led, self._board.buzzer) for at_ms, _ in part.history if at_ms > since_ms
        ]
        until_ms = min([*(at_ms + _ANSWERED_MS for at_ms in shown), since_ms + _LONGEST_HELD_MS])
        if self._board.now_ms < until_ms:
            return
        self._board.nfc.remove(card)
        self._card = None
        if self._has_released(since_ms):
            self._opener = card

    def take_opener(self) -> Card | None:
        """Returns, once, the card that was let go last if the strike was released for it."""
        opener, self._opener = self._opener, None
        return opener

    @property
    def is_holding(self) -> bool:
        """Whether a card is held to the reader."""
        return self._card is not None

    def _has_released(self, since_ms: int) -> bool:
        """Whether the strike is released, or was since then."""
        strike = self._board.strike
        return strike.is_released or any(level for at_ms, level in strike.history if at_ms > since_ms)

    def press_exit(self) -> None:
        """Presses the button inside until the strike is released."""
        if self._exit_since_ms is None:
            self._exit_since_ms = self._board.now_ms
            self._board.exit_button.press()

    def _release_exit(self) -> None:
        since_ms = self._exit_since_ms
        if since_ms is None:
            return
        held_ms = self._board.now_ms - since_ms
        if held_ms >= (_EXIT_MS if self._has_released(since_ms) else _LONGEST_EXIT_MS):
            self._board.exit_button.release()
            self._exit_since_ms = None

    def come(self, phone: Phone) -> bool:
        """Presses the button on a phone, which stays in the pocket. Returns False while another visit goes on."""
        if self._visit is not None:
            return False
        self._visitor = phone
        radio = self._board.ble.phone("phone")
        self._visit = self._board.ble.start(visit(phone, radio, self._stage.door_key))
        return True

    def end_visit(self) -> str | None:
        """Returns what the phone was told, once: when its visit over Bluetooth has just ended."""
        if self._visit is None or self._visitor is None or not self._visit.done():
            return None
        try:
            reason = self._visit.result()
            told = "nothing" if reason is None else event_names.REASON_NAMES[reason]
        except (CarrierLost, StrangeLock) as error:
            told = str(error)
        self._visit = None
        receipts = self._visitor.receipts
        return told + (f", with a receipt of {len(receipts[0])} bytes" if receipts else "")
