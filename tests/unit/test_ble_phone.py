"""Chunks and records of a phone by Bluetooth, over a channel that hides nothing."""

import asyncio

from fake_ble import FakeBle
from virtual_time import clock

from firmware.core import proof
from firmware.core.channel import ChannelError
from firmware.core.errors import PhoneGone, PhoneStrange
from firmware.core.uptime import Uptime
from firmware.reader import ble
from firmware.reader.ble import BlePhone

ble.time = clock

WAIT_MS = 30


class Plain:
    """A channel whose records are what is in them, with a letter in front."""

    hash = bytes(32)

    def seal(self, data):
        return b"!" + data

    def open(self, record):
        if record[:1] != b"!":
            raise ChannelError
        return bytes(record[1:])


class Case:
    """A BlePhone, and the phone's end of the line."""

    def __init__(self, mtu=23):
        self.ble = FakeBle()
        self.link = self.ble.connect(0)
        self.link.mtu = mtu
        self.phone = BlePhone(self.ble, self.link, Uptime(clock.ticks_ms, clock.ticks_diff))
        self.phone.use(Plain())
        self._number = 0

    def write(self, message, most=19):
        """The phone writes `message` in chunks of `most` bytes."""
        for chunk in self.chunks(message, most):
            self.link.write(chunk)

    def chunks(self, message, most=19):
        made = []
        for at in range(0, len(message), most):
            head = self._number | (0 if at else 0x80) | (0x40 if at + most >= len(message) else 0)
            self._number = (self._number + 1) % 64
            made.append(bytes([head]) + message[at : at + most])
        return made

    def sent(self):
        return [chunk for _, chunk in self.ble.sent]


async def error_of(work):
    try:
        await work
    except PhoneStrange:
        return "strange"
    except PhoneGone:
        return "gone"
    return ""


def refused(*chunks):
    """Returns what becomes of a phone that writes `chunks`."""
    case = Case()
    case.link.write(*chunks)
    return asyncio.run(error_of(case.phone.receive(WAIT_MS)))


def test_a_message_comes_in_chunks_of_any_size():
    for size in (1, 18, 19, 20, 37, 38, 39, 1_199, 1_200):
        for most in (1, 19, 181, 240) if size < 100 else (19, 240):
            case = Case()
            message = bytes(at % 251 for at in range(size))
            case.write(message, most)
            assert asyncio.run(case.phone.receive(WAIT_MS)) == message
            # The numbers go on.
            case.write(b"and another", most)
            assert asyncio.run(case.phone.receive(WAIT_MS)) == b"and another"


def test_a_message_that_is_too_long_is_the_end():
    case = Case()
    case.write(bytes(1_201), 240)
    assert asyncio.run(error_of(case.phone.receive(WAIT_MS))) == "strange"


def test_chunks_that_do_not_follow_one_another_are_the_end():
    one, two, three = Case().chunks(bytes(50))
    assert refused(one, two, three) == ""
    assert refused(one, three) == refused(two) == refused(one, one) == refused(one, two, two) == "strange"
    # The first one once more, by the number of the second; one that goes on with nothing.
    assert refused(one, b"\x81abc") == refused(b"\x00abc") == refused(b"\x40abc") == "strange"
    assert refused(b"") == refused(b"\xc0") == refused(b"\x80") == "strange"
    # Half a message is none.
    assert refused(one, two) == "gone"
    # Numbers begin anew with each connection only.
    assert refused(b"\xc0a") == "" and refused(b"\xc1a") == "strange"


def test_what_is_sent_fits_the_mtu_and_is_counted():
    for mtu in (23, 185, 247):
        case = Case(mtu)
        message = bytes(at % 251 for at in range(1_168))
        asyncio.run(case.phone.send(message))
        asyncio.run(case.phone.send(b"short"))
        sent = case.sent()
        assert all(len(chunk) <= mtu - 3 for chunk in sent)
        assert [chunk[0] & 63 for chunk in sent] == [at % 64 for at in range(len(sent))]
        assert b"".join(chunk[1:] for chunk in sent) == message + b"short"
        firsts = [at for at, chunk in enumerate(sent) if chunk[0] & 0x80]
        lasts = [at for at, chunk in enumerate(sent) if chunk[0] & 0x40]
        assert firsts == [0, len(sent) - 1] and lasts == [len(sent) - 2, len(sent) - 1]


