"""Right input for each target, to make wrong input of."""

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor
import cose

from firmware.core import bulletin, event, keycode, proof
from lobbylock import badge
from lobbylock.ble_chunks import Splitter

SECRET = b"fuzz"
# The base point: a public key like another.
KEY = b"\x58" + b"\x66" * 31
KID = b"\x0a\x0b\x0c\x0d"
CLAIMS: dict[Any, Any] = {
    1: "maple-office",
    2: "Anna",
    3: "maple-12",
    4: 1_790_553_600,
    5: 1_789_948_800,
    6: 1_789_940_000,
    7: bytes(range(8)),
    8: {1: {1: 2, -1: 1, -2: b"x" * 32, -3: b"y" * 32}},
    -70001: 1,
    -70002: ["lobby", "mail-room"],
    -70003: 3,
    -70004: [[31, 480, 1080]],
}
_REVOKED: list[Any] = ["lobbylock revoked 1", "maple-12", 7, 2, bytes(range(32))]
_TIME: list[Any] = ["lobbylock time 1", "maple-12/front", bytes(range(16)), 1_789_992_000]
BEARER = {key: value for key, value in CLAIMS.items() if key not in (8, -70004)}
RESIDENT = {**CLAIMS, -70001: 2}
VISITOR: dict[Any, Any] = {
    1: "Anna",
    2: "Vera",
    3: "maple-12",
    4: 1_790_013_600,
    5: 1_789_984_800,
    7: bytes(range(8, 16)),
    8: CLAIMS[8],
    -70001: 4,
    -70002: ["lobby"],
    -70003: 1,
}


@dataclass(frozen=True)
class Corpus:
    """`inputs` are damaged as bytes; `values` are changed and then encoded by `encode`.

    With a peer, CPython has to say the same.
    """

    inputs: list[bytes]
    values: list[Any] = field(default_factory=list)
    encode: Callable[[Any], bytes] = cbor.encode
    has_peer: bool = True
    # A board's; more where many modules are loaded, which a board has compiled.
    heap_kib: int = 148


def _sign(message: bytes) -> bytes:
    return sha256(SECRET + message).digest() * 2


def wrap(claims: Any) -> bytes:
    """Returns the credential with these claims; only their form may be wrong."""
    payload = cbor.encode(claims)
    return cbor.encode([cose.EDDSA, {4: KID}, payload, _sign(cose.to_be_signed(payload, cose.EDDSA))])


def link(claims: Any) -> bytes:
    """Returns the chain with the claims of a resident's and a visitor's credential; only their form may be wrong."""
    parts = [wrap(each) for each in claims]
    if len(parts) > 1:
        payload = cbor.encode(claims[1])
        parts[1] = cose.pack(payload, _sign(cose.to_be_signed(payload, cose.ES256)), cose.ES256)
    return cbor.encode(parts)


def script(*answers: bytes) -> bytes:
    """Returns what fuzz_cards takes for answers: two bytes of length in front of each."""
    return b"".join(len(answer).to_bytes(2, "big") + answer for answer in answers)


def frame(command: int, data: bytes) -> bytes:
    """Returns the chip's acknowledge and its answer to `command`."""
    body = bytes([0xD5, command + 1]) + data
    size = len(body)
    length = (
        bytes([size, -size & 255])
        if size < 256
        else b"\xff\xff" + bytes([size >> 8, size & 255, -(size >> 8) - (size & 255) & 255])
    )
    return b"\0\0\xff\0\xff\0" + b"\0\0\xff" + length + body + bytes([-sum(body) & 255, 0])


def _messages() -> list[bytes]:
    records = [badge.Record(badge.MEDIA, b"text/plain", b"hello"), badge.Record(4, b"example.org:t", bytes(300))]
    return [
        badge.compose(wrap(CLAIMS)),
        badge.compose(wrap(BEARER), "example.org/door"),
        badge.encode([*records, badge.Record(badge.MEDIA, proof.MEDIA_TYPE, b"short")]),
        badge.encode(records * 2),
        badge.encode([badge.Record(badge.MEDIA, proof.MEDIA_TYPE, b"one of two")] * 2),
    ]


