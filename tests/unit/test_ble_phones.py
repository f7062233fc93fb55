"""The radio's task: what it advertises, whom it serves, what it does when the radio fails."""

import asyncio

from fake_ble import FakeBle
from hkdf import Hmac
from virtual_time import clock

from firmware.core import event
from firmware.core.attention import Attention
from firmware.core.channel import ChannelError
from firmware.core.errors import FlashError, PhoneGone
from firmware.core.uptime import Uptime
from firmware.task.ble import Phones

PUBLIC = bytes(range(32))
HELLO = b"\xc0\x01" + bytes(32)


class Plain:
    hash = bytes(32)

    def seal(self, data):
        return data

    def open(self, record):
        return bytes(record)


class Trail:
    def __init__(self):
        self.kinds = []

    def record(self, kind, details):
        self.kinds.append(kind)


class Lamp:
    def __init__(self):
        self.shown = 0

    def show(self, pattern):
        self.shown += 1


class Outcome:
    def __init__(self, is_granted):
        self.is_granted = is_granted


class Visit:
    """`says` is what becomes of a visit: whether it is granted, or an exception."""

    def __init__(self):
        self.says = True
        self.trusted = []
        # The places of those who were refused, as they were.
        self.refused = []

    def open(self):
        pass

    async def serve(self, session, data, via, is_trusted, is_news, rest):
        assert via == event.BLE and is_news is None
        self.trusted.append(is_trusted)
        if isinstance(self.says, bool):
            if not self.says:
                await rest(session)
                self.refused.append(session.link)
            return Outcome(self.says)
        raise self.says


class Scripted(Phones):
    """Agrees on a channel that hides nothing; `made` counts the halves."""

    made = 0

    def _load(self):
        pass

    def _make_half(self):
        self.made += 1
        return (b"hello",)

    def _agree(self, half, hello, nonce):
        if len(hello) != 33:
            raise ChannelError
        return Plain()


class Scene:
    def __init__(self):
        self.ble = FakeBle()
        self.visit = Visit()
        self.trail = Trail()
        self.lamp = Lamp()
        uptime = Uptime(clock.ticks_ms, clock.ticks_diff)
        self.phones = Scripted(
            self.ble, self.visit, PUBLIC, self._random, self.trail, self.lamp, Attention(), uptime, self._forget
        )

    def _random(self, size):
        return b"\x07" * size

    def _forget(self, names):
        pass

    def play(self, script):
        """Runs the task beside `script(scene)`; raises what either of them raises."""

        async def both():
            task = asyncio.create_task(self.phones.run())
            await asyncio.sleep_ms(1)
            await script(self)
            if task.done():
                await task
            task.cancel()

        asyncio.run(both())

    async def come(self, at, shown=b"\x00\x02\x00\x02\x00\x00\x00\x00\x00cr"):
        """A phone comes to the place `at` and shows something; returns once it is served."""
        link = self.ble.connect(at)
        link.mtu = 247
        link.write(HELLO, b"\xc1" + shown)
        while link.handle is not None:
            await asyncio.sleep_ms(2)


def test_the_door_is_known_by_its_beacon():
    scene = Scene()

    async def script(scene):
        pass

    scene.play(script)
    (data,) = scene.ble.advertised
    salt = b"\x07" * 4
    assert data[:5] == b"\x02\x01\x06\x19\x21" and len(data) == 29
    assert data[-8:] == salt + Hmac(PUBLIC).digest(b"lobbylock beacon 1" + salt)[:4]


def test_whoever_shows_a_credential_is_served_and_the_place_is_free_again():
    scene = Scene()

    async def script(scene):
        for at in (0, 1, 2, 0):
            await scene.come(at)

    scene.play(script)
    assert scene.visit.trusted == [True] * 4
    assert [chunk for _, chunk in scene.ble.sent] == [b"\xc0hello" + b"\x07" * 16] * 4
    # Advertised anew after each connection.
    assert len(scene.ble.advertised) >= 5


