import asyncio

from firmware.task import supervise
from firmware.task.supervise import TaskEnded


class Uptime:
    def __init__(self):
        self.ms = 0

    def now_ms(self):
        return self.ms


class Beats:
    """What supervise uses of asyncio, without the waiting."""

    create_task = asyncio.create_task

    @staticmethod
    def sleep_ms(ms):
        return asyncio.sleep_ms(1)


supervise.asyncio = Beats


class Watchdog:
    """Moves time by a beat for each feed."""

    def __init__(self, uptime, step_ms):
        self.uptime = uptime
        self.step_ms = step_ms
        self.feeds = 0

    def feed(self):
        self.feeds += 1
        self.uptime.ms += self.step_ms


class Attention:
    def __init__(self):
        self.quiet = True

    def is_quiet(self, now_ms):
        return self.quiet


async def forever():
    while True:
        await asyncio.sleep_ms(1)


async def ended(work):
    """Returns what supervising `work` beside a task that goes on comes to."""
    uptime = Uptime()
    tasks = [("other", forever()), ("this", work)]
    return await supervise.supervise(tasks, Watchdog(uptime, 2_000), Attention(), uptime, None, None)


def name_of_ended(work):
    try:
        asyncio.run(ended(work))
    except TaskEnded as error:
        return error.args[0]
    finally:
        asyncio.new_event_loop()
    raise AssertionError("goes on")


async def returning():
    await asyncio.sleep_ms(1)


async def failing(error):
    await asyncio.sleep_ms(1)
    raise error


async def cancelled():
    task = asyncio.current_task()
    asyncio.create_task(cancelling(task))
    await asyncio.sleep_ms(60_000)


async def cancelling(task):
    task.cancel()


def test_every_way_to_end_is_the_end():
    assert name_of_ended(returning()) == "this"
    for error in (
        ValueError("x"),
        MemoryError(),
        OSError(5),
        asyncio.CancelledError(),
        SystemExit(),
        KeyboardInterrupt(),
    ):
        assert name_of_ended(failing(error)) == "this", error
    assert name_of_ended(cancelled()) == "this"


def test_who_says_why_ends_the_run_and_has_not_failed():
    try:
        asyncio.run(ended(failing(SystemExit("restart"))))
    except SystemExit as error:
        assert error.args == ("restart",)
    else:
        raise AssertionError("goes on")
    finally:
        asyncio.new_event_loop()


async def hang(step_ms):
    uptime = Uptime()
    watchdog = Watchdog(uptime, step_ms)
    hung = asyncio.Event()
    name = await supervise.supervise(
        [("other", forever()), ("stuck", hung.wait())], watchdog, Attention(), uptime, None, None
    )
    return name, watchdog.feeds, uptime.ms


def test_one_that_is_not_resumed_for_a_minute_ends_it_and_is_named():
    name, feeds, end_ms = asyncio.run(hang(59_999))
    assert (name, feeds) == ("stuck", 3)
    asyncio.new_event_loop()
    # Fed for the last time while all had been seen within the minute.
    name, feeds, end_ms = asyncio.run(hang(60_000))
    assert (name, feeds, end_ms) == ("stuck", 2, 120_000)


class Lost:
    """A wait that the event loop forgot: as an exception with no heap left to say so would leave it."""

    def send(self, value):
        raise MemoryError

    def throw(self, error):
        raise error


def test_an_end_that_the_loop_kept_to_itself_is_found_by_the_next_beat():
    vital = supervise._Vital("this", Lost())
    try:
        vital.send(None)
    except TaskEnded:
        pass
    assert vital._seen_ms < 0


def test_a_good_start_is_told_once_and_the_end_waits_for_quiet():
    uptime = Uptime()
    attention = Attention()
    watchdog = Watchdog(uptime, 50_000)
    settled = []

    def settle():
        settled.append(uptime.ms)
        attention.quiet = False

    async def quieten():
        while uptime.ms < 400_000:
            await asyncio.sleep_ms(1)
        attention.quiet = True
        await forever()

    tasks = [("other", quieten())]
    assert asyncio.run(supervise.supervise(tasks, watchdog, attention, uptime, settle, 200_000)) == ""
    # The beat that finds 150 s feeds first.
    assert settled == [200_000]
    assert uptime.ms >= 400_000
