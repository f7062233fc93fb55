# runs on: micropython cpython
import ndef

TYPE = b"application/x.y"
PAYLOAD = b"our payload"
OURS = b"\xd2\x0f\x0bapplication/x.your payload"
URL = b"\x91\x01\x05U\x04a.bc"


def refuses(message, media_type=TYPE):
    try:
        ndef.find(message, media_type)
    except ndef.NdefError:
        return True
    return False


def long_form(record):
    """Returns a short record with a length of four bytes."""
    return bytes((record[0] & ~0x10,)) + record[1:2] + b"\0\0\0" + record[2:]


def test_one_record():
    assert ndef.find(OURS, TYPE) == PAYLOAD
    assert ndef.find(OURS, b"application/x.z") is None


def test_media_type_in_any_case():
    assert ndef.find(OURS.replace(b"application", b"Application"), TYPE) == PAYLOAD


def test_length_of_four_bytes():
    assert ndef.find(long_form(OURS), TYPE) == PAYLOAD


def test_record_with_an_id():
    assert ndef.find(b"\xda\x0f\x0b\x02application/x.yIDour payload", TYPE) == PAYLOAD


def test_other_records_around_it():
    last = b"\x51" + URL[1:]
    middle = b"\x12" + OURS[1:]
    assert ndef.find(URL + middle + last, TYPE) == PAYLOAD
    # The same bytes as type of another kind of record are not ours.
    assert ndef.find(URL + b"\x14" + OURS[1:] + last, TYPE) is None


def test_empty_message_record():
    assert ndef.find(b"\xd0\x00\x00", TYPE) is None


def test_two_records_of_the_type_are_refused():
    assert refuses(b"\x92" + OURS[1:] + b"\x52" + OURS[1:])


def test_every_truncation_and_extra_bytes_are_refused():
    message = URL + b"\x52" + OURS[1:]
    for size in range(len(message)):
        assert refuses(message[:size]), size
    assert refuses(message + b"\0") and refuses(message + message)


def test_begin_and_end_where_they_belong():
    for first, second in ((0x91, 0xD2), (0x11, 0x52), (0x91, 0x12), (0xD1, 0x52)):
        assert refuses(bytes((first,)) + URL[1:] + bytes((second,)) + OURS[1:]), (first, second)


def test_chunked_unchanged_and_reserved_records_are_refused():
    assert refuses(b"\xf2" + OURS[1:])
    assert refuses(b"\xd6" + OURS[1:]) and refuses(b"\xd6\x00\x01a")
    assert refuses(b"\xd7" + OURS[1:])


def test_lengths_that_do_not_go_with_the_kind_are_refused():
    for message in (b"\xd0\x01\x00a", b"\xd0\x00\x01a", b"\xd8\x00\x00\x01a", b"\xd5\x01\x00a", b"\xd2\x00\x01a"):
        assert refuses(message), message
    assert ndef.find(b"\xd5\x00\x01a", TYPE) is None


def test_declared_lengths_are_not_believed():
    for size in (b"\xff\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x10\x00\x00", b"\x00\x00\x00\x0c"):
        assert refuses(b"\xc2\x0f" + size + OURS[3:]), size
    assert refuses(b"\xd2\xff\x0b" + OURS[3:]) and refuses(b"\xda\x0f\x0b\xff" + OURS[3:])


def test_bounds():
    assert ndef.find(b"\xc2\x0f\0\0\x03\xeb" + TYPE + bytes(1003), TYPE) == bytes(1003)
    assert refuses(b"\xc2\x0f\0\0\x03\xec" + TYPE + bytes(1004))
    empty = b"\x10\x00\x00"
    assert ndef.find(b"\x90\x00\x00" + empty * 6 + b"\x52" + OURS[1:], TYPE) == PAYLOAD
    assert refuses(b"\x90\x00\x00" + empty * 7 + b"\x52" + OURS[1:])


def located(data, area=None):
    try:
        return ndef.locate(data, len(data) if area is None else area)
    except ndef.NdefError:
        return "refused"


def test_message_in_a_tag():
    assert located(b"\x03\x05hello\xfe" + bytes(8)) == (2, 7)
    assert located(b"\x00\x00\x03\x05hello") == (4, 9)
    # Lock control, memory control and a proprietary block in front of it.
    assert located(b"\x01\x03\xa0\x0c\x34\x02\x03\xf0\x02\x03\xfd\x01\x07\x03\x00\xfe\0") == (15, 15)
    assert located(b"\x03\xff\x01\x00" + bytes(256)) == (4, 260)


def test_no_message_in_a_tag():
    for data in (
        b"",
        bytes(48),
        b"\xfe\x03\x05hello",
        b"\x03\x06hello",
        b"\x01\x03\xa0\x0c\x34",
        b"\x03",
        b"\x00\x03",
        b"\x03\xff",
        b"\x03\xff\x01",
        b"\x03\xff\x00\x05hello",
        b"\x03\xff\xff\xff" + bytes(300),
        b"\x01\xff\xff\xfe\x03\x05hello",
    ):
        assert located(data) == "refused", data


def test_more_is_asked_for_only_when_it_tells_something():
    tag = b"\x01\x03\xa0\x0c\x34\x03\xff\x01\x00" + bytes(256) + b"\xfe\0\0"
    for size in range(len(tag)):
        answer = located(tag[:size], len(tag))
        assert answer == (None if size < 9 else (9, 265)), size
