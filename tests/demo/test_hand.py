"""Keys and the button at the virtual door: held until the lock answers, for no machine is always fast enough."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lobbylock.demo.hand import Hand


class Door:
    """What a hand touches: its time is moved by hand, its buzzer sounds when it is told to."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.down = ""
        self.acts: list[tuple[int, str]] = []
        self.buzzer = SimpleNamespace(history=[])
        self.keypad = SimpleNamespace(press=self._press, release=self._release)
        self.strike = SimpleNamespace(history=[], is_released=False)
        press, release = (lambda: self._press("exit")), (lambda: self._release("exit"))
        self.exit_button = SimpleNamespace(press=press, release=release)

    def _press(self, key: str) -> None:
        assert not self.down, "two keys at once"
        self.down = key
        self.acts.append((self.now_ms, "+" + key))

    def _release(self, key: str) -> None:
        assert self.down == key
        self.down = ""
        self.acts.append((self.now_ms, "-" + key))

    def click(self) -> None:
        self.buzzer.history.append((self.now_ms, True))


@pytest.fixture
def door():
    return Door()


@pytest.fixture
def hand(door):
    return Hand(cast(Any, SimpleNamespace(board=door)))


def pass_time(door: Door, hand: Hand, until_ms: int) -> None:
    while door.now_ms < until_ms:
        door.now_ms += 20
        hand.let_go()


def test_a_key_is_held_until_the_click(door, hand):
    hand.type("1")
    pass_time(door, hand, 300)
    assert door.acts == [(0, "+1")]
    door.click()
    pass_time(door, hand, 400)
    assert door.acts == [(0, "+1"), (320, "-1")]


def test_a_quick_click_leaves_time_to_see_the_key(door, hand):
    hand.type("1")
    door.click()
    pass_time(door, hand, 400)
    assert door.acts == [(0, "+1"), (100, "-1")]


def test_a_lock_that_never_clicks_keeps_nobody(door, hand):
    hand.type("1")
    pass_time(door, hand, 1_000)
    assert door.acts == [(0, "+1"), (600, "-1")]


def test_keys_come_one_behind_the_other_and_each_waits_for_its_own_click(door, hand):
    door.click()
    for key in "112":
        hand.type(key)
    for until_ms in (140, 340, 540):
        door.click()
        pass_time(door, hand, until_ms)
    pass_time(door, hand, 2_000)
    assert "".join(act for _, act in door.acts) == "+1-1+1-1+2-2"
    released = {at_ms for at_ms, act in door.acts if act[0] == "-"}
    pressed = [at_ms for at_ms, act in door.acts if act[0] == "+"]
    assert all(min(at_ms - gone for gone in released if gone < at_ms) >= 100 for at_ms in pressed[1:])


def test_the_button_inside_is_held_until_the_strike_moves(door, hand):
    hand.press_exit()
    pass_time(door, hand, 2_000)
    hand.press_exit()
    door.strike.history.append((door.now_ms, True))
    pass_time(door, hand, 2_100)
    assert door.acts == [(0, "+exit"), (2_020, "-exit")]


def test_the_button_inside_is_pressed_for_a_moment_at_least(door, hand):
    hand.press_exit()
    door.strike.is_released = True
    pass_time(door, hand, 500)
    assert door.acts == [(0, "+exit"), (200, "-exit")]


def test_a_lock_that_never_releases_keeps_nobody_at_the_button(door, hand):
    hand.press_exit()
    pass_time(door, hand, 6_000)
    hand.press_exit()
    assert door.acts == [(0, "+exit"), (5_000, "-exit"), (6_000, "+exit")]
