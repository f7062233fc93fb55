"""The delivery that plays itself: every step is done at the virtual door and judged by what came out of it."""

import json
import shutil
import sqlite3
import statistics
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from lobbylock.demo.stage import OTHER_DOOR, RELEASE_MS, Stage
from lobbylock.demo.visits import Visits
from lobbylock.demo.witness import CALM_MS, LIMIT_MS, SLACK_MS, Failed, Step
from lobbylock.errors import UserError

_HOUR_S = 3_600
_LOCKOUT_MS = 60_000
# Long enough for the debounce to see it through a hiccup of the machine.
_KEY_MS = 120
_GAP_MS = 80
_LAST_KEY_MS = 1_000
_SAMPLES = 10
_MOST_ROUNDS = 5
_CONSOLE_LINES = 12
_UNDER_WAY_MS = 300
_BETWEEN_CODES_MS = 2_500
_MOST_SLOWER = 1.2
# After the last key, in the middle of it and while the camera is asked; and after the strike released.
_KILL_AFTER_KEY_MS = (5, 40, 120)
_KILL_IN_PULSE_MS = (0, 400)


class Show(Visits):
    """Plays the steps of one delivery."""

    _last_press_ms = 0.0

    def steps(self) -> Iterator[tuple[str, Step]]:
        """Yields (name, what to do) in order; doing it returns what was seen or raises Failed."""
        yield "the lock knows the time", self._knows_time
        yield "a right code opens", self._opens
        yield "the picture is stored and its hash is the event's", self._picture
        yield "signature and chain verified", self._verified
        yield "a wrong code is refused", lambda: self._refused(self._wrong(), "wrong_code")
        yield "a code of another building is refused", lambda: self._refused(self._foreign(), "other_building")
        yield "an expired code is refused", lambda: self._refused(self._shifted(-2), "expired")
        yield "a code not yet valid is refused", lambda: self._refused(self._shifted(2), "not_yet_valid")
        yield "a single-use code works once", self._single_use
        yield from self.tap_steps()
        yield from self.visit_steps()
        yield "without a broker the door opens and the event arrives later", self._without_broker
        yield "a broker that never answers does not slow the door", self._stalled_broker
        yield "six wrong codes lock out and a power cut does not lift it", self._lockout
        yield "killed at any moment, the strike is at rest", self._killed
        yield "a hanging CPU does not hold the strike", self._hung
        yield "an edited row makes the audit fail", self._edited

    # What is typed.

    def _wrong(self) -> str:
        right = self._stage.code("UPS 4711")
        return f"{right[:4]}{(int(right[4:]) + 1) % 1_000_000:06}"

    def _foreign(self) -> str:
        return self._stage.code("UPS 4711", door=OTHER_DOOR)

    def _shifted(self, hours: int) -> str:
        return self._stage.code("UPS 4711", "--class", "0", ahead_s=hours * _HOUR_S)

    def _type(self, digits: str) -> None:
        self._shown += 1
        takes_ms = self._board.keypad.type(digits + "#", key_ms=_KEY_MS, gap_ms=_GAP_MS)
        self._last_press_ms = self._board.now_ms + takes_ms - _KEY_MS

    def _type_until_last(self, digits: str) -> None:
        """Types the digits on the board's own clock, which no busy machine delays; the last key begins in real time."""
        self._shown += 1
        self._board.keypad.type(digits, key_ms=_KEY_MS, gap_ms=_GAP_MS)
        self._stage.skip(len(digits) * (_KEY_MS + _GAP_MS))
        self._last_press_ms = self._board.now_ms
        self._board.keypad.type("#", key_ms=_LAST_KEY_MS)

    # The steps.

    def _knows_time(self) -> dict[str, Any]:
        self._require(self._stage.wait_for_time(), "no event says so")
        # The camera starts within this time, too.
        self._board.run_for(3_000)
        return {"source": self._stage.events("clock_set")[0]["details"]["name"]}

    def _opens(self) -> dict[str, Any]:
        code = self._stage.code("UPS 4711")
        self._type_until_last(code)
        self._wait_for_pulse()
        on_ms, off_ms = self._last_pulse()
        frozen_ms = self._board.camera.frozen_ms[-1]
        self._require(abs(off_ms - on_ms - RELEASE_MS) <= SLACK_MS, f"the pulse took {off_ms - on_ms:.0f} ms")
        self._require(frozen_ms < on_ms, "the strike came before the picture")
        self._require_reason("granted")
        return {
            "reason": "granted",
            "key_to_strike_ms": round(on_ms - self._last_press_ms),
            "pulse_ms": round(off_ms - on_ms),
            "picture_before_strike_ms": round(on_ms - frozen_ms),
        }

    def _picture(self) -> dict[str, Any]:
        self._require(self._arrives(lambda: bool(self._stage.pictures())), "no picture reached the collector")
        stored = self._stage.pictures()[0]
        data = Path(stored["file"]).read_bytes()
        told = self._stage.events("picture")[0]["details"]
        self._require(data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9", "it is not a JPEG")
        self._require(sha256(data).hexdigest() == told["sha256"], "its hash is another one")
        return {"file": stored["file"], "bytes": len(data), "sha256": told["sha256"]}

    def _verified(self) -> dict[str, Any]:
        self._require(self._arrives(lambda: bool(self._stage.events("seal"))), "no signed seal arrived")
        done = self._audit(self._stage.store)
        self._require(done.returncode == 0, done.stdout + done.stderr)
        return {"audit": json.loads(done.stdout)}

    def _refused(self, digits: str, reason: str) -> dict[str, Any]:
        pulses = len(self._board.strike.history)
        self._type(digits)
        self._stage.skip(CALM_MS)
        self._require_reason(reason)
        self._require(len(self._board.strike.history) == pulses, "the strike moved")
        return {"reason": reason}

    def _single_use(self) -> dict[str, Any]:
        code = self._stage.code("FedEx 12", "--once")
        moves = len(self._board.strike.history)
        self._type(code)
        self._stage.skip(CALM_MS)
        self._require_reason("granted")
        self._require(len(self._board.strike.history) == moves + 2, "the strike did not release and come to rest")
        return {"first": "granted", "second": self._refused(code, "already_used")["reason"]}

    def _without_broker(self) -> dict[str, Any]:
        self._stage.broker.stop()
        count = len(self._stage.events("access"))
        self._type_until_last(self._stage.code("UPS 4711"))
        self._wait_for_pulse()
        self._board.run_for(2_000)
        self._require(len(self._stage.events("access")) == count, "the event came without a broker")
        self._stage.broker.start()
        self._require_reason("granted")
        return {"opened": True, "arrived": True}

    def _stalled_broker(self) -> dict[str, Any]:
        code = self._stage.code("UPS 4711", "--for", "4h")
        healthy: list[float] = []
        stalled: list[float] = []
        ratio = 0.0
        # On a busy machine the medians of a few say little: more are taken, and all of them count.
        for _ in range(_MOST_ROUNDS):
            # In turn, so that whatever else the machine does falls on both.
            for _ in range(_SAMPLES):
                healthy.append(self._key_to_strike_ms(code))
                self._stage.broker.freeze()
                try:
                    stalled.append(self._key_to_strike_ms(code))
                finally:
                    self._stage.broker.thaw()
            ratio = statistics.median(stalled) / statistics.median(healthy)
            if ratio <= _MOST_SLOWER:
                break
        else:
            raise Failed(f"{ratio:.2f} times slower")
        return {
            "samples": len(healthy),
            "healthy_ms": round(statistics.median(healthy), 1),
            "stalled_ms": round(statistics.median(stalled), 1),
            "ratio": round(ratio, 3),
        }

    def _key_to_strike_ms(self, code: str) -> float:
        """Types a code and returns how long after the last key the strike released, in real time."""
        self._stage.skip(CALM_MS)
        self._shown += 1
        self._board.keypad.type(code, key_ms=_KEY_MS, gap_ms=_GAP_MS)
        self._stage.skip(len(code) * (_KEY_MS + _GAP_MS))
        # Long enough for the lock to have something under way to the broker.
        self._board.run_for(_UNDER_WAY_MS)
        before = len(self._board.strike.history)
        start_ms = self._board.now_ms
        self._board.keypad.type("#", key_ms=_LAST_KEY_MS)
        self._require(self._stage.wait(self._is_released, LIMIT_MS), "the strike did not release")
        return float(self._board.strike.history[before][0] - start_ms)

    def _lockout(self) -> dict[str, Any]:
        wrong = self._wrong()
        self._stage.skip(CALM_MS)
        for _ in range(6):
            self._type(wrong)
            self._stage.skip(_BETWEEN_CODES_MS)
        self._stage.skip(CALM_MS)
        reasons = self._reasons(6)
        self._require(reasons == ["wrong_code"] * 5 + ["locked_out"], f"reasons {reasons}")
        self._board.power_off()
        self._stage.start_lock()
        # Or the code that opens in the end would be one of an unknown time.
        self._require(self._arrives(self._knows_time_again), "the lock did not learn the time again")
        self._refused(self._stage.code("UPS 4711"), "locked_out")
        self._stage.skip(_LOCKOUT_MS + 5_000)
        self._type(self._stage.code("UPS 4711"))
        self._require(self._wind_to(self._is_released, LIMIT_MS), "the strike did not release")
        self._wind_to(lambda: not self._is_released(), LIMIT_MS)
        return {"reasons": reasons, "after_power_cut": "locked_out", "after_a_minute": "granted"}

    def _knows_time_again(self) -> bool:
        return any(found["boot"] == self._stage.boot for found in self._stage.events("clock_set"))

    def _killed(self) -> dict[str, Any]:
        code = self._stage.code("UPS 4711")
        moments = [(False, after_ms) for after_ms in _KILL_AFTER_KEY_MS]
        moments += [(True, after_ms) for after_ms in _KILL_IN_PULSE_MS]
        in_pulse = 0
        for is_in_pulse, after_ms in moments:
            self._require(self._stage.wait_for_time(), "the lock does not know the time")
            self._type_until_last(code)
            if is_in_pulse:
                self._require(self._stage.wait(self._is_released, LIMIT_MS), "the strike did not release")
            self._board.run_for(after_ms)
            in_pulse += self._is_released()
            self._board.power_off()
            self._board.keypad.release("#")
            self._require(not self._is_released(), f"released after a cut at {after_ms} ms")
            self._stage.start_lock()
            self._require(not self._is_released(), "released at start")
        return {"moments": len(moments), "in_the_pulse": in_pulse}

    def _hung(self) -> dict[str, Any]:
        # It has just started.
        self._require(self._stage.wait_for_time(), "the lock does not know the time")
        self._stage.skip(CALM_MS)
        self._type_until_last(self._stage.code("UPS 4711"))
        self._require(self._stage.wait(self._is_released, LIMIT_MS), "the strike did not release")
        self._board.hang_cpu()
        try:
            on_ms, off_ms = self._wait_for_rest()
        finally:
            self._board.resume_cpu()
        return {"pulse_ms": round(off_ms - on_ms)}

    def _edited(self) -> dict[str, Any]:
        copy = self._stage.store.with_name("edited.sqlite")
        with sqlite3.connect(self._stage.store) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        pictures = self._stage.store.with_name(self._stage.store.name + ".pictures")
        if pictures.is_dir():
            shutil.copytree(pictures, copy.with_name(copy.name + ".pictures"))
        before = self._audit(copy)
        self._require(before.returncode == 0, "the untouched copy does not verify: " + before.stdout)
        with sqlite3.connect(copy) as opened:
            row = opened.execute("SELECT record FROM event WHERE seq = 5").fetchone()
            record = bytearray(row[0])
            record[-1] ^= 1
            opened.execute("UPDATE event SET record = ? WHERE seq = 5", (bytes(record),))
        opened.close()
        done = self._audit(copy)
        self._require(done.returncode == 1, f"exit code {done.returncode}")
        return {"audit": json.loads(done.stdout)}


def play(folder: Path, write: Callable[[str], None]) -> bool:
    """Plays everything in the empty `folder`, one JSON line a step through `write`; returns whether all held."""
    is_ok = True
    with Stage(folder) as stage:
        for name, do in Show(stage).steps():
            try:
                line = {"step": name, "ok": True, **do()}
            except (Failed, UserError, KeyError, IndexError, ValueError, OSError) as error:
                console = stage.board.console[-_CONSOLE_LINES:]
                line = {"step": name, "ok": False, "error": f"{type(error).__name__}: {error}", "console": console}
                is_ok = False
            write(json.dumps(line))
            if not is_ok:
                # What follows builds on it.
                break
    write(json.dumps({"ok": is_ok}))
    return is_ok
