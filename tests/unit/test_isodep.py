# runs on: micropython cpython
import isodep
from fake_card import FakeType4, spoil_one
from ndef import TagError

MESSAGE = bytes([at * 7 & 0xFF for at in range(300)])
FILE = len(MESSAGE).to_bytes(2, "big") + MESSAGE


class Script:
    """Answers with these, and fails the test when asked for more."""

    def __init__(self, *answers):
        self.commands = []
        self._answers = list(answers)

    async def __call__(self, command):
        self.commands.append(command)
        return self._answers.pop(0)


async def refuses(work, error=TagError):
    try:
        await work
    except TagError as raised:
        return isinstance(raised, error)
    return False


async def test_data_and_status():
    assert await isodep.transmit(Script(b"data\x90\x00"), b"\0\xca\0\0\0") == b"data"
    assert await isodep.transmit(Script(b"\x90\x00"), b"\0\xa4\0\x0c\x02\xe1\x03", 0) == b""


async def test_answers_of_impossible_length():
    for answer in (b"", b"\x90", b"12345\x90\x00"):
        assert await refuses(isodep.transmit(Script(answer), b"\0\xca\0\0\4", 4)), answer


async def test_other_statuses():
    for status in (0x6A82, 0x6D00, 0x6700, 0x6282, 0x63C0, 0x9001, 0x0000, 0x9100):
        script = Script(status.to_bytes(2, "big"))
        assert await refuses(isodep.transmit(script, b"\0\xca\0\0\0"), isodep.StatusError), status


async def test_more_is_fetched():
    script = Script(b"abc\x61\x03", b"def\x61\x02", b"gh\x90\x00")
    assert await isodep.transmit(script, b"\0\xca\0\0\0") == b"abcdefgh"
    assert script.commands[1:] == [b"\0\xc0\0\0\3", b"\0\xc0\0\0\2"]


async def test_more_has_an_end():
    assert await refuses(isodep.transmit(Script(*[b"\x61\x00"] * 6), b"\0\xca\0\0\0"))
    assert await refuses(isodep.transmit(Script(b"abc\x61\x03", b"def\x90\x00"), b"\0\xca\0\0\5", 5))


async def test_wrong_length_is_put_right():
    script = Script(b"\x6c\x04", b"data\x90\x00")
    assert await isodep.transmit(script, b"\0\xb0\0\0\xf0") == b"data"
    assert script.commands[1] == b"\0\xb0\0\0\4"
    script = Script(b"\x6c\x04", b"data\x90\x00")
    assert await isodep.transmit(script, b"\0\x88\0\0\2ab\0") == b"data"
    assert script.commands[1] == b"\0\x88\0\0\2ab\4"


async def test_wrong_length_changes_no_data():
    script = Script(b"\x6c\x04")
    assert await refuses(isodep.transmit(script, b"\0\xa4\0\x0c\2\xe1\x03", 0), isodep.StatusError)
    assert await refuses(isodep.transmit(Script(b"x\x6c\x04"), b"\0\xb0\0\0\xf0"), isodep.StatusError)
    assert await refuses(isodep.transmit(Script(*[b"\x6c\x04"] * 6), b"\0\xb0\0\0\xf0"))


async def test_pieces():
    script = Script(b"abc\x90\x00", b"de\x90\x00")
    assert await isodep.read(script, b"\0\xb0", 0x1FE, 5, 3) == b"abcde"
    assert script.commands == [b"\0\xb0\x01\xfe\3", b"\0\xb0\x02\x01\2"]
    # Fewer than asked for is fine, none or more is not.
    assert await isodep.read(Script(b"a\x90\x00", b"bc\x90\x00"), b"\0\xb0", 0, 3) == b"abc"
    assert await refuses(isodep.read(Script(b"\x90\x00"), b"\0\xb0", 0, 3))
    assert await refuses(isodep.read(Script(b"abcd\x90\x00"), b"\0\xb0", 0, 3))


async def test_tiny_pieces_have_an_end():
    assert await refuses(isodep.read(Script(*[b"a\x90\x00"] * 70), b"\0\xb0", 0, 200))


async def test_type4_tag():
    for piece in (15, 64, 240, 255):
        card = FakeType4(FILE, piece)
        assert await isodep.read_message(card) == MESSAGE
        assert max(command[4] for command in card.commands if command[1] == 0xB0) <= min(piece, 240)


async def test_type4_longest_message():
    card = FakeType4(b"\x04\x00" + bytes(1024), 15)
    assert await isodep.read_message(card) == bytes(1024)
    assert await refuses(isodep.read_message(FakeType4(b"\x04\x01" + bytes(1025))))


async def test_type4_containers_that_are_none():
    good = b"\x00\x0f\x20\x00\xf0\x00\x34\x04\x06\xe1\x04\x02\x00\x00\xff"
    assert await isodep.read_message(FakeType4(FILE, container=good)) == MESSAGE
    for at, value in ((2, 0x10), (2, 0x40), (4, 14), (7, 5), (8, 5), (13, 0x80), (9, 0x00), (11, 0x01), (11, 0x00)):
        container = good[:at] + bytes((value,)) + good[at + 1 :]
        assert await refuses(isodep.read_message(FakeType4(FILE, container=container))), (at, value)


async def test_type4_every_answer_damaged():
    clean = FakeType4(FILE)
    await isodep.read_message(clean)
    for broken in range(len(clean.commands)):
        for change in (
            lambda answer: answer[:-1],
            lambda answer: answer[:-2],
            lambda answer: answer[:-2] + b"\x6a\x82",
            lambda answer: answer[:-2] + bytes(300) + b"\x90\x00",
            lambda answer: b"",
        ):
            card = FakeType4(FILE, spoil=spoil_one(broken, change))
            assert await refuses(isodep.read_message(card)), broken


async def test_type4_length_that_changes_is_noticed():
    card = FakeType4(FILE)

    def change(number, answer):
        if number == 6:
            card.files[b"\xe1\x04"][1] ^= 1
        return answer

    card.spoil = change
    assert await refuses(isodep.read_message(card))
