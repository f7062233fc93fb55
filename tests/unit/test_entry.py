"""The way in, with every neighbour scripted: what happens in which order, and what a broken part leads to."""

import asyncio

from firmware.core import event, indication, keycode
from firmware.core.attention import Attention
from firmware.core.errors import FlashError, StrikeError
from firmware.core.throttle import Throttle
from firmware.keyway import Keyway
from firmware.task.access import Access
from firmware.task.entry import Entry

KEY = keycode.door_key(bytes(range(32)), "maple-12", "front")
NOW_S = 1_789_992_000


class ScriptedKeys:
    TWO_KEYS = 1
    STUCK = 2
    MISSED = 3
    READS_LATE = True

    def __init__(self):
        self.keys = []

    async def next(self, limit_ms):
        if not self.keys:
            await asyncio.sleep_ms(limit_ms)
        return self.keys.pop(0) if self.keys else None


class Scene:
    """An Entry and its neighbours; `log` holds what was done, in order. `broken` names what fails."""

    last = b""
    full_name = "maple-12/front"

    def __init__(self, broken="", picture=1, is_required=False):
        self.log = []
        self.broken = broken
        self.picture = picture
        self.is_required = is_required
        self.used = set()
        # What the list names, and what it says of all else; what was looked for.
        self.listed = set()
        self.list_reason = event.GRANTED
        self.looked = []
        self.config = self
        self.seq = 0
        self.details = []
        self.keys = ScriptedKeys()
        self.attention = Attention()
        self.shown = []
        throttle = Throttle((0, 0, False), self.save, 0)
        checker = keycode.Checker(KEY, 3)
        access = Access(self, self, self, self.release, self)
        self.entry = Entry(self.keys, checker, throttle, self, access, self, self, self.attention, self, self, self)
        self.keyway = Keyway(self.keys, None, self, access, self, self, self.attention, self, self, self.forget)
        self.keyway._entry = self.entry

    # The ledger.
    def save(self, state):
        self.fail("ledger")
        self.log.append("save %d" % state[0])

    def throttle(self):
        return 0, 0, False

    def is_code_used(self, slot, window):
        return (slot, window) in self.used

    def use_code(self, slot, window):
        self.fail("use")
        self.used.add((slot, window))
        self.log.append("use")

    # The list of what is revoked.
    def is_revoked(self, key):
        self.fail("list")
        if self.broken == "memory":
            raise MemoryError()
        self.looked.append(key)
        return event.REVOKED if key in self.listed else self.list_reason

    def revoke(self, code_class=4, slot=7):
        self.listed.add(keycode.code_id(self.full_name, code_class, slot, keycode.window_at(code_class, NOW_S)))

    # The camera.
    async def shoot(self, is_grant):
        self.log.append("shoot")
        self.is_grant = is_grant
        return self.picture

    # The trail.
    def record(self, kind, details):
        self.fail("trail")
        self.seq += 1
        self.details.append((kind, details))
        self.log.append("event %d" % kind)
        return self.seq

    # Strike, indicator, uptime and timekeeping.
    def release(self, access_seq):
        if self.broken == "strike":
            raise StrikeError("RMT")
        self.log.append("release")

    def show(self, pattern):
        self.shown.append(pattern)

    def now_ms(self):
        return 5000

    def now_s(self, uptime_ms):
        return NOW_S

    def forget(self, names):
        self.log.append("forget")

    def keep_floor(self):
        self.fail("floor")
        self.log.append("floor")

    def fail(self, what):
        if self.broken == what:
            raise FlashError(what)

    def type(self, keys):
        self.keys.keys += list(keys) if isinstance(keys, str) else keys

        async def run():
            try:
                await asyncio.wait_for_ms(self.keyway.run(), 50)
            except asyncio.TimeoutError:
                pass

        asyncio.run(run())
        return self.log

    def reason(self):
        kind, details = [one for one in self.details if one[0] == event.ACCESS][-1]
        return details[event.REASON]


def code(code_class=4):
    return keycode.mint(KEY, 3, code_class, 7, keycode.window_at(code_class, NOW_S)) + "#"


def test_a_grant_is_guarded_pictured_and_written_before_the_strike():
    # Counted as a guess first, taken back when it proved genuine; nothing is left to clear.
    assert Scene().type(code()) == ["save 1", "save 0", "shoot", "event 2", "release"]


