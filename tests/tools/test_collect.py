"""`lobbylock collect` as a process, on real brokers."""

import contextlib
import json
import os
import queue
import signal
import socket
import sqlite3
import struct
import threading
import time
from pathlib import Path

import pytest
from lock_client import LockClient
from scripted_door import ScriptedDoor

from certificates import make_certificates
from lobbylock import verify
from lobbylock.broker import Broker, StalledBroker, TlsFiles
from lobbylock.subscription import MAX_PACKET_BYTES

PICTURE = b"\xff\xd8" + bytes(range(256)) * 60 + b"\xff\xd9"
# Only so that what was waited for is named: a machine may be as slow as it likes.
LIMIT_S = 110
# Of the reports of refused messages: so many at once, and then one a second.
BURST_LINES = 20


class Output:
    """The JSON lines of a collector process, as they come."""

    def __init__(self, process) -> None:
        self.process = process
        self.lines: list[dict] = []
        self._queue: queue.Queue[dict | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def wait(self, line_type: str, **values) -> dict:
        """Returns the next line of `line_type` that has `values`."""
        deadline_s = time.monotonic() + LIMIT_S
        while True:
            line = self._queue.get(timeout=max(0.01, deadline_s - time.monotonic()))
            assert line is not None, f"it ended: {self.process.stderr.read()}"
            self.lines.append(line)
            if line["type"] == line_type and values.items() <= line.items():
                return line


@pytest.fixture
def collect(spawn):
    """`collect(broker.url, ...)` starts a collector and waits until it is connected."""

    def start(url: str, *arguments: str) -> Output:
        output = Output(spawn("collect", "--json", "--broker", url, *arguments))
        output.wait("connection", up=True)
        return output

    return start


@pytest.fixture
def connect(home):
    """`connect(broker, lock)` -> a LockClient; disconnected with the test."""
    clients = []

    def start(broker, lock: ScriptedDoor) -> LockClient:
        clients.append(LockClient(broker.port, lock, home.collector().public_key))
        return clients[-1]

    yield start
    for client in clients:
        client.__exit__()


def end(output: Output) -> dict:
    """Ends a collector as an operator would. Returns its sums."""
    output.process.send_signal(signal.SIGTERM)
    found = output.wait("sum")
    assert output.process.wait(LIMIT_S) == 0
    return found


def test_delivery(broker_kind, collect, connect, enrol, lock, run):
    other = enrol(ScriptedDoor("oak-3/yard", b"\3" * 32))
    with Broker(broker_kind) as broker:
        output = collect(broker.url)
        clients = [connect(broker, one) for one in (lock, other)]
        for client in clients:
            client.lock.deliver(picture=PICTURE)
            client.send_events()
            client.send_events()
            client.send_picture(1)
            client.publish(f"lobbylock/{client.lock.name}/status", b'{"online": true, "pending": 0}')
            output.wait("status", door=client.lock.name, online=True)
        found = end(output)
    assert (found["events"], found["pictures"], found["gaps"], found["refused"]) == (10, 2, 0, {})
    accesses = [line for line in output.lines if line["type"] == "event" and line["kind"] == "access"]
    assert [line["details"]["reason"] for line in accesses] == ["granted", "granted"]
    assert run("audit", "verify")[0] == 0


def test_strangers(broker_kind, collect, connect, lock):
    lock.deliver(picture=PICTURE)
    other = ScriptedDoor(seed=b"\7" * 32)
    other.deliver()
    topic = f"lobbylock/{lock.name}/events"
    with Broker(broker_kind) as broker:
        output = collect(broker.url)
        client = connect(broker, lock)
        for stranger, payload, reason in [
            (topic, bytes(1 << 20), verify.TOO_LONG),
            (topic, b"not CBOR", verify.MALFORMED),
            (topic, other.batch(), verify.TWO_HISTORIES),
            (topic, other.batch(2), verify.BAD_SEAL),
            ("lobbylock/oak-3/yard/events", lock.batch(), verify.UNKNOWN_DOOR),
            ("lobbylock/Maple 12/front/events", lock.batch(), verify.UNKNOWN_DOOR),
            (f"lobbylock/{lock.name}/picture", bytes(1 << 20), verify.TOO_LONG),
            (f"lobbylock/{lock.name}/picture", lock.pieces(1)[0], verify.UNANNOUNCED),
        ]:
            client.publish(stranger, payload)
            assert output.wait("refused")["reason"] == reason
        client.send_events()
        client.send_picture(1)
        assert end(output)["events"] == 5


def test_flood_of_strangers(mosquitto, collect, connect, lock):
    lock.deliver()
    with Broker(mosquitto) as broker:
        started_s = time.monotonic()
        output = collect(broker.url)
        client = connect(broker, lock)
        memory_kb = resident_kb(output.process.pid)
        for _ in range(100):
            client.publish(f"lobbylock/{lock.name}/picture", bytes(1 << 20))
        for at in range(3000):
            client.publish(f"lobbylock/{lock.name}/events", b"%d" % at)
        client.send_events()
        assert resident_kb(output.process.pid) - memory_kb < 20_000
        found = end(output)
        took_s = time.monotonic() - started_s
    refused = [line for line in output.lines if line["type"] == "refused"]
    # mosquitto itself drops what a subscriber is slow to take, all but about a thousand.
    assert 500 < sum(found["refused"].values()) <= 3100
    assert BURST_LINES <= len(refused) <= BURST_LINES + 1 + took_s
    assert len(refused) + sum(line["unshown"] for line in refused) <= sum(found["refused"].values())


def resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


# Nine processes are started, one after the other.
@pytest.mark.timeout(600)
def test_killed_in_the_middle(broker_kind, collect, connect, lock, run):
    with Broker(broker_kind) as broker:
        client = connect(broker, lock)
        output = collect(broker.url)
        for at in range(8):
            lock.deliver(picture=PICTURE + bytes([at]))
            first_seq = 5 * at + 1
            client.publish(f"lobbylock/{lock.name}/events", lock.batch(first_seq))
            for piece in lock.pieces(at + 1)[: at % 4]:
                client.publish(f"lobbylock/{lock.name}/picture", piece)
            # At another point of the work each time.
            time.sleep(0.013 * at)
            os.kill(output.process.pid, signal.SIGKILL)
            output.process.wait()
            output = collect(broker.url)
            client.send_events(first_seq)
            client.send_picture(at + 1)
        end(output)
    code, text, _ = run("audit", "verify", "--json")
    assert code == 0
    (found,) = json.loads(text)["doors"]
    assert (found["events"], found["pictures"], found["gaps"]) == (40, 8, [])


def test_broker_goes_away(broker_kind, collect, connect, lock):
    with Broker(broker_kind) as broker:
        output = collect(broker.url)
        client = connect(broker, lock)
        lock.deliver()
        client.send_events()
        broker.stop()
        output.wait("connection", up=False)
        lock.deliver()
        broker.start()
        output.wait("connection", up=True)
        client.send_events(5)
        assert end(output)["events"] == 8


def socket_count(pid: int) -> int:
    count = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        # It may be closed between the two looks.
        with contextlib.suppress(FileNotFoundError):
            count += "socket" in os.readlink(fd)
    return count


def test_broker_that_never_answers(spawn, lock):
    with StalledBroker() as stalled:
        patient = Output(spawn("collect", "--json", "--wait", "--broker", stalled.url))
        process = spawn("collect", "--broker", stalled.url)
        _, error = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 2
        assert "does not serve" in error and error.count("\n") == 1
        patient.wait("connection", up=False)
        # The attempt is over and so is its connection; two are asyncio's own pair, which wakes its loop. On a busy
        # machine the next attempt may have begun.
        end_s = time.monotonic() + LIMIT_S
        while socket_count(patient.process.pid) > 2:
            assert time.monotonic() < end_s
            time.sleep(0.05)
        end(patient)


def test_waits_for_a_broker(mosquitto, spawn, lock, connect):
    with Broker(mosquitto) as broker:
        broker.stop()
        output = Output(spawn("collect", "--json", "--wait", "--broker", broker.url))
        output.wait("connection", up=False)
        output.wait("connection", up=False)
        broker.start()
        output.wait("connection", up=True)
        client = connect(broker, lock)
        lock.deliver()
        client.send_events()
        end(output)


def test_once(mosquitto, collect, connect, lock):
    with Broker(mosquitto) as broker:
        output = collect(broker.url, "--once", "--for", "600")
        client = connect(broker, lock)
        lock.deliver(picture=PICTURE)
        client.send_events()
        client.send_picture(1)
        output.wait("sum")
        assert output.process.wait(LIMIT_S) == 0


def test_once_without_a_lock(mosquitto, spawn, lock):
    with Broker(mosquitto) as broker:
        process = spawn("collect", "--broker", broker.url, "--once", "--for", "1")
        _, error = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, error) == (1, "")


