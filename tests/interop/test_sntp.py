"""lib/sntp.py on MicroPython against a local UDP server that tells the truth, lies, is a stranger, or says nothing."""

import socket
import struct
import threading
import time
from pathlib import Path

import pytest

_PEER = Path(__file__).with_name("sntp_peer.py")
_TO_UNIX_S = 2_208_988_800
_NOON = 1_789_992_000
# Where an answer comes, and where none does.
_PATIENT_S = 100
_IMPATIENT_S = 1


def _answer(request: bytes, unix_s: float = _NOON, **changes) -> bytes:
    """Returns a good answer; `changes` replaces fields of it."""
    fields = {"leap": 0, "version": 4, "mode": 4, "stratum": 2, "delay": 0, "dispersion": 0, "kiss": b"GPS\0"}
    fields |= {"origin": request[40:48], "transmit": None} | changes
    first = fields["leap"] << 6 | fields["version"] << 3 | fields["mode"]
    seconds = (int(unix_s) + _TO_UNIX_S) % 2**32
    transmit = fields["transmit"] or struct.pack(">II", seconds, int(unix_s % 1 * 2**32))
    head = struct.pack(">BBbbII", first, fields["stratum"], 6, -20, fields["delay"], fields["dispersion"])
    return head + fields["kiss"] + bytes(8) + fields["origin"] + transmit + transmit


class Server:
    """Answers each request with the packets that `respond(request)` returns."""

    def __init__(self, respond) -> None:
        self.requests: list[bytes] = []
        self._respond = respond
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        # An empty packet is nobody's request: it ends the thread.
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            request, client = self._socket.recvfrom(1024)
            if not request:
                return
            self.requests.append(request)
            for packet in self._respond(request):
                self._socket.sendto(packet, client)


@pytest.fixture
def query(run_board):
    def ask(port: int, timeout_s: int = _PATIENT_S, host: str = "127.0.0.1", way_ms: int | None = None) -> str:
        way = [] if way_ms is None else [str(way_ms)]
        return run_board(_PEER, host, str(port), str(timeout_s), *way).strip()

    return ask


def _query(query, respond, timeout_s: int = _PATIENT_S, way_ms: int | None = None) -> str:
    with Server(respond) as server:
        return query(server.port, timeout_s, way_ms=way_ms)


def _measure(query, respond, way_ms: int) -> tuple[int, int]:
    """Returns the time and its uncertainty in ms by a clock of the peer's own: a machine that is busy just then would
    be counted as a long way, as it should."""
    time_s, uncertainty_ms = map(int, _query(query, respond, way_ms=way_ms).split())
    return time_s, uncertainty_ms


@pytest.mark.parametrize(
    "unix_s",
    # Zero would be "no time", so era 1 begins a quarter of a second late.
    [0, 1_000_000_000, _NOON, 2_085_978_495, 2_085_978_496.25, 2_085_978_497, 2**31 - 1, 2**31, 4_000_000_000],
    ids=["1970", "2001", "2026", "era 0 ends", "era 1 begins", "era 1", "2038", "beyond 2038", "2096"],
)
def test_good_answers_in_both_eras(query, unix_s):
    time_s, uncertainty_ms = _measure(query, lambda request: [_answer(request, unix_s)], 10)
    assert time_s == int(unix_s)
    # Half of the way, which is how far the second is off as well.
    assert uncertainty_ms == 5 + 5 + 3 + int(unix_s % 1 * 1000)


def test_request_shows_a_fresh_number_and_nothing_else(query):
    with Server(lambda request: [_answer(request)]) as server:
        for _ in range(3):
            query(server.port)
    for request in server.requests:
        assert len(request) == 48
        assert request[:40] == b"\x23" + bytes(39)
    assert len({request[40:] for request in server.requests}) == 3


def test_the_way_counts_as_uncertainty(query):
    # Half of 600 ms later than the server's time, so 0.3 s behind the second that is reported.
    assert _measure(query, lambda request: [_answer(request)], 600) == (_NOON, 300 + 300 + 3)
    assert _measure(query, lambda request: [_answer(request)], 1_200) == (_NOON + 1, 600 + 400 + 3)


def test_the_way_is_measured(query):
    def respond(request):
        time.sleep(0.6)
        return [_answer(request)]

    begun = time.monotonic()
    time_s, uncertainty_ms = map(int, _query(query, respond).split())
    most_ms = (time.monotonic() - begun) * 1000
    assert 600 <= uncertainty_ms <= most_ms / 2 + 500 + 3
    # Wherever on its way the answer was made, the truth is within what is said.
    assert abs(time_s - _NOON) * 1000 <= uncertainty_ms


