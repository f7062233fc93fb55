"""QoS 1 publishes by the firmware's client to a real mosquitto, and what a subscriber there got of them."""

import subprocess
import threading
import time
from dataclasses import dataclass, field

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from lobbylock.broker import HOST, Broker
from soak.interpreter import ROOT, command, environment

_HEAP = "148k"
_LIMIT_S = 900
_ARRIVAL_S = 120.0


@dataclass
class Published:
    """`heap` maps how many were published to the bytes in use then, after a collection."""

    confirmed: int = 0
    wraps: int = 0
    heap: dict[int, int] = field(default_factory=dict)
    # What the subscriber got, in its order.
    numbers: list[int] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def growth_bytes(self) -> int:
        """How much more was in use at the end than at the first look."""
        looks = list(self.heap.values())
        return looks[-1] - looks[0]


def publish(count: int, *, first_pid: int = 0, tell_every: int = 10_000) -> Published:
    """Publishes `count` messages, the first with the packet id behind `first_pid`. Raises RuntimeError if it fails."""
    found = Published()
    with Broker("mosquitto") as broker:
        subscriber = _subscribe(broker, found.numbers)
        start_s = time.monotonic()
        try:
            done = subprocess.run(
                command("publish.py", broker.port, count, first_pid, tell_every, heap=_HEAP),
                env=environment(),
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=_LIMIT_S,
                check=False,
            )
            found.took_s = time.monotonic() - start_s
            # The publisher's confirmation comes from the broker, which may still be passing on the last ones.
            end_s = time.monotonic() + _ARRIVAL_S
            while len(found.numbers) < count and not done.returncode and time.monotonic() < end_s:
                time.sleep(0.05)
        finally:
            subscriber.loop_stop()
            subscriber.disconnect()
    if done.returncode:
        raise RuntimeError(f"the client ended with {done.returncode}: {(done.stdout + done.stderr)[-1000:]}")
    for line in done.stdout.splitlines():
        word, *values = line.split()
        if word == "heap":
            found.heap[int(values[0])] = int(values[1])
        elif word == "confirmed":
            found.confirmed, found.wraps = map(int, values)
    return found


def _subscribe(broker: Broker, numbers: list[int]) -> paho.Client:
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda *arguments: numbers.append(int.from_bytes(arguments[2].payload[:4], "big"))
    client.on_subscribe = lambda *_: ready.set()
    client.connect(HOST, broker.port)
    client.subscribe("soak/events", qos=1)
    client.loop_start()
    if not ready.wait(_ARRIVAL_S):
        raise RuntimeError("the broker does not take a subscription")
    return client
