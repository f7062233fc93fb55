# runs on: micropython cpython
from firmware.reader.keypad import CLEARED, LOST, TIMEOUT_MS, TYPED, CodeEntry
from firmware.reader.presentation import CODE, TWO_KEYS


def type_keys(entry, keys, now_ms=0):
    shown = None
    for key in keys:
        shown = entry.press(key, now_ms)
    return shown


def test_digits_then_hash():
    shown = type_keys(CodeEntry(), "3407492808#")
    assert (shown.kind, shown.digits, shown.is_too_long) == (CODE, "3407492808", False)


def test_digits_are_only_typed():
    entry = CodeEntry()
    assert type_keys(entry, "34") == TYPED and not entry.is_empty


def test_star_clears():
    entry = CodeEntry()
    assert type_keys(entry, "999*") == CLEARED
    assert type_keys(entry, "12#").digits == "12"


def test_hash_alone_shows_nothing():
    assert CodeEntry().press("#", 0) == CLEARED


def test_too_many_digits_are_not_kept():
    entry = CodeEntry()
    shown = type_keys(entry, "34074928081234567#")
    assert shown.is_too_long and shown.digits == "3407492808"
    assert not type_keys(entry, "1#").is_too_long
    type_keys(entry, "34074928081*")
    assert not type_keys(entry, "2#").is_too_long


def test_pause_forgets():
    entry = CodeEntry()
    entry.press("1", 0)
    entry.press("2", TIMEOUT_MS - 1)
    assert entry.timeout_ms(TIMEOUT_MS) == TIMEOUT_MS - 1
    assert not entry.forget_old(2 * TIMEOUT_MS - 2)
    assert entry.forget_old(2 * TIMEOUT_MS - 1) and entry.timeout_ms(0) is None
    entry.press("1", 0)
    assert type_keys(entry, "2#", 5 * TIMEOUT_MS).digits == "2"


def test_two_keys_spoil_the_entry():
    entry = CodeEntry()
    type_keys(entry, "3407")
    assert entry.spoil().kind == TWO_KEYS and entry.is_empty


def test_an_entry_that_lacks_keys_is_no_code_but_a_whole_one_is():
    for before in ("", "34074"):
        entry = CodeEntry()
        type_keys(entry, before)
        entry.miss(0)
        # Whoever does not notice types on; whoever does begins anew.
        assert type_keys(entry, "2808#") == LOST
        assert type_keys(entry, "3407492808#").digits == "3407492808"
        entry.miss(0)
        assert type_keys(entry, "3407492808#").digits == "3407492808"
        entry.miss(0)
        assert type_keys(entry, "40749280834074928#") == LOST
        entry.miss(0)
        assert type_keys(entry, "#") == LOST and entry.is_empty


def test_an_entry_in_doubt_keeps_its_digits():
    entry = CodeEntry()
    type_keys(entry, "340749280")
    assert entry.press("8", 0, True) == TYPED
    assert entry.press("#", 0).digits == "3407492808"
    type_keys(entry, "340")
    assert entry.press("8", 0, True) == TYPED and entry.press("#", 0) == LOST
    # Only that one.
    assert type_keys(entry, "12#").digits == "12"


def test_doubt_ends_with_the_entry():
    for end in ("*", None):
        entry = CodeEntry()
        entry.miss(0)
        if end:
            assert entry.press(end, 0) == CLEARED
        else:
            assert entry.timeout_ms(0) == TIMEOUT_MS and entry.forget_old(TIMEOUT_MS)
        assert entry.is_empty and type_keys(entry, "12#", TIMEOUT_MS).digits == "12"