def _type2_tags() -> list[bytes]:
    """Returns tags, in front of each when and where it changes."""
    tags = []
    for message, area in zip(_messages(), (496, 872, 872, 872, 496), strict=True):
        head = b"\x04\x11\x22\xbf\x33\x44\x55\x66\x44\x48\x00\x00\xe1\x10" + bytes([area // 8, 0])
        for prefix in (b"", b"\x01\x03\xa0\x0c\x34", bytes(30)):
            data = (prefix + badge.type2_data(message, area))[:area]
            tags += [b"\0\0\0\0" + head + data, bytes([len(message) // 16 + 3, 0, 21, 1]) + head + data]
    return tags


def _type4_scripts() -> list[bytes]:
    scripts = []
    for message in _messages():
        for piece in (59, 240):
            container = b"\x00\x0f\x20" + piece.to_bytes(2, "big") + b"\x00\x34\x04\x06\xe1\x04\x04\x00\x00\xff"
            size = len(message).to_bytes(2, "big")
            pieces = [message[at : at + piece] for at in range(0, len(message), piece)]
            answers = [b"", b"", container, b"", size, *pieces, size]
            scripts.append(script(*[answer + b"\x90\x00" for answer in answers]))
    return scripts


def _phone_scripts() -> list[bytes]:
    said = proof.pack(bytes(range(64)))
    scripts = []
    for credential, piece in ((wrap(CLAIMS), 240), (wrap(BEARER), 240), (wrap(CLAIMS), 100)):
        head = bytes([proof.VERSION]) + len(credential).to_bytes(2, "big")
        pieces = [credential[at : at + piece] for at in range(0, len(credential), piece)]
        scripts.append(script(*[answer + b"\x90\x00" for answer in (head, *pieces, said, b"")]))
    scripts.append(
        script(b"\x01\x00\x05\x90\x00", b"hel\x61\x02", b"lo\x90\x00", b"\x6c\x49", said + b"\x90\x00", b"\x90\x00")
    )
    news = bytes(range(200)) * 3
    for credential, wants, has, version in (
        (wrap(CLAIMS), 1, 1, 7),
        (wrap(BEARER) * 3, 1, 0, 0),
        (b"c" * 1024, 0, 1, 9),
    ):
        answers = [proof.offer(len(credential), bool(wants), bool(has), version)]
        answers += [credential[at : at + 240] for at in range(0, len(credential), 240)] + [said, b""]
        answers += [b""] * wants + ([news[:240], news[240:247], news[247:400]] if version else []) + [bytes(190)] * has
        scripts.append(script(*[answer + b"\x90\x00" for answer in answers]))
    return scripts


def _ble_scripts() -> list[bytes]:
    """Returns what a phone writes, chunk by chunk; the channel is left out."""
    offer = proof.offer(len(wrap(BEARER)), True, True, 7)
    answers = [b"\x00" + offer + wrap(BEARER), b"\x0101234567", b"\x02\x01\x02" + proof.pack(bytes(range(64)))]
    answers += [b"\x03", b"\x04", b"\x05" + bytes(40), b"\x05end"]
    scripts = []
    for mtu in (23, 185, 247):
        splitter = Splitter()
        scripts += [script(*[chunk for said in (b"\x01" * 33, *answers) for chunk in splitter.split(said, mtu)])]
        splitter = Splitter()
        scripts += [script(*[chunk for said in (b"\x01", answers[0], b"\x7f") for chunk in splitter.split(said, mtu)])]
    return scripts


def _plaintexts() -> list[bytes]:
    """Returns what records of the channel hold, each length of them twice."""
    sizes = [(0, 64), (62, 64), (63, 256), (254, 256), (255, 512), (510, 512), (511, 768), (766, 768), (1150, 1152)]
    return [(length.to_bytes(2, "big") + b"r" * length).ljust(size, b"\0") for length, size in sizes]


def _records() -> list[bytes]:
    """Returns records whose keystream is zeros."""
    key = sha256(SECRET).digest() * 2
    return [text + hmac.digest(key[16:48], bytes(4) + text, "sha256")[:16] for text in _plaintexts()]


def announce(payload: Any) -> bytes:
    """Returns what an issuer signs for doors; only the form of the payload may be wrong."""
    return cose.pack(cbor.encode(payload), bytes(64), bulletin.protected(KID))


def _lists() -> list[bytes]:
    """Returns lists of revoked credentials, in front of each how many bytes a phone gives at once."""
    lists = []
    for count in (0, 1, 3, 40):
        body = b"".join((1 + 77 * number).to_bytes(8, "big") for number in range(count))
        payload = ["lobbylock revoked 1", "maple-12", 7 + count, count, sha256(body).digest()]
        lists += [b"\xdc" + announce(payload) + body, b"\x10" + announce(payload) + body]
    return lists


def _codes() -> list[bytes]:
    classes = [(code_class, keycode.window_at(code_class, 1_789_992_000)) for code_class in keycode.WINDOW_S]
    key = bytes(range(32))
    return [
        keycode.mint(key, 3, code_class, 7, window + step).encode()
        for code_class, window in classes
        for step in (-1, 0, 2)
    ]


def _type_digits(digits: Any) -> bytes:
    return "".join(map(str, digits)).encode()


def _settings() -> list[dict[str, Any]]:
    key = {"kid": "0a0b0c0d", "name": "maple-office", "key": "82" * 32}
    usual = {
        "version": 1, "building": "maple-12", "door": "front", "tag": 3, "code_key": "f9" * 32,
        "collector_key": "81" * 32, "mqtt_url": "mqtt://broker:1884", "mqtt_user": "", "mqtt_password": "",
        "mqtt_ca": "", "wifi_ssid": "lobby", "wifi_password": "secret", "ntp": "pool:123", "day_start_s": 0,
        "release_ms": 5000, "held_ms": 30000, "camera": "best-effort", "has_contact": True, "issuers": [key],
        "areas": ["lobby"], "zone": "EST5EDT,M3.2.0,M11.1.0", "bearer": "short", "bearer_s": 86400,
        "revoked": ["0001020304050607"], "nfc": "uart", "keypad": "wiegand", "ble": "on",
    }  # fmt: skip
    bare = {**usual, "mqtt_url": "", "ntp": "", "issuers": [], "revoked": [], "zone": "<+0330>-3:30"}
    return [usual, bare]


def _requests() -> list[Any]:
    """Returns requests to the serial line, as objects; none that writes a file."""
    words: list[dict[str, Any]] = [{"do": "hello"}, {"do": "claim", "owner": KEY.hex(), "release": KEY.hex()}]
    words += [{"do": "nonce"}, {"do": "open", "key": KEY.hex(), "sig": "00" * 64}, {"do": "close"}]
    words += [{"do": "time", "unix_s": 1_789_992_000, "uncertainty_s": 1}, {"do": "enrolment"}]
    words += [{"do": "installers"}, {"do": "installers", "set": 0, "key": KEY.hex()}, {"do": "picture", "at": 0}]
    words += [{"do": "test", "what": "reader"}, {"do": "reset", "door": "maple-12/front"}, {"do": "restart"}]
    words += [{"do": "piece", "at": 0, "data": "eHg=", "crc": "00000000"}, {"do": "nothing"}]
    return [{"id": number, **word} for number, word in enumerate(words)]


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _bits() -> list[bytes]:
    frames = ["0101", "11000011", "10000000100000000000000010", "1" + "01" * 16 + "0"]
    return [bytes([0x82 | int(bit) for bit in text]) for text in frames] + [
        b"".join(bytes([0x60 | int(text[0])]) + bytes([0x82 | int(bit) for bit in text[1:]]) for text in frames * 3)
    ]


def _chip_find() -> list[list[int]]:
    tag = b"\x01\x00\x44\x00\x07\x04\x11\x22\x33\x44\x55\x66"
    other = b"\x02\x00\x44\x00\x04\xaa\xbb\xcc\xdd"
    mobile = b"\x01\x00\x04\x20\x04\x08\x01\x02\x03\x05\x78\x80\x70\x02"
    return [list(data) for data in (b"\x01" + tag, b"\x02" + tag + other, b"\x01" + mobile, b"\x00")]


def _answer_find(data: Any) -> bytes:
    """Returns the chip's answer with `data`, whose checksums are right whatever it says."""
    return script(frame(0x4A, bytes([*data])))


def corpora() -> dict[str, Corpus]:
    """Returns the corpus of every target."""
    credentials = [wrap(CLAIMS), wrap(BEARER), b"\xd2" + wrap(BEARER), b"\xd8\x3d\xd2" + wrap(CLAIMS)]
    seal = event.Event(3, event.SEAL, 1, 2500, 1_789_992_001, {9: bytes(64)}).encode()
    plain = [cbor.encode(value) for value in ([0, 24, 256, 1 << 32, -1, -(1 << 40)], {"a": [True, None, "\u20ac"]})]
    # Of a real tag, and some whose end comes early.
    areas = [tag[20:] for tag in _type2_tags()] + [
        b"\x03\xff\x01",
        b"\0\x03\x02hi",
        b"\x01\x03\xa0\x0c\x34\x03\x01a\xfe",
    ]
    said = proof.pack(sha256(SECRET + b"h" * 64 + _signed_challenge()).digest() * 2)
    return {
        "cbor": Corpus([*credentials[:2], seal, *plain], [CLAIMS, [1, {"a": [b"x", None]}, "\u00e9"], {1: [[[[]]]]}]),
        "cose": Corpus(
            credentials[:2] + [cose.pack(None, bytes(64), cose.ES256)], [[cose.EDDSA, {4: KID}, b"p", bytes(64)]]
        ),
        "credential": Corpus(credentials, [CLAIMS, BEARER], wrap),
        "claims": Corpus(credentials, [CLAIMS, BEARER], wrap),
        "chain": Corpus([link([RESIDENT, VISITOR])], [[RESIDENT, VISITOR]], link),
        "chain claims": Corpus([link([RESIDENT, VISITOR])], [[RESIDENT, VISITOR], [CLAIMS, VISITOR]], link),
        "ndef": Corpus(_messages()),
        "tlv": Corpus([known + area for area in areas for known in (b"\xff", b"\x04")]),
        "type2": Corpus(_type2_tags()),
        "type4": Corpus(_type4_scripts()),
        "phone": Corpus(_phone_scripts()),
        "ble": Corpus(_ble_scripts(), has_peer=False, heap_kib=300),
        "record": Corpus(_records()),
        "record plain": Corpus(_plaintexts()),
        "news head": Corpus([each[1:] for each in _lists()], [_REVOKED], announce),
        "news token": Corpus([announce(_TIME)], [_TIME], announce),
        "news list": Corpus(_lists(), has_peer=False, heap_kib=300),
        "proof": Corpus([said, proof.pack(bytes(64))]),
        "wiegand": Corpus(_bits()),
        "keycode": Corpus(_codes(), [[int(digit) for digit in code.decode()] for code in _codes()], _type_digits),
        "settings": Corpus([], _settings(), _dump),
        # JSON itself is read by each interpreter in its own way; what is asked here is what it throws.
        "settings text": Corpus([_dump(value) for value in _settings()], has_peer=False),
        "console": Corpus([_dump(value) for value in _requests()], _requests(), _dump, has_peer=False, heap_kib=300),
        "console session": Corpus(
            [_dump(value) for value in _requests()], _requests(), _dump, has_peer=False, heap_kib=300
        ),
        "pn532 start": Corpus(
            [script(frame(0x14, b""), frame(0x02, b"\x32\x01\x06\x07"), frame(0x32, b""))], has_peer=False
        ),
        "pn532 find": Corpus([_answer_find(data) for data in _chip_find()], _chip_find(), _answer_find, has_peer=False),
        "pn532 exchange": Corpus(
            [script(frame(0x40, b"\0" + data)) for data in (b"\x90\x00", bytes(240) + b"\x90\x00", bytes(262))]
            + [script(frame(0x40, b"\x01")), script(b"\0\0\xff\0\xff\0", frame(0x40, b"\0hello"))],
            has_peer=False,
        ),
    }


def _signed_challenge() -> bytes:
    return proof.to_be_signed(b"credential", proof.challenge("maple-12/front", bytes(range(16))))
