"""The card reader's driver against frames of the user manual and of traces others published, and against bad ones."""

import asyncio
import gc
import io

import pn532
import pn532_spi
from pn532 import BadFrame, CardLost, NoReader, Pn532, ReaderError, Target
from pn532_hsu import Hsu
from pn532_spi import Spi
from scripted_uart import ScriptedUart
from virtual_time import clock

pn532.time = pn532_spi.time = clock

_ACK = bytes.fromhex("0000ff00ff00")
_NACK = bytes.fromhex("0000ffff0000")
_ERROR = bytes.fromhex("0000ff01ff7f8100")
_WAKE_UP = b"\x55\x55" + bytes(14)
# From the manual and the traces, sum by sum: nothing here is computed.
_SAM = bytes.fromhex("0000ff05fbd4140114010200")
_SAM_DONE = bytes.fromhex("0000ff02fed5151600")
_VERSION = bytes.fromhex("0000ff02fed4022a00")
_VERSION_IS = bytes.fromhex("0000ff06fad50332010607e800")
_RETRIES = bytes.fromhex("0000ff06fad43205ff01fff600")
_RETRIES_DONE = bytes.fromhex("0000ff02fed533f800")
_LIST = bytes.fromhex("0000ff04fcd44a0200e000")
_ONE = bytes.fromhex("0000ff0cf4d54b0101000408041ada74442200")
_READ_4 = bytes.fromhex("0000ff05fbd440013004b700")
_UNKNOWN_TARGET = bytes.fromhex("0000ff03fdd54127c300")
_RELEASE = bytes.fromhex("0000ff03fdd45200da00")
_RELEASED = bytes.fromhex("0000ff03fdd55300d800")
_START = (
    (_WAKE_UP, b""),
    (_SAM, _ACK + _SAM_DONE),
    (_VERSION, _ACK + _VERSION_IS),
    (_RETRIES, _ACK + _RETRIES_DONE),
)
_TARGET = Target(1, b"\x1a\xda\x74\x44", 8, 4)


class Line(Hsu):
    """The real one, but for its long wait, which needs a stream of the system's."""

    async def wait(self, timeout_ms):
        if not self._uart.any():
            await asyncio.sleep_ms(timeout_ms)


def _frame(body: bytes) -> bytes:
    """What is not in a published trace; the sums of those above say that this is right."""
    size = len(body)
    head = bytes((size, 256 - size)) if size < 256 else bytes((255, 255, 1, size - 256, 511 - size))
    return b"\x00\x00\xff" + head + body + bytes((-sum(body) & 255, 0))


def _play(script, work, waiting=b""):
    """Runs `work(reader)`; returns its result, or the error's class."""
    uart = ScriptedUart(script, waiting)
    levels = []
    reader = Pn532(Line(uart), levels.append)
    begun_ms = clock.ticks_ms()
    try:
        result = asyncio.run(work(reader))
    except (ReaderError, ValueError) as error:
        result = type(error)
    assert clock.ticks_diff(clock.ticks_ms(), begun_ms) < 5_000
    uart.assert_done()
    return result


def _start(reader):
    return reader.start()


def _find(reader):
    return reader.find(30)


def _read(reader):
    return reader.exchange(_TARGET, b"\x30\x04", 30)


def test_the_frames_made_here_are_those_of_the_traces():
    for body, whole in ((b"\xd5\x15", _SAM_DONE), (b"\xd5\x03\x32\x01\x06\x07", _VERSION_IS)):
        assert _frame(body) == whole
    assert _frame(_ONE[5:-2]) == _ONE


def test_start_resets_wakes_and_sets_up():
    levels = []
    uart = ScriptedUart(_START)
    asyncio.run(Pn532(Line(uart), levels.append).start())
    uart.assert_done()
    assert levels == [0, 1]


def test_start_skips_what_is_on_the_line_before():
    noise = b"\x00\xff\x80\x00" * 10
    assert _play(_START, _start, waiting=noise) is None


