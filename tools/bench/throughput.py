"""How many events a second are stored: real signed batches over a real broker, through the collector, into a store.

An event counts once its acknowledgement is back, so it is on the disk by then.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cbor
import cose
import paho.mqtt.client as paho
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.enums import CallbackAPIVersion

from bench.databases import KINDS, addresses
from bench.figure import Figure
from firmware.core import event, ratchet
from lobbylock.broker import Broker

_DOOR = "maple-12/front"
_EVENTS = 6_400
_BATCH = 32
_LIMIT_S = 60


_JOURNAL_KEY = bytes(range(32))


def _batches() -> tuple[str, list[bytes]]:
    """Returns (public key in hex, payloads of `events` messages) of a door's whole history."""
    key = Ed25519PrivateKey.generate()
    journal_key = _JOURNAL_KEY
    public_key = key.public_key().public_bytes_raw()
    head = event.genesis(public_key)
    payloads = []
    for first in range(1, _EVENTS, _BATCH):
        entries = []
        start = head
        for seq in range(first, first + _BATCH):
            found = event.Event(seq, event.DOOR_OPENED, 1, 1000 * seq, 1_789_992_000 + seq, {})
            if seq == first + _BATCH - 1:
                found.kind = event.SEAL
                payload = event.seal_payload(_DOOR, found, head)
                found.details = {event.SIGNATURE: key.sign(cose.to_be_signed(payload))}
            record = found.encode()
            head = event.next_head(head, record)
            entries.append(record + ratchet.tag(journal_key, head))
            journal_key = ratchet.following(journal_key)
        payloads.append(cbor.encode([2, first, start, entries]))
    return public_key.hex(), payloads


def events_per_second() -> list[Figure]:
    """Publishes everything at once and counts until the last acknowledgement is back, once on each database."""
    public_key, payloads = _batches()
    figures = []
    with tempfile.TemporaryDirectory() as name, addresses(Path(name)) as address, Broker() as broker:
        for kind in KINDS:
            home = _make_home(Path(name) / kind, public_key)
            options = ["--home", home, "--broker", broker.url, "--store", address(kind)]
            seconds = _collect(options, broker, payloads)
            figures.append(Figure(f"events stored, {kind}", _EVENTS / seconds, "a second"))
    return figures


def _make_home(folder: Path, public_key: str) -> str:
    """Returns the folder of an issuer who knows the door."""
    home = str(folder / "home")
    folder.mkdir()
    new = ["door", "new", _DOOR, "--out", str(folder / "settings.json")]
    enrol = ["door", "enrol", _DOOR, public_key, "--journal", f"1:{_JOURNAL_KEY.hex()}"]
    for arguments in (["issuer", "new"], new, enrol):
        command = [sys.executable, "-m", "lobbylock", *arguments, "--home", home]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return home


def _collect(options: list[str], broker: Broker, payloads: list[bytes]) -> float:
    """Returns the seconds that a collector took for all of it."""
    command = [sys.executable, "-m", "lobbylock", "collect", *options, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as collector:
        try:
            if collector.stdout is None or json.loads(collector.stdout.readline())["type"] != "connection":
                raise RuntimeError("the collector does not connect")
            return _publish(broker, payloads, collector)
        finally:
            collector.terminate()


def _publish(broker: Broker, payloads: list[bytes], collector: subprocess.Popen) -> float:
    """Returns the seconds from the first message to the last acknowledgement."""
    acknowledged = []
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(20)
    client.on_message = lambda *_: acknowledged.append(time.monotonic())
    client.connect("127.0.0.1", broker.port)
    client.subscribe(f"lobbylock/{_DOOR}/ack", qos=1)
    client.loop_start()
    drain = subprocess.Popen(["cat"], stdin=collector.stdout, stdout=subprocess.DEVNULL)
    start = time.monotonic()
    for payload in payloads:
        client.publish(f"lobbylock/{_DOOR}/events", payload, qos=1)
    while len(acknowledged) < len(payloads) and time.monotonic() - start < _LIMIT_S:
        time.sleep(0.01)
    client.loop_stop()
    client.disconnect()
    drain.terminate()
    drain.wait()
    if len(acknowledged) < len(payloads):
        raise RuntimeError(f"only {len(acknowledged)} of {len(payloads)} messages were acknowledged")
    return acknowledged[-1] - start
