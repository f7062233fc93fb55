"""The 40 pins: who drives which, what is connected to what, and the levels that follow."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

_PINS = 40
# machine.Pin's numbers.
_OUT = 3
_OPEN_DRAIN = 7
_PULL_DOWN = 1
_PULL_UP = 2
_RISING = 1
_FALLING = 2

_MOST_WRITES = 100_000

Watcher = Callable[[int, int], None]


class Write(NamedTuple):
    """The ESP32 set the level of a pin."""

    at_ms: float
    pin: int
    level: int


class Pins:
    """A net is all pins joined by closed switches. Low wins in it, then high, then a pull-down, then a pull-up."""

    def __init__(self, now_us: Callable[[], int], interrupt: Callable[[int], None]) -> None:
        self._now_us = now_us
        self._interrupt = interrupt
        self._mode = [0] * _PINS
        self._latch = [0] * _PINS
        self._pull = [0] * _PINS
        self._edges = [0] * _PINS
        self._board_pull = [0] * _PINS
        self._drive: dict[int, int] = {}
        self._pulse: dict[int, int] = {}
        self._joined: dict[int, set[int]] = {}
        self._watchers: dict[int, list[Watcher]] = {}
        self.writes: deque[Write] = deque(maxlen=_MOST_WRITES)
        self.levels = 0
        self.epoch = 0
        # Outputs that matter to nobody but the inputs beside them: the board may tell of them late.
        self.matrix = 0
        self._matrix_latch = 0

    def level(self, gpio: int) -> int:
        return self.levels >> gpio & 1

    @property
    def latches(self) -> int:
        """The levels that outputs have or would have."""
        return sum(level << gpio for gpio, level in enumerate(self._latch))

    def watch(self, gpio: int, watcher: Watcher) -> None:
        """Calls `watcher(time_us, level)` at every change of the level."""
        self._watchers.setdefault(gpio, []).append(watcher)

    def pull(self, gpio: int, level: int) -> None:
        """A resistor on the board, to 3.3 V or ground."""
        self._board_pull[gpio] = _PULL_UP if level else _PULL_DOWN
        self._settle((gpio,))

    def drive(self, gpio: int, level: int | None) -> None:
        """A chip drives the pin, or lets it go (None)."""
        if level is None:
            self._drive.pop(gpio, None)
        else:
            self._drive[gpio] = level
        self.epoch += 1
        self._settle(self._net(gpio))

    def switch(self, gpio: int, other: int, is_closed: bool) -> None:
        """Joins two pins, or parts them."""
        for one, two in ((gpio, other), (other, gpio)):
            joined = self._joined.setdefault(one, set())
            if is_closed:
                joined.add(two)
            else:
                joined.discard(two)
        self.epoch += 1
        self._settle(self._net(gpio) | self._net(other))

    def configure(self, gpio: int, mode: int, pull: int | None, level: int | None) -> None:
        """Pin.init: mode 0 and None leave as it is. An output takes the pin away from the pulse player."""
        if level is not None:
            self._note(gpio, level)
        if mode:
            self._mode[gpio] = mode
            if mode & 2:
                self._pulse.pop(gpio, None)
        if pull is not None:
            self._pull[gpio] = pull
        self.epoch += 1
        self._settle(self._net(gpio))

    def write(self, gpio: int, level: int) -> None:
        self._note(gpio, level)
        self.epoch += 1
        self._settle(self._net(gpio))

    def set_matrix(self, outputs: int) -> None:
        """Takes over the latches of the matrix outputs, without a new epoch."""
        changed = (outputs ^ self._matrix_latch) & self.matrix
        self._matrix_latch = outputs
        while changed:
            gpio = (changed & -changed).bit_length() - 1
            changed &= changed - 1
            self._latch[gpio] = outputs >> gpio & 1
            self._settle(self._net(gpio))

    def pulse(self, gpio: int, level: int | None) -> None:
        """The pulse player drives the pin, or gives it back as an input (None)."""
        if level is None:
            self._pulse.pop(gpio, None)
            self._mode[gpio] = 0
        else:
            self._pulse[gpio] = level
        self.epoch += 1
        self._settle(self._net(gpio))

    def is_pulsed(self, gpio: int) -> bool:
        return gpio in self._pulse

    def interrupt_on(self, gpio: int, edges: int) -> None:
        self._edges[gpio] = edges

    def reset(self, is_soft: bool = False) -> None:
        """The state after a reset: every pin an input without a pull. A soft reset only forgets the interrupts."""
        self._edges = [0] * _PINS
        if not is_soft:
            self._mode = [0] * _PINS
            self._latch = [0] * _PINS
            self._matrix_latch = 0
            self._pull = [0] * _PINS
            self._pulse.clear()
        self.epoch += 1
        self._settle(range(_PINS))

    def _note(self, gpio: int, level: int) -> None:
        self._latch[gpio] = level
        self.writes.append(Write(self._now_us() / 1000, gpio, level))

    def _forced(self, gpio: int) -> int | None:
        """The level that the ESP32 itself puts on a pin, None if it leaves it alone."""
        if gpio in self._pulse:
            return self._pulse[gpio]
        mode = self._mode[gpio]
        if mode == _OUT:
            return self._latch[gpio]
        return 0 if mode == _OPEN_DRAIN and not self._latch[gpio] else None

    def _net(self, gpio: int) -> set[int]:
        net = {gpio}
        todo = [gpio]
        while todo:
            for other in self._joined.get(todo.pop(), ()):
                if other not in net:
                    net.add(other)
                    todo.append(other)
        return net

    def _solve(self, gpio: int) -> int:
        net = self._net(gpio)
        driven = {self._forced(pin) for pin in net} | {self._drive.get(pin) for pin in net}
        if 0 in driven:
            return 0
        if 1 in driven:
            return 1
        pulls = {self._pull[pin] for pin in net} | {self._board_pull[pin] for pin in net}
        return 1 if _PULL_UP in pulls and _PULL_DOWN not in pulls else 0

    def _settle(self, gpios: Iterable[int]) -> None:
        for gpio in gpios:
            level = self._solve(gpio)
            if level == self.level(gpio):
                continue
            self.levels ^= 1 << gpio
            for watcher in self._watchers.get(gpio, ()):
                watcher(self._now_us(), level)
            if self._edges[gpio] & (_RISING if level else _FALLING):
                self._interrupt(gpio)
