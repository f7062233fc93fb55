"""lib/cbor.py against cbor2, and against whatever bytes hypothesis finds."""

import cbor
import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

INTEGERS = st.integers(-(1 << 64), (1 << 64) - 1)
LEAVES = st.none() | st.booleans() | INTEGERS | st.binary(max_size=40) | st.text(max_size=40)
KEYS = INTEGERS | st.binary(max_size=10) | st.text(max_size=10)
# Seven levels of containers above a leaf are inside the bound of eight.
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
).filter(lambda value: depth(value) <= cbor.MAX_DEPTH)


def depth(value) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


@given(VALUES)
def test_round_trip(value):
    data = cbor.encode(value)
    assert cbor.decode(data, 1 << 20) == value


@given(VALUES)
def test_cbor2_reads_what_we_write(value):
    # As text, so that True and 1, which are equal, are told apart.
    assert repr(cbor2.loads(cbor.encode(value))) == repr(cbor.decode(cbor.encode(value), 1 << 20))
    assert cbor2.loads(cbor.encode(value)) == value


@given(st.lists(LEAVES, max_size=5) | st.dictionaries(st.integers(0, 1 << 32), LEAVES, max_size=5))
def test_we_read_what_cbor2_writes(value):
    # Canonical CBOR of RFC 7049 sorts by length first, which for integer keys is the order of RFC 8949 as well.
    data = cbor2.dumps(value, canonical=True)
    assert cbor.encode(value) == data
    assert cbor.decode(data, 1 << 20) == value


@given(st.binary(max_size=200))
def test_decoder_raises_nothing_but_its_error(data):
    try:
        value = cbor.decode(data)
    except cbor.CborError:
        return
    assert cbor.encode(value) == data, "accepted another encoding than the deterministic one"


@given(VALUES, st.data())
def test_decoder_survives_damage(value, draws):
    data = bytearray(cbor.encode(value))
    at = draws.draw(st.integers(0, len(data) - 1))
    data[at] ^= 1 << draws.draw(st.integers(0, 7))
    data = data[: draws.draw(st.integers(0, len(data)))]
    try:
        decoded = cbor.decode(bytes(data), 1 << 20)
    except cbor.CborError:
        return
    assert cbor.encode(decoded) == data


@pytest.mark.parametrize("size", [100, 8000])
def test_decoder_bounds_depth(size):
    with pytest.raises(cbor.CborError):
        cbor.decode(b"\x81" * size)


def test_decoder_trusts_no_length():
    for head in ("9b7fffffffffffffff", "bb7fffffffffffffff", "5b7fffffffffffffff", "7b7fffffffffffffff"):
        with pytest.raises(cbor.CborError):
            cbor.decode(bytes.fromhex(head))


@pytest.mark.parametrize("value", [1 << 64, -(1 << 64) - 1, 1.5, object(), {True: 1}, {None: 1}, {1, 2}])
def test_encoder_refuses(value):
    with pytest.raises(cbor.CborError):
        cbor.encode(value)
