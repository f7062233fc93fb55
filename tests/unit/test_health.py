"""What looks after the heap, and what it knows of it."""

import gc

from firmware.core.attention import Attention
from firmware.task import health as health_module
from firmware.task.health import Health


class Uptime:
    """Uptime and timekeeping; each look at it is two seconds later."""

    def __init__(self):
        self.ms = 0
        self.floors = 0

    def now_ms(self):
        self.ms += 2_000
        return self.ms

    def keep_floor(self):
        self.floors += 1


class Beats:
    """In the place of asyncio: waits until `run` goes on."""

    @staticmethod
    def sleep_ms(ms):
        yield


def run(health, rounds):
    """Lets `health` look after the board so often."""
    health_module.asyncio = Beats
    task = health.run()
    for _ in range(rounds):
        task.send(None)


def make():
    uptime, attention = Uptime(), Attention()
    return Health(uptime, attention, uptime), uptime, attention


def test_it_knows_what_is_free_once_nobody_is_there():
    health, uptime, attention = make()
    assert health.free_bytes is None
    attention.touch(10_000)
    run(health, 2)
    assert health.free_bytes is None
    attention.touch(0)
    run(health, 3)
    gc.collect()
    now = gc.mem_free()
    # What this test has for itself is in between.
    assert abs(health.free_bytes - now) < 2_000, (health.free_bytes, now)


def test_garbage_is_not_in_use():
    health, uptime, attention = make()
    run(health, 1)
    before = health.free_bytes
    rubbish = [bytearray(100) for _ in range(200)]
    run(health, 1)
    assert before - health.free_bytes > 20_000
    del rubbish
    run(health, 1)
    assert abs(health.free_bytes - before) < 1_000


def test_while_somebody_is_there_it_does_not_collect():
    health, uptime, attention = make()
    run(health, 1)
    before = health.free_bytes
    calls = []

    class Heap:
        @staticmethod
        def collect():
            calls.append(1)

    health_module.gc = Heap
    try:
        attention.touch(uptime.ms + 100_000)
        run(health, 40)
    finally:
        health_module.gc = gc
    assert calls == [] and health.free_bytes == before
    # The floor of the clock is kept all the same, each minute.
    assert uptime.floors == 1
