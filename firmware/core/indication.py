"""What the person at the door is shown and hears: patterns of (LED on, buzzer on, milliseconds).

Key clicks are all alike, so that listening tells no digit. A refusal looks the same whether the code was wrong, old or
early, so that guessing teaches nothing; the reason is in the trail. An unknown time has its own sign, because the
driver can do something about it: wait a minute and try again. So has a card that could not be read to its end, or came
with another one: show one, and hold it still.
"""

from firmware.core import event

CLICK = ((False, True, 30),)
CLEARED = ((False, True, 30), (False, False, 60), (False, True, 30))
GRANTED = ((True, True, 400), (True, False, 1600))
REFUSED = ((True, True, 120), (False, False, 120)) * 3
LOCKED_OUT = ((True, True, 60), (False, False, 60)) * 8
TIME_UNKNOWN = ((True, False, 700), (False, True, 100)) * 4
FAULT = ((True, True, 1200),)
AGAIN = ((True, True, 60), (False, False, 60), (True, True, 60), (False, False, 420)) * 2


def of(reason: int) -> tuple:
    """Returns the pattern for an access that was refused for `reason` of `core.event`."""
    if reason == event.LOCKED_OUT:
        return LOCKED_OUT
    if reason == event.TIME_UNKNOWN:
        return TIME_UNKNOWN
    if reason in (event.CAMERA, event.NOT_CONFIGURED, event.USES_FULL):
        return FAULT
    if reason in (event.TWO_CARDS, event.CARD_LOST):
        return AGAIN
    return REFUSED