def test_start_refuses_another_chip_and_a_silent_one():
    other = (_VERSION, _ACK + _frame(b"\xd5\x03\x33\x02\x07\x07"))
    assert _play(_START[:2] + (other,), _start) is NoReader
    silent = ((_WAKE_UP, b""),) + ((_SAM, b""), (_ACK, b"")) * 3
    assert _play(silent, _start) is NoReader


def test_find_returns_one_card():
    (found,) = _play([(_LIST, _ACK + _ONE)], _find)
    assert (found.number, found.uid, found.sak, found.atqa) == (1, b"\x1a\xda\x74\x44", 0x08, 0x0004)
    assert not found.is_isodep


def test_find_returns_two_cards_and_skips_their_ats():
    desfire = bytes.fromhex("0103442007042b518a0e5d80067577810280")
    ultralight = bytes.fromhex("0200440007045a1b72c36480")
    first, second = _play([(_LIST, _ACK + _frame(b"\xd5\x4b\x02" + desfire + ultralight))], _find)
    assert first.is_isodep and first.uid == bytes.fromhex("042b518a0e5d80") and first.atqa == 0x344
    assert not second.is_isodep and second.uid == bytes.fromhex("045a1b72c36480") and second.number == 2


def test_find_gives_up_by_an_acknowledge():
    assert _play([(_LIST, _ACK), (_ACK, b"")], _find) == []


def test_a_list_of_cards_that_contradicts_itself_is_refused():
    whole = _ONE[5:-2]
    bad = [whole[: 2 + size] for size in range(1, len(whole) - 2)]
    bad += [b"\xd5\x4b\x02" + whole[3:], b"\xd5\x4b\xff" + whole[3:], b"\xd5\x4b\x03" + whole[3:] * 3]
    bad += [whole[:7] + bytes((length,)) + whole[8:] for length in (5, 255)]
    for body in bad:
        assert _play([(_LIST, _ACK + _frame(body))], _find) is BadFrame, body
    assert _play([(_LIST, _ACK + _frame(b"\xd5\x4b\x00"))], _find) == []
    assert _play([(_LIST, _ACK + _frame(b"\xd5\x4b"))], _find) is BadFrame


def test_a_card_that_lies_about_its_answer_to_select_is_a_card():
    whole = _ONE[5:-2]
    says_isodep = whole[:6] + b"\x20" + whole[7:]
    # It says nothing of how, or more than came.
    for body in (says_isodep, says_isodep + b"\x00", says_isodep + b"\x09\x01"):
        (found,) = _play([(_LIST, _ACK + _frame(body))], _find)
        assert found.is_isodep


def test_exchange_returns_what_the_card_says():
    pages = bytes(range(16))
    assert _play([(_READ_4, _ACK + _frame(b"\xd5\x41\x00" + pages))], _read) == pages
    assert _play([(_READ_4, _ACK + bytes.fromhex("0000ff03fdd54100ea00"))], _read) == b""


def test_the_status_tells_a_lost_card_from_a_chip_in_trouble():
    assert _play([(_READ_4, _ACK + _UNKNOWN_TARGET)], _read) is CardLost
    for status in range(1, 256):
        expected = ReaderError if status & 63 in (0x0A, 0x0D, 0x2D) else CardLost
        assert _play([(_READ_4, _ACK + _frame(bytes((0xD5, 0x41, status, 9))))], _read) is expected, status
    assert _play([(_READ_4, _ACK + _frame(b"\xd5\x41"))], _read) is ReaderError


def test_the_longest_exchange_takes_extended_frames_both_ways():
    data = bytes(range(256)) + b"123456"
    request = bytes.fromhex("0000ffffff0109f6d44001") + data
    request += bytes((-sum(request[8:]) & 255, 0))
    answer = bytes.fromhex("0000ffffff0109f6d54100") + data
    answer += bytes((-sum(answer[8:]) & 255, 0))
    for pieces in ([_ACK + answer], [_ACK, b"", answer[:5], b"", answer[5:200], b"", answer[200:]]):
        assert _play([(request, pieces)], lambda reader: reader.exchange(_TARGET, data, 30)) == data
    assert _play([], lambda reader: reader.exchange(_TARGET, data + b"7", 30)) is ValueError


