"""The throw-away brokers that other tests and the demo lean on."""

import os
import socket
import stat
import subprocess
import sys
import time

import aiomqtt
import pytest

from lobbylock import broker as broker_module
from lobbylock.broker import Broker, StalledBroker, free_port
from lobbylock.errors import UserError


def serves(port: int, timeout_s: float = 100.0) -> bool:
    """Whether somebody answers an MQTT CONNECT on `port`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as probe:
            probe.sendall(bytes.fromhex("100c00044d515454040200050000"))
            return probe.recv(4) == b"\x20\x02\0\0"
    except OSError:
        return False


def test_broker(broker_kind):
    with Broker(broker_kind) as broker:
        assert broker.kind == broker_kind
        assert serves(broker.port)
        port, pid = broker.port, broker.pid
        broker.stop()
        assert broker.pid is None and not serves(port)
        # Nobody else gets it meanwhile, who takes a free one.
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        broker.start()
        assert broker.port == port and broker.pid != pid and serves(port)
        assert broker.start() is broker
    assert not serves(port)


def test_frozen_broker(broker_kind):
    with Broker(broker_kind) as broker:
        broker.freeze()
        with socket.create_connection(("127.0.0.1", broker.port)):
            pass
        assert not serves(broker.port, 0.3)
        broker.thaw()
        assert serves(broker.port)
        broker.freeze()


def test_two_at_once(broker_kind):
    with Broker(broker_kind) as one, Broker(broker_kind) as other:
        assert one.port != other.port and serves(one.port) and serves(other.port)


def test_port_that_is_taken(mosquitto):
    broker = Broker(mosquitto)
    with StalledBroker() as stalled:
        broker.port = stalled.port
        with pytest.raises(UserError, match="mosquitto does not start"), broker:
            pass
    assert broker.pid is None


def test_kinds(monkeypatch):
    with pytest.raises(ValueError):
        Broker("rabbit")
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda: None)
    assert Broker().kind == "amqtt"
    with pytest.raises(UserError, match="not installed"):
        Broker("mosquitto").start()


def test_leaves_nothing_behind(broker_kind, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Broker(broker_kind) as broker:
        (folder,) = tmp_path.iterdir()
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        pid = broker.pid or 0
    assert pid and list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_stalled_broker():
    with StalledBroker() as stalled:
        port = stalled.port
        assert not serves(port, 0.3)
        # Its thread may get to that later than the kernel, which answers for it.
        while not stalled.accepted:
            time.sleep(0.01)
        assert stalled.accepted == 1
        stalled.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        assert stalled.start().port == port
        assert not serves(port, 0.3)


def test_stalled_broker_takes_a_stopped_one_s_place(broker_kind):
    with Broker(broker_kind) as broker:
        with socket.create_connection(("127.0.0.1", broker.port)):
            broker.stop()
        with StalledBroker(broker.port) as stalled:
            assert stalled.url == broker.url and not serves(broker.port, 0.3)
        broker.start()
        assert serves(broker.port)


def test_importing_starts_nothing():
    code = "import lobbylock.broker, lobbylock.command, sys; print('aiomqtt' in sys.modules, lobbylock.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(broker_module.__file__))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == ""
    assert aiomqtt.__name__ and free_port() > 0
