"""Resets and their causes, the watchdog, a hung CPU, the prompt, and the pulse player that outlives them or not."""

import os
import signal
import threading
import time

import pytest

from virtualboard import BoardError

PULSE = """
    import time
    from machine import Pin
    from esp32 import RMT
    strike = RMT(pin=Pin(26, Pin.OUT, value=0), resolution_hz=312500, idle_level=False)

    def release(ms):
        units = ms * 625 // 2
        whole, rest = divmod(units, RMT.PULSE_MAX)
        durations = [RMT.PULSE_MAX] * whole + ([rest] if rest else [])
        strike.write_pulses(durations, [1] * len(durations))
    """


def test_reset_causes(make_board):
    board = make_board(
        """
        import machine, time
        cause = machine.reset_cause()
        print(cause, len(machine.unique_id()))
        if cause == machine.PWRON_RESET:
            machine.reset()
        elif cause == machine.HARD_RESET:
            machine.soft_reset()
        elif cause == machine.SOFT_RESET:
            watchdog = machine.WDT(timeout=3000)
            time.sleep_ms(2000)
            watchdog.feed()
            time.sleep_ms(2000)
            watchdog.feed()
            time.sleep_ms(60_000)
        """
    )
    assert board.run_until(lambda: board.at_repl, 60_000)
    assert board.console == ["1 6", "2 6", "5 6", "3 6"]
    assert board.reset_causes == [1, 2, 5, 3]
    assert board.reset_count == 3
    assert 7_000 <= board.now_ms < 7_002


def test_no_exception_handler_stops_a_reset(make_board):
    board = make_board(
        """
        import machine
        print(machine.reset_cause())
        if machine.reset_cause() == 1:
            try:
                machine.reset()
            except BaseException:
                print("caught")
            finally:
                print("finally")
        """
    )
    board.run_for(1_000)
    assert board.console == ["1", "2"]


def test_a_soft_reset_leaves_outputs_and_watchdog_and_a_hard_one_does_not(make_board):
    board = make_board(
        """
        import machine, time
        from machine import Pin
        if machine.reset_cause() == 1:
            Pin(26, Pin.OUT, value=1)
            Pin(17, Pin.OUT, value=1)
            machine.WDT(timeout=5000)
            machine.soft_reset()
        print(Pin(26).value(), Pin(17).value(), Pin(18).value())
        time.sleep(100)
        """
    )
    board.run_for(4_900)
    assert board.console == ["1 1 0"]
    assert board.strike.is_released
    board.run_for(200)
    assert board.reset_causes == [1, 5, 3]
    assert not board.strike.is_released


def test_the_watchdog_bites_a_program_that_computes_for_ever(make_board):
    board = make_board(
        """
        import machine
        from machine import Pin, WDT
        print(machine.reset_cause())
        if machine.reset_cause() == 1:
            Pin(26, Pin.OUT, value=1)
            WDT(timeout=4000)
            while True:
                pass
        """,
        stall_s=0.3,
    )
    assert board.run_until(lambda: board.at_repl, 10_000)
    assert board.console == ["1", "3"]
    assert [(round(at), level) for at, level in board.strike.history] == [(0, 1), (4_000, 0)]


def test_a_stopped_cpu_feeds_no_watchdog_and_goes_on_where_it_was(make_board):
    board = make_board(
        """
        import time
        while True:
            print(time.ticks_ms())
            time.sleep_ms(100)
        """
    )
    board.run_for(1_050)
    board.hang_cpu()
    board.run_for(10_000)
    assert board.console[-1] == "1000"
    board.resume_cpu()
    board.run_for(150)
    assert board.console[-2:] == ["11050", "11150"]


def test_a_program_that_has_to_wait_for_its_turn_is_not_hung(make_board):
    board = make_board("import time\nwhile True:\n    print(time.ticks_ms())\n    time.sleep(1)", stall_s=0.3)
    assert board.run_until(lambda: board.console, 10_000)
    assert board.pid is not None
    # As on a machine that is busy with something else, for longer than a hung one is waited for.
    os.kill(board.pid, signal.SIGSTOP)
    threading.Timer(1, os.kill, (board.pid, signal.SIGCONT)).start()
    board.run_for(5_500)
    assert board.console == [str(1_000 * second) for second in range(6)]


