"""The board's clock: virtual at the fast pace, the machine's at the real one, never backward."""

import time

import pytest


def test_an_hour_of_asyncio_sleep_takes_well_under_a_second(make_board):
    board = make_board(
        """
        import asyncio, time

        async def main():
            start = time.ticks_ms()
            await asyncio.sleep(3600)
            print(time.ticks_diff(time.ticks_ms(), start))

        asyncio.run(main())
        """
    )
    start = time.monotonic()
    assert board.run_until(lambda: board.at_repl, 3_700_000)
    # Far less than an hour, whatever else the machine does.
    assert time.monotonic() - start < 100
    assert board.console == ["3600000"]
    assert 3_600_000 <= board.now_ms < 3_600_010


def test_asyncio_keeps_its_order_through_cancel_wait_for_event_and_gather(run):
    lines = run(
        """
        import asyncio, time

        async def worker(name, ms):
            try:
                await asyncio.sleep_ms(ms)
                print(name, "done", time.ticks_ms() // 10)
            except asyncio.CancelledError:
                print(name, "cancelled", time.ticks_ms() // 10)
                raise
            return name

        async def main():
            long = asyncio.create_task(worker("long", 10_000))
            await asyncio.sleep_ms(100)
            long.cancel()
            await asyncio.sleep_ms(100)
            try:
                await asyncio.wait_for_ms(worker("slow", 5_000), 300)
            except asyncio.TimeoutError:
                print("timed out", time.ticks_ms() // 10)
            event = asyncio.Event()
            waiter = asyncio.create_task(event.wait())
            await asyncio.sleep_ms(500)
            event.set()
            await waiter
            print("event", time.ticks_ms() // 10)
            print(await asyncio.gather(worker("b", 200), worker("a", 100)))
            lock = asyncio.Lock()
            async with lock:
                print("lock", lock.locked())
            asyncio.new_event_loop()

        asyncio.run(main())
        asyncio.run(worker("again", 50))
        """
    )
    assert lines == [
        "long cancelled 10",
        "slow cancelled 50",
        "timed out 50",
        "event 100",
        "a done 110",
        "b done 120",
        "['b', 'a']",
        "lock True",
        "again done 125",
    ]


def test_the_asyncio_queue_survives_the_wrap_of_ticks(run):
    lines = run(
        """
        import asyncio, time

        async def tick():
            for _ in range(4):
                # Four days; a single sleep must stay below half the period of 12.4 days.
                await asyncio.sleep(345_600)
                print(time.ticks_ms())

        async def main():
            ticking = asyncio.create_task(tick())
            await asyncio.sleep(400_000)
            await ticking
            try:
                asyncio.sleep(600_000)
            except OverflowError:
                print("too long")

        asyncio.run(main())
        """,
        limit_ms=20 * 86_400_000,
    )
    # 2**30 ms is 1,073,741.824 s, a little after three times four days.
    wrapped = 4 * 345_600_000 - (1 << 30)
    expected = [345_600_000, 691_200_000, 1_036_800_000, wrapped]
    assert list(map(int, lines[:4])) == pytest.approx(expected, abs=5)
    assert lines[4] == "too long"


def test_a_loop_that_only_looks_at_the_clock_ends(run):
    assert run(
        """
        import time
        start = time.ticks_ms()
        count = 0
        while time.ticks_diff(time.ticks_ms(), start) < 100:
            count += 1
        print(count > 1000)
        """
    ) == ["True"]


