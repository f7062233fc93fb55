"""The strike to its resting level, before anything else. The number is `firmware.board.pins.STRIKE`."""

from machine import Pin

Pin(26, Pin.OUT, value=0)
