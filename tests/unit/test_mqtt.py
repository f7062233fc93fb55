"""The client over a scripted socket: what goes out in which pieces, and what comes back broken."""

from umqtt.simple import MQTTException

from firmware.task import mqtt

# Whatever umqtt.simple raises for a broken connection or a broken answer.
ERRORS = (OSError, MQTTException, IndexError, TypeError, ValueError, AssertionError, MemoryError)


class ScriptedSocket:
    """Gives back `incoming`, keeps every write as one piece; `takes` bounds what one write accepts."""

    def __init__(self, incoming=b"", takes=None):
        self.incoming = incoming
        self.pieces = []
        self.takes = takes
        self.options = []
        self.timeout_s = None
        self.is_closed = False

    def setsockopt(self, *option):
        self.options.append(option)

    def settimeout(self, seconds):
        self.timeout_s = seconds

    def write(self, data):
        data = bytes(data)[: self.takes] if self.takes else bytes(data)
        self.pieces.append(data)
        return len(data)

    def read(self, size):
        piece, self.incoming = self.incoming[:size], self.incoming[size:]
        return piece

    def close(self):
        self.is_closed = True


def client_over(socket):
    client = mqtt.Client(b"door", "broker", 1883, keepalive=60)
    client.sock = socket
    client.got = []
    client.set_callback(lambda topic, message: client.got.append((bytes(topic), bytes(message))))
    return client


def puback(pid):
    return b"\x40\x02" + pid.to_bytes(2, "big")


def fails(client):
    try:
        client.publish(b"t", b"x", qos=1)
    except ERRORS:
        return True
    return False


def test_socket_is_bounded_and_undelayed():
    socket = ScriptedSocket()
    client_over(socket)
    assert socket.timeout_s == mqtt.TIMEOUT_S and socket.options == [(6, 1, 1)]


def test_publish_is_one_write():
    socket = ScriptedSocket(puback(1))
    client_over(socket).publish(b"t/events", b"x" * 300, qos=1)
    assert len(socket.pieces) == 1
    assert socket.pieces[0] == b"\x32\xb8\x02\x00\x08t/events\x00\x01" + b"x" * 300


def test_a_long_message_is_sent_as_it_is_behind_its_head():
    socket = ScriptedSocket(puback(1))
    message = bytes(range(256)) * 4
    client_over(socket).publish(b"t/events", message, qos=1)
    assert socket.pieces == [b"\x32\x8c\x08\x00\x08t/events\x00\x01", message]


def test_short_writes_are_carried_on():
    socket = ScriptedSocket(puback(1), takes=100)
    client_over(socket).publish(b"t", b"x" * 250, qos=1)
    assert [len(piece) for piece in socket.pieces] == [100, 100, 58]


def test_packet_ids_wrap():
    client = client_over(ScriptedSocket(b""))
    seen = set()
    for expected in (65_000, 65_001, 1, 2):
        client.sock = ScriptedSocket(puback(expected))
        if expected == 65_000:
            client.pid = 64_999
        client.publish(b"t", b"x", qos=1)
        seen.add(client.pid)
    assert seen == {65_000, 65_001, 1, 2}


def test_acknowledgement_message_is_delivered_and_confirmed():
    body = b"\x00\x03ack\x00\x07hello"
    socket = ScriptedSocket(b"\x32" + bytes([len(body)]) + body)
    client = client_over(socket)
    client.wait_msg()
    assert client.got == [(b"ack", b"hello")]
    assert socket.pieces == [puback(7)]


def test_message_between_publish_and_its_confirmation():
    body = b"\x00\x03ack\x00\x07hello"
    socket = ScriptedSocket(b"\x32" + bytes([len(body)]) + body + puback(1))
    client = client_over(socket)
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

    socket = Flood(b"\x30\x80\x80\x40")
    client = client_over(socket)
    assert client.wait_msg() is None
    assert client.got == [] and socket.left == 0
    socket.incoming = b"\x30\x06\x00\x03ack!"
    client.wait_msg()
    assert client.got == [(b"ack", b"!")]


def test_broken_answers_raise_what_the_courier_expects():
    for incoming in (b"", b"\x40", b"\x40\x02\x00", b"\x40\x03\x00\x01", b"\x30\xff\xff\xff\xff\x01", b"\x30\x05\x00"):
        assert fails(client_over(ScriptedSocket(incoming))), incoming


def test_refused_connection_is_an_error():
    client = client_over(ScriptedSocket(b"\x90\x03\x00\x01\x80"))
    try:
        client.subscribe(b"t", 1)
        raise AssertionError("subscribed")
    except MQTTException:
        pass


def test_close_drops_the_socket():
    socket = ScriptedSocket()
    client = client_over(socket)
    client.close()
    assert socket.is_closed and client.sock is None
    client.close()
