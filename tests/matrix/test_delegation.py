"""Every way in which a visitor's credential may reach further than the resident's, against a model of its own."""

from hashlib import sha256
from itertools import product

import cbor
import cose
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fake_issuer import KID, FakeIssuer, mint, with_claim
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core import chain, event
from firmware.core.credential import CredentialError
from firmware.core.decision import judge
from firmware.core.tz_string import parse
from lobbylock.delegation import delegate
from lobbylock.errors import UserError
from lobbylock.grant import Grant, parse_holder

ISSUER = FakeIssuer()
HOLDER = b"x" * 32 + b"y" * 32
ANNA, VERA = "Anna", "Vera"
AREAS = ["garage", "lobby", "roof"]
FROM_S, UNTIL_S = 1_789_948_800, 1_790_553_600


def sign(message):
    return sha256(HOLDER + message).digest() * 2


def verify(holder, message, signature):
    return holder == HOLDER and sign(message) == signature


def put(claims, key, value):
    if value is None:
        claims.pop(key, None)
    else:
        claims[key] = value


def link(parent, child):
    """Returns the chain with (building, nbf, exp, areas, uses, hours) of each."""
    above = with_claim(-70001, 2)
    below = {1: ANNA, 2: VERA, 7: b"visitor1", -70001: 4}
    for claims, values in ((above, parent), (below, child)):
        for key, value in zip((3, 5, 4, -70002, -70003, -70004), values, strict=True):
            put(claims, key, value)
    above.pop(6)
    payload = cbor.encode(below)
    return cbor.encode(
        [mint(above, ISSUER), cbor.encode([cose.ES256, {}, payload, sign(cose.to_be_signed(payload, cose.ES256))])]
    )


def reason_of(data):
    try:
        chain.read(data, {KID: ISSUER}, verify)
    except CredentialError as error:
        return error.args[0]
    return event.GRANTED


def wider_by(parent, child):
    """The model: names what the child has and the parent has not, as sets of buildings, seconds, areas and numbers."""
    found = set()
    if {child[0]} - {parent[0]}:
        found.add("building")
    if child[1] is None:
        found.add("begins at no time")
    else:
        first = 0 if parent[1] is None else parent[1]
        seconds = range(first, parent[2])
        if child[1] not in seconds:
            found.add("begins")
        if child[2] - 1 not in seconds:
            found.add("ends")
    if set(child[3]) - set(parent[3]):
        found.add("areas")
    endless = 10**6
    if (child[4] or endless) > (parent[4] or endless):
        found.add("uses")
    return found


def test_every_cell():
    cells = list(
        product(
            ("maple-12", "oak-3"),
            (None, FROM_S),
            (None, FROM_S - 1, FROM_S, FROM_S + 1),
            (UNTIL_S - 1, UNTIL_S, UNTIL_S + 1),
            (["lobby"], ["garage", "lobby"], ["lobby", "roof"], ["roof"], AREAS),
            (None, 2),
            (None, 1, 2, 3),
        )
    )
    told = set()
    for building, parent_from_s, from_s, until_s, areas, parent_uses, uses in cells:
        parent = ("maple-12", parent_from_s, UNTIL_S, ["garage", "lobby"], parent_uses, None)
        child = (building, from_s, until_s, areas, uses, None)
        wider = wider_by(parent, child)
        expected = event.WIDER if wider else event.GRANTED
        assert reason_of(link(parent, child)) == expected, (parent, child, wider)
        told.add(frozenset(wider))
    assert len(cells) == 1_920
    # Each way of being wider stood alone in some cell.
    for way in ("building", "begins at no time", "begins", "ends", "areas", "uses"):
        assert frozenset((way,)) in told, way


hours = st.sampled_from((None, None, [[127, 0, 1440]])) | st.lists(
    st.tuples(st.sampled_from((8, 4, 127)), st.integers(0, 2), st.integers(1, 1440)).map(list), min_size=1, max_size=2
)
some_areas = st.lists(st.sampled_from(AREAS), min_size=1, max_size=4)


