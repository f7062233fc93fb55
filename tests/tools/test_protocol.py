"""Recomputes every worked example of docs/protocol.md with other people's cryptography, and with our own code."""

import hmac
import json
import re
from dataclasses import replace
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from scripted_door import encode

from firmware.core import bulletin, chain, credential, event, event_names, keycode, ratchet, tz_string
from lobbylock import collector
from lobbylock.acknowledgement import EVENTS, PICTURE, acknowledge
from lobbylock.delegation import is_signed_es256, keys_of
from lobbylock.export import MAX_LINE_BYTES
from lobbylock.grant import MAX_MINTED_BYTES, Grant, mint
from lobbylock.journalkey import MAX_STEPS, JournalKey, KeyLine
from lobbylock.picture import MAX_PIECE_BYTES, Piece, parse_piece
from lobbylock.receipt import Account, sign_receipt
from lobbylock.settings import MAX_SETTINGS_BYTES, Options, compose
from lobbylock.signature import Signer
from lobbylock.store import MAX_CONFLICTS
from lobbylock.trial import KnownIssuer
from lobbylock.verify import MAX_BATCH_BYTES, MAX_BATCH_RECORDS, Known, check_batch, parse_batch

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text("utf-8")
DOOR = "maple-12/front"
DOOR_SEED = b"\x01" * 32
COLLECTOR_SEED = b"\x02" * 32
JOURNAL_KEY = b"\x04" * 32
_LABEL = re.compile(r"^    (?P<label>[a-z][a-z ]*?(?:\(\d\))?) {2,}(?P<hex>[0-9a-f]{2,})(?P<rest>.*)$")
_MORE = re.compile(r"^ {10,}(?P<hex>[0-9a-f]+)$")


def read_examples() -> dict[str, bytes]:
    """Returns the page's labelled hex values; values go on over indented lines of hex."""
    found: dict[str, str] = {}
    label = None
    for line in PAGE.split("\n"):
        start, more = _LABEL.match(line), _MORE.match(line)
        if start:
            label = start["label"]
            assert label not in found, f"{label} stands on the page twice"
            found[label] = start["hex"]
        elif more and label:
            found[label] += more["hex"]
        else:
            label = None
    return {label: bytes.fromhex(digits) for label, digits in found.items()}


EXAMPLES = read_examples()
RECORDS = [EXAMPLES["record(1)"], EXAMPLES["record(2)"], EXAMPLES["record(3)"] + EXAMPLES["signature"]]


