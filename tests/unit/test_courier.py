"""When the courier connects: at once, later and later, or only when nobody is at the door. Without a thread."""

import socket
import time

from firmware.core.attention import Attention
from firmware.task import courier as courier_module
from firmware.task.courier import Courier
from firmware.task.handshake import Handshake


class Settings:
    full_name = "maple-12/front"
    mqtt = ("broker", 8883)
    mqtt_user = mqtt_password = ""
    mqtt_ca = mqtt_cert = mqtt_key = b""
    ntp = None
    is_tls = True


class Clock:
    """A clock in the place of `time`, which sleeping moves on."""

    ticks_diff = staticmethod(time.ticks_diff)
    ticks_add = staticmethod(time.ticks_add)

    def __init__(self):
        self.now_ms = 1_000
        self.asleep = None

    def ticks_ms(self):
        return self.now_ms

    def sleep_ms(self, ms):
        self.now_ms += ms
        if self.asleep:
            self.asleep()

    def gmtime(self):
        return (2026,)


class BoardClock(Clock):
    """Its ticks come round after 12 days, as a board's do; each sleep takes `longer_ms` more."""

    HALF = 1 << 29
    longer_ms = 0

    def ticks_ms(self):
        return self.now_ms & (2 * self.HALF - 1)

    def ticks_add(self, ticks, delta):
        return (ticks + delta) & (2 * self.HALF - 1)

    def ticks_diff(self, end, start):
        return ((end - start + self.HALF) & (2 * self.HALF - 1)) - self.HALF

    def sleep_ms(self, ms):
        self.now_ms += ms + self.longer_ms


class Failing:
    """A client whose broker lets each handshake fail, or does not even listen."""

    def __init__(self, is_spent):
        self.is_spent = is_spent

    def set_callback(self, function):
        pass

    def set_last_will(self, *_, **__):
        pass

    def connect(self):
        if self.is_spent:
            self.handshake.is_spent = True
        raise OSError("no")

    def close(self):
        pass


class Scene:
    def __init__(self, is_tls=True, is_spent=True, clock=None):
        self.clock = courier_module.time = clock or Clock()
        from firmware.task import handshake

        handshake.time = self.clock
        settings = Settings()
        settings.is_tls = is_tls
        self.attention = Attention()
        self.courier = Courier(settings, "door", "1")
        if is_tls:
            self.courier._handshake = Handshake(settings, self.attention, self.courier._lock)
        self.attempts = []
        self.courier._make_client = lambda *_: self.make(is_spent)

    def make(self, is_spent):
        self.attempts.append(self.clock.now_ms)
        return Failing(is_spent)

    def run(self, minutes, is_quiet=True):
        end_ms = self.clock.now_ms + minutes * 60_000
        while self.clock.now_ms < end_ms:
            self.courier.allow(True, 0, is_quiet)
            self.courier._round()

    def waits_s(self):
        return [(b - a) / 1000 for a, b in zip(self.attempts, self.attempts[1:])]


def test_handshakes_that_fail_become_rare():
    scene = Scene()
    scene.run(120)
    waits = scene.waits_s()
    for wait_s, most_s in zip(waits, (30, 60, 120, 240, 480, 600, 600)):
        assert 0.74 * most_s <= wait_s <= most_s + 1, waits
    assert max(waits) <= 601 and 13 <= len(waits) <= 22


def test_locks_do_not_come_back_together():
    waits = set()
    for _ in range(5):
        scene = Scene()
        scene.run(1)
        waits.add(tuple(scene.waits_s()))
    assert len(waits) > 1


def test_without_a_handshake_it_is_tried_at_least_every_minute():
    for options in ({"is_tls": False}, {"is_spent": False}):
        scene = Scene(**options)
        scene.run(60)
        assert 40 < max(scene.waits_s()) <= 61 and len(scene.attempts) >= 58


def test_nothing_begins_without_permission():
    scene = Scene()
    scene.run(60, is_quiet=False)
    assert scene.attempts == []
    # A permission that is older than a second is none.
    scene.courier.allow(True, 0, True)
    scene.clock.now_ms += 1_001
    scene.courier._round()
    assert scene.attempts == []
    scene.courier.allow(True, 0, True)
    scene.courier._round()
    assert len(scene.attempts) == 1


def test_a_handshake_asks_again_right_before_it_begins():
    scene = Scene()
    scene.courier.allow(True, 0, False)
    try:
        scene.courier._handshake.wrap(socket.socket())
        raise AssertionError("begun")
    except OSError:
        pass
    assert scene.attention.blindness == 0


def test_between_two_pieces_the_door_says_whether_to_go_on():
    scene = Scene()
    shake = scene.courier._handshake
    # What somebody interrupts is not the broker's fault.
    for is_quiet in (True, False):
        shake.is_spent = True
        scene.clock.asleep = lambda quiet=is_quiet: scene.courier.allow(True, 0, quiet)
        scene.courier.allow(True, 0, True)
        shake.hold()
        scene.clock.now_ms += 400
        # Still held, however often the main loop looks.
        assert scene.attention.blindness
        before_ms = scene.clock.now_ms
        assert shake.pause() is is_quiet and shake.is_spent is is_quiet
        assert scene.clock.now_ms - before_ms >= 200


def test_a_permission_from_before_a_piece_does_not_count_behind_it():
    scene = Scene()
    shake = scene.courier._handshake
    scene.courier.allow(True, 0, True)
    shake.hold()
    scene.clock.now_ms += 400
    assert not shake.pause()
    # What takes no time needs none.
    shake.hold()
    scene.clock.now_ms += 19
    assert shake.pause()


def test_the_door_is_blind_until_the_main_loop_has_looked_twice():
    scene = Scene()
    shake = scene.courier._handshake
    shake.hold()
    for _ in range(5):
        scene.courier.allow(True, 0, True)
        assert scene.attention.blindness
    shake.end()
    scene.courier.allow(True, 0, True)
    assert scene.attention.blindness
    scene.courier.allow(True, 0, True)
    assert not scene.attention.blindness


def test_a_thread_that_hangs_has_ended():
    scene = Scene()
    scene.courier._round()
    assert not scene.courier.has_ended
    # It slept since its last sign of life.
    scene.clock.now_ms += 600_000 - 300
    assert not scene.courier.has_ended
    scene.clock.now_ms += 1
    assert scene.courier.has_ended
    scene.courier._round()
    assert not scene.courier.has_ended


def test_weeks_without_a_network_do_not_keep_it_away():
    for days in (5, 7, 9, 12, 20):
        clock = BoardClock()
        scene = Scene(is_tls=False, clock=clock)
        scene.run(2)
        before = len(scene.attempts)
        assert before
        clock.longer_ms = 60_000
        end_ms = clock.now_ms + days * 86_400_000
        while clock.now_ms < end_ms:
            scene.courier.allow(False, 0, True)
            scene.courier._round()
        clock.longer_ms = 0
        assert len(scene.attempts) == before
        scene.run(2)
        assert len(scene.attempts) > before, days
