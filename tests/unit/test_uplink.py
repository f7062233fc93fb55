"""What the lock sends, and which acknowledgements make it let go: every one here is signed for real."""

import asyncio
import gc

import cbor
import cose
import ed25519

from firmware.core.attention import Attention
from firmware.task import uplink as uplink_module
from firmware.task.uplink import Uplink

SEED = b"\2" * 32
DOOR = "maple-12/front"
HEAD = b"h" * 32


class ScriptedCourier:
    """Takes every message and hands over what a test puts into `inbox`."""

    def __init__(self):
        self.sent = []
        self.inbox = []
        self.is_connected = True
        self.has_ended = False

    def is_free(self):
        return True

    def offer(self, topic, payload):
        self.sent.append((topic, payload))
        return True

    def take_acknowledgement(self):
        return self.inbox.pop(0) if self.inbox else None


class FakeJournal:
    """Three sealed events; nothing once they are released."""

    def __init__(self):
        self.acked_seq = 0
        self.seq = 3

    def batch(self, max_records, max_bytes, enough_bytes):
        if self.acked_seq == 3:
            return None
        return 1, bytes(32), [b"1", b"2", b"3"], HEAD

    def release(self, seq):
        self.acked_seq = seq


class FakePicture:
    def __init__(self):
        self.number = 5
        self.length = 2500
        self.seq = 2
        self.sha256 = b"p" * 32


