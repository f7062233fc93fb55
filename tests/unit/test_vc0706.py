"""The camera driver against byte-exact exchanges: as documented, with noise, cut short, refused and silent."""

import asyncio
import gc
import struct

import vc0706
from scripted_uart import ScriptedUart
from vc0706 import Camera, CameraError
from virtual_time import clock

vc0706.time = clock

_VERSION = (b"\x56\x00\x11\x00", b"\x76\x00\x11\x00\x0bVC0706 1.00")
_SIZE_IS_320 = (b"\x56\x00\x30\x04\x04\x01\x00\x19", b"\x76\x00\x30\x00\x01\x11")
_SIZE_IS_640 = (b"\x56\x00\x30\x04\x04\x01\x00\x19", b"\x76\x00\x30\x00\x01\x00")
_SET_SIZE_320 = (b"\x56\x00\x31\x05\x04\x01\x00\x19\x11", b"\x76\x00\x31\x00\x00")
_FAST = (b"\x56\x00\x24\x03\x01\x0d\xa6", b"\x76\x00\x24\x00\x00")
_RESET = (b"\x56\x00\x26\x00", b"\x76\x00\x26\x00\x00")
_BOOT_TEXT = b"VC0706 1.00\r\nCtrl infr exist\r\nUser-defined sensor\r\n525\r\nInit end\r\n"
_FREEZE = (b"\x56\x00\x36\x01\x00", b"\x76\x00\x36\x00\x00")
_RESUME = (b"\x56\x00\x36\x01\x03", b"\x76\x00\x36\x00\x00")
_ASK_LENGTH = b"\x56\x00\x34\x01\x00"
_READ_HEAD = b"\x76\x00\x32\x00\x00"


def _length(length: int):
    return _ASK_LENGTH, b"\x76\x00\x34\x00\x04" + length.to_bytes(4, "big")


def _read(offset: int, data: bytes):
    request = b"\x56\x00\x32\x0c\x00\x0a" + struct.pack(">IIH", offset, len(data), 10)
    return request, _READ_HEAD + data + _READ_HEAD


def _picture(size: int) -> bytes:
    return bytes([(i * 31 + (i >> 8)) & 255 for i in range(size)])


def _camera(uart, **options) -> Camera:
    return Camera(uart, timeout_ms=20, **options)


def _reason(work) -> int:
    try:
        asyncio.run(work)
    except CameraError as error:
        return error.reason
    return 0


def test_start_finds_the_camera_and_speeds_it_up():
    uart = ScriptedUart([_VERSION, _SIZE_IS_320, _FAST, _VERSION, _RESUME])
    asyncio.run(_camera(uart).start())
    uart.assert_done()
    assert uart.speeds == [115_200]


def test_start_changes_the_size_only_if_it_must():
    after_reset = (_VERSION[0], [_BOOT_TEXT[:20], b"", _BOOT_TEXT[20:] + _VERSION[1]])
    uart = ScriptedUart([_VERSION, _SIZE_IS_640, _SET_SIZE_320, _RESET, after_reset, _RESUME])
    asyncio.run(_camera(uart, speed=38_400).start())
    uart.assert_done()
    assert uart.speeds == []


def test_start_sets_compression():
    compression = (b"\x56\x00\x31\x05\x01\x01\x12\x04\x60", b"\x76\x00\x31\x00\x00")
    uart = ScriptedUart([_VERSION, _SIZE_IS_320, compression, _RESUME])
    asyncio.run(_camera(uart, speed=38_400).start(compression=0x60))
    uart.assert_done()


def test_start_finds_a_camera_that_was_left_at_the_other_speed():
    uart = ScriptedUart([(_VERSION[0], b""), _VERSION, _SIZE_IS_320, _RESUME])
    asyncio.run(_camera(uart).start())
    uart.assert_done()
    assert uart.speeds == [115_200]


