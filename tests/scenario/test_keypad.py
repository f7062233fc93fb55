"""Keys as people press them, and as they should not."""

from firmware.core import event


def test_too_many_digits_are_refused(room):
    assert room.type(room.code() + "1") == event.MALFORMED
    assert room.pulses == []


def test_star_clears_a_slip(room):
    room.board.keypad.type("99*")
    room.board.run_for(1_000)
    assert room.type(room.code()) == event.GRANTED


def test_a_long_pause_forgets_what_was_typed(room):
    room.board.keypad.type("999")
    room.board.run_for(20_000)
    assert room.type(room.code()) == event.GRANTED


def test_two_keys_at_once_drop_the_entry(room):
    code = room.code()
    room.board.keypad.type(code[:4])
    room.board.run_for(1_500)
    room.board.keypad.press("59", 200)
    assert room.until_event(event.ACCESS, 3_000)
    assert room.last(event.ACCESS).reason == event.TWO_KEYS
    room.board.run_for(500)
    assert room.type(code) == event.GRANTED


def test_a_stuck_key_is_reported_once_and_the_others_work(room):
    room.board.keypad.stick("*")
    assert room.until_event(event.KEYPAD_FAULT, 15_000)
    assert room.last(event.KEYPAD_FAULT).reason == event.STUCK_KEY
    room.board.run_for(60_000)
    assert room.count(event.KEYPAD_FAULT) == 1
    assert room.type(room.code()) == event.GRANTED
    room.board.keypad.loosen("*")
    room.board.run_for(1_000)
    room.board.keypad.type("1*")
    room.board.run_for(1_000)
    assert room.type(room.code()) == event.GRANTED


def test_fast_and_slow_fingers(room):
    for key_ms, gap_ms in ((45, 45), (400, 300), (1500, 900)):
        room.board.keypad.type(room.code() + "#", key_ms=key_ms, gap_ms=gap_ms)
        before = room.count(event.ACCESS)
        assert room.until_event(event.ACCESS, 40_000, before + 1)
        assert room.last(event.ACCESS).reason == event.GRANTED
        room.board.run_for(6_000)


def test_keys_during_lockout_are_refused_and_written_down(room):
    for ending in range(5):
        room.type(f"34070000{ending:02}")
    before = room.count(event.ACCESS)
    for _ in range(3):
        assert room.type(room.code()) == event.LOCKED_OUT
    assert room.count(event.ACCESS) == before + 3
    assert room.pulses == []


def test_key_clicks_are_all_alike(room):
    before = len(room.board.buzzer.history)
    room.board.keypad.type("1234567890")
    room.board.run_for(3_000)
    history = room.board.buzzer.history[before:]
    lengths = [round(off - on) for (on, up), (off, _) in zip(history, history[1:], strict=False) if up]
    assert len(lengths) == 10 and max(lengths) - min(lengths) <= 2
