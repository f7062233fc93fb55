"""The serial line: bytes in board time, MicroPython's buffer, the interrupt character, and the prompt."""

import pytest

READER = """
    import asyncio, micropython, sys, time
    micropython.kbd_intr(-1)

    async def main():
        stream = asyncio.StreamReader(sys.stdin.buffer)
        while True:
            byte = await stream.read(1)
            if byte == b"q":
                break
            print(byte, time.ticks_ms())

    asyncio.run(main())
    """
# At the real pace: as long as a busy machine may take for what an idle one does at once.
LIMIT_MS = 60_000
RAW = b"raw REPL; CTRL-B to exit\r\n>"


def prompt(board) -> bytes:
    said = board.line.read_until(b">>> ", LIMIT_MS)
    assert said is not None, board.console
    return said


def execute(board, source: bytes) -> bytes:
    """Runs a source at the raw prompt; returns what came back between OK and the next prompt."""
    board.line.write(source + b"\x04")
    said = board.line.read_until(b"\x04>", 10_000)
    assert said is not None and said.startswith(b"OK"), said
    return said[2:]


def test_bytes_arrive_one_after_the_other_at_the_lines_speed(make_board):
    board = make_board(READER)
    board.run_for(100)
    board.line.write(b"0123456789" * 24 + b"q")
    assert board.run_until(lambda: board.at_repl, 10_000)
    times = [int(line.split()[1]) for line in board.console]
    # 16 bytes come at one moment; 240 of them take 20.8 ms.
    assert times == sorted(times) and len(times) == 240
    assert [at - 100 for at in times[::16]] == [round(1.389 * count - 0.5) for count in range(1, 16)]
    assert board.line.lost == 0


def test_what_does_not_fit_is_lost(make_board):
    board = make_board("import sys, time\ntime.sleep(1)\nprint(len(sys.stdin.buffer.read(259)))\nsys.stdin.read(1)")
    board.line.write(bytes(range(32, 122)) * 5)
    board.run_for(2_000)
    assert board.console == ["259"]
    assert board.line.lost == 450 - 259
    assert not board.at_repl
    board.line.write(b"x")
    assert board.run_until(lambda: board.at_repl, 10_000)


def test_reading_waits_for_all_that_was_asked_for_and_a_text_has_newlines(make_board):
    board = make_board(
        """
        import sys, time
        print(sys.stdin.buffer.read(4), time.ticks_ms())
        print(repr(sys.stdin.readline()), repr(sys.stdin.read(3)))
        buffer = bytearray(2)
        print(sys.stdin.buffer.readinto(buffer), buffer)
        """
    )
    board.run_for(100)
    board.line.write(b"ab")
    board.run_for(1_000)
    assert board.console == []
    board.line.write(b"c\rd\re\rfgh")
    assert board.run_until(lambda: board.at_repl, 10_000)
    assert board.console == [r"b'abc\r' 1100", r"'d\n' 'e\nf'", "2 bytearray(b'gh')"]


def test_a_poll_tells_whether_there_is_something(make_board):
    board = make_board(
        """
        import select, sys
        poller = select.poll()
        poller.register(sys.stdin, select.POLLIN)
        print(poller.poll(50))
        print(poller.poll(10_000)[0][1] == select.POLLIN, sys.stdin.read(1), poller.poll(0))
        """
    )
    board.run_for(100)
    board.line.send_break()
    assert board.run_until(lambda: board.at_repl, 10_000)
    assert board.console == ["()", "True \0 ()"]


def test_the_same_input_gives_the_same_run(make_board):
    runs = []
    for _ in range(2):
        board = make_board(READER)
        for delay_ms in range(1, 200, 7):
            board.at(delay_ms, lambda board=board, delay_ms=delay_ms: board.line.write(b"%d" % delay_ms))
        board.run_for(1_000)
        runs.append(board.console)
    assert len(runs[0]) == 70 and runs[0] == runs[1]


def test_a_reset_forgets_what_was_not_read(make_board):
    board = make_board(
        """
        import machine, select, sys, time
        time.sleep_ms(50)
        if machine.reset_cause() == 1:
            machine.reset()
        poller = select.poll()
        poller.register(sys.stdin, select.POLLIN)
        print(poller.poll(0))
        """
    )
    board.line.write(b"lost")
    assert board.run_until(lambda: board.at_repl, 10_000)
    assert board.console == ["()"]


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_ctrl_c_interrupts_a_program_that_does_not_forbid_it(make_board, pace):
    board = make_board("import time\nprint('runs')\nwhile True:\n    time.sleep_ms(10)", pace=pace)
    assert board.run_until(lambda: board.console, LIMIT_MS)
    board.line.write(b"\x03")
    assert board.run_until(lambda: board.at_repl, LIMIT_MS)
    assert board.console[-1] == "KeyboardInterrupt: "
    prompt(board)


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_ctrl_c_interrupts_a_program_that_only_computes(make_board, pace):
    board = make_board("print('runs')\nwhile True:\n    pass", pace=pace, stall_s=0.5)
    assert board.run_until(lambda: board.console, LIMIT_MS)
    board.run_for(100)
    board.line.write(b"\x03")
    assert board.run_until(lambda: board.at_repl, LIMIT_MS)
    assert board.console[-1] == "KeyboardInterrupt: "
    prompt(board)
    board.line.write(b"6 * 7\r")
    assert b"\r\n42\r\n" in prompt(board)


