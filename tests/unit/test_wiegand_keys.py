# runs on: micropython
import wiegand

from firmware.core import event
from firmware.reader.presentation import NOTHING
from firmware.reader.wiegand import WiegandKeys


class Line:
    def __init__(self, *frames):
        self._frames = list(frames)

    async def next(self, limit_ms):
        return self._frames.pop(0)


async def test_keys_pass_and_noise_is_something_missed():
    keys = WiegandKeys(Line("3", wiegand.NOISE, "#", wiegand.NOISE, wiegand.NOISE, "*"))
    for key in ("3", keys.MISSED, "#", keys.MISSED, keys.MISSED, "*"):
        assert await keys.next(1_000) == key


async def test_card_number_is_nothing():
    shown = await WiegandKeys(Line((7, 1234))).next(1_000)
    assert (shown.kind, shown.via, shown.reason) == (NOTHING, event.CARD_NUMBER, event.UNREADABLE)
    assert (shown.digits, shown.credential, shown.session) == ("", b"", None)


async def test_what_a_keypad_also_says_is_no_key():
    keys = WiegandKeys(Line())
    assert not isinstance(keys.TWO_KEYS, str) and not isinstance(keys.STUCK, str)