def test_a_place_that_is_taken_is_not_advertised():
    scene = Scene()

    async def script(scene):
        for at in range(3):
            scene.ble.connect(at)
            await asyncio.sleep_ms(5)
        before = len(scene.ble.advertised)
        await asyncio.sleep_ms(30)
        assert len(scene.ble.advertised) == before
        scene.ble.links[1].go()
        while scene.ble.links[1].handle is not None:
            await asyncio.sleep_ms(5)
        await asyncio.sleep_ms(5)
        assert len(scene.ble.advertised) == before + 1

    scene.play(script)


def test_greetings_keep_their_distance():
    scene = Scene()

    async def script(scene):
        began = clock.ticks_ms()
        await scene.come(0)
        await scene.come(1)
        assert clock.ticks_diff(clock.ticks_ms(), began) >= 200

    scene.play(script)


def test_the_half_is_replaced_once_nobody_is_there():
    scene = Scene()

    async def script(scene):
        await scene.come(0)
        assert scene.phones.made == 1
        # Quiet is 2.5 s, looked at every second.
        for _ in range(80):
            await asyncio.sleep_ms(100)
            if scene.phones.made == 2:
                return
        raise AssertionError("the old half stays")

    scene.play(script)


def test_refusals_make_the_next_pictures_wait_for_a_proof():
    scene = Scene()

    async def script(scene):
        scene.visit.says = False
        await scene.come(0)
        await scene.come(1)
        scene.visit.says = True
        await scene.come(2)
        await scene.come(0)

    scene.play(script)
    assert scene.visit.trusted == [True, False, False, True]


def test_what_goes_wrong_with_one_phone_ends_its_connection_and_nothing_else():
    scene = Scene()

    async def script(scene):
        for error in (PhoneGone(), MemoryError(), FlashError("broken")):
            scene.visit.says = error
            await scene.come(0)
        assert scene.lamp.shown == 1
        # Not even a HELLO; nothing that is a credential.
        link = scene.ble.connect(1)
        link.write(b"\xc0what")
        while link.handle is not None:
            await asyncio.sleep_ms(2)
        await scene.come(2, b"\x01")
        scene.visit.says = True
        await scene.come(0)

    scene.play(script)
    assert scene.trail.kinds == []


def test_an_error_of_one_phone_is_none_of_the_radio():
    scene = Scene()

    async def script(scene):
        scene.visit.says = OSError(5)
        await scene.come(0)
        scene.visit.says = True
        await scene.come(0)

    scene.play(script)
    assert scene.trail.kinds == [] and scene.ble.starts == 1 and scene.visit.trusted == [True] * 2


def test_a_place_is_free_once_the_connection_is_over():
    scene = Scene()

    async def script(scene):
        for at in range(3):
            scene.ble.connect(at)
        await asyncio.sleep_ms(5)
        before = len(scene.ble.advertised)
        scene.ble.is_slow = True
        link = scene.ble.links[1]
        # Nothing that a phone sends: the lock hangs up.
        link.write(b"\x00")
        await asyncio.sleep_ms(200)
        assert link.is_gone and link.is_served and link.handle == 1 and len(scene.ble.advertised) == before
        link.go()
        await asyncio.sleep_ms(50)
        assert link.handle is None and len(scene.ble.advertised) == before + 1

    scene.play(script)


def test_no_place_for_one_more_is_no_fault_while_somebody_is_served():
    scene = Scene()

    async def script(scene):
        scene.ble.fails = True
        link = scene.ble.connect(0)
        await asyncio.sleep_ms(20)
        assert link.is_served and not link.is_gone and scene.ble.is_on
        scene.ble.fails = False
        # Whoever comes or goes has it tried again.
        before = len(scene.ble.advertised)
        scene.ble.connect(1)
        await asyncio.sleep_ms(20)
        assert len(scene.ble.advertised) == before + 1

    scene.play(script)
    assert scene.trail.kinds == []


def show(link):
    """The phone that has come to the place shows something."""
    link.mtu = 247
    link.write(HELLO, b"\xc1\x00\x02\x00\x02\x00\x00\x00\x00\x00cr")


