"""UARTs and the VC0706 camera behind one: its bytes, its pictures, its faults."""

import io

import pytest
from PIL import Image

from virtualboard.serial import byte_us

# A plain client of the protocol manual, with nothing of the lock's own driver.
CLIENT = """
    import time
    from machine import Pin, UART
    power = Pin(32, Pin.OUT, value=1)
    uart = UART(1, 38400, tx=25, rx=34, rxbuf=1024, timeout=100, timeout_char=5)

    def ask(command, arguments=b"", size=5):
        uart.write(bytes((0x56, 0, command, len(arguments))) + arguments)
        return uart.read(size)

    def awake():
        time.sleep_ms(2000)
        return uart.read()

    def picture():
        print(ask(0x36, b"\\x00"))
        length = int.from_bytes(ask(0x34, b"\\x00", 9)[5:], "big")
        with open("picture.jpg", "wb") as file:
            for at in range(0, length, 512):
                size = min(512, length - at)
                head = b"\\x00\\x0a" + at.to_bytes(4, "big") + size.to_bytes(4, "big") + b"\\x00\\x0a"
                reply = ask(0x32, head, size + 10)
                assert reply[:5] == reply[-5:] == b"\\x76\\x00\\x32\\x00\\x00", reply[:5]
                file.write(reply[5:-5])
        return length
    """


def finish(board, limit_ms: float = 60_000) -> list[str]:
    assert board.run_until(lambda: board.at_repl, limit_ms), board.console
    return board.console


def test_power_brings_the_greeting_and_commands_their_replies(make_board):
    board = make_board(
        CLIENT
        + """
    print(ask(0x11))
    greeting = awake()
    print(greeting)
    print(ask(0x11, size=16))
    print(ask(0x99), ask(0x24, b"\\x01"), ask(0x24, b"\\x01\\x12\\x34"))
    print(ask(0x30, b"\\x04\\x01\\x00\\x19", 6), ask(0x31, b"\\x04\\x01\\x00\\x19\\x22"))
    print(ask(0x31, b"\\x01\\x01\\x12\\x04\\x80"), ask(0x30, b"\\x01\\x01\\x12\\x04", 6))
    print(ask(0x26), awake()[-10:])
    print(ask(0x30, b"\\x04\\x01\\x00\\x19", 6), ask(0x30, b"\\x01\\x01\\x12\\x04", 6))
    """
    )
    lines = finish(board)
    assert lines[0] == "None"
    assert lines[1].endswith("Init end\\r\\n'")
    assert lines[2] == repr(b"\x76\x00\x11\x00\x0bVC0703 1.00")
    assert lines[3] == r"b'v\x00\x99\x01\x00' b'v\x00$\x02\x00' b'v\x00$\x03\x00'"
    assert lines[4] == r"b'v\x000\x00\x01\x11' b'v\x001\x00\x00'"
    assert lines[5] == r"b'v\x001\x00\x00' b'v\x000\x00\x01\x80'"
    assert lines[6] == r"b'v\x00&\x00\x00' b'Init end\r\n'"
    # The size lies in its EEPROM, the compression does not.
    assert lines[7] == r"b'v\x000\x00\x01" + '"' + r"' b'v\x000\x00\x016'"


def test_a_picture_read_out_whole_is_a_jpeg_that_pillow_opens(make_board):
    board = make_board(
        CLIENT
        + """
    awake()
    print(picture())
    """
    )
    status, length = finish(board)
    assert status == repr(b"\x76\x00\x36\x00\x00")
    data = (board.vfs / "picture.jpg").read_bytes()
    assert data == board.camera.pictures[0]
    assert len(data) == int(length)
    image = Image.open(io.BytesIO(data))
    image.load()
    assert (image.format, image.size) == ("JPEG", (320, 240))
    # As large as a real module's.
    assert 6_000 < len(data) < 30_000
    # 38,400 baud leave no room for haste: ten bits a byte, both ways.
    (frozen,) = board.camera.frozen_ms
    assert board.now_ms - frozen > byte_us(38_400, len(data)) / 1000


@pytest.mark.parametrize(("code", "size"), [(0x00, (640, 480)), (0x22, (160, 120))])
def test_the_size_counts_from_the_next_start_on_and_the_baud_rate_at_once(make_board, code, size):
    board = make_board(
        CLIENT
        + f"""
    awake()
    ask(0x31, b"\\x04\\x01\\x00\\x19" + bytes(({code},)))
    picture()
    print(ask(0x36, b"\\x03"), ask(0x26))
    awake()
    print(ask(0x24, b"\\x01\\x0d\\xa6"))
    uart.init(baudrate=115200, timeout=100, timeout_char=5)
    started = time.ticks_ms()
    print(picture(), time.ticks_diff(time.ticks_ms(), started))
    """
    )
    lines = finish(board)
    assert [Image.open(io.BytesIO(picture)).size for picture in board.camera.pictures] == [(320, 240), size]
    assert (board.vfs / "picture.jpg").read_bytes() == board.camera.pictures[1]
    length, took_ms = map(int, lines[-1].split())
    assert took_ms < 3 * length * 10 / 115.2


