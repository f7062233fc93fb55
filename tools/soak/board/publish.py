"""Publishes numbered messages with the firmware's client, each confirmed before the next one.

Arguments: port, how many, the packet id to begin behind, after how many to tell what is in use. Runs on MicroPython.
"""

import gc
import sys

from firmware.task import mqtt

# How often incoming messages are looked for and the link is tried, in messages.
_PING_EVERY = 1_000


class _Settings:
    """What the client asks the door's settings for."""

    mqtt_user = mqtt_password = ""

    def __init__(self, port: int) -> None:
        self.mqtt = ("127.0.0.1", port)


def run(port: int, count: int, first_pid: int, tell_every: int) -> None:
    client = mqtt.make_client(_Settings(port), "soak")
    client.beat = lambda: None
    client.set_callback(lambda topic, message: None)
    client.connect()
    client.pid = first_pid
    wraps = 0
    for number in range(1, count + 1):
        before = client.pid
        client.publish(b"soak/events", number.to_bytes(4, "big") + bytes(96), qos=1)
        if client.pid < before:
            wraps += 1
        if number % _PING_EVERY == 0:
            client.ping()
            client.serve()
        if number % tell_every == 0:
            gc.collect()
            print("heap", number, gc.mem_alloc())
    client.disconnect()
    print("confirmed", count, wraps)


run(*[int(word) for word in sys.argv[1:]])