def test_a_full_stack_is_tried_again_and_a_phone_that_is_gone_is_not():
    case = Case()
    case.ble.is_full = 3
    asyncio.run(case.phone.send(bytes(40)))
    assert len(case.sent()) == 3
    case.link.go()
    assert asyncio.run(error_of(case.phone.send(b"a"))) == "gone"
    assert asyncio.run(error_of(case.phone.receive(WAIT_MS))) == "gone"


def test_what_a_phone_wrote_before_it_went_is_read():
    case = Case()
    case.write(b"last words")
    case.link.go()
    assert asyncio.run(case.phone.receive(WAIT_MS)) == b"last words"
    assert asyncio.run(error_of(case.phone.receive(WAIT_MS))) == "gone"


def test_what_a_phone_shows():
    case = Case()
    case.write(b"!\x00" + proof.offer(5, True, True, 7) + b"a lot")
    assert asyncio.run(case.phone.credential()) == b"a lot"
    phone = case.phone
    assert (phone.wants_receipt, phone.has_token, phone.list_version) == (True, True, 7)
    for wrong in (b"", b"a lo", b"a lot!"):
        case = Case()
        case.write(b"!\x00" + proof.offer(5) + wrong)
        assert asyncio.run(error_of(case.phone.credential())) == "strange"
    for wrong in (b"!", b"!\x00", b"!\x01" + proof.offer(5) + b"a lot", b"!\x00\x01\x00\x05", b"?\x00"):
        case = Case()
        case.write(wrong)
        assert asyncio.run(error_of(case.phone.credential())) == "strange"


def answered(work, answer):
    """Returns what comes of a command that the phone answers by the record `answer`."""
    case = Case()

    async def both():
        task = asyncio.create_task(work(case.phone))
        await asyncio.sleep_ms(1)
        case.write(b"!" + answer)
        try:
            return await task
        except PhoneStrange:
            return "strange"
        except PhoneGone:
            return "gone"

    return asyncio.run(both()), b"".join(chunk[1:] for chunk in case.sent()), case.phone


def test_commands_and_their_answers():
    said, sent, phone = answered(lambda phone: phone.echo(b"12345678"), b"\x0112345678")
    assert sent == b"!\x0112345678" and said == phone.took_ms >= 0
    said, sent, phone = answered(lambda phone: phone.prove(b"challenge"), b"\x02\x01\x02" + bytes(73))
    assert sent == b"!\x02challenge" and said == bytes(73) and phone.act_ms == 258
    assert answered(lambda phone: phone.tell(b"result"), b"\x03")[:2] == (None, b"!\x03result")
    assert answered(lambda phone: phone.give(b"receipt"), b"\x04")[:2] == (None, b"!\x04receipt")
    said, sent, _ = answered(lambda phone: phone.fetch(2, 300, 200), b"\x05" + bytes(200))
    assert said == bytes(200) and sent == b"!\x05\x02\x00\x00\x01\x2c\x00\xc8"


def test_a_phone_that_says_no_is_gone_and_one_that_says_something_else_is_strange():
    asked = (
        (lambda phone: phone.echo(b"12345678"), (b"\x01", b"\x011234567", b"\x01123456789", b"\x0112345679", b"\x03")),
        (lambda phone: phone.prove(b"challenge"), (b"\x02", b"\x02" + bytes(74), b"\x02" + bytes(76), b"\x01" * 76)),
        (lambda phone: phone.tell(b"result"), (b"\x03a", b"\x04", b"")),
        (lambda phone: phone.give(b"receipt"), (b"\x04a", b"\x03")),
        (lambda phone: phone.fetch(1, 0, 10), (b"\x05", b"\x05" + bytes(11), b"\x04" + bytes(5))),
    )
    for work, wrong in asked:
        assert answered(work, b"\x7f")[0] == "gone"
        assert answered(work, b"\x7fbecause")[0] == "gone"
        for answer in wrong:
            assert answered(work, answer)[0] == "strange", answer


def test_how_long_an_answer_took_does_not_count_how_long_the_lock_was_busy():
    case = Case()
    began = clock.ticks_ms()

    async def both():
        task = asyncio.create_task(case.phone.echo(b"12345678"))
        await asyncio.sleep_ms(1)
        case.link.arrived = clock.ticks_ms()
        case.write(b"!\x0112345678")
        # Somebody else's signature is looked at.
        clock.sleep_ms(100)
        return await task

    assert asyncio.run(both()) <= clock.ticks_diff(case.link.arrived, began)