def test_sleeps_take_board_time(run):
    lines = run(
        """
        import time
        marks = [time.ticks_us()]
        for pause in (lambda: time.sleep(1.5), lambda: time.sleep_ms(20), lambda: time.sleep_us(30)):
            pause()
            marks.append(time.ticks_us())
        print([time.ticks_diff(b, a) for a, b in zip(marks, marks[1:])])
        """
    )
    long, short, shortest = eval(lines[0])
    assert (long // 1000, short // 1000) == (1500, 20)
    assert 30 <= shortest < 45


def test_the_calendar_starts_in_2000_and_the_rtc_survives_a_reset_but_no_power_cut(make_board):
    board = make_board(
        """
        import machine, time
        print(machine.reset_cause(), time.gmtime(0)[:6], time.time(), machine.RTC().datetime()[:7])
        print(time.mktime((2026, 9, 21, 12, 0, 0, 0, 0)) + 946_684_800, time.gmtime(843_307_200))
        time.sleep(5)
        if machine.reset_cause() == 1:
            machine.RTC().datetime((2026, 9, 21, 0, 12, 0, 0, 0))
            time.sleep(10)
            machine.reset()
        """
    )
    board.run_for(60_000)
    assert board.console[:2] == [
        "1 (2000, 1, 1, 0, 0, 0) 0 (2000, 1, 1, 5, 0, 0, 0)",
        "1789992000 (2026, 9, 21, 12, 0, 0, 0, 264)",
    ]
    assert board.console[2].startswith("2 (2000, 1, 1, 0, 0, 0) 843307210 (2026, 9, 21, 0, 12, 0, 10)")
    assert board.reset_causes == [1, 2]
    board.power_off()
    board.run_for(1_000)
    board.power_on()
    board.run_for(100)
    assert board.console[4].startswith("1 (2000, 1, 1, 0, 0, 0) 0 ")


def test_ticks_start_again_at_a_reset_and_board_time_goes_on(make_board):
    board = make_board("import machine, time; print(time.ticks_ms()); time.sleep(1); machine.reset()")
    board.run_for(3_500)
    assert board.console == ["0", "0", "0", "0"]
    assert board.now_ms == 3_500


def test_the_same_calls_give_the_same_run(make_board):
    program = """
        import asyncio, time
        from machine import Pin
        rows = [Pin(n, Pin.OUT, value=1) for n in (16, 17, 18, 19)]
        columns = [Pin(n, Pin.IN, Pin.PULL_UP) for n in (21, 22, 23)]
        while time.ticks_ms() < 2000:
            for row in rows:
                row.value(0)
                for column in columns:
                    if not column.value():
                        print(time.ticks_us(), row, column)
                row.value(1)
            time.sleep_ms(1)
        """

    def play() -> list[str]:
        board = make_board(program)
        board.run_for(100)
        board.keypad.type("17#")
        board.run_for(3_000)
        return board.console

    first = play()
    assert len(first) > 100
    assert play() == first


def test_the_real_pace_is_the_machines_clock(make_board):
    board = make_board(
        """
        import asyncio, time
        async def main():
            for _ in range(3):
                print(time.ticks_ms())
                await asyncio.sleep_ms(100)
        asyncio.run(main())
        """,
        pace="real",
    )
    start = time.monotonic()
    assert board.run_until(lambda: board.at_repl, 60_000)
    took_ms = (time.monotonic() - start) * 1000
    first, _, third = map(int, board.console)
    assert 200 <= third - first <= took_ms + 1
    assert took_ms >= 300
    assert board.now_ms >= 300


def test_the_pace_changes_both_ways_while_time_goes_forward(make_board):
    board = make_board(
        """
        import asyncio, time
        async def main():
            while True:
                print(time.ticks_ms())
                await asyncio.sleep_ms(50)
        asyncio.run(main())
        """
    )
    board.run_for(60_000)
    real_s = time.monotonic()
    board.set_pace("real")
    start = time.monotonic()
    board.run_for(300)
    assert time.monotonic() - start >= 0.3
    board.set_pace("fast")
    start = time.monotonic()
    board.run_for(600_000)
    assert time.monotonic() - start < 100
    board.set_pace("real")
    back_ms = board.now_ms
    board.run_for(200)
    # The board's own clock has come along, as soon as it has its turn.
    assert board.run_until(lambda: int(board.console[-1]) >= back_ms + 100, 60_000)
    took_ms = (time.monotonic() - real_s) * 1000
    stamps = list(map(int, board.console))
    assert stamps == sorted(stamps)
    assert stamps[-1] <= board.now_ms
    assert 660_500 <= board.now_ms <= 660_000 + took_ms + 1
    gaps = [after - before for before, after in zip(stamps, stamps[1:], strict=False)]
    assert min(gaps) >= 49


def test_a_caller_sees_the_console_line_that_it_waits_for_before_time_goes_on(make_board):
    board = make_board(
        """
        import time
        time.sleep_ms(1234)
        print("now")
        time.sleep(100)
        """
    )
    assert board.run_until(lambda: "now" in board.console, 60_000)
    assert 1_234 <= board.now_ms <= 1_235
    assert board.console_times_ms == [1_234]
    assert not board.run_until(lambda: "never" in board.console, 500)
    assert 1_734 <= board.now_ms <= 1_735
