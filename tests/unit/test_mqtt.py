"""The client over a scripted socket: what goes out in which pieces, what comes back broken. On each umqtt.simple."""

import _thread
import io
import select
import socket

from fake_umqtt import each_version

# Whatever umqtt.simple raises for a broken connection or a broken answer; MQTTException differs between versions.
ERRORS = (OSError, IndexError, TypeError, ValueError, AssertionError, MemoryError)

_POLL = 3


class ScriptedSocket(io.IOBase):
    """Gives back `incoming`, keeps every write as one piece; `takes` bounds what one write accepts.

    Without anything left to give it has ended, or is silent if `is_silent`.
    """

    def __init__(self, incoming=b"", takes=None, is_silent=False):
        self.incoming = incoming
        self.pieces = []
        self.takes = takes
        self.options = []
        self.is_silent = is_silent
        self.is_blocking = True
        self.is_closed = False

    def setsockopt(self, *option):
        self.options.append(option)

    def setblocking(self, is_blocking):
        self.is_blocking = is_blocking

    def ioctl(self, request, flags):
        if request != _POLL:
            # There is no file descriptor either.
            return -1
        return flags if self.incoming or not self.is_silent else flags & select.POLLOUT

    def write(self, data):
        data = bytes(data)[: self.takes] if self.takes else bytes(data)
        self.pieces.append(data)
        return len(data)

    def read(self, size):
        piece, self.incoming = self.incoming[:size], self.incoming[size:]
        return None if self.is_silent and not piece else piece

    def close(self):
        self.is_closed = True


def client_over(mqtt, socket):
    client = mqtt.Client(b"door", "broker", 1883, keepalive=60)
    client.beats = 0
    client.beat = lambda: setattr(client, "beats", client.beats + 1)
    client.sock = socket
    client.got = []
    client.set_callback(lambda topic, message: client.got.append((bytes(topic), bytes(message))))
    return client


def do_nothing():
    pass


def hasten(client):
    """Lets each step wait for two slices instead of 100."""
    wire = client.sock
    wire.arm = lambda: setattr(wire, "_left", 2)
    wire.arm()


def puback(pid):
    return b"\x40\x02" + pid.to_bytes(2, "big")


