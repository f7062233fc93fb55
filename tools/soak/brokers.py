"""Locks side by side, each with a broker that fails in its own way: real firmware, real pace, people at the keypads."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

from firmware.core import keycode
from lobbylock.broker import HOST, Broker, TlsFiles
from lobbylock.demo.stage import TLS_HEAP
from lobbylock.demo.timeserver import TimeServer
from soak.authority import make_authority
from soak.collection import Collection, is_console_line
from soak.proxy import FaultProxy, Mode
from virtualboard import VirtualBoard

_BUILDING = "maple-12"
_NOON_S = 1_789_992_000
_CODE_CLASS = 4
_SLOT = 7
_KEY_MS = 100.0
_GAP_MS = 60.0
# A machine that is busy with something else may let a key come and go between two looks at the keypad, and a lock asks
# for a code again in which a handshake may have cost a key. Each time more slowly; the fifth would lock the keypad.
_TRIES = 4
_START_MS = 120_000
_SETTLE_MS = 3_000
_STRIKE_MS = 10_000
_REST_MS = 60_000
# One starts to type so much after the other, so that the machine's two or so processors are not asked at one moment.
_STAGGER_MS = 150
# From the strike's coming to rest to the next person.
_PAUSES_MS = (500, 2_500)
# A lock begins a TLS handshake when nobody was there for 30 s: now and then somebody comes just then.
_LONG_PAUSES_MS = (29_500, 33_000)
_LONG_EVERY = 12


class Condition(NamedTuple):
    """What one lock's broker is like. With `is_tls` the lock begins a TLS handshake with it."""

    name: str
    mode: Mode
    is_tls: bool


HEALTHY = Condition("healthy", Mode.PASS, True)
CONDITIONS = (
    HEALTHY,
    Condition("gone", Mode.REFUSE, True),
    # In plain MQTT, so that it is CONNECT that gets no answer.
    Condition("black-holed", Mode.BLACK_HOLE, False),
    Condition("resetting", Mode.RESET, True),
    Condition("stuck", Mode.STUCK_TLS, True),
)
BAD = CONDITIONS[1:]


class Lock:
    """One board and its keypad; `latencies_ms` is from the last key's going down to the strike pin, a delivery each."""

    def __init__(self, folder: Path, name: str, proxy: FaultProxy | None, now_s: Callable[[], float]) -> None:
        self.name = name
        self.proxy = proxy
        self.latencies_ms: list[float] = []
        self.retyped = 0
        self.settings = folder / name / "vfs" / "settings.json"
        self.time = TimeServer(now_s)
        self.board = VirtualBoard(folder / name, use_mpy=True, heap=TLS_HEAP)
        self._now_s = now_s

    @property
    def door(self) -> str:
        return f"{_BUILDING}/{self.name}"

    def start(self) -> None:
        """Powers the board; from here on its time passes in a thread of its own."""
        self.board.set_pace("real")
        self.board.power_on()
        self.board.start_pump()

    def wait(self) -> None:
        """Waits until the lock has asked for the time and settled. Raises RuntimeError if it does not."""
        if not self.board.run_until(lambda: self.time.answered, _START_MS):
            raise RuntimeError(f"{self.name} does not start: " + " / ".join(self.board.console[-3:]))
        self.board.run_for(_SETTLE_MS)

    def close(self) -> None:
        self.board.close()
        self.time.close()

    def deliver(self, delay_ms: float, pause_ms: float) -> None:
        """Types a right code, waits for the strike to release and to rest. Raises RuntimeError if it does not."""
        board = self.board
        board.run_for(delay_ms)
        for number in range(_TRIES):
            if self._type(1 << number):
                break
            self.retyped += 1
        else:
            raise RuntimeError(f"{self.name} does not open: " + " / ".join(board.console[-3:]))
        if not board.run_until(lambda: not board.strike.is_released, _REST_MS):
            raise RuntimeError(f"{self.name}: the strike does not come to rest")
        board.run_for(pause_ms)
        if board.reset_count:
            raise RuntimeError(f"{self.name} has started again: " + " / ".join(board.console[-5:]))

    def _type(self, slowness: int) -> bool:
        """Types a right code, so many times as slowly as usual; returns whether it opened, and keeps how soon."""
        board = self.board
        fields = json.loads(self.settings.read_text())
        window = keycode.window_at(_CODE_CLASS, int(self._now_s()))
        code = keycode.mint(bytes.fromhex(fields["code_key"]), fields["tag"], _CODE_CLASS, _SLOT, window)
        pulses = len(board.strike.pulses)
        key_ms = slowness * _KEY_MS
        start_ms = board.now_us / 1000
        typing_ms = board.keypad.type(code + "#", key_ms, slowness * _GAP_MS)
        last_press_ms = start_ms + typing_ms - key_ms
        if not board.run_until(lambda: len(board.strike.pulses) > pulses, typing_ms + _STRIKE_MS):
            return False
        self.latencies_ms.append(board.strike.pulses[pulses][0] - last_press_ms)
        return True