def test_interrupt(mosquitto, collect, lock):
    with Broker(mosquitto) as broker:
        output = collect(broker.url)
        output.process.send_signal(signal.SIGINT)
        output.wait("sum")
        assert output.process.wait(LIMIT_S) == 0
        assert output.process.stderr.read() == ""


def test_reader_that_has_enough(mosquitto, spawn, connect, lock):
    with Broker(mosquitto) as broker:
        process = spawn("collect", "--json", "--broker", broker.url)
        assert process.stdout.readline()
        process.stdout.close()
        client = connect(broker, lock)
        lock.deliver()
        client.publish(f"lobbylock/{lock.name}/events", lock.batch())
        assert process.wait(LIMIT_S) == 1
        assert process.stderr.read() == ""


def test_store_that_fails_ends_the_collector(mosquitto, collect, connect, home, lock):
    with Broker(mosquitto) as broker:
        output = collect(broker.url)
        path = home.path / "collector.db"
        database = sqlite3.connect(path)
        database.execute("DROP TABLE gap")
        client = connect(broker, lock)
        lock.deliver()
        client.publish(f"lobbylock/{lock.name}/events", lock.batch())
        assert output.process.wait(LIMIT_S) == 2
        assert output.process.stderr.read() == f"lobbylock: The store at {path} failed: no such table: gap.\n"


