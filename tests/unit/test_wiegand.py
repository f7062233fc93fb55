# runs on: micropython cpython
import wiegand
from wiegand import NOISE, Collector


def difference(later, earlier):
    return later - earlier


def frame(digits):
    return len(digits), int(digits, 2)


def parity(digits, wanted):
    return str((digits.count("1") + wanted) & 1)


def card(facility, number, half):
    """Returns the bits of a card with `half` data bits for each parity bit, as text."""
    data = "".join(["1" if (facility << 16 | number) >> at & 1 else "0" for at in range(2 * half - 1, -1, -1)])
    return parity(data[:half], 0) + data + parity(data[half:], 1)


def key_bits(key, length):
    """Returns the bits of a key as text, nothing if `length` is a card's."""
    return f"{key:04b}" if length == 4 else f"{15 - key:04b}{key:04b}" if length == 8 else ""


def send(collector, bits, now_ms, step_ms=2):
    for bit in bits:
        collector.edge(int(bit), now_ms)
        now_ms += step_ms
    return now_ms


def test_keys():
    for key in range(12):
        assert wiegand.decode(4, key) == "0123456789*#"[key]
        assert wiegand.decode(8, (key ^ 15) << 4 | key) == "0123456789*#"[key]
    for key in range(12, 16):
        assert wiegand.decode(4, key) == NOISE and wiegand.decode(8, (key ^ 15) << 4 | key) == NOISE


def test_every_8_bits_but_twelve_are_noise():
    assert sum([wiegand.decode(8, value) == NOISE for value in range(256)]) == 256 - 12


def test_cards():
    # Known frames: facility 1 number 1, and facility 159 number 1326.
    assert wiegand.decode(*frame("10000000100000000000000010")) == (1, 1)
    assert wiegand.decode(*frame("01001111100000101001011101")) == (159, 1326)
    for facility, number in ((0, 0), (255, 65535), (1, 2), (123, 45678)):
        assert wiegand.decode(*frame(card(facility, number, 12))) == (facility, number)
    for facility, number in ((0, 0), (65535, 65535), (40000, 1), (1, 2)):
        assert wiegand.decode(*frame(card(facility, number, 16))) == (facility, number)


def test_one_wrong_bit_is_noise():
    for bits in (card(123, 45678, 12), card(12345, 54321, 16)):
        for at in range(len(bits)):
            wrong = bits[:at] + ("0" if bits[at] == "1" else "1") + bits[at + 1 :]
            assert wiegand.decode(*frame(wrong)) == NOISE, at


def test_other_lengths_are_noise():
    for count in list(range(4)) + [5, 6, 7] + list(range(9, 26)) + list(range(27, 34)) + [35, 37, 100]:
        assert wiegand.decode(count, 0) == NOISE, count


def test_a_frame_ends_with_a_pause():
    collector = Collector(difference)
    assert collector.take(0) is None and collector.wait_ms(0) == 0
    after_ms = send(collector, "0101", 1000)
    assert collector.take(after_ms) is None
    assert 0 < collector.wait_ms(after_ms) <= 25
    assert collector.take(after_ms + collector.wait_ms(after_ms)) == "5"
    assert collector.take(after_ms + 100) is None and collector.wait_ms(after_ms) == 0


def test_frames_queue_up():
    collector = Collector(difference)
    now_ms = 0
    for key in range(10):
        now_ms = send(collector, f"{key:04b}", now_ms + 100)
    now_ms = send(collector, card(7, 8, 12), now_ms + 30)
    now_ms = send(collector, card(70, 80, 16), now_ms + 30) + 30
    assert [collector.take(now_ms) for _ in range(13)] == list("0123456789") + [(7, 8), (70, 80), None]


def test_bits_far_apart_are_no_frame():
    collector = Collector(difference)
    now_ms = send(collector, "0101", 1000, 30)
    assert [collector.take(now_ms) for _ in range(5)] == [NOISE] * 4 + [None]


def test_slow_bits_are_one_frame():
    collector = Collector(difference)
    assert collector.take(send(collector, "0101", 1000, 20) + 30) == "5"


def test_ring_goes_round():
    collector = Collector(difference)
    now_ms = 0
    for turn in range(60):
        now_ms = send(collector, card(turn, turn * 1000, 16), now_ms) + 40
        assert collector.take(now_ms) == (turn, turn * 1000)


def test_no_frame_is_made_of_parts_of_others():
    """Whatever is lost for want of room, what comes out was sent, in order."""
    for length in (4, 8, 26, 34):
        for rest in range(0, 40, 3):
            collector = Collector(difference)
            sent = []
            now_ms = send(collector, "1" * rest, 1000) + 40
            for key in range(80):
                bits = key_bits(key % 12, length) or card(key, key, 12 if length == 26 else 16)
                sent.append(wiegand.decode(*frame(bits)))
                now_ms = send(collector, bits[:-2], now_ms)
                # Somebody may look in the middle of a frame.
                if key == 70:
                    collector.take(now_ms)
                now_ms = send(collector, bits[-2:], now_ms) + 40
            if rest:
                collector.take(now_ms)
            at = 0
            taken = collector.take(now_ms)
            while taken is not None:
                if taken != NOISE:
                    assert taken in sent[at:], (length, rest, taken)
                    at = sent.index(taken, at) + 1
                taken = collector.take(now_ms)
            assert at >= 250 // length - 2


def test_endless_bits_are_noise():
    collector = Collector(difference)
    now_ms = send(collector, "01" * 1000, 0, 1)
    assert collector.take(now_ms + 100) == NOISE
    assert collector.take(send(collector, "0011", now_ms + 100) + 100) == "3"


def test_edges_allocate_nothing():
    try:
        from micropython import heap_lock, heap_unlock
    except ImportError:
        return
    collector = Collector(difference)
    edge = collector.edge
    heap_lock()
    try:
        for now_ms in range(0, 900, 3):
            edge(now_ms & 1, now_ms)
    finally:
        heap_unlock()
    assert collector.take(2000) == NOISE