def test_start_outlasts_the_text_of_a_restart():
    silent = (_VERSION[0], b"")
    booting = (_VERSION[0], _BOOT_TEXT)
    uart = ScriptedUart([silent, silent, booting, silent, _VERSION, _SIZE_IS_320, _RESUME])
    asyncio.run(_camera(uart, speed=38_400).start())
    uart.assert_done()


def test_start_believes_the_new_speed_when_the_reply_to_the_change_is_lost():
    lost = (_FAST[0], b"")
    uart = ScriptedUart([_VERSION, _SIZE_IS_320, lost, lost, lost, _VERSION, _RESUME])
    asyncio.run(_camera(uart).start())
    uart.assert_done()
    assert uart.speeds == [115_200]


def test_start_gives_up_on_a_camera_that_is_not_there():
    class Dead(ScriptedUart):
        def write(self, buffer):
            return len(buffer)

    uart = Dead([])
    begun_ms = clock.ticks_ms()
    assert _reason(_camera(uart).start()) == vc0706.NO_ANSWER
    assert 3000 <= clock.ticks_diff(clock.ticks_ms(), begun_ms) < 4000
    assert uart.speeds[:4] == [115_200, 38_400, 115_200, 38_400]


def test_reset_with_and_without_a_length_in_the_reply():
    for reply in (b"\x76\x00\x26\x00\x00", b"\x76\x00\x26\x00", b"\x76\x00\x26\x00" + _BOOT_TEXT):
        uart = ScriptedUart([(_RESET[0], reply), _VERSION])
        asyncio.run(_camera(uart).reset())
        uart.assert_done()


def test_reset_falls_back_to_the_first_speed():
    uart = ScriptedUart([_VERSION, _SIZE_IS_320, _FAST, _VERSION, _RESUME, _RESET, _VERSION])

    async def start_and_reset():
        camera = _camera(uart)
        await camera.start()
        await camera.reset()

    asyncio.run(start_and_reset())
    uart.assert_done()
    assert uart.speeds == [115_200, 38_400]


def test_version():
    uart = ScriptedUart([_VERSION])
    assert asyncio.run(_camera(uart).version()) == "VC0706 1.00"
    for reply in (b"\x76\x00\x11\x00\x03V\xff1", b"\x76\x00\x11\x00\x20" + b"V" * 32):
        uart = ScriptedUart([(_VERSION[0], reply)] * 3)
        assert _reason(_camera(uart).version()) == vc0706.BAD_REPLY


def test_freeze_tells_the_length():
    for length in (1, 11_264, 65_536):
        uart = ScriptedUart([_FREEZE, _length(length)])
        assert asyncio.run(_camera(uart).freeze()) == length
        uart.assert_done()


def test_freeze_believes_no_length():
    for length in (0, 20_001, 0x8000_0000, 0xFFFF_FFFF):
        uart = ScriptedUart([_FREEZE, _length(length)])
        assert _reason(_camera(uart, max_bytes=20_000).freeze()) == vc0706.BAD_PICTURE, length


def test_read_fills_exactly_what_it_is_given():
    for size in (1, 13, 512):
        picture = _picture(size)
        uart = ScriptedUart([_read(1024, picture)])
        buffer = bytearray(b"#" * (size + 2))
        asyncio.run(_camera(uart).read(1024, memoryview(buffer)[1:-1]))
        uart.assert_done()
        assert buffer == b"#" + picture + b"#"


def test_read_cuts_long_requests_into_pieces():
    picture = _picture(1100)
    uart = ScriptedUart([_read(0, picture[:512]), _read(512, picture[512:1024]), _read(1024, picture[1024:])])
    buffer = bytearray(1100)
    asyncio.run(_camera(uart).read(0, buffer))
    uart.assert_done()
    assert buffer == picture


def test_read_starts_at_multiples_of_eight_only():
    try:
        asyncio.run(_camera(ScriptedUart([])).read(4, bytearray(8)))
        raise AssertionError("read")
    except ValueError:
        pass