def test_an_exchange_of_which_nothing_is_heard_is_a_lost_card():
    assert _play([(_READ_4, _ACK), (_ACK, b"")], _read) is CardLost


def test_release_lets_all_go():
    assert _play([(_RELEASE, _ACK + _RELEASED)], lambda reader: reader.release()) is None


def test_a_garbled_answer_is_asked_for_again():
    good = _frame(b"\xd5\x41\x00" + bytes(16))
    bad = [good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :] for at in range(3, len(good) - 1)]
    # A wrong command or frame identifier with a right sum, cut short, too long, a head without a body.
    bad += [_frame(b"\xd4\x41\x00") * 3, _frame(b"\xd5\x43\x00") * 3, good[:-3], good[:4]]
    bad += [bytes.fromhex("0000ffffff010af5"), bytes.fromhex("0000ffffff000000"), bytes.fromhex("0000ff0000"), _NACK]
    # Right in all but that no frame is so long.
    bad.append(_frame(b"\xd5\x41\x00" + bytes(263)))
    for garbled in bad:
        assert _play([(_READ_4, _ACK + garbled), (_NACK, good)], _read) == bytes(16), garbled


def test_an_answer_that_stays_garbled_is_given_up():
    garbled = _UNKNOWN_TARGET[:-2] + b"\x00\x00"
    script = [(_READ_4, _ACK + garbled), (_NACK, garbled), (_NACK, garbled)]
    assert _play(script, _read) is BadFrame


def test_a_command_without_acknowledge_is_sent_again():
    for lost in (b"", _ACK[:3], _ACK[:4] + b"\x00\x00", b"\xff\xff"):
        assert (
            _play([(_RELEASE, lost), (_ACK, b""), (_RELEASE, _ACK + _RELEASED)], lambda reader: reader.release())
            is None
        )


def test_an_answer_counts_though_its_acknowledge_got_lost():
    assert _play([(_RELEASE, _ACK[:-4] + _RELEASED)], lambda reader: reader.release()) is None
    assert _play([(_RELEASE, _RELEASED)], lambda reader: reader.release()) is None


def test_an_error_frame_means_that_the_chip_must_be_set_up_again():
    assert _play([(_LIST, _ACK + _ERROR)], _find) is NoReader
    assert _play([(_LIST, _ERROR)], _find) is NoReader


def test_an_answer_to_something_else_is_skipped():
    assert _play([(_READ_4, _ACK + _RELEASED + _frame(b"\xd5\x41\x00\x07"))], _read) == b"\x07"


def test_noise_before_a_frame_is_skipped_up_to_a_bound():
    noise = b"\xff\xff\x80\x00\x01\x02" * 20
    assert _play([(_READ_4, noise + _ACK + b"\x00" * 100 + _frame(b"\xd5\x41\x00\x07"))], _read) == b"\x07"

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
    try:
        asyncio.run(Pn532(Line(Babble([])), lambda level: None).start())
        raise AssertionError("started")
    except NoReader:
        assert clock.ticks_diff(clock.ticks_ms(), begun_ms) < 5_000


def test_a_call_that_was_cancelled_leaves_nothing_behind():
    uart = ScriptedUart([(_LIST, _ACK), (_ACK, _ONE), (_RELEASE, _ACK + _RELEASED)])

    async def cancel_and_release():
        reader = Pn532(Line(uart), lambda level: None)
        finding = asyncio.create_task(reader.find(60_000))
        while uart._arriving or uart.script[0][0] == _LIST:
            await asyncio.sleep_ms(0)
        finding.cancel()
        try:
            await finding
            raise AssertionError("found")
        except asyncio.CancelledError:
            pass
        # What it then says of the card it found meanwhile must not pass for an answer.
        await reader.release()

    asyncio.run(cancel_and_release())
    uart.assert_done()


