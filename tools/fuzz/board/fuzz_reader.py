"""The driver of the card reader chip against whatever comes over its line; MicroPython only. For verdicts.py."""

import pn532
from fuzz_cards import answers_in, finish
from fuzz_formats import ok

# What no single call may take, by the clock of the test.
_MOST_MS = 30_000


class Clock:
    """Stands in for `time` and `asyncio` in the driver: who sleeps makes the time pass."""

    TimeoutError = pn532.asyncio.TimeoutError

    def __init__(self) -> None:
        self.now_ms = 0

    def ticks_ms(self) -> int:
        # Looking takes time as well, so that no loop can wait for ever.
        self.now_ms += 1
        return self.now_ms

    def ticks_diff(self, later: int, earlier: int) -> int:
        return later - earlier

    def ticks_add(self, ticks: int, delta: int) -> int:
        return ticks + delta

    async def sleep_ms(self, ms: int) -> None:
        self.now_ms += ms


class Link:
    """Each `write` is answered with the next part of the script."""

    def __init__(self, data: bytes, clock: Clock) -> None:
        self._script = answers_in(data)
        self._clock = clock
        self._line = b""

    async def wake(self) -> None:
        pass

    def write(self, buffer) -> None:
        self._line += next(self._script, b"")

    def readinto(self, view) -> int:
        size = min(len(view), len(self._line))
        view[:size] = self._line[:size]
        self._line = self._line[size:]
        return size

    def drain(self, view) -> int:
        return self.readinto(view)

    def end(self) -> None:
        pass

    async def wait(self, timeout_ms: int) -> None:
        if not self._line:
            self._clock.now_ms += timeout_ms


async def _start(chip):
    await chip.start()
    return ok("started")


async def _find(chip):
    targets = await chip.find(1_000)
    if len(targets) > 2:
        return "!! more than two cards"
    return ok(*[part for target in targets for part in (target.number, target.uid, target.sak, target.atqa)])


async def _exchange(chip):
    answer = await chip.exchange(pn532.Target(1, b"\x04abc", 0x20, 0x44), b"\x00\xb0\x00\x00\xf0")
    return "!! answer too long" if len(answer) > 262 else ok(answer)


def _target(work):
    clock = Clock()
    pn532.time = pn532.asyncio = clock

    def check(data):
        clock.now_ms = 0
        chip = pn532.Pn532(Link(data, clock), lambda level: None)
        try:
            verdict = finish(work(chip))
        except pn532.ReaderError as error:
            verdict = "no " + type(error).__name__
        return verdict if clock.now_ms < _MOST_MS else "!! took %d ms" % clock.now_ms

    return check


TARGETS = {
    "pn532 start": lambda: _target(_start),
    "pn532 find": lambda: _target(_find),
    "pn532 exchange": lambda: _target(_exchange),
}