class FakePhotos:
    def __init__(self):
        self.kept = [FakePicture()]

    def oldest(self):
        return self.kept[0] if self.kept else None

    def is_waiting(self, picture):
        return picture in self.kept

    def read_into(self, picture, offset, buffer):
        buffer[:] = bytes([offset // 256]) * len(buffer)

    def release(self, number, digest):
        if self.kept and (self.kept[0].number, self.kept[0].sha256) == (number, digest):
            self.kept.pop()
            return True
        return False


class Scene:
    def __init__(self):
        self.courier = ScriptedCourier()
        self.journal = FakeJournal()
        self.photos = FakePhotos()
        self.kept_seq = None
        self.time_ms = 100_000
        self.full_name = DOOR
        self.collector_key = ed25519.public_key(SEED)
        self.uplink = Uplink(self.courier, None, self, self.journal, self.photos, self, None, Attention(), self, None)

    def now_ms(self):
        return self.time_ms

    def put_integer(self, number, value):
        self.kept_seq = value

    def send_events(self):
        self.uplink._send()
        assert self.courier.sent[-1][0] == "events"

    def acknowledge(self, fields, seed=SEED, damage=None):
        payload = cbor.encode(fields)
        message = cose.pack(payload, ed25519.sign(seed, cose.to_be_signed(payload)))
        if damage is not None:
            message = message[:damage] + bytes([message[damage] ^ 1]) + message[damage + 1 :]
        self.receive(message)

    def receive(self, message):
        self.courier.inbox.append(message)
        self.uplink._take_acknowledgement()


class CountingVerify:
    def __init__(self):
        self.calls = 0

    def verify(self, public, message, signature):
        self.calls += 1
        return ed25519.verify(public, message, signature)


def test_the_genuine_acknowledgement_frees_events_and_is_kept():
    scene = Scene()
    scene.send_events()
    assert cbor.decode(scene.courier.sent[0][1]) == [2, 1, bytes(32), [b"1", b"2", b"3"]]
    scene.acknowledge([1, DOOR, 3, HEAD])
    assert scene.journal.acked_seq == 3 and scene.kept_seq == 3


def test_nothing_else_frees_anything():
    scene = Scene()
    scene.send_events()
    for fields in (
        [1, DOOR, 2, HEAD],
        [1, DOOR, 4, HEAD],
        [1, DOOR, 3, b"x" * 32],
        [1, "oak-3/front", 3, HEAD],
        [3, DOOR, 3, HEAD],
        [2, DOOR, 3, HEAD],
        [1, DOOR, 3],
        [1, DOOR, "3", HEAD],
        [[1], DOOR, 3, HEAD],
        {1: 2},
    ):
        scene.acknowledge(fields)
        assert scene.journal.acked_seq == 0, fields
    for message in (b"", b"\x00", b"\xff" * 64, b"\x84" * 300, bytes(1024)):
        scene.receive(message)
    scene.acknowledge([1, DOOR, 3, HEAD], seed=b"\3" * 32)
    assert scene.journal.acked_seq == 0
    scene.time_ms += 10_000
    scene.acknowledge([1, DOOR, 3, HEAD])
    assert scene.journal.acked_seq == 3


def test_one_that_comes_before_anything_was_sent_frees_nothing():
    scene = Scene()
    scene.acknowledge([1, DOOR, 3, HEAD])
    assert scene.journal.acked_seq == 0


def test_forgeries_cost_one_signature_check_in_a_while():
    scene = Scene()
    scene.send_events()
    counting = uplink_module.ed25519 = CountingVerify()
    try:
        for _ in range(50):
            scene.receive(cose.pack(cbor.encode([1, DOOR, 3, HEAD]), bytes(64)))
        for _ in range(50):
            scene.receive(cose.pack(cbor.encode([2, DOOR, 5, b"p" * 32]), bytes(64)))
        assert counting.calls == 1
        scene.time_ms += 5_000
        scene.acknowledge([1, DOOR, 3, HEAD])
        assert scene.journal.acked_seq == 3 and counting.calls == 2
    finally:
        uplink_module.ed25519 = ed25519


def test_events_are_sent_again_when_no_answer_comes():
    scene = Scene()
    scene.send_events()
    scene.uplink._send()
    assert len(scene.courier.sent) == 1
    scene.time_ms += 10_000
    scene.uplink._send()
    assert len(scene.courier.sent) == 2 and scene.courier.sent[0] == scene.courier.sent[1]


def test_a_batch_is_the_encoding_of_its_fields():
    for count, sizes in ((1, (1, 23, 24, 208)), (2, (208,)), (23, (1, 23)), (24, (24, 40)), (48, (1, 24, 40))):
        for size in sizes:
            # The heap is a board's, and this test is in it with its sources.
            scene = entries = None
            gc.collect()
            scene = Scene()
            entries = [bytes([number]) * size for number in range(count)]
            scene.journal.batch = lambda *_, entries=entries: (70_000, HEAD, entries, HEAD)
            scene.send_events()
            assert scene.courier.sent == [("events", cbor.encode([2, 70_000, HEAD, entries]))]


def test_a_batch_for_which_there_is_no_room_comes_again():
    scene = Scene()
    whole = scene.journal.batch

    def no_room(*_):
        raise MemoryError

    scene.journal.batch = no_room
    scene.uplink._send()
    assert not scene.courier.sent
    scene.journal.batch = whole
    scene.send_events()


def test_a_picture_follows_its_event_in_pieces_and_goes_by_its_hash():
    scene = Scene()
    scene.send_events()
    scene.acknowledge([1, DOOR, 3, HEAD])
    for _ in range(5):
        scene.uplink._send()
    pieces = [cbor.decode(payload) for topic, payload in scene.courier.sent if topic == "picture"]
    assert [piece[:4] for piece in pieces] == [[1, 5, 2500, 0], [1, 5, 2500, 1024], [1, 5, 2500, 2048]]
    assert [len(piece[4]) for piece in pieces] == [1024, 1024, 452]
    scene.acknowledge([2, DOOR, 5, b"q" * 32])
    scene.acknowledge([2, DOOR, 4, b"p" * 32])
    assert scene.photos.kept
    scene.acknowledge([2, DOOR, 5, b"p" * 32])
    assert not scene.photos.kept


def test_no_picture_before_its_event():
    scene = Scene()
    scene.journal.acked_seq = 1
    scene.journal.batch = lambda *bounds: None
    scene.uplink._send()
    assert scene.courier.sent == []


class Alive(ScriptedCourier):
    """Notes what it is told, and ends after `rounds`."""

    def __init__(self, rounds):
        super().__init__()
        self.is_connected = False
        self.rounds = rounds
        self.told = []

    @property
    def has_ended(self):
        self.rounds -= 1
        return self.rounds < 0

    @has_ended.setter
    def has_ended(self, value):
        pass

    def start(self, attention):
        pass

    def take_time(self):
        return None

    def take_post(self, topic):
        return None

    def is_free(self):
        return False

    def allow(self, *what):
        self.told.append(what)


class Health:
    """Is Wi-Fi and timekeeping as well."""

    free_bytes = None

    def connect(self, *wifi):
        pass

    def is_up(self):
        return True

    def uncertainty_ms(self, uptime_ms):
        return None if self.free_bytes is None else uptime_ms


def test_the_courier_is_told_of_heap_and_clock():
    scene = Scene()
    scene.wifi = ("lobby", "")
    scene.journal.acked_seq = 1
    courier, health = Alive(2), Health()
    uplink = Uplink(
        courier, health, scene, scene.journal, scene.photos, scene, health, Attention(), scene, None, health
    )

    async def run():
        task = asyncio.create_task(uplink.run())
        while not courier.told:
            await asyncio.sleep_ms(1)
        health.free_bytes = 45_120
        await task

    asyncio.run(run())
    assert courier.told == [(True, 2, True, None, None), (True, 2, True, 45_120, 100_000)]
