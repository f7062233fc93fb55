"""What a TLS handshake of another thread does to the main one: an ESP32 computes for 1.4 s and lets nobody else."""

import socket
import ssl
import threading
import time

import pytest

from certificates import make_certificates

PROGRAM = """
    import _thread, _virtual, asyncio, io, socket, ssl, time
    from machine import Pin, Timer

    state = []
    calls = {"pin": 0, "held": 0, "timer": 0}

    class Stream(io.IOBase):
        def __init__(self, line):
            self.line = line
        def readinto(self, buffer):
            return self.line.readinto(buffer)
        def write(self, data):
            return self.line.write(data)
        def ioctl(self, request, argument):
            return 0

    def talk():
        line = socket.socket()
        line.connect(socket.getaddrinfo("127.0.0.1", PORT)[0][-1])
        state.append("connected")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=open("ca.der", "rb").read())
        stream = context.wrap_socket(WRAPPED, server_hostname="127.0.0.1")
        stream.write(b"hello")
        state.append("done")

    def on_pin(pin):
        calls["pin"] += 1
        if _virtual._held_us:
            calls["held"] += 1

    def on_timer(timer):
        calls["timer"] += 1

    async def main():
        Pin(14, Pin.IN, Pin.PULL_UP).irq(on_pin, Pin.IRQ_FALLING)
        Timer(0, mode=Timer.PERIODIC, period=10, callback=on_timer)
        _thread.start_new_thread(talk, ())
        while "connected" not in state:
            await asyncio.sleep_ms(10)
        print("connected")
        # The two longest times between two turns.
        gaps_ms = [0, 0]
        last_ms = time.ticks_ms()
        while "done" not in state:
            await asyncio.sleep_ms(10)
            now_ms = time.ticks_ms()
            gaps_ms = sorted(gaps_ms + [time.ticks_diff(now_ms, last_ms)])[1:]
            last_ms = now_ms
        await asyncio.sleep_ms(50)
        print("gaps", *gaps_ms)
        print("timer", calls["timer"] > 0, "pin", calls["pin"], calls["held"])

    asyncio.run(main())
    """


class Peer:
    """A TLS server for one client that says nothing until `answer` is set."""

    def __init__(self, files) -> None:
        self.files = files
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answer = threading.Event()
        self.heard = b""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(files.cert, files.key)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        line, _ = self.listener.accept()
        self.answer.wait(60)
        with self._context.wrap_socket(line, server_side=True) as stream:
            self.heard = stream.recv(100)

    def end(self) -> bytes:
        """Returns what the client said."""
        self._thread.join(60)
        return self.heard

    def close(self) -> None:
        self.answer.set()
        self._thread.join(10)
        self.listener.close()


@pytest.fixture
def peer(tmp_path):
    files = make_certificates(tmp_path)
    made = Peer(files)
    yield made
    made.close()


@pytest.fixture
def make_client(make_board, peer):
    """Returns a function that starts the program above on a board, over a socket or a stream written in Python."""

    def make(pace: str, is_split: bool):
        program = PROGRAM.replace("PORT", str(peer.port)).replace("WRAPPED", "Stream(line)" if is_split else "line")
        board = make_board(program, is_on=False, pace=pace, heap="400k")
        der = ssl.PEM_cert_to_DER_cert(peer.files.ca.read_text())
        (board.vfs / "ca.der").write_bytes(der)
        board.power_on()
        # The connection takes real time, of which the board's clock at the fast pace knows nothing.
        deadline = time.monotonic() + 60
        while "connected" not in board.console and time.monotonic() < deadline:
            board.run_for(50)
        assert "connected" in board.console, board.console
        return board

    return make


def wait_for_end(board) -> None:
    deadline = time.monotonic() + 60
    while not board.at_repl and time.monotonic() < deadline:
        board.run_for(50)
    assert board.at_repl, board.console


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_a_handshake_holds_the_main_thread_but_a_silent_peer_does_not(make_client, peer, pace):
    board = make_client(pace, is_split=False)
    board.run_for(2_000)
    assert board.holds_ms == [] and board.console == ["connected"]
    peer.answer.set()
    deadline = time.monotonic() + 60
    while not board.holds_ms and time.monotonic() < deadline:
        board.run_for(1)
    # Pressed twice while nobody can notice: one call, afterwards.
    board.exit_button.bounce_us = 0
    for at_ms in (300, 600):
        board.at(at_ms, lambda: board.exit_button.press(100))
    wait_for_end(board)
    assert [length for _, length in board.holds_ms] == [1400]
    gaps, calls = board.console[1:]
    _, other_ms, longest_ms = gaps.split()
    assert int(longest_ms) >= 1400
    # At the real pace this process may have waited for its turn until the hold was over, and the board for longer.
    if pace == "fast":
        assert int(other_ms) < 200 and calls == "timer True pin 1 0"
    else:
        assert calls in ("timer True pin 1 0", "timer True pin 2 0")
    assert peer.end() == b"hello"


def test_a_stream_written_in_python_divides_it(make_client, peer):
    board = make_client("fast", is_split=True)
    peer.answer.set()
    wait_for_end(board)
    lengths = [length for _, length in board.holds_ms]
    assert sum(lengths) == 1400 and max(lengths) == 450 and len(lengths) == 4
    assert peer.end() == b"hello"


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_pulses_and_chips_go_on_while_it_is_held(make_board, pace):
    board = make_board(
        """
        import _virtual, time
        from esp32 import RMT
        from machine import Pin, UART

        uart = UART(1, 38400, tx=25, rx=34, rxbuf=256)
        Pin(32, Pin.OUT, value=1)
        time.sleep(4)
        uart.read()
        strike = RMT(pin=Pin(26, Pin.OUT, value=0), resolution_hz=312_500, idle_level=False)
        strike.write_pulses([31_250] * 10, [1] * 10)
        Pin(32, Pin.OUT, value=0)
        Pin(32, Pin.OUT, value=1)
        _virtual.hold(4_000_000)
        print("free", strike.wait_done(timeout=0), uart.any() > 0)
        """,
        pace=pace,
    )
    assert board.run_until(lambda: board.at_repl, 100_000), board.console
    (hold,) = board.holds_ms
    assert board.console == ["free True True"]
    # It ended on time, in the midst of the hold.
    ((start_ms, end_ms),) = board.strike.pulses
    assert end_ms - start_ms == pytest.approx(1_000, abs=1) and end_ms < hold[0] + 3_900