def test_a_single_use_code_is_spent_before_the_strike():
    assert Scene().type(code(9)) == ["save 1", "save 0", "shoot", "use", "event 2", "release"]


def test_a_single_use_code_that_is_spent_while_the_picture_is_taken_opens_no_more():
    scene = Scene()

    async def shoot(is_grant):
        scene.used.add((7, keycode.window_at(9, NOW_S)))
        return 1

    scene.shoot = shoot
    assert "release" not in scene.type(code(9))
    assert scene.reason() == event.ALREADY_USED


def test_a_wrong_code_is_counted_before_it_is_known_to_be_wrong():
    scene = Scene()
    assert scene.type("3407000001#") == ["save 1", "shoot", "event 2"]
    assert scene.reason() == event.WRONG_CODE


def test_the_fifth_one_writes_down_the_lockout():
    scene = Scene()
    log = scene.type("3407000001#" * 5)
    assert log[-4:] == ["save 0", "shoot", "event 2", "event 14"]
    assert scene.type(code()) and scene.reason() == event.LOCKED_OUT and "release" not in scene.log


def test_nothing_opens_what_cannot_be_written_down():
    for broken in ("ledger", "trail"):
        scene = Scene(broken)
        assert "release" not in scene.type(code()), broken
    assert "release" not in Scene("use").type(code(9))


def test_it_serves_again_when_the_flash_does():
    scene = Scene("trail")
    scene.type(code())
    scene.broken = ""
    assert scene.type(code())[-1] == "release"


def test_a_dead_strike_is_an_event():
    scene = Scene("strike")
    scene.type(code())
    assert scene.details[-1] == (event.STRIKE_FAILED, {event.REASON: event.STRIKE, event.ACCESS_SEQ: 1})


def test_a_required_picture_that_is_missing_refuses_and_spends_nothing():
    scene = Scene(picture=None, is_required=True)
    assert scene.type(code(9)) == ["save 1", "save 0", "shoot", "event 2"]
    assert scene.reason() == event.CAMERA and not scene.used


def test_a_picture_that_is_not_required_may_be_missing():
    scene = Scene(picture=None)
    assert scene.type(code())[-1] == "release"
    assert event.PICTURE_NUMBER not in scene.details[0][1]


def test_two_keys_and_stuck_keys():
    scene = Scene()
    scene.type(["3", "4", ScriptedKeys.TWO_KEYS])
    assert scene.reason() == event.TWO_KEYS
    scene.type([ScriptedKeys.STUCK])
    assert scene.details[-1] == (event.KEYPAD_FAULT, {event.REASON: event.STUCK_KEY})
    assert scene.type(code())[-1] == "release"


def test_too_many_digits_cost_a_guess():
    scene = Scene()
    assert scene.type("34070000011#")[0] == "save 1" and scene.reason() == event.MALFORMED


def test_without_settings_everything_is_refused_and_written_down():
    scene = Scene()
    scene.entry._checker = None
    scene.type(code())
    assert scene.reason() == event.NOT_CONFIGURED and "release" not in scene.log


def test_the_floor_is_kept_before_a_code_is_refused_as_expired():
    expired = keycode.mint(KEY, 3, 4, 7, keycode.window_at(4, NOW_S) - 1) + "#"
    scene = Scene()
    assert scene.type(expired) == ["save 1", "save 0", "floor", "shoot", "event 2"]
    assert scene.reason() == event.EXPIRED
    scene = Scene("floor")
    assert scene.type(expired) == ["save 1", "save 0"] and not scene.details


def test_keys_that_could_not_be_read_are_no_guess():
    scene = Scene()
    scene.attention.blindness = 3
    assert scene.type(["3", "4", "0", ScriptedKeys.MISSED]) == []
    assert scene.shown[-1] == indication.AGAIN
    scene.attention.blindness = 0
    # Typed on as if nothing had been, then anew.
    assert scene.type("7492808#") == [] and scene.shown[-1] == indication.AGAIN
    assert scene.type(code())[-1] == "release"


def test_a_key_read_behind_missed_ones_is_part_of_no_guess():
    scene = Scene()
    scene.attention.blindness = 3
    scene.type("8")
    scene.attention.blindness = 0
    assert scene.type("07#") == [] and scene.shown[-1] == indication.AGAIN
    assert scene.type("807#") != []


