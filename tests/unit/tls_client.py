"""Run on MicroPython: connects to a broker as the courier does and prints "connected", or how it failed.

Arguments: host, port, CA, certificate and key as DER files; "-" for none.
"""

import _thread
import sys
import time

from firmware.task import mqtt
from firmware.task.handshake import Handshake


class Door:
    """The settings, and the attention of nobody."""

    mqtt_user = mqtt_password = ""
    blindness = 0


def read(name):
    if name == "-":
        return b""
    with open(name, "rb") as file:
        return file.read()


door = Door()
door.mqtt = (sys.argv[1], int(sys.argv[2]))
door.mqtt_ca, door.mqtt_cert, door.mqtt_key = [read(name) for name in sys.argv[3:6]]
lock = _thread.allocate_lock()
shake = Handshake(door, door, lock)


def permit():
    while True:
        with lock:
            shake.allow(True)
        time.sleep_ms(50)


_thread.start_new_thread(permit, ())
while not shake.is_permitted():
    time.sleep_ms(1)
client = mqtt.make_client(door, "test")
client.beat = lambda: None
client.handshake = shake
client.set_callback(print)
try:
    client.connect()
    client.publish(b"t", b"x" * 5000, qos=1)
    print("connected")
except Exception as error:  # noqa: BLE001 - whatever it is, the test says what is right
    print(type(error).__name__, error)
finally:
    client.close()
    shake.end()
print(door.blindness < 3, shake.is_under_way)
