"""A lock of its own: makes real histories, signed and tagged, with cbor2 and cryptography, not with the code under
test."""

import hmac
from hashlib import sha256

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

BOOT, ACCESS, UNLOCKED, LOCKED, PICTURE, SEAL, EVENTS_LOST = 1, 2, 3, 4, 10, 16, 17
EDDSA = b"\xa1\x01\x27"
NOW_S = 1_789_992_000


def encode(value) -> bytes:
    return cbor2.dumps(value, canonical=True)


class ScriptedDoor:
    """The history of one board: `records[n - 1]` is event n, `tags[n - 1]` its tag, `heads[n]` the head behind it.

    `keys[n - 1]` is the journal key of event n; the last one is that of the next event, all that a real lock has.
    """

    def __init__(self, name: str = "maple-12/front", seed: bytes = b"\1" * 32) -> None:
        self.name = name
        # What its clock says, in Unix time.
        self.now_s = NOW_S
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self.key.public_key().public_bytes_raw()
        self.records: list[bytes] = []
        self.heads = [sha256(b"lobbylock journal 1" + self.public_key).digest()]
        self.tags: list[bytes] = []
        self.keys = [sha256(b"first journal key" + seed).digest()]
        self.pictures: dict[int, bytes] = {}

    @property
    def last_seq(self) -> int:
        return len(self.records)

    def add(self, kind: int, details: dict | None = None, time_s: int | None = -1) -> int:
        """Appends an event, of now if no time or None is given. Returns its seq."""
        seq = self.last_seq + 1
        time_s = self.now_s if time_s == -1 else time_s
        self.append_record(encode([seq, kind, 1, 250 * seq, time_s, details or {}]))
        return seq

    def append_record(self, record: bytes) -> None:
        self.records.append(record)
        self.heads.append(sha256(self.heads[-1] + record).digest())
        self.tags.append(hmac.digest(self.keys[-1], self.heads[-1], "sha256")[:16])
        self.keys.append(hmac.digest(self.keys[-1], b"lobbylock journal key 1", "sha256"))

    @property
    def entries(self) -> list[bytes]:
        return [record + tag for record, tag in zip(self.records, self.tags, strict=True)]

    def console_line(self) -> dict:
        """What the lock prints at a start before anything of it was acknowledged."""
        journal = {"seq": self.last_seq + 1, "key": self.keys[-1].hex()}
        return {"lobbylock": "0.1.0", "door": self.name, "public_key": self.public_key.hex(), "journal": journal}

    def sign(self, payload: bytes) -> bytes:
        return self.key.sign(encode(["Signature1", EDDSA, b"", payload]))

    def seal(self) -> int:
        seq = self.last_seq + 1
        payload = encode(["lobbylock seal 1", self.name, seq, 1, 250 * seq, self.now_s, self.heads[-1]])
        return self.add(SEAL, {9: self.sign(payload)})

    def deliver(self, slot: int = 7, picture: bytes | None = None) -> int:
        """A granted code, its picture and a seal. Returns the seq of the access."""
        number = len(self.pictures) + 1
        details = {1: 0, 2: 1, 3: slot, 4: 4, 5: 20717}
        access = self.add(ACCESS, {**details, 6: number} if picture is not None else details)
        self.add(UNLOCKED, {10: 1, 15: access})
        if picture is not None:
            self.pictures[number] = picture
            self.add(PICTURE, {6: number, 8: len(picture), 7: sha256(picture).digest(), 15: access})
        self.add(LOCKED)
        self.seal()
        return access

    def batch(self, first_seq: int = 1, last_seq: int | None = None) -> bytes:
        """The payload of an `events` message."""
        last_seq = self.last_seq if last_seq is None else last_seq
        return encode([2, first_seq, self.heads[first_seq - 1], self.entries[first_seq - 1 : last_seq]])

    def pieces(self, number: int, piece_bytes: int = 4096) -> list[bytes]:
        """The payloads of the `picture` messages of one picture."""
        data = self.pictures[number]
        offsets = range(0, len(data), piece_bytes)
        return [encode([1, number, len(data), offset, data[offset : offset + piece_bytes]]) for offset in offsets]


def read_ack(message: bytes, collector_key: bytes) -> list:
    """Returns the payload of an acknowledgement, its signature checked."""
    protected, unprotected, payload, signature = cbor2.loads(message)
    assert (protected, unprotected) == (EDDSA, {})
    key = Ed25519PublicKey.from_public_bytes(collector_key)
    key.verify(signature, encode(["Signature1", EDDSA, b"", payload]))
    return cbor2.loads(payload)
