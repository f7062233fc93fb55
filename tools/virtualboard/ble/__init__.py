"""The virtual board's Bluetooth: the radio of the lock, phones in the same air, and an event loop in board time.

The packages behind it (bumble) are loaded when the firmware switches its radio on, or a test asks for a phone.
"""

from virtualboard.ble.bluetooth import Task, VirtualBluetooth

__all__ = ["Task", "VirtualBluetooth"]
