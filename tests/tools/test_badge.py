"""NDEF, ours against ndeflib, which knows nothing of us, and badges as they are written and read."""

import asyncio
import importlib
import sys
from pathlib import Path

import ndef as ours
import pytest
import type2
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import proof
from firmware.reader import badge as reader
from lobbylock import badge
from lobbylock.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def _load_peer():
    """Returns ndeflib, whose package is called `ndef` like our module, so that it is not on the path."""
    mine = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "ndef"}
    sys.path.insert(0, str(ROOT / "build" / "ndeflib"))
    try:
        return importlib.import_module("ndef")
    finally:
        del sys.path[0]
        for name in [name for name in sys.modules if name.partition(".")[0] == "ndef"]:
            del sys.modules[name]
        sys.modules.update(mine)


peer = _load_peer()


TYPES = st.sampled_from([(2, b"text/plain"), (2, b"application/x.y"), (4, b"example.org:t"), (1, b"U")])
RECORDS = st.lists(
    st.tuples(TYPES, st.binary(max_size=300)).map(lambda item: badge.Record(*item[0], b"\x01" + item[1])), max_size=6
)


def one_record(credential: bytes) -> badge.Record:
    return badge.Record(badge.MEDIA, proof.MEDIA_TYPE, credential)


def test_peer_is_another_library():
    assert peer is not ours and hasattr(peer, "message_decoder")


@given(RECORDS, st.binary(min_size=1, max_size=300), st.integers(0, 6))
def test_peer_reads_what_we_write(records, credential, at):
    records.insert(at, one_record(credential))
    message = badge.encode(records)
    found = list(peer.message_decoder(message, known_types={}))
    assert [record.data for record in found] == [record.payload for record in records]
    if len(message) <= ours.MAX_BYTES:
        assert ours.find(message, proof.MEDIA_TYPE) == credential


@given(RECORDS, st.binary(min_size=1, max_size=300), st.integers(0, 6), st.text("abc", max_size=3))
def test_we_read_what_the_peer_writes(records, credential, at, name):
    written = [peer.Record(_urn(record), "", record.payload) for record in records]
    written.insert(at, peer.Record(proof.MEDIA_TYPE.decode(), name, credential))
    message = b"".join(peer.message_encoder(written))
    if len(message) <= ours.MAX_BYTES:
        assert ours.find(message, proof.MEDIA_TYPE) == credential


@given(RECORDS, st.binary(min_size=1, max_size=60), st.data())
def test_damage_that_we_accept_the_peer_accepts(records, credential, draws):
    message = bytearray(badge.encode([*records[:2], one_record(credential)]))
    for _ in range(draws.draw(st.integers(1, 2))):
        message[draws.draw(st.integers(0, len(message) - 1))] ^= 1 << draws.draw(st.integers(0, 7))
    damaged = bytes(message[: draws.draw(st.integers(0, len(message)))])
    try:
        found = ours.find(damaged, proof.MEDIA_TYPE)
    except ours.NdefError:
        return
    try:
        records = list(peer.message_decoder(damaged, known_types={}))
    except UnicodeDecodeError:
        # A type that is not ASCII: the peer wants text, and for us it is another type.
        return
    payloads = [record.data for record in records if record.type.lower() == proof.MEDIA_TYPE.decode()]
    assert payloads == ([] if found is None else [found])


def _urn(record: badge.Record) -> str:
    prefix = {1: "urn:nfc:wkt:", 2: "", 4: "urn:nfc:ext:"}[record.tnf]
    return prefix + record.type.decode()


@pytest.mark.parametrize("page", ["", "example.org/door"])
def test_badge_with_and_without_a_link(page):
    message = badge.compose(b"a credential", page)
    assert ours.find(message, proof.MEDIA_TYPE) == b"a credential"
    found = list(peer.message_decoder(message))
    assert [record.type for record in found][-1] == proof.MEDIA_TYPE.decode()
    if page:
        assert found[0].uri == "https://" + page


@pytest.mark.parametrize("size", [1, 94, 200, 202, 203, 204, 256, 300])
def test_badge_on_a_tag(size):
    credential = bytes(at & 0xFF for at in range(size))
    message = badge.compose(credential)
    for area in (area for area in badge.AREA_BYTES.values() if area >= len(message) + 4):
        memory = b"\x04\x11\x22\xbf\x33\x44\x55\x66\x44\x48\x00\x00\xe1\x10" + bytes([area // 8, 0])
        memory += badge.type2_data(message, area) + bytes(32)

        async def exchange(command: bytes, memory=memory) -> bytes:
            return memory[command[1] * 4 : command[1] * 4 + 16]

        assert asyncio.run(type2.read_message(exchange)) == message
        assert asyncio.run(reader.read(exchange, False)) == credential


def test_badge_that_does_not_fit():
    assert len(badge.type2_data(bytes(142), 144)) == 144
    with pytest.raises(UserError):
        badge.type2_data(bytes(143), 144)