@st.composite
def families(draw):
    """Returns claims of a parent and of a child that is like it, and most often within it."""
    parent = (
        "maple-12",
        draw(st.none() | st.integers(0, 30)),
        draw(st.integers(41, 60)),
        draw(st.just(AREAS) | st.just(["lobby"]) | some_areas),
        draw(st.none() | st.integers(1, 4)),
        draw(hours),
    )
    is_wild = draw(st.booleans())
    within = (
        parent[0],
        draw(st.integers(parent[1] or 0, 35)),
        draw(st.integers(36, parent[2])),
        draw(st.just(parent[3]) | st.lists(st.sampled_from(parent[3]), min_size=1, max_size=4)),
        draw(st.just(1) | st.integers(1, parent[4] or 2)),
        draw(hours),
    )
    wild = (
        draw(st.sampled_from(("maple-12", "oak-3"))),
        draw(st.none() | st.integers(0, 40)),
        draw(st.integers(41, 62)),
        draw(some_areas),
        draw(st.none() | st.integers(1, 5)),
        draw(hours),
    )
    # One or two fields of a wild one; the rest as it should be.
    wrong = draw(st.sets(st.integers(0, 5), min_size=1, max_size=2)) if is_wild else ()
    return parent, tuple(wild[at] if at in wrong else within[at] for at in range(6))


class Door:
    building = "maple-12"
    areas = ["lobby"]
    zone = parse("UTC0")
    bearer = "single-use"
    bearer_s = 86_400

    def __init__(self, revoked):
        self.revoked = revoked


def opens_alone(values, door, number, now_s, used):
    """Whether a credential with these claims and no holder's key opens by itself, uses aside from the policy."""
    building, from_s, until_s, areas, uses, hours = values
    # 1 January 1970 was a Thursday, and a minute is all that these times are.
    is_on = hours is None or any(
        days & 8 and start <= now_s // 60 < end
        if end > start
        else bool(days & 8 and now_s // 60 >= start or days & 4 and now_s // 60 < end)
        for days, start, end in hours
    )
    return (
        number not in door.revoked
        and building == door.building
        and bool(set(areas) & set(door.areas))
        and (from_s or 0) <= now_s < until_s
        and is_on
        and (uses is None or used < uses)
    )


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    families(),
    st.integers(34, 42) | st.integers(20, 61),
    st.sets(st.sampled_from((b"visitor1", b"visitor2", b"visitor3", b"\1\2\3\4\5\6\7\x08")), max_size=1),
    st.integers(0, 2),
    st.integers(0, 1),
)
def test_a_visitor_opens_only_what_both_open(family, now_s, revoked, parent_used, used):
    parent, child = family
    data = link(parent, child)
    wider = wider_by(parent, child)
    assert reason_of(data) == (event.WIDER if wider else event.GRANTED)
    if wider:
        return
    door = Door(revoked)
    found = chain.read(data, {KID: ISSUER}, verify)
    assert found.parent is not None
    counts = {found.key: used, found.parent.key: parent_used}
    decision = judge(found, door, now_s, event.BADGE, counts.__getitem__)
    both = opens_alone(parent, door, b"\1\2\3\4\5\6\7\x08", now_s, parent_used)
    both = both and opens_alone(child, door, b"visitor1", now_s, used)
    assert decision.is_granted == (both and child[4] == 1)
    # Never where the resident would stand outside.
    assert not decision.is_granted or opens_alone(parent, door, b"\1\2\3\4\5\6\7\x08", now_s, parent_used)


KEY = ec.derive_private_key(0x1234567, ec.SECP256R1())


@pytest.fixture(scope="module")
def holder(tmp_path_factory):
    from lobbylock.phone import save_key

    path = tmp_path_factory.mktemp("key") / "anna.pem"
    save_key(path, KEY)
    return parse_holder(str(path))


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(family=families())
def test_the_host_makes_exactly_what_a_lock_takes(holder, family):
    """What is refused is refused with a sentence, and what is made is within by the lock's reading."""
    parent, child = family
    above = with_claim(-70001, 2)
    above.pop(6)
    above[8] = {1: {1: 2, -1: 1, -2: holder[:32], -3: holder[32:]}}
    for key, value in zip((3, 5, 4, -70002, -70003, -70004), parent, strict=True):
        put(above, key, value)
    building, from_s, until_s, areas, uses, hours = child
    from_s = from_s or 0
    grant = Grant(VERA, building, 4, areas, from_s, until_s, from_s, b"visitor1", uses, hours or [])
    wider = wider_by(parent, (building, from_s, until_s, areas, uses, hours))
    try:
        data = delegate(mint(above, ISSUER), grant, KEY)
    except UserError as error:
        assert wider and len(str(error)) > 20
        return
    assert not wider
    from lobbylock.delegation import is_signed_es256

    assert chain.read(data, {KID: ISSUER}, is_signed_es256).subject == VERA
