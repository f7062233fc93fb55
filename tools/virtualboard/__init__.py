"""A virtual ESP32 board: the real firmware on MicroPython's unix port, its chips in this process."""

from virtualboard.board import VirtualBoard
from virtualboard.cpu import HARD, POWER_ON, SOFT, WATCHDOG, BoardError
from virtualboard.wiring import Wiring

__all__ = ["HARD", "POWER_ON", "SOFT", "WATCHDOG", "BoardError", "VirtualBoard", "Wiring"]