def test_a_watchdog_that_was_fed_does_not_bite_because_this_process_has_to_wait_for_its_turn(make_board):
    board = make_board(
        """
        import machine, time
        watchdog = machine.WDT(timeout=1_000)
        print("runs")
        time.sleep_ms(300)
        # A longer time, which counts from here on.
        machine.WDT(timeout=600_000)
        open("fed", "w").close()
        time.sleep(100)
        """,
        pace="real",
    )
    assert board.run_until(lambda: "runs" in board.console, 60_000)
    end = time.monotonic() + 60
    while not (board.vfs / "fed").exists() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(1.2)
    board.run_for(50)
    assert board.reset_causes == [1]


def test_an_exception_shows_its_traceback_and_the_prompt_while_outputs_stay(make_board):
    board = make_board(
        """
        from machine import Pin
        Pin(26, Pin.OUT, value=1)
        def fail():
            raise ValueError("broken")
        fail()
        """
    )
    assert board.run_until(lambda: board.at_repl, 1_000)
    assert board.console[0] == "Traceback (most recent call last):"
    assert board.console[-1] == "ValueError: broken"
    assert any("main.py" in line and "line 5, in fail" in line for line in board.console)
    board.run_for(60_000)
    assert board.strike.is_released and board.at_repl


def test_boot_runs_before_main_in_one_namespace_and_its_failure_keeps_main_away(make_board):
    board = make_board("print(name, __name__)", boot="name = 'from boot'")
    assert board.run_until(lambda: board.at_repl, 100)
    assert board.console == ["from boot __main__"]
    board = make_board("print('main')", boot="1 / 0")
    assert board.run_until(lambda: board.at_repl, 100)
    assert board.console[-1] == "ZeroDivisionError: divide by zero"


def test_files_of_the_board_lie_in_its_folder_and_survive(make_board):
    board = make_board(
        """
        import machine, os
        if machine.reset_cause() == 1:
            with open("settings.json", "w") as file:
                file.write("{}")
            machine.reset()
        print(os.listdir(), open("settings.json").read())
        """
    )
    board.run_for(100)
    assert board.console == ["['settings.json'] {}"]
    assert (board.vfs / "settings.json").read_text() == "{}"


def test_recursion_ends_about_where_it_does_on_a_board(run):
    (line,) = run(
        """
        def down(depth):
            try:
                return down(depth + 1)
            except RuntimeError:
                return depth
        print(down(0))
        """
    )
    assert 38 <= int(line) <= 62


def test_a_panic_of_the_interpreter_is_a_reset(make_board):
    board = make_board(
        """
        import machine, uctypes
        print(machine.reset_cause())
        if machine.reset_cause() == 1:
            uctypes.bytearray_at(0, 1)[0]
        """
    )
    assert board.run_until(lambda: board.at_repl, 1_000)
    assert board.console[0] == "1" and board.console[-1] == "2"
    assert "process ended" in board.console[1]


def test_a_heap_that_is_too_small_says_so(make_board):
    board = make_board("pass", heap="8k")
    with pytest.raises(BoardError, match="did not start"):
        board.run_for(1_000)


def test_a_pulse_ends_by_itself_while_the_cpu_is_stopped(make_board):
    board = make_board(PULSE + "\n    release(5000)\n    print(strike.active())\n    time.sleep(100)\n")
    board.run_for(1_000)
    board.hang_cpu()
    board.run_for(10_000)
    assert board.console == ["True"]
    ((start, end),) = board.strike.pulses
    assert end - start == pytest.approx(5_000, abs=1)


