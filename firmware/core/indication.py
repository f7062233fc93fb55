"""What the person at the door is shown and hears: patterns of (LED on, buzzer on, milliseconds).

Key clicks are all alike, so that listening tells no digit. A refusal looks the same whether the code was wrong, old or
early, so that guessing teaches nothing; the reason is in the trail. An unknown time has its own sign, because the
driver can do something about it: wait a minute and try again.
"""

CLICK = ((False, True, 30),)
CLEARED = ((False, True, 30), (False, False, 60), (False, True, 30))
GRANTED = ((True, True, 400), (True, False, 1600))
REFUSED = ((True, True, 120), (False, False, 120)) * 3
LOCKED_OUT = ((True, True, 60), (False, False, 60)) * 8
TIME_UNKNOWN = ((True, False, 700), (False, True, 100)) * 4
FAULT = ((True, True, 1200),)
