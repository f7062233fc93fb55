"""The lock's code for phones by Bluetooth on CPython: everything between the radio and the door is the real one."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from boardtime import BoardAsyncio, BoardClock, BoardTime
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from firmware.core import event
from firmware.core.attention import Attention
from firmware.core.channel import Channel, ChannelError
from firmware.core.decision import Decision
from firmware.reader import ble as reader_module
from firmware.task import access as access_module
from firmware.task import ble as task_module
from firmware.task import visit as visit_module
from firmware.task.access import Access
from firmware.task.ble import Phones
from firmware.task.visit import Visit
from lobbylock.ble_phone import BleVisit, CarrierLost
from lobbylock.phone import Phone
from lobbylock.signature import Signer

DOOR = "maple-12/front"
DOOR_KEY = Signer(bytes([1]) * 32)
# Of a link at 30 ms: a packet each way.
PACKET_MS = 30


class Link:
    """A place for a phone, as in firmware.board.ble."""

    def __init__(self, flags: Any) -> None:
        self.changed = flags.Bell()
        self.chunks: list[bytes] = []
        self.handle: int | None = None
        self.is_gone = self.is_served = False
        self.mtu = 247
        self.arrived = 0
        self.end: End | None = None


class Radio:
    """As firmware.board.ble, without limits on what a phone may have waiting."""

    def __init__(self, time: BoardTime, flags: Any) -> None:
        self._time = time
        self.changed = flags.Bell()
        self.links = [Link(flags) for _ in range(3)]
        self.error: Exception | None = None
        self.is_on = self.is_advertising = False

    def start(self) -> None:
        self.is_on = True

    def stop(self) -> None:
        self.is_on = False

    def advertise(self, data: bytes | None) -> None:
        self.is_advertising = bool(data)

    def connect(self, end: End) -> Link | None:
        """Returns the place that the phone gets, None if it does not."""
        if not self.is_advertising:
            return None
        self.is_advertising = False
        link = next(link for link in self.links if link.handle is None)
        link.handle, link.end, link.is_gone = 1, end, False
        link.mtu = end.mtu
        self.changed.ring()
        return link

    def take(self, link: Link) -> bytes | None:
        return link.chunks.pop(0) if link.chunks else None

    def send(self, link: Link, chunk: bytes) -> bool:
        assert len(chunk) <= link.mtu - 3
        if not link.is_gone and link.end:
            self._time.loop.call_later(PACKET_MS / 1_000, link.end.hear, chunk)
        return True

    def hang_up(self, link: Link) -> None:
        if not link.is_gone:
            link.is_gone, link.handle = True, -1
            link.changed.ring()
            if link.end:
                link.end.lose()

    def free(self, link: Link) -> None:
        link.is_served, link.handle, link.end = False, None, None
        link.chunks.clear()


class End:
    """The phone's end of a connection: what it wants to write waits in `pending` until a test lets it go."""

    def __init__(self, case: LockCase, mtu: int) -> None:
        self._case = case
        self.mtu = mtu
        self.pending: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.messages = 0
        self.link: Link | None = None
        self.is_lost = False
        self._heard: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def write(self, chunk: bytes) -> None:
        if self.is_lost:
            raise CarrierLost
        self.pending.append(chunk)
        # The phone counts whole ones.
        self.messages += bool(chunk[0] & 0x40)

    async def receive(self) -> bytes:
        chunk = await self._heard.get()
        if chunk is None:
            raise CarrierLost
        return chunk

    async def close(self) -> None:
        self.hang_up()

    def hear(self, chunk: bytes) -> None:
        if not self.is_lost:
            self._heard.put_nowait(chunk)

    def lose(self) -> None:
        if not self.is_lost:
            self.is_lost = True
            self._heard.put_nowait(None)

    def hang_up(self) -> None:
        if self.link and self.link.end is self and not self.link.is_gone:
            self.link.is_gone, self.link.handle = True, -1
            self.link.changed.ring()
        self.lose()

    def put(self, chunk: bytes) -> None:
        """Lets `chunk` through to the lock."""
        link = self.link
        if link and link.end is self and not link.is_gone:
            link.chunks.append(chunk)
            link.arrived = self._case.time.now_ms()
            link.changed.ring()
        self.sent.append(chunk)


@dataclass
class Claim:
    """A credential that everybody but the phone finds good. `left` is how often it opens."""

    holder: bytes
    left: int
    key: bytes = b"claimkey"
    is_resident: bool = True
    parent: None = None

    def details(self) -> dict[int, Any]:
        return {event.KID: b"kid1", event.CREDENTIAL_ID: b"delivery"}

    def is_spent(self, _ledger: object) -> bool:
        return self.left < 1

    def spend(self, _ledger: object) -> None:
        assert self.left > 0, "spent twice"
        self.left -= 1