def test_tls(mosquitto, collect, spawn, lock, tmp_path):
    files = make_certificates(tmp_path)
    with Broker(mosquitto, tls=TlsFiles(files.ca, files.cert, files.key, client_ca=True)) as broker:
        client = ("--cert", str(files.client_cert), "--key", str(files.client_key))
        end(collect(broker.url, "--ca", str(files.ca), *client))
        for arguments in [("--ca", str(files.other_ca), *client), client]:
            process = spawn("collect", "--broker", broker.url, *arguments)
            _, error = process.communicate(timeout=LIMIT_S)
            assert process.returncode == 2
            assert "certificate" in error.lower() and error.count("\n") == 1


class RawBroker:
    """Speaks just enough MQTT to send a subscriber what no real broker would let through."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{self.port}"

    def accept(self) -> socket.socket:
        """Returns a connection whose CONNECT and SUBSCRIBE are answered."""
        connection, _ = self._listener.accept()
        connection.settimeout(LIMIT_S)
        self._read_packet(connection)
        connection.sendall(b"\x20\x02\0\0")
        subscribe = self._read_packet(connection)
        connection.sendall(b"\x90\x05" + subscribe[:2] + b"\1\1\1")
        return connection

    def _read_packet(self, connection: socket.socket) -> bytes:
        _, length = connection.recv(2, socket.MSG_WAITALL)
        assert length < 128
        return connection.recv(length, socket.MSG_WAITALL)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def raw_broker():
    broker = RawBroker()
    yield broker
    broker.close()


def publish_packet(topic: bytes, payload: bytes) -> bytes:
    body = struct.pack(">H", len(topic)) + topic + payload
    assert len(body) < 16384
    return bytes([0x30, len(body) & 127 | 128, len(body) >> 7]) + body


def test_topic_that_is_not_utf8(raw_broker, spawn, lock):
    output = Output(spawn("collect", "--json", "--broker", raw_broker.url))
    connection = raw_broker.accept()
    output.wait("connection", up=True)
    connection.sendall(publish_packet(b"lobbylock/\xff\xfe/front/events", b"x"))
    assert output.wait("refused")["reason"] == verify.UNKNOWN_TOPIC
    connection.sendall(publish_packet(b"lobbylock/+/#/events", b"x"))
    assert output.wait("refused")["reason"] == verify.UNKNOWN_DOOR
    # Over the same connection, which is still there.
    lock.deliver()
    connection.sendall(publish_packet(f"lobbylock/{lock.name}/events".encode(), lock.batch()))
    output.wait("event", kind="seal")
    connection.close()


def test_packet_beyond_the_bound(raw_broker, spawn, lock):
    output = Output(spawn("collect", "--json", "--broker", raw_broker.url))
    connection = raw_broker.accept()
    output.wait("connection", up=True)
    memory_kb = resident_kb(output.process.pid)
    # Fixed header of a 256 MB packet, the longest that MQTT knows.
    connection.sendall(b"\x30\xff\xff\xff\x7f" + bytes(1000))
    refused = output.wait("refused")
    assert refused["reason"] == verify.TOO_LONG and str((128**4) - 1) in refused["detail"]
    assert 128**4 - 1 > MAX_PACKET_BYTES
    output.wait("connection", up=False)
    again = raw_broker.accept()
    output.wait("connection", up=True)
    assert resident_kb(output.process.pid) - memory_kb < 5_000
    for one in (connection, again):
        one.close()
