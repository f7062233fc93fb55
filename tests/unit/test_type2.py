# runs on: micropython cpython
import type2
from fake_card import FakeType2, spoil_one, tlv, type2_memory
from ndef import TagError


async def refuses(card):
    try:
        await type2.read_message(card)
    except TagError:
        return True
    return False


async def test_messages_of_every_length_that_matters():
    for size in (1, 4, 13, 14, 15, 200, 254, 255, 256, 500, 867):
        message = bytes([at & 0xFF for at in range(size)])
        card = FakeType2(type2_memory(tlv(message)))
        assert await type2.read_message(card) == message
        # Container, the pages up to the end, and the head once more.
        assert len(card.commands) <= (size + 4) // 16 + 3


async def test_message_behind_control_blocks():
    card = FakeType2(type2_memory(b"\x01\x03\xa0\x0c\x34" + tlv(b"hello"), 144))
    assert await type2.read_message(card) == b"hello"


async def test_biggest_area_is_cut_to_a_sector():
    message = bytes(1004)
    card = FakeType2(type2_memory(b"\x03\xff\x03\xec" + message, 1008))
    assert await type2.read_message(card) == message
    memory = bytearray(type2_memory(b"\x03\xff\x03\xed" + bytes(1004), 1008))
    memory[14] = 255
    assert await refuses(FakeType2(memory))


async def test_other_containers_are_refused():
    for at, value in ((12, 0x00), (12, 0xE2), (13, 0x20), (13, 0x00), (15, 0xF0), (14, 0)):
        memory = bytearray(type2_memory(tlv(b"hello")))
        memory[at] = value
        assert await refuses(FakeType2(memory)), (at, value)
    assert not await refuses(FakeType2(type2_memory(tlv(b"hello"))))


async def test_blank_memory_ends():
    card = FakeType2(type2_memory(b"", 1008))
    assert await refuses(card)
    assert len(card.commands) == 64


async def test_message_over_the_end_is_refused():
    assert await refuses(FakeType2(type2_memory(b"\x03\x8f" + bytes(142), 144)))
    assert not await refuses(FakeType2(type2_memory(b"\x03\x8e" + bytes(142), 144)))


async def test_answers_of_other_lengths_are_refused():
    memory = type2_memory(tlv(bytes(100)))
    clean = FakeType2(memory)
    await type2.read_message(clean)
    for broken in range(len(clean.commands)):
        for change in (
            lambda answer: answer[:15],
            lambda answer: answer + b"\0",
            lambda answer: b"",
            lambda answer: b"\0",
        ):
            card = FakeType2(memory, spoil_one(broken, change))
            assert await refuses(card), broken


async def test_head_that_changes_is_noticed():
    memory = type2_memory(tlv(b"some thirty bytes of a message"))
    for at in range(16):
        # The third READ is the last piece, the fourth one reads the head again.
        changed = memory[16 : 16 + at] + bytes((memory[16 + at] ^ 1,)) + memory[17 + at : 32]
        assert await refuses(FakeType2(memory, spoil_one(3, lambda answer: changed))), at  # noqa: B023
    assert not await refuses(FakeType2(memory, spoil_one(3, lambda answer: memory[16:32])))


async def test_head_behind_control_blocks_that_changes_is_noticed():
    card = FakeType2(type2_memory(bytes(37) + tlv(bytes(60))))

    def change(number, answer):
        if number == 6:
            card.memory[16 + 38] = 61
        return answer

    card.spoil = change
    assert await refuses(card)
