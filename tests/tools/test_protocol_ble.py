"""Recomputes the worked example of docs/protocol.md, section 15, and holds its limits against the code."""

import hmac
import re
from hashlib import sha256
from uuid import UUID

from test_protocol import EXAMPLES, PAGE, table

from lobbylock.ble_chunks import MAX_MESSAGE_BYTES, Joiner, Splitter
from lobbylock.ble_phone import NOTIFY, SERVICE, WRITE, is_beacon
from lobbylock.house import ROOT

SALT = bytes(range(4))
HELLO = b"\x01" + bytes(range(32))


def constant(path: str, name: str) -> int:
    """Returns a number that a board file names: it is private there."""
    found = re.search(rf"^{name} = (?:const\()?([\d_]+)\)?$", (ROOT / path).read_text("utf-8"), re.MULTILINE)
    assert found, name
    return int(found[1])


def test_beacon():
    assert "salt `00010203`" in PAGE
    tag = hmac.new(EXAMPLES["public key"], b"lobbylock beacon 1" + SALT, sha256).digest()[:4]
    assert EXAMPLES["beacon"] == SALT + tag
    assert is_beacon(EXAMPLES["beacon"], EXAMPLES["public key"])
    assert not is_beacon(EXAMPLES["beacon"], bytes(32)) and not is_beacon(EXAMPLES["beacon"][:4], bytes(32))
    # Length, type, value; twice. At most 31 bytes.
    service = UUID(SERVICE).bytes[::-1] + EXAMPLES["beacon"]
    assert EXAMPLES["advertised"] == b"\x02\x01\x06" + bytes([1 + len(service), 0x21]) + service
    assert len(EXAMPLES["advertised"]) <= 31


def test_chunks():
    assert Splitter().split(HELLO, 23) == [EXAMPLES["first chunk"], EXAMPLES["second chunk"]]
    joiner = Joiner()
    assert joiner.take(EXAMPLES["first chunk"]) is None
    assert joiner.take(EXAMPLES["second chunk"]) == HELLO


def test_limits():
    limits = {row[0].split(",")[0]: row[1] for row in table("limit", "", "else")}
    visit, reader = "firmware/task/visit.py", "firmware/reader/ble.py"
    assert limits["HELLO"] == f"{constant('firmware/task/ble.py', '_HELLO_MS') // 1_000} s"
    assert limits["SHOW"] == f"{constant(reader, '_GREETING_MS') // 1_000} s"
    assert limits["an answer"] == f"{constant(reader, '_ANSWER_MS') // 1_000} s"
    assert limits["a connection"] == f"{constant(reader, '_VISIT_MS') // 1_000} s"
    assert limits["ECHO"] == f"{constant(visit, '_ECHO_MS')} ms"
    assert limits["PROVE"] == f"{constant(visit, '_PROOF_MS'):,} ms"
    assert limits["act_ms"] == f"{constant('firmware/core/proof.py', 'MAX_ACT_MS'):,}"
    assert constant(reader, "_MAX_MESSAGE_BYTES") == MAX_MESSAGE_BYTES
    assert f"A message has 1 to {MAX_MESSAGE_BYTES:,} bytes" in PAGE
    assert f"(the lock takes up to {constant('firmware/board/ble.py', '_MTU')})" in PAGE


def test_service():
    assert f"**Service** `{SERVICE}`" in PAGE
    assert [row[0] for row in table("UUID", "properties", "carries")] == [f"`{WRITE}`", f"`{NOTIFY}`"]
