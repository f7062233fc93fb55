import asyncio
import gc
import time

from bell import Bell, Interrupts, readable, within


async def test_a_bell_wakes_who_waits_and_is_silent_then():
    bell = Bell()
    heard = []

    async def listen():
        heard.append(await bell.wait(60_000))
        heard.append(await bell.wait(1))

    listening = asyncio.create_task(listen())
    await asyncio.sleep_ms(5)
    bell.ring()
    bell.ring()
    await listening
    assert heard == [True, False]


async def test_a_bell_is_heard_later_as_well():
    bell = Bell()
    bell.ring()
    assert bell.is_rung and await bell.wait(60_000) and not bell.is_rung
    assert not await bell.wait(0)


async def test_who_is_cancelled_waits_no_longer():
    bell = Bell()
    waiting = asyncio.create_task(bell.wait(60_000))
    await asyncio.sleep_ms(1)
    waiting.cancel()
    try:
        await waiting
        raise AssertionError("not cancelled")
    except asyncio.CancelledError:
        pass
    # Nobody's turn is brought forward.
    bell.ring()
    assert await bell.wait(0)


async def test_many_bells_and_sleepers_keep_their_turns():
    bells = [Bell() for _ in range(8)]
    turns = []

    async def wait(number):
        for _ in range(20):
            if await bells[number].wait(1 + number % 3):
                turns.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(8)]
    for step in range(40):
        bells[step % 8].ring()
        await asyncio.sleep_ms(step % 2)
    for task in waiting:
        await task
    assert set(turns) == set(range(8))


async def test_interrupts_ring_the_bells_that_are_theirs():
    interrupts = Interrupts()
    one, other = interrupts.bell(), interrupts.bell()
    running = asyncio.create_task(interrupts.run())
    await asyncio.sleep_ms(1)
    interrupts.ring(other)
    assert await other.wait(60_000) and not one.is_rung
    interrupts.nudge()
    assert not await one.wait(20) and not other.is_rung
    running.cancel()


def test_an_interrupt_allocates_nothing():
    interrupts = Interrupts()
    bell = interrupts.bell()
    gc.collect()
    before = gc.mem_alloc()
    interrupts.ring(bell)
    after = gc.mem_alloc()
    assert after == before, (before, after)
    assert interrupts.ioctl(3, 1) == 1 and bell.is_rung


async def _add(left, right, ms=0):
    await asyncio.sleep_ms(ms)
    return left + right


async def _fail():
    await asyncio.sleep_ms(0)
    raise ValueError("mine")


async def test_within_gives_the_result_the_error_or_a_time_out():
    assert await within(60_000, _add(1, 2)) == 3
    for work, expected in ((_fail(), ValueError), (_add(1, 2, 60_000), asyncio.TimeoutError)):
        try:
            await within(20, work)
            raise AssertionError("no error")
        except expected:
            pass
    # What ended it is over: nobody is cancelled later.
    await asyncio.sleep_ms(60)


async def test_within_is_cancelled_like_anything_else():
    task = asyncio.create_task(within(60_000, _add(1, 2, 60_000)))
    await asyncio.sleep_ms(1)
    task.cancel()
    try:
        await task
        raise AssertionError("not cancelled")
    except asyncio.CancelledError:
        pass


async def test_a_stream_is_waited_for_without_taking_anything():
    interrupts = Interrupts()
    begun_ms = time.ticks_ms()
    try:
        await within(20, readable(interrupts))
        raise AssertionError("nothing was there")
    except asyncio.TimeoutError:
        assert time.ticks_diff(time.ticks_ms(), begun_ms) >= 20
    interrupts.nudge()
    await within(60_000, readable(interrupts))
    await within(60_000, readable(interrupts))