def test_read_takes_data_that_looks_like_a_reply():
    picture = _READ_HEAD * 20
    uart = ScriptedUart([_read(0, picture)])
    buffer = bytearray(len(picture))
    asyncio.run(_camera(uart).read(0, buffer))
    assert buffer == picture


def test_replies_in_crumbs():
    request, reply = _read(0, _picture(40))
    crumbs = []
    for byte in reply:
        crumbs += [b"", bytes([byte])]
    uart = ScriptedUart([(request, crumbs)])
    buffer = bytearray(40)
    asyncio.run(Camera(uart, timeout_ms=1000).read(0, buffer))
    uart.assert_done()
    assert buffer == _picture(40)


def test_noise_before_a_request_and_before_its_reply():
    for noise in (
        b"\x00",
        b"\x76",
        b"\x76\x00",
        b"\x76\x76\x00",
        b"\x76\x00\x76",
        b"\xff" * 200,
        b"\x76\x00\x11\x00\x00",
    ):
        uart = ScriptedUart([(_FREEZE[0], noise + _FREEZE[1]), _length(9000)], waiting=noise)
        assert asyncio.run(_camera(uart).freeze()) == 9000, noise
        uart.assert_done()


def test_noise_inside_a_reply_costs_another_try():
    request, reply = _read(0, _picture(32))
    for at in (1, 4, 5, 20, 37, 41):
        broken = reply[:at] + b"\xf0" + reply[at:]
        uart = ScriptedUart([(request, broken), _VERSION, (request, reply)])
        buffer = bytearray(32)
        asyncio.run(_camera(uart).read(0, buffer))
        uart.assert_done()
        assert buffer == _picture(32), at


def test_short_answers_cost_another_try():
    request, reply = _read(0, _picture(32))
    for at in (1, 4, 5, 20, 37, 41):
        uart = ScriptedUart([(request, reply[:at]), _VERSION, (request, reply)])
        buffer = bytearray(32)
        asyncio.run(_camera(uart).read(0, buffer))
        uart.assert_done()
        assert buffer == _picture(32), at


def test_what_is_left_of_a_failed_exchange_is_not_the_next_answer():
    request, reply = _read(0, _picture(32))
    # The first answer loses a byte, so that its end comes to lie in front of the second.
    uart = ScriptedUart([(request, [reply[:10] + reply[11:] + b"\x76\x00"]), _VERSION, (request, reply), _RESUME])

    async def read_and_resume():
        camera = _camera(uart)
        await camera.read(0, bytearray(32))
        await camera.resume()

    asyncio.run(read_and_resume())
    uart.assert_done()


def test_late_data_is_not_taken_for_the_data_behind_it():
    first, second = _picture(512), _picture(1024)[512:]
    request, reply = _read(0, first)
    # It comes when the driver has given it up, in front of the answer to what was sent next.
    late = (_VERSION[0], reply + _VERSION[1])
    uart = ScriptedUart([(request, b""), late, (request, reply), _read(512, second)])
    buffer = bytearray(1024)
    asyncio.run(_camera(uart).read(0, buffer))
    uart.assert_done()
    assert buffer == first + second


def test_an_answer_that_nobody_asked_for_is_not_the_next_one():
    stale = _length(1)[1]
    uart = ScriptedUart([(_FREEZE[0], _FREEZE[1] + stale), _length(9000)])
    assert asyncio.run(_camera(uart).freeze()) == 9000
    uart.assert_done()


