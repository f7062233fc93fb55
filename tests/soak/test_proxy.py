"""The fault proxy itself: each mode does to a connection what it says."""

import socket
import threading
import time

import pytest

from lobbylock.broker import HOST
from soak.proxy import RESET_S, FaultProxy, Mode

LIMIT_S = 60.0
PACKETS = 2_000
# MQTT packets of every length of length: PINGREQ, and PUBLISH with 1, 2 and 3 length bytes.
SHAPES = (b"\xc0\x00", b"\x30\x05\x00\x01t..", b"\x30\xac\x02" + bytes(300), b"\x30\x80\x80\x01" + bytes(16_384))


class Echo:
    """Sends back what it gets, on every connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while data := connection.recv(65_536):
                connection.sendall(data)
        except OSError:
            pass
        connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def make_proxy():
    echo = Echo()
    made = []

    def make(mode: Mode, **options) -> FaultProxy:
        made.append(FaultProxy(echo.port, mode, **options).__enter__())
        return made[-1]

    yield make
    for proxy in made:
        proxy.__exit__()
    echo.close()


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=LIMIT_S)


def received(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data


def numbered(count: int) -> list[bytes]:
    return [b"\x30\x02" + number.to_bytes(2, "big") for number in range(count)]


def echoed(proxy: FaultProxy, count: int) -> list[bytes]:
    """Sends numbered packets and returns what comes back once every one of them is here or was dropped."""
    with connect(proxy) as connection:
        connection.sendall(b"".join(numbered(count)))
        back = b""
        end_s = time.monotonic() + LIMIT_S
        connection.settimeout(0.05)
        while len(back) // 4 + proxy.counts["dropped"] < count:
            assert time.monotonic() < end_s
            try:
                back += connection.recv(65_536)
            except TimeoutError:
                pass
    return [back[at : at + 4] for at in range(0, len(back), 4)]


def test_pass_is_transparent(make_proxy):
    with connect(make_proxy(Mode.PASS)) as connection:
        connection.sendall(b"any bytes at all")
        assert received(connection, 16) == b"any bytes at all"


def test_refuse_refuses(make_proxy):
    proxy = make_proxy(Mode.REFUSE)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.set_mode(Mode.PASS)
    connect(proxy).close()


def test_black_hole_takes_and_never_answers(make_proxy):
    with connect(make_proxy(Mode.BLACK_HOLE)) as connection:
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        # Not even read: in the end nothing more can be sent.
        with pytest.raises(TimeoutError):
            while True:
                connection.sendall(bytes(1 << 20))


def test_reset_comes_within_a_second_or_so_and_again(make_proxy):
    proxy = make_proxy(Mode.RESET)
    for _ in range(2):
        begun_s = time.monotonic()
        back = b""
        with connect(proxy) as connection, pytest.raises(ConnectionResetError):
            connection.sendall(b"hello")
            while piece := connection.recv(5):
                back += piece
        # All of it, unless this machine took so long that the second was over before.
        assert back == b"hello" or time.monotonic() - begun_s >= RESET_S
    assert proxy.counts["connections"] == 2


def test_stuck_handshake_answers_with_half_a_message(make_proxy):
    with connect(make_proxy(Mode.STUCK_TLS)) as connection:
        connection.sendall(b"\x16\x03\x01\x00\x05hello")
        answer = received(connection, 31)
        assert answer[:3] == b"\x16\x03\x03"
        assert len(answer) < 5 + int.from_bytes(answer[3:5], "big")
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_lossless_line_of_packets_changes_nothing(make_proxy):
    sent = b"".join(SHAPES) * 10
    with connect(make_proxy(Mode.LOSSY, loss=0.0)) as connection:
        sender = threading.Thread(target=connection.sendall, args=(sent,))
        sender.start()
        assert received(connection, len(sent)) == sent
        sender.join()


def test_lossy_line_loses_whole_packets_both_ways(make_proxy, monkeypatch):
    monkeypatch.setattr("soak.proxy._CUT", 0.0)
    arrived = echoed(make_proxy(Mode.LOSSY), PACKETS)
    # In order, whole, and 49 of 100: 30% are lost on each way.
    assert arrived == sorted(set(arrived)) and set(arrived) <= set(numbered(PACKETS))
    assert 0.43 < len(arrived) / PACKETS < 0.55


def test_same_seed_loses_the_same_packets(make_proxy, monkeypatch):
    monkeypatch.setattr("soak.proxy._CUT", 0.0)
    one, two, other = (echoed(make_proxy(Mode.LOSSY, seed=seed), 100) for seed in (5, 5, 6))
    assert one == two != other


def test_some_losses_take_the_connection_with_them(make_proxy):
    proxy = make_proxy(Mode.LOSSY, loss=1.0)
    for _ in range(5):
        with connect(proxy) as connection, pytest.raises(ConnectionError):
            while True:
                connection.sendall(SHAPES[1])
    assert proxy.counts["cut"] == 5 and proxy.counts["forwarded"] == 0


def test_what_is_not_mqtt_ends_the_connection(make_proxy):
    with connect(make_proxy(Mode.LOSSY, loss=0.0)) as connection:
        connection.sendall(b"\x30\xff\xff\xff\xff\xff" + SHAPES[0])
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_change_of_mode_resets_what_is_connected(make_proxy):
    proxy = make_proxy(Mode.PASS)
    port = proxy.port
    with connect(proxy) as connection:
        connection.sendall(b"x")
        assert received(connection, 1) == b"x"
        proxy.set_mode(Mode.REFUSE)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    proxy.set_mode(Mode.PASS)
    assert proxy.port == port