def test_rounding_counts_as_uncertainty(query):
    for fraction, expected in ((0.25, _NOON), (0.75, _NOON + 1)):
        found = _measure(query, lambda request, fraction=fraction: [_answer(request, _NOON + fraction)], 0)
        assert found == (expected, 250 + 3)


def test_the_servers_own_distance_counts_as_uncertainty(query):
    found = _measure(query, lambda request: [_answer(request, delay=4 << 16, dispersion=1 << 15)], 20)
    assert found == (_NOON, 10 + 2500 + 10 + 3)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mode": 3}, "not a server"),
        ({"mode": 5}, "not a server"),
        ({"version": 3}, "not a server"),
        ({"leap": 3}, "not synchronized"),
        ({"stratum": 16}, "not synchronized"),
        ({"stratum": 255}, "not synchronized"),
        ({"dispersion": 16 << 16}, "not synchronized"),
        ({"delay": 32 << 16}, "not synchronized"),
        ({"delay": 2**32 - 1, "dispersion": 2**32 - 1}, "not synchronized"),
        ({"stratum": 0, "leap": 3, "kiss": b"RATE"}, "kiss-o'-death RATE"),
        ({"stratum": 0, "kiss": b"\x1b[2J"}, "kiss-o'-death 1b5b324a"),
        ({"transmit": bytes(8)}, "without a time"),
    ],
)
def test_answers_that_must_not_be_believed(query, changes, why):
    answer = _query(query, lambda request: [_answer(request, **changes)])
    assert answer.startswith("SntpError:") and why in answer


def test_limits_that_are_still_good(query):
    for changes in ({"stratum": 1}, {"stratum": 15}, {"leap": 1}, {"leap": 2}, {"dispersion": (16 << 16) - 1}):
        answer = _query(query, lambda request, changes=changes: [_answer(request, **changes)])
        assert answer.split()[0] == str(_NOON), changes


def _forged(request: bytes) -> list[bytes]:
    return [
        _answer(request, 1, origin=bytes(8)),
        _answer(request, 1, origin=request[40:47] + bytes([request[47] ^ 1])),
        _answer(request, 1)[:47],
        _answer(request, 1) + b"\0",
        _answer(request, 1) * 20,
        request,
        b"x",
    ]


def test_packets_of_strangers_are_passed_over(query):
    answer = _query(query, lambda request: [*_forged(request), _answer(request)])
    assert answer.split()[0] == str(_NOON)


def test_packets_of_strangers_alone_are_no_answer(query):
    begun = time.monotonic()
    assert _query(query, _forged, _IMPATIENT_S).startswith("SntpError: no answer")
    assert 0.9 < time.monotonic() - begun < _PATIENT_S


def test_a_flood_of_strangers_is_given_up(query):
    assert _query(query, lambda request: _forged(request) * 20).startswith("SntpError: answers to something else")


def test_a_trickle_of_strangers_does_not_prolong_the_wait(query):
    is_over = threading.Event()

    def trickle(request):
        # Whoever waits another second for each of them takes in more than one query looks at, and says so.
        while not is_over.wait(0.1):
            yield b"x"

    with Server(trickle) as server:
        begun = time.monotonic()
        said = query(server.port, _IMPATIENT_S)
        is_over.set()
    assert said.startswith("SntpError: no answer")
    assert 0.9 < time.monotonic() - begun < _PATIENT_S


def test_another_port_is_not_the_server(query):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:

        class Proxy(Server):
            def _serve(self) -> None:
                while True:
                    request, client = self._socket.recvfrom(1024)
                    if not request:
                        return
                    other.sendto(_answer(request), client)

        with Proxy(None) as server:
            assert query(server.port, _IMPATIENT_S).startswith("SntpError: no answer")


def test_silence(query):
    begun = time.monotonic()
    assert _query(query, lambda request: [], _IMPATIENT_S).startswith("SntpError: no answer")
    assert 0.9 < time.monotonic() - begun < _PATIENT_S


def test_nobody_there(query):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        # Taken, so that nobody else gets it, and there for nobody but that one.
        closed.connect(("127.0.0.1", 9))
        assert query(closed.getsockname()[1]).startswith("SntpError: no answer")
    assert query(123, host="no-such-host.invalid").startswith("SntpError: no answer")
