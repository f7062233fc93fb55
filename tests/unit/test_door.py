# runs on: micropython cpython
from firmware.core import door as door_module
from firmware.core import event
from firmware.core.door import FORCED, HELD, OPEN, RELEASED, SECURE, Door
from firmware.core.errors import StrikeError


class ScriptedStrike:
    def __init__(self):
        self.pulses = []
        self.is_dead = False

    def pulse(self, duration_ms):
        if self.is_dead:
            raise StrikeError("RMT")
        self.pulses.append(duration_ms)


def make():
    strike = ScriptedStrike()
    return strike, Door(strike, 5000, 30_000)


def kinds(happened):
    return [kind for kind, _ in happened]


def test_a_delivery():
    strike, door = make()
    assert door.release(event.BY_ACCESS, 7, 1000) == [(event.UNLOCKED, {event.CAUSE: 1, event.ACCESS_SEQ: 7})]
    assert strike.pulses == [5000] and door.state == RELEASED
    assert door.contact(True, 3000) == [(event.DOOR_OPENED, {event.ACCESS_SEQ: 7})]
    assert door.next_ms() == 6000
    assert kinds(door.tick(6000)) == [event.LOCKED] and door.state == OPEN
    assert door.contact(False, 9500) == [(event.DOOR_CLOSED, {event.DURATION_S: 6, event.ACCESS_SEQ: 7})]
    assert door.state == SECURE and door.next_ms() is None


def test_nobody_came():
    _, door = make()
    door.release(event.BY_ACCESS, 1, 0)
    assert door.tick(4999) == [] and kinds(door.tick(5000)) == [event.LOCKED]
    assert door.state == SECURE and door.tick(6000) == []


def test_opened_without_a_release_is_forced():
    _, door = make()
    assert kinds(door.contact(True, 1000)) == [event.DOOR_FORCED]
    assert door.state == FORCED and door.next_ms() is None
    assert kinds(door.contact(False, 2000)) == [event.DOOR_CLOSED] and door.state == SECURE


def test_opened_in_the_last_moment_of_the_pulse_is_not_forced():
    _, door = make()
    door.release(event.BY_ACCESS, 1, 0)
    door.tick(5000)
    assert kinds(door.contact(True, 5400)) == [event.DOOR_OPENED]
    _, door = make()
    door.release(event.BY_ACCESS, 1, 0)
    door.tick(5000)
    assert kinds(door.contact(True, 5501)) == [event.DOOR_FORCED]


def test_held_open_once_and_closed():
    _, door = make()
    door.release(event.BY_EXIT, None, 0)
    door.contact(True, 1000)
    door.tick(5000)
    assert door.next_ms() == 31_000
    assert door.tick(31_000) == [(event.DOOR_HELD, {event.DURATION_S: 30})]
    assert door.state == HELD and door.tick(90_000) == []
    assert kinds(door.contact(False, 91_000)) == [event.DOOR_CLOSED]


def test_closed_inside_the_pulse_may_be_opened_again():
    _, door = make()
    door.release(event.BY_ACCESS, 1, 0)
    door.contact(True, 1000)
    door.contact(False, 2000)
    assert door.state == RELEASED
    assert kinds(door.contact(True, 3000)) == [event.DOOR_OPENED]


def test_second_release_in_the_pulse_makes_it_go_on():
    strike, door = make()
    door.release(event.BY_ACCESS, 1, 0)
    assert kinds(door.release(event.BY_EXIT, None, 4000)) == [event.UNLOCKED]
    # The running pulse cannot be stopped: the rest comes behind it.
    assert strike.pulses == [5000]
    assert door.tick(5000) == [] and strike.pulses == [5000, 4000]
    assert door.state == RELEASED and door.next_ms() == 9000
    assert kinds(door.tick(9000)) == [event.LOCKED] and door.state == SECURE


def test_strike_that_fails_behind_a_pulse_is_locked():
    strike, door = make()
    door.release(event.BY_ACCESS, 1, 0)
    door.release(event.BY_EXIT, None, 4000)
    strike.is_dead = True
    assert kinds(door.tick(5000)) == [event.LOCKED] and door.state == SECURE


def test_strike_that_does_not_obey_changes_nothing():
    strike, door = make()
    strike.is_dead = True
    try:
        door.release(event.BY_ACCESS, 1, 0)
        raise AssertionError("released")
    except StrikeError:
        pass
    assert door.state == SECURE and door.next_ms() is None
    assert kinds(door.contact(True, 10)) == [event.DOOR_FORCED]


def test_found_open_at_start_is_open_and_can_be_held():
    _, door = make()
    assert kinds(door.start(True, 0)) == [event.DOOR_OPENED] and door.state == OPEN
    assert kinds(door.tick(30_000)) == [event.DOOR_HELD]
    _, door = make()
    assert door.start(False, 0) == [] and door.state == SECURE


def test_repeated_levels_change_nothing():
    _, door = make()
    assert door.contact(False, 0) == []
    door.contact(True, 1)
    assert door.contact(True, 2) == []


def make_watched():
    strike, door = make()
    door.start(False, 0)
    return strike, door


def not_opened(*access_seqs):
    return [(event.NOT_OPENED, {event.ACCESS_SEQ: access_seq}) for access_seq in access_seqs]