def test_data_that_came_while_nobody_looked_still_counts():
    class Frozen(ScriptedUart):
        """The interpreter stands still for longer than the chip may take, while the answer comes in."""

        def any(self):
            count = super().any()
            if count > len(_ACK):
                clock.sleep_ms(200)
            return count

    uart = Frozen([(_READ_4, _ACK + _frame(b"\xd5\x41\x00\x07"))])
    reader = Pn532(Line(uart), lambda level: None)
    assert asyncio.run(_read(reader)) == b"\x07"


def test_hsu_waits_for_the_stream_and_no_longer():
    class Stream(io.IOBase):
        is_readable = False

        def any(self):
            return 1 if self.is_readable else 0

        def ioctl(self, request, flags):
            # MP_STREAM_POLL, readable; nothing else, least of all a file number.
            return -1 if request != 3 else flags & 1 if self.is_readable else 0

    async def wait():
        stream = Stream()
        line = Hsu(stream)
        begun_ms = clock.ticks_ms()
        await line.wait(30)
        assert clock.ticks_diff(clock.ticks_ms(), begun_ms) >= 30

        async def arrive():
            await asyncio.sleep_ms(20)
            stream.is_readable = True

        arriving = asyncio.create_task(arrive())
        await asyncio.wait_for_ms(line.wait(60_000), 30_000)
        await arriving

    asyncio.run(wait())


class FakeSpi:
    """The chip's side of transactions, as section 6.2.5 has them: `frames` are what it has to say, in order."""

    def __init__(self, frames):
        self.frames = list(frames)
        self.written = []
        self.is_selected = False
        self.looks = 0

    def select(self, level):
        if level and self.is_selected and self._operation == 3:
            self.frames.pop(0)
        self.is_selected = not level
        self._operation = None
        self._at = 0

    def write(self, data):
        assert self.is_selected
        if self._operation is None:
            self._operation = data[0]
            if len(data) == 1:
                return
        assert self._operation == 1
        self.written.append(bytes(data))

    def write_readinto(self, data, buffer):
        assert self.is_selected and bytes(data) == b"\x02\x00"
        self.looks += 1
        # The chip is never ready at once.
        buffer[1] = 1 if self.frames and self.looks % 2 == 0 else 0

    def readinto(self, buffer):
        assert self.is_selected and self._operation == 3
        frame = self.frames[0]
        for at in range(len(buffer)):
            buffer[at] = frame[self._at] if self._at < len(frame) else 0
            self._at += 1


def test_spi_writes_and_reads_whole_frames():
    # One of them answers something else.
    spi = FakeSpi([_ACK, _VERSION_IS, _ACK, _RELEASED, _ONE])
    reader = Pn532(Spi(spi, spi.select, None), lambda level: None)

    async def use():
        assert bytes(await reader._ask(0x02, b"")) == b"\x32\x01\x06\x07"
        return await reader.find(30)

    (found,) = asyncio.run(use())
    assert found.uid == b"\x1a\xda\x74\x44"
    assert spi.written == [_VERSION, _LIST] and not spi.frames and not spi.is_selected


def test_spi_without_a_chip_is_no_reader():
    class Floating(FakeSpi):
        def write_readinto(self, data, buffer):
            buffer[1] = 0xFF

    spi = Floating([])
    try:
        asyncio.run(Pn532(Spi(spi, spi.select, None), lambda level: None).start())
        raise AssertionError("started")
    except NoReader:
        assert spi.written.count(_SAM) == 3


def test_garbage_of_an_exchange_is_bounded():
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

    async def measure():
        answer = bytes(range(240))
        reader = Pn532(Line(Lean(_ACK + _frame(b"\xd5\x41\x00" + answer))), lambda level: None)
        await _read(reader)
        gc.collect()
        before = gc.mem_alloc()
        gc.disable()
        assert await _read(reader) == answer
        made = gc.mem_alloc() - before
        gc.enable()
        gc.collect()
        return made, gc.mem_alloc() - before

    made, kept = asyncio.run(measure())
    assert 0 < made < 6_000 and kept < 600, (made, kept)


def test_every_error_is_a_reader_error():
    assert all(issubclass(kind, pn532.ReaderError) for kind in (NoReader, BadFrame, CardLost))