def test_three_tries_and_no_more():
    for reply, reason in (
        (b"", vc0706.NO_ANSWER),
        (b"\x76\x00", vc0706.NO_ANSWER),
        (b"\x76\x00\x36", vc0706.BAD_REPLY),
        (b"\x76\x00\x36\x00", vc0706.BAD_REPLY),
        (b"\x76\x00\x36\x03\x00", vc0706.BAD_REPLY),
        (b"\x76\x00\x36\x00\x01\x00", vc0706.BAD_REPLY),
        (b"\x76\x00\x36\x00\xff" + bytes(255), vc0706.BAD_REPLY),
        (b"\xff" * 5000, vc0706.BAD_REPLY),
    ):
        uart = ScriptedUart([(_FREEZE[0], reply)] * 3)
        begun_ms = clock.ticks_ms()
        assert _reason(_camera(uart).freeze()) == reason, reply[:8]
        assert not uart.script
        assert clock.ticks_diff(clock.ticks_ms(), begun_ms) < 1500


def test_a_line_that_never_falls_silent_is_given_up():
    class Babble(ScriptedUart):
        def write(self, buffer):
            return len(buffer)

        def any(self):
            return 100

        def readinto(self, buffer):
            for at in range(len(buffer)):
                buffer[at] = 0x55
            return len(buffer)

    begun_ms = clock.ticks_ms()
    assert _reason(_camera(Babble([])).resume()) == vc0706.BAD_REPLY
    assert clock.ticks_diff(clock.ticks_ms(), begun_ms) < 2000


def test_a_line_that_promises_and_gives_nothing_is_given_up():
    class Hollow(ScriptedUart):
        def write(self, buffer):
            return len(buffer)

        def any(self):
            return 5

        def readinto(self, buffer):
            return None

    begun_ms = clock.ticks_ms()
    assert _reason(_camera(Hollow([])).resume()) == vc0706.NO_ANSWER
    assert clock.ticks_diff(clock.ticks_ms(), begun_ms) < 2000


def test_a_cancelled_exchange_leaves_nothing_behind():
    late = [b""] * 12 + [_FREEZE[1]]
    uart = ScriptedUart([(_FREEZE[0], late), _RESUME])

    async def cancel_and_resume():
        camera = Camera(uart, timeout_ms=2_000)
        freezing = asyncio.create_task(camera.freeze())
        # Until the reply is the next thing on the line; by looks and not by time, however busy the machine is.
        while len(uart._arriving) != 1:
            await asyncio.sleep_ms(1)
        freezing.cancel()
        try:
            await freezing
            raise AssertionError("answered")
        except asyncio.CancelledError:
            pass
        await camera.resume()

    asyncio.run(cancel_and_resume())
    uart.assert_done()


def test_data_that_came_while_nobody_looked_still_counts():
    class Frozen(ScriptedUart):
        """The interpreter stands still for longer than the reply may take, while it comes in."""

        def any(self):
            if super().any() == 512 + 10:
                clock.sleep_ms(400)
            return super().any()

    uart = Frozen([_read(0, _picture(512))])
    buffer = bytearray(512)
    asyncio.run(_camera(uart).read(0, buffer))
    uart.assert_done()
    assert buffer == _picture(512)


def test_garbage_does_not_grow_with_the_picture():
    class Lean(ScriptedUart):
        """Gives the same reply to everything, without allocating."""

        def __init__(self, reply):
            self.reply = reply
            self.at = len(reply)

        def write(self, buffer):
            self.at = 0
            return len(buffer)

        def any(self):
            return len(self.reply) - self.at

        def readinto(self, buffer):
            for to in range(len(buffer)):
                buffer[to] = self.reply[self.at]
                self.at += 1
            return len(buffer)

    async def garbage_of(size):
        camera = _camera(Lean(_read(0, _picture(size))[1]))
        buffer = bytearray(size)
        await camera.read(0, buffer)
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        await camera.read(0, buffer)
        grown = gc.mem_alloc() - before
        gc.enable()
        assert buffer == _picture(size)
        return grown

    small, large = asyncio.run(garbage_of(8)), asyncio.run(garbage_of(512))
    assert 0 < small < 5000 and large - small < 256, (small, large)