def test_every_picture_differs_and_a_frozen_frame_stays_until_video_goes_on(make_board):
    board = make_board(
        CLIENT
        + """
    awake()
    for _ in range(2):
        ask(0x36, b"\\x00")
        ask(0x36, b"\\x00")
        ask(0x36, b"\\x03")
    ask(0x36, b"\\x00")
    print(ask(0x34, b"\\x00", 9) == ask(0x34, b"\\x00", 9))
    """
    )
    assert finish(board) == ["True"]
    assert len(set(board.camera.pictures)) == len(board.camera.frozen_ms) == 3


def test_a_wrong_baud_rate_gives_garbage_both_ways(make_board):
    board = make_board(
        CLIENT
        + """
    awake()
    uart.init(baudrate=115200)
    print(ask(0x11, size=16))
    uart.init(baudrate=38400)
    print(ask(0x11, size=16))
    """
    )
    lines = finish(board)
    assert lines == ["None", repr(b"\x76\x00\x11\x00\x0bVC0703 1.00")]


def test_what_comes_at_another_speed_is_not_what_was_sent(make_board):
    board = make_board(CLIENT + "\n    uart.init(baudrate=9600)\n    print(awake())")
    (line,) = finish(board)
    assert line != "None" and "Init" not in line


def test_a_receive_buffer_that_nobody_empties_loses_bytes(make_board):
    board = make_board(
        CLIENT
        + """
    awake()
    uart.init(rxbuf=256)
    print(uart.any(), uart.read(4))
    time.sleep(1)
    print(uart.any(), len(uart.read()), uart.any(), uart.read())
    """
    )
    board.run_for(2_050)
    board.camera.inject(bytes(1000))
    lines = finish(board)
    assert lines[1] == "384 384 0 None"


def test_it_is_a_stream_for_asyncio(make_board):
    board = make_board(
        CLIENT
        + """
    import asyncio

    async def main():
        stream = asyncio.StreamReader(uart)
        while await stream.readline() != b"Init end\\r\\n":
            pass
        print(time.ticks_ms() > 1300)
        stream.write(b"\\x56\\x00\\x11\\x00")
        await stream.drain()
        print(await stream.readexactly(16))
        try:
            await asyncio.wait_for_ms(stream.readexactly(1), 500)
        except asyncio.TimeoutError:
            print("quiet")

    asyncio.run(main())
    """
    )
    assert finish(board) == ["True", repr(b"\x76\x00\x11\x00\x0bVC0703 1.00"), "quiet"]


def test_bytes_leave_and_arrive_at_the_speed_of_the_line(make_board):
    board = make_board(
        CLIENT
        + """
    awake()
    start = time.ticks_us()
    uart.write(b"x" * 96)
    print(time.ticks_diff(time.ticks_us(), start) < 100, uart.txdone())
    uart.flush()
    print(time.ticks_diff(time.ticks_us(), start), uart.txdone())
    """
    )
    lines = finish(board)
    assert lines[0] == "True False"
    took_us, is_done = lines[1].split()
    assert int(took_us) == pytest.approx(25_000, abs=100) and is_done == "True"


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"is_silent": True}, "None"),
        ({"is_hung": True}, "None"),
        ({"noise": b"\x76\x00\xff"}, r"b'v\x00\xffv\x00'"),
        ({"status": 3}, r"b'v\x006\x03\x00'"),
        ({"late_ms": 90}, r"b'v\x006\x00\x00'"),
        ({"late_ms": 200}, "None"),
    ],
)
def test_faults_of_the_line_and_the_module(make_board, fault, outcome):
    board = make_board(CLIENT + "\n    awake()\n    print(ask(0x36, b'\\x00'))")
    board.run_for(1_900)
    for name, value in fault.items():
        setattr(board.camera, name, value)
    assert finish(board) == [outcome]


def test_reset_and_power_wake_a_module_that_hangs(make_board):
    board = make_board(
        CLIENT
        + """
    awake()
    for _ in range(2):
        time.sleep(1)
        print(ask(0x11))
        if _ == 0:
            ask(0x26)
        else:
            power.off()
            time.sleep_ms(100)
            power.on()
        awake()
        print(ask(0x11, size=16)[:5])
    """
    )
    for hang_ms in (2_500, 3_000):
        board.run_for(hang_ms)
        board.camera.is_hung = True
    lines = finish(board)
    assert lines == ["None", repr(b"\x76\x00\x11\x00\x0b"), "None", repr(b"\x76\x00\x11\x00\x0b")]


@pytest.mark.parametrize("fault", ["keep", "corrupt"])
def test_a_picture_that_is_cut_short_or_damaged(make_board, fault):
    board = make_board(CLIENT + "\n    awake()\n    print(picture())")
    if fault == "keep":
        board.camera.keep = 0.5
    else:
        board.camera.corrupt = True
    finish(board)
    read = (board.vfs / "picture.jpg").read_bytes()
    (taken,) = board.camera.pictures
    assert read != taken
    assert len(read) == (len(taken) // 2 if fault == "keep" else len(taken))


def test_the_module_says_nothing_without_power(make_board):
    board = make_board(
        CLIENT
        + """
    power.off()
    print(awake(), ask(0x11))
    power.on()
    time.sleep_ms(1000)
    power.off()
    print(awake())
    """
    )
    assert finish(board) == ["None None", "None"]
    assert not board.camera.is_on