def fails(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except ERRORS:
        return True
    except Exception as error:
        if type(error).__name__ == "MQTTException":
            return True
        raise
    return False


def test_socket_never_blocks_and_is_not_delayed():
    for mqtt in each_version():
        socket = ScriptedSocket(puback(1))
        client = client_over(mqtt, socket)
        client.sock.settimeout(None)
        client.sock.setblocking(True)
        client.publish(b"t", b"x", qos=1)
        assert not socket.is_blocking and socket.options == [(6, 1, 1)]


def test_publish_is_one_write():
    for mqtt in each_version():
        socket = ScriptedSocket(puback(1))
        client_over(mqtt, socket).publish(b"t/events", b"x" * 300, qos=1)
        assert socket.pieces == [b"\x32\xb8\x02\x00\x08t/events\x00\x01" + b"x" * 300]


def test_a_batch_is_one_write_too():
    for mqtt in each_version():
        socket = ScriptedSocket(puback(1))
        message = bytes(range(256)) * 32
        client_over(mqtt, socket).publish(b"t/events", message, qos=1)
        assert socket.pieces == [b"\x32\x8c\x40\x00\x08t/events\x00\x01" + message]


def test_without_room_for_it_a_batch_goes_out_in_parts():
    for mqtt in each_version():
        socket = ScriptedSocket()
        wire = client_over(mqtt, socket).sock
        message = b"y" * 600
        wire.write(b"head")
        wire.write(message)
        wire._out = Unjoinable(wire._out)
        wire.flush()
        assert socket.pieces == [b"head", message]


class Unjoinable:
    """Parts for which there is no room in one piece."""

    def __init__(self, parts):
        self._parts = parts
        self._tries = 0

    def __iter__(self):
        self._tries += 1
        if self._tries == 1:
            raise MemoryError
        return iter(self._parts)


def test_subscribe_is_one_write():
    for mqtt in each_version():
        socket = ScriptedSocket(b"\x90\x03\x00\x01\x01")
        client_over(mqtt, socket).subscribe(b"t/ack", 1)
        assert socket.pieces == [b"\x82\x0a\x00\x01\x00\x05t/ack\x01"]


def test_short_writes_are_carried_on():
    for mqtt in each_version():
        socket = ScriptedSocket(puback(1), takes=100)
        client_over(mqtt, socket).publish(b"t", b"x" * 250, qos=1)
        assert [len(piece) for piece in socket.pieces] == [100, 100, 58]


def test_packet_ids_wrap_and_are_never_zero():
    for mqtt in each_version():
        client = client_over(mqtt, ScriptedSocket())
        client.pid = 65_533
        for expected in (65_534, 65_535, 1, 2):
            client.sock = ScriptedSocket(puback(expected))
            client.publish(b"t", b"x", qos=1)
            assert client.pid == expected
        client.pid = 65_535
        client.sock = ScriptedSocket(b"\x90\x03\x00\x01\x01")
        client.subscribe(b"t", 1)
        assert client.pid == 1


def test_confirmed_publishes_go_on_across_the_wrap():
    class Confirming(ScriptedSocket):
        def write(self, data):
            self.incoming += b"\x40\x02" + bytes(data[5:7])
            return len(data)

    for mqtt in each_version():
        client = client_over(mqtt, Confirming())
        client.pid = 64_000
        before = 64_000
        for _ in range(3_000):
            client.publish(b"t", b"x", qos=1)
            assert client.pid == (before + 1 if before < 65_535 else 1)
            before = client.pid


def test_acknowledgement_message_is_delivered_and_confirmed():
    body = b"\x00\x03ack\x00\x07hello"
    for mqtt in each_version():
        socket = ScriptedSocket(b"\x32" + bytes([len(body)]) + body)
        client = client_over(mqtt, socket)
        client.serve()
        assert client.got == [(b"ack", b"hello")]
        assert socket.pieces == [puback(7)]


def test_message_between_publish_and_its_confirmation():
    body = b"\x00\x03ack\x00\x07hello"
    for mqtt in each_version():
        socket = ScriptedSocket(b"\x32" + bytes([len(body)]) + body + puback(1))
        client = client_over(mqtt, socket)
        client.publish(b"t", b"x", qos=1)
        assert client.got == [(b"ack", b"hello")]


def test_a_megabyte_is_skipped_without_being_held():
    class Flood(ScriptedSocket):
        left = 1 << 20

        def read(self, size):
            if self.incoming:
                return super().read(size)
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    for mqtt in each_version():
        socket = Flood(b"\x30\x80\x80\x40")
        client = client_over(mqtt, socket)
        assert client.wait_msg() is None
        assert client.got == [] and socket.left == 0
        socket.incoming = b"\x30\x06\x00\x03ack!"
        client.wait_msg()
        assert client.got == [(b"ack", b"!")]


def test_broken_answers_raise_what_the_courier_expects():
    broken = [b"", b"\x40", b"\x40\x02\x00", b"\x40\x03\x00\x01", b"\x30\xff\xff\xff\xff\x01", b"\x30\x05\x00"]
    # A topic that is longer than its message, one as long as can be, and a message that ends before its id.
    broken += [b"\x30\x04\x00\x09topictopic", b"\x30\x7f\xff\xff" + b"t" * 200, b"\x32\x05\x00\x03ack\x00\x01"]
    for mqtt in each_version():
        for incoming in broken:
            client = client_over(mqtt, ScriptedSocket(incoming))
            assert fails(client.publish, b"t", b"x", qos=1), incoming


def test_refused_subscription_is_an_error():
    for mqtt in each_version():
        assert fails(client_over(mqtt, ScriptedSocket(b"\x90\x03\x00\x01\x80")).subscribe, b"t", 1)


def test_silence_ends_every_wait():
    for mqtt in each_version():
        for incoming in (b"", b"\x40", b"\x90", b"\x30\x05\x00"):
            for function, arguments in (("publish", (b"t", b"x", False, 1)), ("subscribe", (b"t", 1))):
                client = client_over(mqtt, ScriptedSocket(incoming, is_silent=True))
                hasten(client)
                assert fails(getattr(client, function), *arguments), (function, incoming)
        client = client_over(mqtt, ScriptedSocket(is_silent=True))
        client.serve()
        assert client.got == []


def test_a_peer_that_takes_nothing_ends_the_write():
    class Full(ScriptedSocket):
        def write(self, data):
            return None

    for mqtt in each_version():
        client = client_over(mqtt, Full())
        hasten(client)
        assert fails(client.publish, b"t", b"x")


def test_drops_that_come_one_by_one_do_not_prolong_a_packet():
    class Dripping(ScriptedSocket):
        """A byte each time somebody waits, of a packet that is never whole."""

        has_byte = True
        given = 0

        def ioctl(self, request, flags):
            if request != _POLL:
                return -1
            self.has_byte = True
            return flags

        def read(self, size):
            if not self.has_byte:
                return None
            self.has_byte = False
            self.given += 1
            return b"\x30\xff\x07\x00\x03"[self.given - 1 : self.given] or b"a"

    for mqtt in each_version():
        socket = Dripping()
        assert fails(client_over(mqtt, socket).wait_msg)
        assert 90 < socket.given < 110, socket.given


def test_old_socket_is_closed_by_a_new_one_and_by_close():
    for mqtt in each_version():
        first, second = ScriptedSocket(), ScriptedSocket()
        client = client_over(mqtt, first)
        client.sock = second
        assert first.is_closed and not second.is_closed
        client.close()
        assert second.is_closed and client.sock is None
        client.close()


def test_every_packet_is_a_sign_of_life():
    for mqtt in each_version():
        client = client_over(mqtt, ScriptedSocket(puback(1) + b"\xd0\x00"))
        before = client.beats
        client.publish(b"t", b"x", qos=1)
        published = client.beats
        client.serve()
        assert client.beats > published > before


class Broker:
    """Listens on the loopback interface, answers one client, and keeps what it said."""

    def __init__(self, answers):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = 0
        for port in range(20_000, 60_000, 7):
            try:
                self.listener.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
                self.port = port
                break
            except OSError:
                pass
        self.listener.listen(1)
        self.heard = b""
        self.answers = answers
        _thread.start_new_thread(self.serve, ())

    def serve(self):
        connection, _ = self.listener.accept()
        for answer in self.answers:
            self.heard += connection.recv(1024)
            connection.write(answer)
        self.heard += connection.recv(1024)
        connection.close()
        self.listener.close()


def test_connecting_to_a_real_socket():
    for mqtt in each_version():
        broker = Broker([b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x01"])
        client = mqtt.Client(b"door", "127.0.0.1", broker.port, user=b"u", password=b"pw", keepalive=60)
        client.beat = do_nothing
        client.set_callback(print)
        client.set_last_will(b"t/status", b"gone", retain=True, qos=1)
        client.connect()
        client.subscribe(b"t/ack", 1)
        client.close()
        head = b"\x10\x27\x00\x04MQTT\x04\xee\x00\x3c"
        expected = head + b"\x00\x04door\x00\x08t/status\x00\x04gone\x00\x01u\x00\x02pw"
        assert broker.heard[: len(expected)] == expected, broker.heard


def test_refused_and_unreachable_connections_are_errors():
    for mqtt in each_version():
        broker = Broker([b"\x20\x02\x00\x05"])
        client = mqtt.Client(b"door", "127.0.0.1", broker.port)
        client.beat = do_nothing
        assert fails(client.connect)
        client.close()
        # Nobody listens there any more.
        client = mqtt.Client(b"door", "127.0.0.1", 1)
        client.beat = do_nothing
        assert fails(client.connect)


def test_a_peer_that_sends_everything_but_the_answer_is_left():
    for mqtt in each_version():
        # Messages nobody asked for, one after the other, and never the confirmation.
        flood = b"\x30\x06\x00\x03ack!" * 1_000
        socket = ScriptedSocket(flood)
        client = client_over(mqtt, socket)
        assert fails(client)
        assert len(client.got) <= 32 and len(socket.incoming) > len(flood) // 2
        # Each step may have as many again.
        client.sock = ScriptedSocket(b"\x30\x06\x00\x03ack!" * 20 + puback(client.pid + 1))
        client.publish(b"t", b"x", qos=1)


def test_a_message_of_many_megabytes_ends_the_connection():
    for mqtt in each_version():
        client = client_over(mqtt, ScriptedSocket(b"\x30\xff\xff\xff\x7f" + bytes(4096)))
        try:
            client.wait_msg()
            raise AssertionError("waited for")
        except OSError:
            pass