def test_what_is_left_of_a_wiegand_frame_is_no_key():
    scene = Scene()
    scene.keys.READS_LATE = False
    scene.attention.blindness = 3
    assert scene.type(code()) == [] and indication.CLICK not in scene.shown


def test_a_spike_is_nobody_as_long_as_keys_are_read():
    scene = Scene()
    scene.type(["3", ScriptedKeys.MISSED])
    assert scene.type(code()[1:])[-1] == "release"
    scene = Scene()
    scene.type([ScriptedKeys.MISSED])
    assert scene.attention.is_quiet(5000) and scene.shown == []


def test_what_nobody_needs_any_more_is_let_go():
    scene = Scene()
    # Digits are remembered, and then the lock-out.
    assert scene.type(["3", ScriptedKeys.MISSED]) == [] and scene.keyway._entry
    scene.type("#" + "3407000001#" * 5 + "#")
    scene.type([ScriptedKeys.MISSED])
    assert "forget" not in scene.log and scene.keyway.throttle.is_locked
    scene = Scene()
    assert scene.type(["*", ScriptedKeys.MISSED]) == ["forget"] and scene.keyway.throttle is None


def test_a_revoked_code_is_refused_before_anything_is_spent():
    for code_class in (4, 7, 9):
        scene = Scene()
        scene.revoke(code_class)
        # Also a resident's is pictured, as one who is not let in.
        assert scene.type(code(code_class)) == ["save 1", "save 0", "shoot", "event 2"], code_class
        assert scene.reason() == event.REVOKED and not scene.used and not scene.is_grant
        details = scene.details[0][1]
        window = keycode.window_at(code_class, NOW_S)
        assert (details[event.SLOT], details[event.CODE_CLASS], details[event.WINDOW]) == (7, code_class, window)
        assert details.get(event.ROLE) == {7: 2}.get(code_class)
        scene.listed.clear()
        scene.type(code(code_class))
        assert scene.reason() == event.GRANTED and "release" in scene.log


def test_only_that_code_is_revoked():
    for code_class, slot in ((0, 7), (5, 7), (4, 8), (9, 7)):
        scene = Scene()
        scene.revoke(code_class, slot)
        assert scene.type(code())[-1] == "release", (code_class, slot)
    scene = Scene()
    scene.full_name = "maple-12/back"
    scene.revoke()
    scene.full_name = "maple-12/front"
    assert scene.type(code())[-1] == "release"


def test_a_revoked_code_that_is_spent_says_that_it_is_revoked():
    scene = Scene()
    scene.used.add((7, keycode.window_at(9, NOW_S)))
    scene.revoke(9)
    scene.type(code(9))
    assert scene.reason() == event.REVOKED


def test_a_list_that_comes_while_the_picture_is_taken_counts():
    for code_class in (4, 9):
        scene = Scene()

        async def shoot(is_grant, scene=scene, code_class=code_class):
            scene.revoke(code_class)
            return 1

        scene.shoot = shoot
        assert "release" not in scene.type(code(code_class))
        assert scene.reason() == event.REVOKED and not scene.used


def test_a_revoked_code_is_no_wrong_guess():
    scene = Scene()
    scene.type("3407000001#" * 4)
    scene.revoke()
    scene.type(code() * 6)
    assert scene.reason() == event.REVOKED and not scene.entry.throttle.is_locked
    # Nor does it forgive those before it.
    scene.type("3407000001#")
    assert scene.entry.throttle.is_locked


def test_nobody_looks_for_what_is_no_genuine_code_of_now():
    scene = Scene()
    now = keycode.window_at(4, NOW_S)
    scene.type("3407000001#" + "".join(keycode.mint(KEY, 3, 4, 7, now + step) + "#" for step in (-1, 1)))
    assert scene.looked == [] and scene.reason() == event.NOT_YET_VALID


def test_a_list_that_is_lost_or_cannot_be_read_keeps_no_code_out():
    scene = Scene()
    scene.list_reason = event.NO_LIST
    scene.revoke(4, 8)
    assert scene.type(code())[-1] == "release"
    assert Scene("memory").type(code())[-1] == "release"


def test_a_loss_that_cannot_be_written_down_opens_nothing():
    scene = Scene("list")
    assert scene.type(code()) == ["save 1", "save 0"] and scene.shown[-1] == indication.FAULT