def table(*headers: str) -> list[list[str]]:
    """Returns the cells of the page's tables that begin with these column headers, one list a row."""
    wanted = ("| " + " | ".join(headers) + " |").replace("|  |", "| |")
    rows, is_inside = [], False
    for line in PAGE.split("\n"):
        if line.startswith(wanted):
            is_inside = True
        elif not line.startswith("|"):
            is_inside = False
        elif is_inside and not line.startswith("|---"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    assert rows, f"the page has no table {wanted}"
    return rows


def test_page_holds_the_examples():
    # Badges and phones have tests of their own.
    assert set(EXAMPLES) >= {
        "code key", "public key", "head(0)", "record(1)", "head(1)", "record(2)", "head(2)", "signed", "signature",
        "record(3)", "head(3)", "tag(1)", "key(2)", "tag(2)", "key(3)", "tag(3)", "key(4)", "receipt", "events",
        "ack", "picture", "its ack", "issuer key", "kid", "claims", "credential",
        "resident", "visitor claims", "visitor",
        "badge", "tag data", "select", "get", "challenge", "prove", "to sign", "proof", "result",
    }  # fmt: skip


def test_code_key():
    assert "code secret `000102...1f` (32 bytes counting up), door `maple-12/front`" in PAGE
    secret = bytes(range(32))
    info = b"lobbylock code key 1\0" + DOOR.encode()
    assert HKDF(SHA256(), 32, salt=None, info=info).derive(secret) == EXAMPLES["code key"]
    assert keycode.door_key(secret, "maple-12", "front") == EXAMPLES["code key"]


def test_codes():
    assert "tag 3, slot 7, `day_start` 0, at 1789992000 (2026-09-21 12:00:00 UTC)" in PAGE
    time_s = 1789992000
    assert datetime(2026, 9, 21, 12, tzinfo=timezone.utc).timestamp() == time_s
    rows = table("class", "window", "code")
    assert len(rows) == 3
    for cells in rows:
        code_class, window, code = int(cells[0]), int(cells[1]), cells[2].strip("`")
        assert time_s // keycode.WINDOW_S[code_class] == window
        message = b"lobbylock code 1" + bytes([code_class, 7]) + window.to_bytes(4, "big")
        digest = hmac.digest(EXAMPLES["code key"], message, "sha256")
        at = digest[31] & 15
        ending = (int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF) % 1_000_000
        assert code == f"3{code_class}07{ending:06d}"
        assert keycode.mint(EXAMPLES["code key"], 3, code_class, 7, window) == code
        claim = keycode.Checker(EXAMPLES["code key"], 3).check(code, time_s)
        assert (claim.outcome, claim.slot, claim.code_class, claim.window) == (keycode.VALID, 7, code_class, window)


def test_code_id():
    # Of the first row of that table.
    code_class, window, _ = table("class", "window", "code")[0]
    text = f"lobbylock code 1 {DOOR} {code_class} 7 {window}"
    assert EXAMPLES["code text"].decode() == text
    assert EXAMPLES["code id"] == sha256(text.encode()).digest()[:8]
    assert EXAMPLES["code id"] == keycode.code_id(DOOR, int(code_class), 7, int(window))
    assert len(EXAMPLES["code id"]) == bulletin.ID_BYTES
    assert not re.search(r"\b0\d", text)


def test_status():
    line = next(line for line in PAGE.split("\n") if line.startswith('    {"online": true'))
    assert collector._parse_status(line.strip().encode()) == {
        "online": True,
        "pending": 3,
        "version": "0.1.0",
        "heap": 45_120,
        "clock": 2_000,
    }
    assert [row[0].strip("`") for row in table("field", "")] == list(json.loads(line))
    # `tests/unit/test_courier_news.py` has the lock say that very line.
    unit = (Path(__file__).resolve().parents[1] / "unit" / "test_courier_news.py").read_text("utf-8")
    assert f"b'{line.strip()}'" in unit


@pytest.mark.parametrize(
    ("said", "heap", "clock"),
    [
        ('"heap": 1, "clock": 2', 1, 2),
        ('"heap": 0, "clock": 0', 0, 0),
        ('"heap": null, "clock": null', "absent", None),
        ('"heap": -1, "clock": -1', "absent", "absent"),
        ('"heap": 4294967296, "clock": 4294967296', "absent", "absent"),
        ('"heap": 1.0, "clock": 1e2', "absent", "absent"),
        ('"heap": true, "clock": false', "absent", "absent"),
        ('"heap": "1", "clock": [2]', "absent", "absent"),
        ('"pending": 3', "absent", "absent"),
    ],
)
def test_status_of_a_stranger(said, heap, clock):
    status = collector._parse_status(('{"online": true, ' + said + "}").encode())
    assert (status.get("heap", "absent"), status.get("clock", "absent")) == (heap, clock)


def test_windows():
    lengths_s = {}
    unit_s = {"hours": 3600, "days": 86400}
    for classes, length, uses in table("class", "window", "uses"):
        numbers, unit = length.rsplit(" ", 1)
        for code_class, number in zip(classes.split(", "), numbers.split(", "), strict=True):
            lengths_s[int(code_class)] = int(number) * unit_s[unit]
            assert (int(code_class) == keycode.SINGLE_USE) == (uses == "one")
    assert lengths_s == keycode.WINDOW_S


def test_public_key():
    assert Ed25519PrivateKey.from_private_bytes(DOOR_SEED).public_key().public_bytes_raw() == EXAMPLES["public key"]


@pytest.mark.parametrize(
    ("at", "fields"),
    [
        (0, [1, 1, 1, 250, None, {10: 1, 16: "0.1.0"}]),
        (1, [2, 2, 1, 61250, 1789992000, {1: 0, 2: 1, 3: 7, 4: 4, 5: 20717, 6: 1}]),
        (2, [3, 16, 1, 62500, 1789992001, {9: EXAMPLES["signature"]}]),
    ],
)
def test_records(at, fields):
    assert encode(fields) == RECORDS[at]
    assert cbor2.loads(RECORDS[at]) == fields
    found = event.decode(RECORDS[at])
    assert [found.seq, found.kind, found.boot, found.uptime_ms, found.time_s, found.details] == fields
    assert found.encode() == RECORDS[at]


def test_heads():
    head = sha256(b"lobbylock journal 1" + EXAMPLES["public key"]).digest()
    assert head == EXAMPLES["head(0)"] == event.genesis(EXAMPLES["public key"])
    for at, record in enumerate(RECORDS, 1):
        after = sha256(head + record).digest()
        assert after == EXAMPLES[f"head({at})"] == event.next_head(head, record)
        head = after


def test_seal():
    seal = event.decode(RECORDS[2])
    payload = encode(["lobbylock seal 1", DOOR, 3, 1, 62500, 1789992001, EXAMPLES["head(2)"]])
    assert payload == event.seal_payload(DOOR, seal, EXAMPLES["head(2)"])
    assert encode(["Signature1", b"\xa1\x01\x27", b"", payload]) == EXAMPLES["signed"]
    assert Ed25519PrivateKey.from_private_bytes(DOOR_SEED).sign(EXAMPLES["signed"]) == EXAMPLES["signature"]


def test_tags():
    assert "`K(1)` = `0404...04`" in PAGE
    key = JOURNAL_KEY
    for number in (1, 2, 3):
        head = EXAMPLES[f"head({number})"]
        tag = hmac.digest(key, head, "sha256")[:16]
        assert tag == EXAMPLES[f"tag({number})"] == ratchet.tag(key, head)
        following = hmac.digest(key, b"lobbylock journal key 1", "sha256")
        assert following == EXAMPLES[f"key({number + 1})"] == ratchet.following(key)
        key = following


def test_events_message():
    entries = [record + EXAMPLES[f"tag({number})"] for number, record in enumerate(RECORDS, 1)]
    assert encode([2, 1, EXAMPLES["head(0)"], entries]) == EXAMPLES["events"]
    keys = KeyLine(JournalKey(1, JOURNAL_KEY))
    verdict = check_batch(parse_batch(EXAMPLES["events"]), DOOR, EXAMPLES["public key"], Known(), keys)
    assert verdict.heads == [EXAMPLES["head(1)"], EXAMPLES["head(2)"], EXAMPLES["head(3)"]]
    assert verdict.new_seqs == [1, 2, 3]


def test_collector_key():
    key = Ed25519PrivateKey.from_private_bytes(COLLECTOR_SEED).public_key().public_bytes_raw()
    assert f"`{key.hex()}`" in PAGE


@pytest.mark.parametrize(
    ("label", "kind", "number", "digest"),
    [
        ("ack", EVENTS, 3, EXAMPLES["head(3)"]),
        ("its ack", PICTURE, 1, sha256(bytes.fromhex("ffd8ffd9")).digest()),
    ],
)
def test_acknowledgements(label, kind, number, digest):
    payload = encode([kind, DOOR, number, digest])
    signed = encode(["Signature1", b"\xa1\x01\x27", b"", payload])
    signature = Ed25519PrivateKey.from_private_bytes(COLLECTOR_SEED).sign(signed)
    assert encode([b"\xa1\x01\x27", {}, payload, signature]) == EXAMPLES[label]
    assert acknowledge(Signer(COLLECTOR_SEED), kind, DOOR, number, digest) == EXAMPLES[label]


def test_receipt():
    none = sha256(encode([])).digest()
    state = [DOOR, EXAMPLES["public key"], 3, EXAMPLES["head(3)"], none, 0, bytes(32), none, 1, 1]
    payload = encode([3, *state])
    signature = Ed25519PrivateKey.from_private_bytes(COLLECTOR_SEED).sign(
        encode(["Signature1", b"\xa1\x01\x27", b"", payload])
    )
    assert encode([b"\xa1\x01\x27", {}, payload, signature]) == EXAMPLES["receipt"]
    assert sign_receipt(Signer(COLLECTOR_SEED), Account(*state)) == EXAMPLES["receipt"]


def test_export_lines():
    assert f"none is longer than {MAX_LINE_BYTES:,} bytes" in PAGE and "up to 16 of a chain" in PAGE
    assert f"no further than {MAX_STEPS:,} beyond" in PAGE and MAX_CONFLICTS == 16
    types = {row[0].strip("`") for row in table("type", "fields")}
    assert types == {"lobbylock export", "chain", "gap", "event", "picture", "conflict", "end"}


def test_picture_message():
    data = bytes.fromhex("ffd8ffd9")
    assert encode([1, 1, len(data), 0, data]) == EXAMPLES["picture"]
    assert parse_piece(EXAMPLES["picture"]) == Piece(1, 4, 0, data)


def test_bounds():
    bounds = re.search(r"1 to (\d+) entries as byte strings, the last one a seal; at most ([\d,]+) bytes", PAGE)
    assert bounds and (int(bounds[1]), int(bounds[2].replace(",", ""))) == (MAX_BATCH_RECORDS, MAX_BATCH_BYTES)
    assert f"A CBOR array of six, at most {event.MAX_RECORD_BYTES} bytes" in PAGE
    assert f"pieces of 1 to {MAX_PIECE_BYTES:,} bytes, in order" in PAGE
    assert f"at most {MAX_SETTINGS_BYTES:,} bytes, one JSON object" in PAGE


def test_kinds():
    names = {int(number): name for number, name, _ in table("kind", "name", "details")}
    assert [names[number] for number in range(1, len(event_names.KIND_NAMES))] == list(event_names.KIND_NAMES[1:])
    assert len(names) == len(event_names.KIND_NAMES) - 1


@pytest.mark.parametrize(
    ("header", "constants"), [("reason", event_names.REASON_NAMES), ("detail", ("",) + event_names.DETAIL_NAMES[1:])]
)
def test_names(header, constants):
    names = {}
    for cells in table(header, "", header, "", header, ""):
        for number, name in zip(cells[::2], cells[1::2], strict=True):
            if number:
                names[int(number)] = name.split(" ")[0]
    expected = {number: name for number, name in enumerate(constants) if name}
    assert names == expected


def test_settings():
    fields = set()
    for row in table("field", "type and range", "meaning"):
        fields.update(name.strip(" `") for name in row[0].split(","))
    written = compose("maple-12", "front", 3, EXAMPLES["code key"], EXAMPLES["public key"], Options())
    # Left out where there are none, for locks that do not know them.
    assert set(json.loads(written)) == fields - {"ble", "mqtt_cert", "mqtt_key"}


ISSUER_SEED = b"\x03" * 32
# RFC 8392 appendix A.2.3.
HOLDER = bytes.fromhex(
    "143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f"
    "60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9"
)
CLAIMS = {
    1: "maple-office", 2: "Anna", 3: "maple-12", 4: 1790553600, 5: 1789948800, 6: 1789940000, 7: bytes(range(1, 9)),
    8: {1: {1: 2, -1: 1, -2: HOLDER[:32], -3: HOLDER[32:]}},
    -70001: 1, -70002: ["lobby", "mail-room"], -70003: 3, -70004: [[31, 480, 1080]],
}  # fmt: skip


def test_credential():
    signer = Ed25519PrivateKey.from_private_bytes(ISSUER_SEED)
    public_key = signer.public_key().public_bytes_raw()
    assert public_key == EXAMPLES["issuer key"] and sha256(public_key).digest()[:4] == EXAMPLES["kid"]
    payload = encode(CLAIMS)
    assert payload == EXAMPLES["claims"]
    signature = signer.sign(encode(["Signature1", b"\xa1\x01\x27", b"", payload]))
    assert encode([b"\xa1\x01\x27", {4: EXAMPLES["kid"]}, payload, signature]) == EXAMPLES["credential"]
    assert f"It has {len(EXAMPLES['credential'])} bytes" in PAGE
    assert f"`{sha256(EXAMPLES['kid'] + bytes(range(1, 9))).hexdigest()[:16]}`" in PAGE


def test_credential_as_the_lock_reads_it():
    issuer = KnownIssuer("maple-office", EXAMPLES["issuer key"])
    found = credential.read(EXAMPLES["credential"], {EXAMPLES["kid"]: issuer})
    assert found.key.hex() in PAGE and found.holder == HOLDER and found.hours == [(31, 480, 1080)]
    granted = Grant("Anna", "maple-12", 1, found.areas, 1789948800, 1790553600, 1789940000, found.id, 3)
    granted = replace(granted, hours=[[31, 480, 1080]], holder=HOLDER)
    assert mint(granted, "maple-office", Signer(ISSUER_SEED)) == EXAMPLES["credential"]
    assert f"At most {credential.MAX_BYTES}" in PAGE.replace("\n", " ") and f"at most {MAX_MINTED_BYTES}." in PAGE


def test_claims_of_the_page_are_those_of_the_code():
    rows = table("claim", "name", "must be there", "type and range", "meaning")
    assert {int(row[0]) for row in rows} == set(CLAIMS)
    issuer = {b"kid": AnyIssuer()}
    for row in rows:
        claims = {key: value for key, value in CLAIMS.items() if key != int(row[0])}
        message = encode([b"\xa1\x01\x27", {4: b"kid"}, encode(claims), bytes(64)])
        if row[2] == "yes":
            with pytest.raises(credential.CredentialError):
                credential.read(message, issuer)
        else:
            assert credential.read(message, issuer).subject == "Anna"


RESIDENT = {key: value for key, value in CLAIMS.items() if key not in (-70003, -70004)} | {-70001: 2}
VISITOR = {
    1: "Anna", 2: "Vera", 3: "maple-12", 4: 1790013600, 5: 1789984800, 6: 1789980000, 7: bytes(range(0x11, 0x19)),
    -70001: 4, -70002: ["lobby"], -70003: 1,
}  # fmt: skip
# RFC 8392 appendix A.2.3.
HOLDER_KEY = ec.derive_private_key(0x6C1382765AEC5358F117733D281C1C7BDC39884D04A45A1E6C67C858BC206C19, ec.SECP256R1())


def test_delegation():
    payload = encode(RESIDENT)
    signature = Ed25519PrivateKey.from_private_bytes(ISSUER_SEED).sign(
        encode(["Signature1", b"\xa1\x01\x27", b"", payload])
    )
    assert encode([b"\xa1\x01\x27", {4: EXAMPLES["kid"]}, payload, signature]) == EXAMPLES["resident"]
    claims = encode(VISITOR)
    assert claims == EXAMPLES["visitor claims"]
    signed = encode(["Signature1", b"\xa1\x01\x26", b"", claims])
    r, s = decode_dss_signature(HOLDER_KEY.sign(signed, ec.ECDSA(SHA256(), deterministic_signing=True)))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert encode([b"\xa1\x01\x26", {}, claims, signature]) == EXAMPLES["visitor"]
    joined = re.search(r"chain +([0-9a-f]+) \|\| resident \|\| ([0-9a-f]+) \|\| visitor", PAGE)
    assert joined
    link = encode([EXAMPLES["resident"], EXAMPLES["visitor"]])
    assert link == bytes.fromhex(joined[1]) + EXAMPLES["resident"] + bytes.fromhex(joined[2]) + EXAMPLES["visitor"]
    # As the lock reads it.
    assert f"The chain has {len(link)}\n" in PAGE and f"at most {credential.MAX_CHAIN_BYTES:,} bytes" in PAGE
    issuers = {EXAMPLES["kid"]: KnownIssuer("maple-office", EXAMPLES["issuer key"])}
    found = chain.read(link, issuers, is_signed_es256)
    assert found.parent is not None
    assert (found.subject, found.role, found.parent.subject) == ("Vera", credential.VISITOR, "Anna")
    inner = sha256(EXAMPLES["kid"] + bytes(range(1, 9))).digest()
    assert found.key == sha256(inner + VISITOR[7]).digest()[:8] and f"`{found.key.hex()}`" in PAGE
    assert keys_of(link) == [found.key, found.parent.key]


def test_wider_is_what_the_page_says():
    assert [row[0] for row in table("claim", "wider is")] == ["aud", "areas", "nbf", "exp", "uses"]
    issuers = {EXAMPLES["kid"]: KnownIssuer("maple-office", EXAMPLES["issuer key"])}
    wider = ({3: "oak-3"}, {-70002: ["lobby", "roof"]}, {5: None}, {5: 1789948799}, {4: 1790553601})
    for changed in wider:
        claims = {key: value for key, value in (VISITOR | changed).items() if value is not None}
        signed = encode(["Signature1", b"\xa1\x01\x26", b"", encode(claims)])
        r, s = decode_dss_signature(HOLDER_KEY.sign(signed, ec.ECDSA(SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        link = encode([EXAMPLES["resident"], encode([b"\xa1\x01\x26", {}, encode(claims), signature])])
        with pytest.raises(credential.CredentialError) as refused:
            chain.read(link, issuers, is_signed_es256)
        assert refused.value.args[0] == event.WIDER, changed


def test_reasons_of_a_chain_are_reasons():
    names = {row[1] for row in table("what a lock checks, in this order", "reason")} - {"as above"}
    assert names <= set(event_names.REASON_NAMES) and len(names) == 7


class AnyIssuer:
    name = "maple-office"

    def verify(self, message, signature):
        return True


def test_zones_of_the_page():
    found = re.search(r"Examples: (.*?)\. In an hour", PAGE, re.DOTALL)
    assert found
    offsets = [tz_string.parse(text).offset_s(1789992000) for text in re.findall(r"`([^`]+)`", found[1])]
    assert offsets == [0, -14400, 7200, 12600]


def test_reasons_of_a_credential_are_those_of_the_table():
    names = [row[1] for row in table("step", "reason")]
    assert set(names) <= set(event_names.REASON_NAMES)
    assert names[5:14] == [
        event_names.REASON_NAMES[number]
        for number in (
            event.REVOKED, event.OTHER_BUILDING, event.WRONG_AREA, event.TIME_UNKNOWN, event.NOT_YET_VALID,
            event.EXPIRED, event.OUTSIDE_HOURS, event.NO_BEARER, event.ALREADY_USED,
        )
    ]  # fmt: skip