def test_a_pulse_ends_by_the_machines_clock_at_the_real_pace_too(make_board):
    board = make_board(PULSE + "\n    release(300)\n    time.sleep(100)\n", pace="real")
    # Not whether it is released: by the time that this process has its turn again it may be over.
    assert board.run_until(lambda: board.strike.pulses, 60_000)
    board.hang_cpu()
    start = time.monotonic()
    board.run_for(1_000)
    assert time.monotonic() - start >= 1
    ((start, end),) = board.strike.pulses
    assert end - start == pytest.approx(300, abs=1)


@pytest.mark.parametrize("way", ["power", "reset", "watchdog"])
def test_a_pulse_ends_at_once_with_the_chip(make_board, way):
    board = make_board(
        PULSE
        + """
    import machine
    if machine.reset_cause() == 1:
        release(5000)
        if WAY == "watchdog":
            machine.WDT(timeout=500)
        time.sleep_ms(500)
        if WAY == "reset":
            machine.reset()
        time.sleep(100)
    """.replace("WAY", repr(way))
    )
    board.run_for(500)
    if way == "power":
        board.power_off()
    board.run_for(100)
    ((start, end),) = board.strike.pulses
    assert end - start == pytest.approx(500, abs=1)
    assert not board.strike.is_released


def test_the_three_ways_to_write_pulses(make_board):
    board = make_board(
        """
        from esp32 import RMT
        from machine import Pin
        player = RMT(0, pin=Pin(13), resolution_hz=1_000_000)
        player.write_pulses((1000, 2000, 3000), 1)
        print(player.active(), player.wait_done(), player.wait_done(timeout=10), player.active())
        player.write_pulses(500, [0, 1, 1, 0, 1])
        player.write_pulses([4000, 100], [1, 1])
        print(player.wait_done(timeout=-1))
        for bad in (([], 1), ([0], 1), ([32768], 1), ([1, 2], [1])):
            try:
                player.write_pulses(*bad)
            except ValueError as error:
                print(error)
        player.deinit()
        try:
            player.write_pulses([1])
        except OSError as error:
            print(error)
        """
    )
    assert board.run_until(lambda: board.at_repl, 1_000)
    assert board.console == [
        "True False True False",
        "True",
        "No pulses",
        "duration out of range",
        "duration out of range",
        "duration and data must have same length",
        "already deinitialized",
    ]
    assert [round(ms, 1) for ms in board.led.flashes()] == [1.0, 3.0, 1.0, 0.5, 4.1]


def test_stopping_a_short_sequence_rests_it_and_a_long_one_panics(make_board):
    board = make_board(
        PULSE
        + """
    import machine
    print(machine.reset_cause())
    if machine.reset_cause() == 1:
        release(200)
        time.sleep_ms(50)
        print(strike.active(False))
        time.sleep_ms(50)
        release(2000)
        time.sleep_ms(50)
        strike.active(False)
        print("not reached")
    """
    )
    assert board.run_until(lambda: board.at_repl, 5_000)
    assert board.console[:2] == ["1", "False"]
    assert "panic" in board.console[2]
    assert board.console[3:] == ["2"]
    assert [round(end - start) for start, end in board.strike.pulses] == [50, 50]


def test_a_looped_sequence_goes_on_until_it_is_stopped(make_board):
    board = make_board(
        """
        import time
        from esp32 import RMT
        from machine import Pin
        player = RMT(pin=Pin(4), resolution_hz=1_000_000)
        player.loop(True)
        player.write_pulses([1000, 1000], [1, 0])
        time.sleep_ms(9)
        player.loop(False)
        player.write_pulses([7000], 1)
        """
    )
    board.run_for(50)
    assert [round(ms, 1) for ms in board.buzzer.flashes()] == [1.0] * 4 + [1.0, 7.0]


def test_an_output_takes_the_pin_away_from_the_pulse_player(make_board):
    board = make_board(
        PULSE
        + """
    release(1000)
    time.sleep_ms(100)
    Pin(26, Pin.OUT, value=0)
    time.sleep(5)
    """
    )
    board.run_for(3_000)
    ((start, end),) = board.strike.pulses
    assert end - start == pytest.approx(100, abs=1)