class Street:
    """The locks of `side_by_side`."""

    def __init__(self, locks: list[Lock], collection: Collection) -> None:
        self.locks = locks
        self.collection = collection

    def deliver(self, rounds: int, seed: int = 1) -> None:
        """At every lock, `rounds` times: somebody comes, types a right code and goes. Raises RuntimeError."""
        random = Random(seed)
        with ThreadPoolExecutor(len(self.locks)) as pool:
            for number in range(rounds):
                is_long = number % _LONG_EVERY == _LONG_EVERY - 1
                pause_ms = random.uniform(*(_LONG_PAUSES_MS if is_long else _PAUSES_MS))
                order = self.locks[number % len(self.locks) :] + self.locks[: number % len(self.locks)]
                work = [pool.submit(lock.deliver, at * _STAGGER_MS, pause_ms) for at, lock in enumerate(order)]
                for each in work:
                    each.result()


@contextmanager
def side_by_side(conditions: Sequence[Condition] = CONDITIONS, *, has_reference: bool = False) -> Iterator[Street]:
    """Yields started locks, one for each condition; `has_reference` adds one without any network, named "offline"."""
    start_s = time.monotonic()

    def now_s() -> float:
        return _NOON_S + time.monotonic() - start_s

    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="lobbylock-brokers-")))
        certificates = make_authority(folder)
        tls = closing.enter_context(Broker("mosquitto", tls=TlsFiles(*certificates)))
        plain = closing.enter_context(Broker("mosquitto"))
        collection = closing.enter_context(Collection(folder))
        locks = []
        for condition in conditions:
            proxy = closing.enter_context(FaultProxy((tls if condition.is_tls else plain).port, condition.mode))
            url = f"{'mqtts' if condition.is_tls else 'mqtt'}://{HOST}:{proxy.port}"
            options = ["--mqtt-ca", certificates[0]] if condition.is_tls else []
            locks.append(_furnish(collection, Lock(folder, condition.name, proxy, now_s), url, *options))
            closing.callback(locks[-1].close)
        if has_reference:
            locks.append(_furnish(collection, Lock(folder, "offline", None, now_s), ""))
            closing.callback(locks[-1].close)
        for lock in locks:
            lock.start()
        for lock in locks:
            lock.wait()
            if lock.proxy is None:
                lock.board.wlan.available = False
            elif lock.proxy.mode is Mode.PASS:
                collection.enrol(lock.door, next(filter(is_console_line, lock.board.console)))
                collection.collect(tls.url, "--ca", certificates[0])
        yield Street(locks, collection)


def _furnish(collection: Collection, lock: Lock, url: str, *options: object) -> Lock:
    collection.make_door(lock.door, url, lock.settings, "--ntp", lock.time.address, *options)
    return lock