async def grow(found, count):
    """Waits until so many are in the list."""
    for _ in range(2_000):
        if len(found) >= count:
            return
        await asyncio.sleep_ms(10)
    raise AssertionError("they do not come")


def rest_long(phones):
    """However slow the machine is, nobody's rest ends by itself."""
    phones._refused_ms = phones._uptime.now_ms() + 600_000


async def show_all(scene, places):
    """Phones show something at `places`, one after the other, while nobody's rest ends."""
    rest_long(scene.phones)
    for count, at in enumerate(places, 1):
        show(scene.ble.connect(at))
        await grow(scene.visit.trusted, count)


def strangers_scene():
    """A door whose visitors are refused, and where five were."""
    scene = Scene()
    scene.phones._refusals = 5
    scene.visit.says = False
    return scene


def end_rest(phones):
    phones._refused_ms = phones._uptime.now_ms() - 5_000
    for link in phones._ble.links:
        link.changed.ring()


def test_after_refusals_they_are_refused_one_at_a_time_in_their_order():
    scene = strangers_scene()
    phones, links, visit = scene.phones, scene.ble.links, scene.visit

    async def script(scene):
        await show_all(scene, (2, 0, 1))
        for count in range(3):
            assert visit.refused == [links[2], links[0], links[1]][:count]
            end_rest(phones)
            await grow(visit.refused, count + 1)
            # The next one rests in turn.
            rest_long(phones)
            await asyncio.sleep_ms(50)

    scene.play(script)
    assert phones._refusals == 8


def test_who_goes_is_refused_no_more_and_leaves_its_place_and_its_turn():
    scene = strangers_scene()
    phones, links, visit = scene.phones, scene.ble.links, scene.visit

    async def script(scene):
        await show_all(scene, (0, 1))
        links[0].go()
        while links[0].handle is not None:
            await asyncio.sleep_ms(2)
        assert not visit.refused and links[1].handle == 1
        end_rest(phones)
        await grow(visit.refused, 1)

    scene.play(script)
    assert visit.refused == [links[1]]


def test_nobody_else_waits_while_somebody_rests():
    scene = strangers_scene()
    phones, links, visit = scene.phones, scene.ble.links, scene.visit

    async def script(scene):
        await show_all(scene, (0,))
        visit.says = True
        await scene.come(1)
        assert len(visit.trusted) == 2 and not visit.refused and links[0].handle == 0

    scene.play(script)
    # Whoever opens ends the rest.
    assert phones._refusals == 0


def test_greetings_are_rarer_while_strangers_come_and_in_order():
    scene = Scene()
    phones, visit = scene.phones, scene.visit
    phones._refusals = 5
    visit.says = MemoryError()

    async def script(scene):
        phones._refused_ms = began = phones._uptime.now_ms()
        for at in (1, 2, 0):
            show(scene.ble.connect(at))
            await asyncio.sleep_ms(5)
        await grow(scene.ble.sent, 3)
        assert phones._uptime.now_ms() - began >= 1_000

    scene.play(script)
    assert [at for at, _ in scene.ble.sent] == [1, 2, 0]


def test_a_half_that_is_not_there_is_made():
    scene = Scene()

    async def script(scene):
        scene.phones._half = None
        await scene.come(0)
        assert scene.phones.made == 2

    scene.play(script)
    assert scene.visit.trusted == [True]


def test_a_bug_ends_the_task():
    scene = Scene()
    scene.visit.says = KeyError("bug")

    async def script(scene):
        await scene.come(0)
        await asyncio.sleep_ms(20)

    try:
        scene.play(script)
    except KeyError:
        return
    raise AssertionError("nobody heard of it")


def test_a_radio_that_fails_is_reported_once():
    scene = Scene()
    scene.ble.fails = True

    async def script(scene):
        await asyncio.sleep_ms(20)

    scene.play(script)
    assert scene.trail.kinds == [event.RADIO_FAULT] and not scene.ble.is_on and scene.phones.is_faulty