def test_ctrl_c_is_a_byte_where_the_program_says_so_and_can_be_caught_where_not(make_board):
    board = make_board(
        """
        import micropython, sys, time
        micropython.kbd_intr(-1)
        time.sleep_ms(100)
        print(sys.stdin.buffer.read(1))
        micropython.kbd_intr(ord("!"))
        try:
            time.sleep(10)
        except KeyboardInterrupt:
            print("caught", time.ticks_ms())
        print(sys.stdin.buffer.read(1))
        """
    )
    board.line.write(b"\x03")
    board.run_for(200)
    board.line.write(b"!\x03")
    assert board.run_until(lambda: board.at_repl, 10_000)
    assert board.console == [r"b'\x03'", "caught 200", r"b'\x03'"]


def test_the_prompt_has_the_programs_names_and_shows_values(make_board):
    board = make_board("door = 'front'")
    assert b"MicroPython v" in prompt(board)
    board.line.write(b"door + '!'\r")
    assert prompt(board) == b"door + '!'\r\n'front!'\r\n>>> "
    board.line.write(b"for n in (1, 2):\r    print(n)\r\r")
    assert prompt(board).endswith(b"1\r\n2\r\n>>> ")
    board.line.write(b"1 / 0\r")
    assert prompt(board).endswith(b"ZeroDivisionError: divide by zero\r\n>>> ")
    board.line.write(b"wrong\x7f\x7f\x7f\x7f\x7f7 * 6\r")
    assert b"\r\n42\r\n" in prompt(board)
    board.line.write(b"\x05x = 5\rprint(x)\r\x04")
    assert prompt(board).endswith(b"\r\n5\r\n>>> ")
    board.line.write(b"import time\rtime.sleep(1000)\r")
    board.run_for(500)
    board.line.write(b"\x03")
    assert b"KeyboardInterrupt" in (board.line.read_until(b"KeyboardInterrupt", 1_000) or b"")
    prompt(board)
    # None of it is what the program printed, but for what was executed.
    assert "1" in board.console and not any(">>>" in line for line in board.console)


def test_the_raw_prompt_and_a_soft_reset_from_it(make_board):
    board = make_board("print('main'); here = 1", boot="print('boot')")
    prompt(board)
    board.line.write(b"\r\x03\x01")
    assert board.line.read_until(RAW, 10_000)
    assert execute(board, b"print(here)\nprint('two')") == b"1\r\ntwo\r\n\x04\x04>"
    assert b"NameError" in execute(board, b"nowhere")
    board.line.write(b"\x04")
    said = board.line.read_until(RAW, 10_000)
    assert b"OK\r\nMPY: soft reboot\r\nboot\r\n" in said and b"main" not in said
    assert board.reset_causes == [1, 5]
    assert b"NameError" in execute(board, b"here")
    board.line.write(b"\x02")
    prompt(board)
    board.line.write(b"\x04")
    said = prompt(board)
    assert b"MPY: soft reboot\r\nboot\r\nmain\r\n" in said
    assert board.reset_causes == [1, 5, 5]


def test_raw_paste_has_windows_of_128_bytes_and_loses_nothing(make_board):
    board = make_board("pass")
    prompt(board)
    board.line.write(b"\x01")
    assert board.line.read_until(RAW, 10_000)
    source = b"text = %r\nprint(len(text))" % ("x" * 2_000)
    board.line.write(b"\x05A\x01")
    assert board.line.read_until(b"R\x01\x80\x00\x01", 10_000)
    for at in range(0, len(source), 128):
        board.line.write(source[at : at + 128])
        if len(source) - at > 128:
            assert board.line.read_until(b"\x01", 10_000) is not None
    board.line.write(b"\x04")
    assert board.line.read_until(b"\x04>", 10_000).endswith(b"\x042000\r\n\x04\x04>")
    # Broken off, and what is not known.
    board.line.write(b"\x05A\x01print(1)\x03")
    assert b"KeyboardInterrupt" in board.line.read_until(b"\x04>", 10_000)
    board.line.write(b"\x05B\x01")
    assert board.line.read_until(b"R\x00>", 10_000)
    assert execute(board, b"print(2)") == b"2\r\n\x04\x04>"


def test_timers_and_outputs_go_on_at_the_prompt(make_board):
    board = make_board(
        """
        from machine import Pin, Timer
        Pin(26, Pin.OUT, value=1)
        Timer(0, period=100, callback=lambda timer: print("tick"))
        """
    )
    assert board.run_until(lambda: board.at_repl, 1_000)
    board.run_for(1_050)
    assert board.console.count("tick") == 10 and board.strike.is_released
    board.line.write(b"\x01")
    board.line.read_until(RAW, 1_000)
    board.line.write(b"import machine; machine.reset()\x04")
    assert board.run_until(lambda: board.reset_causes == [1, 2], 1_000)


DEFENCE = """
    import micropython, time
    micropython.kbd_intr(-1)
    try:
        time.sleep_ms(0)
    except KeyboardInterrupt:
        print("came before")
    """


@pytest.mark.parametrize("is_defended", [False, True])
def test_a_flood_of_ctrl_c_while_boot_and_main_begin(make_board, is_defended):
    boot = DEFENCE if is_defended else "pass"
    board = make_board(DEFENCE + "\n    print('main')\n    time.sleep(9)", boot=boot, begin_us=2_000, is_on=False)
    board.line.write(b"\x03" * 200)
    board.power_on()
    assert board.run_until(lambda: board.at_repl, 5_000) != is_defended
    if is_defended:
        assert board.console == ["came before", "came before", "main"]
    else:
        assert board.console[-1] == "KeyboardInterrupt: " and "main" not in board.console
