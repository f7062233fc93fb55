"""Wi-Fi, sockets, threads and the console: where the virtual board meets the real machine."""

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from virtualboard import VirtualBoard

# At the real pace: as long as a busy machine may take for what an idle one does at once.
LIMIT_MS = 60_000


@pytest.fixture
def may_answer():
    """Whoever clears this holds the answers of the server below back."""
    event = threading.Event()
    event.set()
    yield event
    event.set()


@pytest.fixture
def echo_port(may_answer):
    """A TCP server that answers each line in capitals, 100 ms later."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve_one(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                time.sleep(0.1)
                may_answer.wait()
                stream.write(line.upper())
                stream.flush()

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


JOIN = """
    import network, time
    wlan = network.WLAN(network.STA_IF)

    def join(ssid="lobby", key="secret", limit_ms=500):
        wlan.active(True)
        start = time.ticks_ms()
        wlan.connect(ssid, key)
        while not wlan.isconnected() and time.ticks_diff(time.ticks_ms(), start) < limit_ms:
            time.sleep_ms(10)
        return wlan.status(), time.ticks_diff(time.ticks_ms(), start)
    """


def test_joining_takes_a_moment_and_needs_the_access_point(make_board):
    board = make_board(
        JOIN
        + """
    print(wlan is network.WLAN(network.STA_IF), wlan.isconnected(), wlan.status() == network.STAT_IDLE)
    print(join()[0] == network.STAT_GOT_IP, wlan.ifconfig()[0], wlan.config("ssid"), wlan.config("hostname"))
    time.sleep(1)
    print(wlan.isconnected(), wlan.status() == network.STAT_NO_AP_FOUND)
    time.sleep(1)
    print(wlan.isconnected())
    wlan.disconnect()
    print(wlan.isconnected(), wlan.status("rssi") < 0)
    wlan.active(False)
    try:
        wlan.connect("lobby", "x")
    except OSError as error:
        print(error)
    """
    )
    board.run_for(500)
    board.wlan.available = False
    board.run_for(1_000)
    board.wlan.available = True
    assert board.run_until(lambda: board.at_repl, 5_000)
    assert board.console == [
        "True False True",
        "True 127.0.0.1 lobby mpy-esp32",
        "False True",
        "True",
        "False True",
        "Wifi Not Started",
    ]


def test_name_and_password_must_match_if_the_access_point_has_them(make_board):
    board = make_board(
        JOIN
        + """
    print(join()[0], join("lobby", "wrong")[0], join("other", "secret")[0])
    """,
        is_on=False,
    )
    board.wlan.set_name("lobby", "secret")
    board.power_on()
    assert board.run_until(lambda: board.at_repl, 5_000)
    assert board.console == ["1010 202 201"]


def test_a_thread_talks_to_a_real_server_while_the_main_thread_sleeps_virtual_hours(make_board, echo_port):
    board = make_board(
        f"""
        import _thread, asyncio, socket, time
        heard = []
        slept_s = 0

        def talk():
            stream = socket.socket()
            stream.connect(socket.getaddrinfo("127.0.0.1", {echo_port})[0][-1])
            for word in (b"one", b"two", b"three"):
                stream.write(word + b"\\n")
                heard.append(stream.readline())
                # The next word waits for another hour of the main thread, however fast server and machine are.
                until_s = slept_s + 3600
                while slept_s < until_s:
                    time.sleep_ms(1)
            stream.close()
            heard.append(time.ticks_ms() > 3 * 3_600_000)

        async def main():
            global slept_s
            _thread.start_new_thread(talk, ())
            while len(heard) < 4:
                await asyncio.sleep(1)
                slept_s += 1
            print(heard, slept_s >= 3 * 3600)

        asyncio.run(main())
        """
    )
    assert board.run_until(lambda: board.at_repl, 1_000 * 86_400_000)
    assert board.console == [r"[b'ONE\n', b'TWO\n', b'THREE\n', True] True"]


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_a_thread_may_print_set_outputs_and_reset_the_board(make_board, pace):
    board = make_board(
        """
        import _thread, machine, time
        from machine import Pin
        led = Pin(13, Pin.OUT, value=0)

        def other():
            print("from the thread")
            led.on()
            machine.reset()

        if machine.reset_cause() == 1:
            _thread.start_new_thread(other, ())
        while True:
            time.sleep_ms(100)
        """,
        pace=pace,
    )
    # A virtual second passes in no time, but a thread takes some.
    deadline = time.monotonic() + 60
    while not board.reset_count and time.monotonic() < deadline:
        board.run_for(100)
    assert board.reset_causes == [1, 2]
    assert board.console == ["from the thread"]
    assert [level for _, level in board.led.history] == [1, 0]


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_the_main_thread_waits_for_sockets_with_its_own_timeouts(make_board, echo_port, may_answer, pace):
    limit_s = 2
    if pace == "fast":
        # Two virtual seconds are over before a server answers, even if the board has to wait for its turn.
        may_answer.clear()
    else:
        limit_s = LIMIT_MS // 1_000
    board = make_board(
        f"""
        import asyncio, time

        async def main():
            reader, writer = await asyncio.open_connection("127.0.0.1", {echo_port})
            start = time.ticks_ms()
            writer.write(b"hello\\n")
            await writer.drain()
            try:
                line = await asyncio.wait_for(reader.readline(), {limit_s})
                print(line, time.ticks_diff(time.ticks_ms(), start) >= 99)
            except asyncio.TimeoutError:
                print("timed out", time.ticks_diff(time.ticks_ms(), start) // 100)

        asyncio.run(main())
        """,
        pace=pace,
    )
    assert board.run_until(lambda: board.at_repl, 2 * LIMIT_MS)
    assert board.console == (["timed out 20"] if pace == "fast" else [r"b'HELLO\n' True"])


def test_chips_interrupt_a_program_that_waits_at_the_real_pace(make_board):
    board = make_board(
        """
        import asyncio, time
        from machine import Pin
        flag = asyncio.ThreadSafeFlag()
        button = Pin(14, Pin.IN, Pin.PULL_UP)
        button.irq(lambda pin: flag.set(), Pin.IRQ_FALLING)

        async def main():
            print("ready")
            await flag.wait()
            print("pressed", button.value())
            released = []
            button.irq(released.append, Pin.IRQ_RISING)
            print("busy")
            while not released:
                time.ticks_ms()
            print("released", button.value())

        asyncio.run(main())
        """,
        pace="real",
    )
    board.exit_button.bounce_us = 0
    assert board.run_until(lambda: "ready" in board.console, LIMIT_MS)
    # Held until it was seen, and until the program says that it does not wait any more.
    board.exit_button.press()
    assert board.run_until(lambda: "busy" in board.console, LIMIT_MS)
    board.exit_button.release()
    assert board.run_until(lambda: board.at_repl, LIMIT_MS)
    assert board.console == ["ready", "pressed 0", "busy", "released 1"]


def test_the_camera_and_the_keypad_work_at_the_real_pace(make_board):
    board = make_board(
        """
        import time
        from machine import Pin, UART
        Pin(32, Pin.OUT, value=1)
        uart = UART(1, 38400, tx=25, rx=34, timeout=3000, timeout_char=50)
        said = b""
        # In one piece or, if the other process has to wait for its turn, in several.
        while not said.endswith(b"Init end\\r\\n"):
            said += uart.read() or b""
        print(said[-10:])
        row = Pin(16, Pin.OUT, value=0)
        column = Pin(21, Pin.IN, Pin.PULL_UP)
        print("ready")
        while column.value():
            time.sleep_ms(5)
        print("down")
        """,
        pace="real",
    )
    assert board.run_until(lambda: "ready" in board.console, LIMIT_MS)
    board.keypad.press("1")
    assert board.run_until(lambda: board.at_repl, LIMIT_MS)
    assert board.console == [r"b'Init end\r\n'", "ready", "down"]


def test_the_pump_lets_time_pass_in_a_thread(make_board):
    board = make_board(
        """
        import time
        from machine import Pin
        led = Pin(13, Pin.OUT, value=0)
        row = Pin(16, Pin.OUT, value=0)
        column = Pin(21, Pin.IN, Pin.PULL_UP)
        while True:
            led(not column.value())
            time.sleep_ms(5)
        """,
        pace="real",
    )
    # A key that bounces goes off once more before it is released.
    board.keypad.bounce_us = 0
    board.start_pump()
    assert board.run_until(lambda: board.now_ms > 300, LIMIT_MS)
    board.keypad.press("1")
    assert board.run_until(lambda: board.led.is_on, LIMIT_MS)
    # Also what is to happen later happens without anybody's doing.
    board.at(100, lambda: board.keypad.release("1"))
    assert board.run_until(lambda: not board.led.is_on, LIMIT_MS)
    with pytest.raises(ValueError, match="pump"):
        board.set_pace("fast")
    board.power_off()
    board.run_for(20)
    board.power_on()
    board.keypad.press("1")
    assert board.run_until(lambda: board.led.is_on, LIMIT_MS)
    board.stop_pump()
    board.set_pace("fast")
    board.at(500, lambda: board.keypad.release("1"))
    with pytest.raises(ValueError, match="real pace"):
        board.start_pump()
    board.run_for(60_000)
    assert not board.led.is_on


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_the_console_is_a_stream_and_control_characters_are_plain_bytes(make_board, pace):
    board = make_board(
        """
        import asyncio, micropython, sys

        async def main():
            micropython.kbd_intr(-1)
            stream = asyncio.StreamReader(sys.stdin.buffer)
            print("ready")
            while True:
                byte = await stream.read(1)
                print(byte)
                if byte == b"q":
                    return

        asyncio.run(main())
        """,
        pace=pace,
    )
    heard = []
    board.on_console(heard.append)
    assert board.run_until(lambda: "ready" in board.console, LIMIT_MS)
    board.send(b"\x03\x04")
    assert board.run_until(lambda: len(board.console) == 3, LIMIT_MS)
    board.run_for(50)
    board.send(b"q")
    assert board.run_until(lambda: board.at_repl, LIMIT_MS)
    assert board.console == heard == ["ready", r"b'\x03'", r"b'\x04'", "b'q'"]


def test_typing_more_than_anybody_reads_does_not_block(make_board):
    board = make_board("import time\ntime.sleep(100)")
    board.run_for(100)
    board.send(bytes(1 << 20))
    board.run_for(1_000)
    assert board.now_ms == 1_100


def test_an_interrupt_handler_that_fails_is_shown_and_the_program_goes_on(run):
    lines = run(
        """
        import time
        from machine import Timer
        Timer(0, mode=Timer.ONE_SHOT, period=10, callback=lambda timer: 1 / 0)
        time.sleep_ms(20)
        print("still here")
        """
    )
    assert "ZeroDivisionError: divide by zero" in lines and lines[-1] == "still here"


def test_compiled_and_frozen_modules_give_the_same_program_and_more_room(tmp_path):
    root = tmp_path / "root"
    (root / "firmware").mkdir(parents=True)
    (root / "lib").mkdir()
    main = "import gc\nfrom firmware.lock import KEPT, name\nprint(name)\ngc.collect()\nprint(gc.mem_free())"
    (root / "main.py").write_text(main)
    (root / "firmware" / "__init__.py").write_text("")
    # Long enough for its bytecode to weigh something.
    body = "".join(f"\ndef f{n}(a, b):\n    return a * {n} + b if a > {n} else [a, b, {n}]\n" for n in range(60))
    kept = "\nKEPT = [" + ", ".join(f"f{n}" for n in range(60)) + "]\n"
    (root / "firmware" / "lock.py").write_text("from part import name\n" + body + kept)
    (root / "lib" / "part.py").write_text("name = 'lock'\n")
    free = {}
    for form in ("source", "mpy", "frozen"):
        state = tmp_path / form
        with VirtualBoard(state, root=root, use_mpy=form == "mpy", is_frozen=form == "frozen") as board:
            board.power_on()
            assert board.run_until(lambda board=board: board.at_repl, 1_000)
            assert board.console[0] == "lock"
            free[form] = int(board.console[1])
    # Compiled files spare the compiler's work and names, not the place of what is loaded.
    assert free["source"] < free["mpy"] < free["source"] + 4_000
    assert free["frozen"] > free["mpy"] + 1_000
    # What the shadow modules leave of 148 KB.
    assert free["frozen"] > 110_000


STUBBORN = """
import time
while True:
    try:
        time.sleep(1)
    except BaseException:
        pass
"""

HOST = """
import sys, time
from pathlib import Path
from virtualboard import VirtualBoard

folder = Path(sys.argv[1])
board = VirtualBoard(folder / "state", root=folder, pace=sys.argv[2])
board.power_on()
board.run_for(200)
print(board.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_the_process_ends_with_its_host_whatever_the_firmware_catches(tmp_path, pace):
    (tmp_path / "main.py").write_text(STUBBORN)
    command = [sys.executable, "-c", HOST, str(tmp_path), pace]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout
        pid = int(host.stdout.readline())
        assert is_running(pid)
        host.kill()
    deadline = time.monotonic() + 60
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
