"""What a courier listens to beside acknowledgements, and brokers that do not like it."""

import json

from test_courier import Clock, Failing, Scene


class Broker(Failing):
    """Ends the connection over a subscription in `refused`; ends each session after `rounds` looks."""

    def __init__(self, refused=(), rounds=3):
        self.refused = refused
        self.rounds = rounds
        self.subscribed = []
        self.published = []
        self.arriving = []

    def set_callback(self, function):
        self.receive = function

    def connect(self):
        pass

    def subscribe(self, topic, qos):
        suffix = topic.decode().replace("lobbylock/maple-12/front/", "")
        if suffix in self.refused:
            raise OSError("not allowed")
        self.subscribed.append(suffix)

    def publish(self, topic, message, retain=False, qos=0):
        self.published.append((topic.decode().rpartition("/")[2], bytes(message), retain))

    def serve(self):
        for topic, message in self.arriving:
            self.receive(b"lobbylock/maple-12/front/" + topic, message)
        self.arriving = []
        self.rounds -= 1
        if not self.rounds:
            raise OSError("gone")


def scene_with(broker):
    scene = Scene(is_tls=False, clock=Clock())
    scene.courier._make_client = lambda *_: broker
    scene.courier.allow(True, 0, True)
    return scene


def test_news_is_kept_until_it_is_taken_the_newest_of_each():
    broker = Broker()
    scene = scene_with(broker)
    courier = scene.courier
    broker.arriving = [(b"time", b"1"), (b"list/head", b"2"), (b"time", b"3"), (b"list/0", b"4"), (b"open", b"5")]
    courier._hold_session()
    assert broker.subscribed == ["ack", "list/head", "time"]
    assert courier.take_post("time") == b"3" and courier.take_post("time") is None
    assert courier.take_post("list/head") == b"2"
    # Nobody had asked for a piece.
    assert courier.take_post("list/0") is None and not courier._post


def test_a_piece_comes_when_it_is_asked_for():
    broker = Broker(rounds=4)
    scene = scene_with(broker)
    courier = scene.courier
    look = broker.serve

    def serve():
        if broker.rounds == 3:
            courier.ask("list/2")
        if broker.rounds == 1:
            broker.arriving = [(b"list/1", b"late"), (b"list/2", b"piece")]
        look()

    broker.serve = serve
    courier._hold_session()
    assert broker.subscribed == ["ack", "list/head", "time", "list/2"]
    assert courier.take_post("list/2") == b"piece" and not courier._post
    courier._post["list/2"] = b"too late"
    courier.ask(None)
    assert courier.take_post("list/2") is None


def test_only_a_nonce_is_retained():
    broker = Broker(rounds=4)
    scene = scene_with(broker)
    courier = scene.courier
    offers = [("events", b"e"), ("nonce", b"00"), ("nonce", b"")]
    look = broker.serve

    def serve():
        if offers:
            assert courier.offer(*offers.pop(0))
        look()

    broker.serve = serve
    courier._hold_session()
    sent = [found for found in broker.published if found[0] != "status"]
    assert sent == [("events", b"e", False), ("nonce", b"00", True), ("nonce", b"", True)]


def test_a_broker_that_ends_the_connection_over_news_gets_the_events_all_the_same():
    for refused in (("list/head",), ("time",)):
        broker = Broker(refused)
        scene = scene_with(broker)
        courier = scene.courier
        connected = []
        for _ in range(6):
            broker.rounds = 2
            broker.subscribed = []
            courier._hold_session()
            connected.append(broker.rounds == 0)
            assert broker.subscribed[0] == "ack"
        # Every second connection does without.
        assert connected == [False, True] * 3


def status_of(**known):
    """Returns what the lock says of itself at a broker, told `known`."""
    broker = Broker()
    scene = scene_with(broker)
    scene.courier._version = "0.1.0"
    scene.courier.allow(True, 3, True, **known)
    scene.courier._hold_session()
    name, message, is_retained = broker.published[0]
    assert name == "status" and is_retained
    return message


def test_the_status_says_how_the_lock_is():
    # The example of docs/protocol.md, section 5.
    assert status_of(free_bytes=45_120, uncertainty_ms=2_000) == (
        b'{"online": true, "pending": 3, "version": "0.1.0", "heap": 45120, "clock": 2000}'
    )


def test_what_the_lock_does_not_know_is_null():
    assert json.loads(status_of()) == {
        "online": True,
        "pending": 3,
        "version": "0.1.0",
        "heap": None,
        "clock": None,
    }
    assert json.loads(status_of(free_bytes=0, uncertainty_ms=0))["clock"] == 0
