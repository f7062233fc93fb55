"""The real firmware against real brokers and the real collector, in real time."""

import contextlib
import sqlite3
import threading
from hashlib import sha256
from pathlib import Path

import cbor
import cose
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from firmware.core import event
from lobbylock.broker import Broker, TlsFiles
from lobbylock.demo.stage import DOOR, TLS_HEAP
from visit import deliver

# Several waits in one test may each take long on a busy machine.
pytestmark = pytest.mark.timeout(420)

_LIMIT_MS = 90_000
# More than two messages hold.
_OUTAGE_VISITS = 24
ACK = f"lobbylock/{DOOR}/ack"


def granted(stage) -> int:
    return sum(1 for found in stage.events("access") if found["details"]["reason"] == "granted")


def stored(stage, kind: int | None = None) -> list[int]:
    """Returns the numbers of the events in the store, which a killed collector may not have come to tell of."""
    wanted = "SELECT seq FROM event WHERE kind = coalesce(?, kind) ORDER BY seq"
    with contextlib.closing(sqlite3.connect(stage.store)) as store, contextlib.suppress(sqlite3.OperationalError):
        return [seq for (seq,) in store.execute(wanted, (kind,))]
    return []


def publish(stage, topic: str, *payloads: bytes) -> None:
    """Publishes as a stranger on the same broker."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", stage.broker.port)
    client.loop_start()
    for payload in payloads:
        sent = client.publish(topic, payload, qos=1)
        sent.wait_for_publish(_LIMIT_MS / 1_000)
        assert sent.is_published()
    client.loop_stop()
    client.disconnect()


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_event_and_picture_reach_the_collector(make_stage, kind):
    stage = make_stage(kind)
    deliver(stage)
    assert stage.wait(lambda: bool(stage.pictures()), _LIMIT_MS)
    data = Path(stage.pictures()[0]["file"]).read_bytes()
    assert sha256(data).hexdigest() == stage.events("picture")[0]["details"]["sha256"]
    done = stage.run("audit", "verify", "--store", str(stage.store))
    assert done.returncode == 0, done.stdout + done.stderr


def test_events_of_an_outage_arrive_complete_and_once(make_stage):
    stage = make_stage()
    code = stage.code("UPS 4711", "--for", "4h")
    stage.board.wlan.available = False
    stage.board.set_pace("fast")
    for _ in range(_OUTAGE_VISITS):
        before = len(stage.board.strike.history)
        stage.board.keypad.type(code + "#")
        stage.board.run_for(9_000)
        assert len(stage.board.strike.history) == before + 2
    stage.board.wlan.available = True
    stage.board.set_pace("real")
    assert stage.wait(lambda: granted(stage) == _OUTAGE_VISITS, _LIMIT_MS), granted(stage)
    seqs = [found["seq"] for found in stage.events()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert not [line for line in stage.lines if line["type"] == "gap"]


def test_killed_collector_takes_up_where_it_was(make_stage):
    stage = make_stage()
    deliver(stage)
    stage.kill_collector()
    deliver(stage)
    stage.start_collector()
    assert stage.wait(lambda: len(stored(stage, event.ACCESS)) == 2, _LIMIT_MS)
    seqs = stored(stage)
    assert seqs == list(range(1, len(seqs) + 1))
    assert stage.run("audit", "verify", "--store", str(stage.store)).returncode == 0


def test_restarted_lock_sends_nothing_twice_into_the_store(make_stage):
    stage = make_stage()
    deliver(stage)
    assert stage.wait(lambda: granted(stage) == 1, _LIMIT_MS)
    stage.board.power_off()
    stage.start_lock()
    assert stage.wait(lambda: len(stage.events("boot")) == 2, _LIMIT_MS)
    seqs = [found["seq"] for found in stage.events()]
    assert seqs == list(range(1, len(seqs) + 1))


def test_strangers_on_the_acknowledgement_topic_change_nothing(make_stage):
    stage = make_stage()
    stage.kill_collector()
    deliver(stage)
    stage.board.run_for(3_000)
    payload = cbor.encode([1, DOOR, 5, bytes(32)])
    forged = cose.pack(payload, bytes(64))
    nested = b"\x81" * 500 + b"\x00"
    publish(stage, ACK, b"", b"\x00", b"not CBOR at all", forged, nested, cbor.encode([1, 2, 3]), bytes(1 << 20))
    publish(stage, f"lobbylock/{DOOR}/open", b"please")
    publish(stage, f"lobbylock/{DOOR}/events", b"\xff" * 100)
    stage.board.run_for(3_000)
    # It still serves, it still holds everything, and nobody was let in meanwhile.
    assert not stage.board.strike.is_released and stage.board.reset_count == 0
    deliver(stage)
    stage.start_collector()
    assert stage.wait(lambda: granted(stage) == 2, _LIMIT_MS)
    seqs = stored(stage)
    assert seqs == list(range(1, len(seqs) + 1))


def test_acknowledgement_of_another_door_or_an_older_one_frees_nothing(make_stage):
    stage = make_stage()
    captured = []
    is_subscribed = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_subscribe = lambda *_: is_subscribed.set()
    client.on_message = lambda *arguments: captured.append(arguments[2].payload)
    client.connect("127.0.0.1", stage.broker.port)
    client.subscribe(ACK, qos=1)
    client.loop_start()
    assert is_subscribed.wait(_LIMIT_MS / 1_000)
    deliver(stage)
    assert stage.wait(lambda: granted(stage) == 1 and len(captured) > 0, _LIMIT_MS)
    client.loop_stop()
    stage.kill_collector()
    deliver(stage)
    publish(stage, ACK, *captured)
    stage.board.run_for(3_000)
    stage.start_collector()
    assert stage.wait(lambda: granted(stage) == 2, _LIMIT_MS)


def make_tls_stage(make_stage, certificates, authority, **options):
    """A stage whose lock believes `authority`, and whose broker wants everybody's certificate."""
    files = certificates
    pair = [str(files.client_cert), str(files.client_key)]
    return make_stage(
        broker=Broker("mosquitto", tls=TlsFiles(files.ca, files.cert, files.key, client_ca=True)),
        heap=TLS_HEAP,
        door_options=["--mqtt-ca", str(authority), "--mqtt-cert", pair[0], "--mqtt-key", pair[1]],
        collect_options=["--ca", str(files.ca), "--cert", pair[0], "--key", pair[1]],
        **options,
    )


def test_tls_with_the_right_authority_and_a_certificate_of_its_own(make_stage, certificates):
    stage = make_tls_stage(make_stage, certificates, certificates.ca)
    deliver(stage)
    assert stage.wait(lambda: granted(stage) == 1, _LIMIT_MS)
    # One whole handshake, in pieces. Before it there may be some that a busy machine was too slow for.
    pieces = [length for _, length in stage.board.holds_ms]
    begun = [index for index, length in enumerate(pieces) if length == pieces[0]]
    handshakes = [sum(pieces[start:end]) for start, end in zip(begun, [*begun[1:], len(pieces)], strict=True)]
    assert handshakes[-1] == 1_400 and all(each < 1_400 for each in handshakes[:-1])
    assert max(pieces) <= 450


def test_tls_with_another_authority_sends_nothing_and_opens_all_the_same(make_stage, certificates):
    stage = make_tls_stage(make_stage, certificates, certificates.other_ca, is_reached=False)
    deliver(stage)
    stage.board.run_for(5_000)
    assert stage.events() == [] and stage.board.reset_count == 0