class Gate:
    door = DOOR

    def __init__(self) -> None:
        self.known: dict[bytes, Claim] = {}

    def judge(self, data: bytes, via: int) -> Decision:
        claim = self.known.get(bytes(data))
        if claim is None:
            return Decision(event.FORGED, None, via)
        return Decision(event.ALREADY_USED if claim.left < 1 else event.GRANTED, claim, via)

    def revoked(self, _claim: Claim) -> int:
        return 0

    def verify(self, holder: bytes, message: bytes, signature: bytes) -> bool:
        numbers = ec.EllipticCurvePublicNumbers(
            int.from_bytes(holder[:32], "big"), int.from_bytes(holder[32:], "big"), ec.SECP256R1()
        )
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        try:
            numbers.public_key().verify(der, bytes(message), ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


class News:
    version = 0

    def nonce(self) -> None:
        return None

    async def collect(self, _session: object) -> None:
        pass


class Nonces:
    def __init__(self) -> None:
        self._count = 0

    def next(self) -> bytes:
        self._count += 1
        return self._count.to_bytes(16, "big")


@dataclass
class Trail:
    """What was recorded, and the last record as bytes."""

    time: BoardTime
    events: list[tuple[int, dict[int, Any]]] = field(default_factory=list)
    last: bytes = b""

    def record(self, kind: int, details: dict[int, Any]) -> int:
        self.events.append((kind, details))
        seq = len(self.events)
        self.last = event.Event(seq, kind, 1, self.time.now_ms(), None, details).encode()
        return seq

    def sign(self, message: bytes) -> bytes:
        return DOOR_KEY.sign(message)

    def reasons(self) -> list[int]:
        return [details[event.REASON] for kind, details in self.events if kind == event.ACCESS]


class Shown:
    def show(self, _pattern: object) -> None:
        pass


class Aes:
    """cryptolib's AES, by the host's cryptography."""

    def __init__(self, key: bytes, mode: int) -> None:
        assert mode == 1
        self._cipher = Cipher(algorithms.AES(bytes(key)), modes.ECB())

    def encrypt(self, blocks: bytes, into: bytearray) -> None:
        worker = self._cipher.encryptor()
        into[:] = worker.update(bytes(blocks)) + worker.finalize()


class HostPhones(Phones):
    """Agrees on channels by the host's cryptography: the lock's own X25519 runs as viper code only."""

    def _load(self) -> None:
        pass

    def _make_half(self) -> tuple[Any, ...]:
        secret = X25519PrivateKey.from_private_bytes(self._random(32))
        point = secret.public_key().public_bytes_raw()
        return b"\x01" + point + self._trail.sign(b"lobbylock channel 1" + self._public + point), secret, point

    def _agree(self, half: tuple[Any, ...], hello: bytes, nonce: bytes) -> Channel:
        if len(hello) != 33 or hello[0] != 1:
            raise ChannelError
        _, secret, point = half
        hash = sha256(b"lobbylock channel 1" + self._public + hello[1:] + point + nonce).digest()
        try:
            shared = secret.exchange(X25519PublicKey.from_public_bytes(bytes(hello[1:])))
        except ValueError:
            # A point of small order.
            raise ChannelError from None
        return Channel(hash, HKDF(SHA256(), 96, hash, b"lobbylock channel keys 1").derive(shared), Aes)


class NoCollection:
    """Stands in for `gc`."""

    @staticmethod
    def collect() -> None:
        pass


class LockCase:
    """A lock with its phones. `released` are the numbers of the access events that opened the door."""

    def __init__(self) -> None:
        self.time = time = BoardTime()
        flags = BoardAsyncio(time)
        for module in (reader_module, task_module, visit_module, access_module):
            module.asyncio = flags  # type: ignore[attr-defined]
        # Real garbage is collected when it is due.
        visit_module.gc = NoCollection  # type: ignore[attr-defined]
        reader_module.time = BoardClock(time)  # type: ignore[attr-defined]
        self.released: list[int] = []
        self.gate = Gate()
        self.trail = Trail(time)
        self.radio = Radio(time, flags)
        attention = Attention()
        access = Access(None, None, self.trail, self.released.append, Shown())
        visit = Visit(self.gate, Nonces(), bytes, self.gate.verify, access, self.trail, News(), self._forget)
        # There is nothing to load.
        visit.open = lambda: None  # type: ignore[attr-defined]
        self._phones = HostPhones(
            self.radio, visit, DOOR_KEY.public_key, self._random, self.trail, Shown(), attention, time,
            self._forget,
        )  # fmt: skip
        self._count = 0
        self._task = time.loop.create_task(self._phones.run())
        self.run_for(100)

    def _forget(self, _names: tuple[str, ...]) -> None:
        pass

    def _random(self, size: int) -> bytes:
        self._count += 1
        return (self._count.to_bytes(4, "big") * 16)[:size]

    def run_for(self, ms: int) -> None:
        self.time.run_for(ms)
        assert not self._task.done(), self._task.result()

    def connect(self, phone: Phone, mtu: int = 247, pressed_ms: int | None = 0) -> tuple[End, Any] | None:
        """Returns the phone's end and the task of its visit, None if it is not let connect."""
        end = End(self, mtu)
        made = BleVisit(phone, end, DOOR_KEY.public_key)
        if pressed_ms is not None:
            self.time.loop.finish(_press(made))
            self.run_for(pressed_ms)
        end.link = self.radio.connect(end)
        if not end.link:
            return None
        return end, self.time.loop.create_task(made.run())


async def _press(visit: BleVisit) -> None:
    visit.press()