def test_nobody_opened_is_said_once_the_last_moment_is_over():
    _, door = make_watched()
    door.release(event.BY_ACCESS, 7, 0)
    assert kinds(door.tick(5000)) == [event.LOCKED] and door.next_ms() == 5500
    assert door.tick(5499) == [] and door.tick(5500) == not_opened(7)
    assert door.next_ms() is None and door.tick(6000) == []


def test_without_a_contact_nobody_knows_whether_it_was_opened():
    _, door = make()
    door.release(event.BY_ACCESS, 7, 0)
    assert kinds(door.tick(5000)) == [event.LOCKED] and door.next_ms() is None and door.tick(9000) == []


def test_opened_in_the_last_moment_belongs_to_the_grant():
    _, door = make_watched()
    door.release(event.BY_ACCESS, 7, 0)
    door.tick(5000)
    assert door.contact(True, 5400) == [(event.DOOR_OPENED, {event.ACCESS_SEQ: 7})]
    assert door.next_ms() == 35_400 and door.tick(5500) == []


def test_exit_and_test_belong_to_nobody():
    _, door = make_watched()
    door.release(event.BY_EXIT, None, 0)
    assert door.contact(True, 1000) == [(event.DOOR_OPENED, {})]
    assert door.contact(False, 2000) == [(event.DOOR_CLOSED, {event.DURATION_S: 1})]
    assert kinds(door.tick(5000)) == [event.LOCKED] and door.next_ms() is None


def test_several_let_in_during_one_release():
    _, door = make_watched()
    door.release(event.BY_ACCESS, 7, 0)
    door.release(event.BY_ACCESS, 9, 4000)
    assert door.tick(5000) == [] and kinds(door.tick(9000)) == [event.LOCKED]
    assert door.tick(9500) == not_opened(7, 9)
    # One door for both of them: it is the later one's.
    door.release(event.BY_ACCESS, 11, 20_000)
    door.release(event.BY_ACCESS, 13, 21_000)
    assert door.contact(True, 22_000) == [(event.DOOR_OPENED, {event.ACCESS_SEQ: 13})]
    door.contact(False, 23_000)
    assert kinds(door.tick(25_000)) == [] and kinds(door.tick(26_000)) == [event.LOCKED] and door.next_ms() is None


def test_one_opened_and_the_next_did_not():
    _, door = make_watched()
    door.release(event.BY_ACCESS, 7, 0)
    door.contact(True, 1000)
    assert door.contact(False, 2000)[0][1][event.ACCESS_SEQ] == 7
    door.release(event.BY_ACCESS, 9, 3000)
    door.tick(5000)
    door.tick(8000)
    assert door.tick(8500) == not_opened(9)


def test_exit_in_between_does_not_take_the_opening_away():
    _, door = make_watched()
    door.release(event.BY_ACCESS, 7, 0)
    assert kinds(door.release(event.BY_EXIT, None, 2000)) == [event.UNLOCKED]
    assert door.contact(True, 3000) == [(event.DOOR_OPENED, {event.ACCESS_SEQ: 7})]
    # Of a release of its own the exit is.
    door.contact(False, 4000)
    door.tick(5000)
    door.tick(7000)
    door.release(event.BY_EXIT, None, 7100)
    assert door.contact(True, 7200) == [(event.DOOR_OPENED, {})]


def test_open_already_when_somebody_is_let_in():
    _, door = make_watched()
    door.release(event.BY_ACCESS, 7, 0)
    door.contact(True, 1000)
    door.tick(5000)
    door.release(event.BY_ACCESS, 9, 6000)
    assert kinds(door.tick(11_000)) == [event.LOCKED] and door.next_ms() == 31_000
    # It was opened for the first one, and so it is closed.
    assert door.contact(False, 12_000) == [(event.DOOR_CLOSED, {event.DURATION_S: 11, event.ACCESS_SEQ: 7})]
    # Found open at the start it is nobody's.
    _, door = make()
    door.start(True, 0)
    door.release(event.BY_ACCESS, 7, 1000)
    assert door.contact(False, 2000) == [(event.DOOR_CLOSED, {event.DURATION_S: 2})]
    assert door.contact(True, 3000) == [(event.DOOR_OPENED, {event.ACCESS_SEQ: 7})]


def test_forced_open_is_nobodys_either():
    _, door = make_watched()
    door.release(event.BY_ACCESS, 7, 0)
    door.tick(5000)
    # Nobody has looked since: first things first.
    assert door.contact(True, 6000) == not_opened(7) + [(event.DOOR_FORCED, {})]
    assert door.contact(False, 7000) == [(event.DOOR_CLOSED, {event.DURATION_S: 1})]


def test_a_new_release_in_the_last_moment_ends_the_one_before():
    _, door = make_watched()
    door.release(event.BY_ACCESS, 7, 0)
    door.tick(5000)
    assert door.release(event.BY_EXIT, None, 5200) == not_opened(7) + [(event.UNLOCKED, {event.CAUSE: event.BY_EXIT})]
    assert door.contact(True, 5300) == [(event.DOOR_OPENED, {})]


def test_those_who_wait_are_bounded():
    _, door = make_watched()
    for access_seq in range(30):
        door.release(event.BY_ACCESS, access_seq, access_seq)
    door.tick(5000)
    door.tick(5029)
    assert door.tick(5529) == not_opened(22, 23, 24, 25, 26, 27, 28, 29)


def test_states_have_their_own_numbers():
    assert sorted({SECURE, RELEASED, OPEN, HELD, FORCED}) == [0, 1, 2, 3, 4]
    assert door_module.SECURE == 0
