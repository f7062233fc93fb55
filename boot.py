"""The strike to its resting level, before anything else. The number is `firmware.board.pins.STRIKE`."""

import time

import micropython
from machine import Pin

Pin(26, Pin.OUT, value=0)

# Ctrl-C counts from where this file begins: here it would lead to the prompt, with main.py left out.
micropython.kbd_intr(-1)
try:
    time.sleep_ms(1)
except KeyboardInterrupt:
    pass
