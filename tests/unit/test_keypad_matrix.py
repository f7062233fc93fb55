"""The keypad scanner on a fake circuit, with bounce, chords, ghosts, stuck keys and a clock that wraps around."""

import time

import micropython
from fake_matrix import FakeMatrix
from keypad_matrix import STUCK, TWO_KEYS, Matrix

_KEYS = "123456789*0#"
_STEP_MS = 5


class Bench:
    """A matrix and its circuit under a clock of its own."""

    def __init__(self, start_ms: int = 1000, **options) -> None:
        self.circuit = FakeMatrix(_KEYS)
        self.matrix = Matrix(self.circuit.rows, self.circuit.columns, _KEYS, **options)
        self.now_ms = start_ms
        self.events = []
        # Seen at rest first, as at power-on.
        self.hold("", 60)
        assert self.matrix.is_idle

    def hold(self, closed: str, duration_ms: int) -> None:
        """Keeps exactly these contacts closed and scans every 5 ms."""
        self.circuit.closed = set(closed)
        for _ in range(duration_ms // _STEP_MS):
            self.now_ms = time.ticks_add(self.now_ms, _STEP_MS)
            has_events = self.matrix.scan(self.now_ms)
            event = self.matrix.next_event()
            assert has_events == (event is not None)
            while event is not None:
                self.events.append(event)
                event = self.matrix.next_event()


def test_every_key_is_named():
    bench = Bench()
    for key in _KEYS:
        bench.hold(key, 50)
        bench.hold("", 50)
    assert bench.events == list(_KEYS)


def test_a_key_counts_once_however_long_it_is_held():
    bench = Bench()
    bench.hold("5", 9_000)
    bench.hold("", 50)
    bench.hold("5", 50)
    assert bench.events == ["5", "5"]


def test_shorter_than_the_debounce_is_nothing():
    bench = Bench()
    for _ in range(20):
        bench.hold("5", 15)
        bench.hold("", 15)
    assert bench.events == []
    bench = Bench(debounce_ms=40)
    bench.hold("5", 40)
    assert bench.events == []
    bench.hold("5", 5)
    assert bench.events == ["5"]


def test_bounce_on_both_edges_is_one_key():
    bench = Bench()
    for _ in range(4):
        bench.hold("7", 10)
        bench.hold("", 5)
    bench.hold("7", 60)
    for _ in range(6):
        bench.hold("", 10)
        bench.hold("7", 5)
    bench.hold("", 60)
    assert bench.events == ["7"]


def test_bounce_between_scans_far_apart_needs_time_not_counts():
    circuit = FakeMatrix(_KEYS)
    matrix = Matrix(circuit.rows, circuit.columns, _KEYS)
    matrix.scan(0)
    circuit.closed = {"3"}
    for now_ms in (30, 31, 32, 33, 49):
        assert not matrix.scan(now_ms)
    assert matrix.scan(50)
    assert matrix.next_event() == "3"


def test_one_after_the_other_quickly():
    bench = Bench()
    bench.hold("1", 40)
    bench.hold("", 5)
    bench.hold("2", 40)
    # The next finger is down before the first one is up, but not for long.
    bench.hold("23", 15)
    bench.hold("3", 40)
    bench.hold("", 40)
    assert bench.events == ["1", "2", "3"]


def test_two_keys_pressed_together_are_reported_once_and_neither_of_them():
    for gap_ms in (0, 5, 15):
        bench = Bench()
        bench.hold("1", gap_ms)
        bench.hold("19", 200)
        bench.hold("", 10)
        bench.hold("19", 50)
        bench.hold("9", 100)
        bench.hold("29", 100)
        bench.hold("2", 100)
        bench.hold("", 40)
        assert bench.events == [TWO_KEYS], (gap_ms, bench.events)
        bench.hold("4", 40)
        assert bench.events == [TWO_KEYS, "4"]


def test_a_second_key_beside_a_held_one_is_a_chord():
    bench = Bench()
    bench.hold("1", 100)
    bench.hold("16", 100)
    bench.hold("1", 100)
    bench.hold("", 40)
    bench.hold("16", 100)
    assert bench.events == ["1", TWO_KEYS, TWO_KEYS]


def test_ghosts_are_never_a_key():
    # Three corners of a rectangle: the circuit shows the fourth, 5, as well.
    bench = Bench()
    bench.hold("124", 200)
    bench.hold("", 50)
    assert bench.events == [TWO_KEYS]
    assert bench.circuit.closed == set()
    for keys in ("12", "14", "15", "125", "1379", "1245", "2580"):
        bench = Bench()
        bench.hold(keys, 200)
        for key in keys:
            bench.hold(keys.replace(key, ""), 100)
            bench.hold(keys, 100)
        bench.hold("", 50)
        assert bench.events == [TWO_KEYS], keys


def test_a_stuck_key_is_reported_once_and_left_out():
    bench = Bench(stuck_ms=1000)
    bench.hold("8", 995)
    assert bench.events == ["8"]
    bench.hold("8", 5000)
    assert bench.events == ["8", STUCK]
    assert not bench.matrix.is_idle
    for key in "2468":
        bench.hold(key + "8", 50)
        bench.hold("8", 50)
    assert bench.events == ["8", STUCK, "2", "4", "6"]
    # Two others beside it are still two.
    bench.hold("819", 50)
    bench.hold("8", 50)
    assert bench.events[5:] == [TWO_KEYS]
    bench.hold("", 50)
    assert bench.matrix.is_idle
    bench.hold("8", 50)
    assert bench.events[6:] == ["8"]


def test_a_stuck_key_that_flickers_stays_left_out():
    bench = Bench(stuck_ms=1000)
    bench.hold("8", 1100)
    for _ in range(10):
        bench.hold("", 15)
        bench.hold("8", 50)
    assert bench.events == ["8", STUCK]
    bench.hold("", 20)
    assert not bench.matrix.is_idle
    bench.hold("", 5)
    assert bench.matrix.is_idle


def test_a_chord_that_never_ends_is_two_stuck_keys():
    bench = Bench(stuck_ms=1000)
    bench.hold("19", 3000)
    bench.hold("195", 50)
    bench.hold("19", 50)
    assert bench.events == [TWO_KEYS, STUCK, STUCK, "5"]


def test_default_stuck_time_is_ten_seconds():
    bench = Bench()
    bench.hold("0", 9_990)
    assert bench.events == ["0"]
    bench.hold("0", 20)
    assert bench.events == ["0", STUCK]


def test_the_clock_wraps_around():
    last_ms = time.ticks_add(0, -1)
    for before_ms in (-30, 5, 10, 20, 40, 500, 1000):
        bench = Bench(time.ticks_add(last_ms, -60 - before_ms), stuck_ms=1000)
        bench.hold("6", 15)
        assert bench.events == []
        bench.hold("6", 970)
        assert bench.events == ["6"]
        bench.hold("6", 300)
        bench.hold("", 50)
        assert bench.events == ["6", STUCK]
        assert bench.matrix.is_idle


def test_pressed_at_power_on():
    circuit = FakeMatrix(_KEYS)
    circuit.closed = {"5"}
    matrix = Matrix(circuit.rows, circuit.columns, _KEYS)
    assert not matrix.is_idle
    now_ms = 0
    while not matrix.scan(now_ms):
        now_ms += 5
        assert not matrix.is_idle
    assert matrix.next_event() == "5" and now_ms == 20


def test_not_idle_before_it_has_looked_for_a_while():
    circuit = FakeMatrix(_KEYS)
    matrix = Matrix(circuit.rows, circuit.columns, _KEYS)
    for now_ms, is_idle in ((0, False), (15, False), (20, True)):
        matrix.scan(now_ms)
        assert matrix.is_idle == is_idle


def test_idle_makes_any_key_pull_its_column():
    bench = Bench()
    for row in bench.circuit.rows:
        assert row.level == 1
    assert bench.matrix.idle()
    for key, column in (("1", 0), ("0", 1), ("6", 2)):
        bench.circuit.closed = {key}
        assert [pin.value() for pin in bench.circuit.columns] == [int(at != column) for at in range(3)]
        assert not bench.matrix.idle()
    # The next scan wakes it without harm.
    bench.hold("6", 50)
    bench.hold("", 15)
    assert not bench.matrix.is_idle
    bench.hold("", 50)
    assert bench.matrix.is_idle
    assert bench.events == ["6"]


def test_a_long_rest_does_not_confuse_the_clock():
    bench = Bench()
    assert bench.matrix.idle()
    # Half the clock's period and a bit: from there the past looks like the future.
    most_ms = time.ticks_add(0, -1) // 2
    bench.now_ms = time.ticks_add(time.ticks_add(bench.now_ms, most_ms), 1000)
    bench.hold("", 20)
    assert not bench.matrix.is_idle
    bench.hold("", 5)
    assert bench.matrix.is_idle
    bench.hold("2", 50)
    assert bench.events == ["2"]


def test_not_idle_while_contacts_move():
    bench = Bench()
    bench.hold("5", 5)
    assert not bench.matrix.is_idle
    bench.hold("", 15)
    assert not bench.matrix.is_idle
    bench.hold("", 10)
    assert bench.matrix.is_idle


def test_only_one_row_is_low_at_a_time():
    circuit = FakeMatrix(_KEYS)
    lows = []

    class Spy:
        def value(self):
            lows.append(sum([row.level == 0 for row in circuit.rows]))
            return 1

    matrix = Matrix(circuit.rows, [Spy(), Spy(), Spy()], _KEYS)
    matrix.idle()
    lows.clear()
    matrix.scan(0)
    assert lows == [1] * 12
    assert [row.level for row in circuit.rows] == [1] * 4


def test_untaken_events_keep_their_order_and_the_first_are_kept():
    circuit = FakeMatrix(_KEYS)
    matrix = Matrix(circuit.rows, circuit.columns, _KEYS)
    now_ms = 0
    for key in _KEYS + _KEYS:
        for closed in (set(key), set()):
            circuit.closed = closed
            for _ in range(6):
                now_ms += 5
                matrix.scan(now_ms)
    taken = []
    event = matrix.next_event()
    while event is not None:
        taken.append(event)
        event = matrix.next_event()
    assert "".join(taken) == (_KEYS + _KEYS)[:15]


def test_scan_runs_with_the_heap_locked():
    class Row:
        def value(self, level):
            pass

    class Column:
        level = 1

        def value(self):
            return self.level

    columns = (Column(), Column(), Column())
    matrix = Matrix((Row(), Row(), Row(), Row()), columns, _KEYS, stuck_ms=100)
    for base_ms, level in ((0, 1), (200, 0), (400, 1)):
        # All keys of a column at once: chord and stuck keys are written down too.
        columns[1].level = level
        micropython.heap_lock()
        try:
            at = 0
            while at < 200:
                matrix.scan(base_ms + at)
                at += 5
        finally:
            micropython.heap_unlock()
    assert matrix.next_event() == TWO_KEYS
    assert matrix.next_event() == STUCK


def test_what_cannot_be_a_keypad_is_refused():
    circuit = FakeMatrix(_KEYS)
    for keys, options in ((_KEYS[:-1], {}), (_KEYS + "A", {}), (_KEYS, {"debounce_ms": 19})):
        try:
            Matrix(circuit.rows, circuit.columns, keys, **options)
            raise AssertionError(keys)
        except ValueError:
            pass
