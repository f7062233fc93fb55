# runs on: micropython cpython
from jpeg import Structure

# SOI, APP0, DQT, SOF0, DHT, SOS with stuffed bytes and a restart in its data, EOI.
PICTURE = (
    b"\xff\xd8"
    + b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    + b"\xff\xdb\x00\x43\x00"
    + bytes(range(1, 65))
    + b"\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00"
    + b"\xff\xff\xc4\x00\x14\x00\x01"
    + bytes(16)
    + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    + b"\x12\x34\xff\x00\x56\xff\xd0\x78\xff\x00"
    + b"\xff\xd9"
)


def check(data, piece=512):
    structure = Structure()
    for at in range(0, len(data), piece):
        if not structure.feed(data[at : at + piece]):
            return None
    return structure.is_whole


def test_a_whole_picture_in_pieces_of_any_size():
    for piece in range(1, len(PICTURE) + 1):
        assert check(PICTURE, piece) is True, piece


def test_every_shorter_one_is_not_whole():
    for size in range(len(PICTURE)):
        assert not check(PICTURE[:size]), size


def test_bytes_behind_the_end_are_none_of_a_jpeg():
    assert check(PICTURE + b"\x00") is None


def test_damage_where_the_structure_lies_is_seen():
    seen = 0
    marks = [at for at in range(len(PICTURE) - 1) if PICTURE[at] == 0xFF and PICTURE[at + 1] >= 0xC0]
    for at in marks:
        for damaged in (at, at + 1):
            broken = PICTURE[:damaged] + bytes([PICTURE[damaged] ^ 0x5A]) + PICTURE[damaged + 1 :]
            seen += not check(broken)
    # A restart marker and a fill byte can be damaged into something that may be there.
    assert seen >= 2 * len(marks) - 4


def test_other_things_are_not_pictures():
    for data in (
        b"",
        b"\x00" * 100,
        b"\xff" * 100,
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\x00\x01",
        b"\xff\xd8\xff\x01",
    ):
        assert not check(data), data
