# runs on: micropython cpython
from hashlib import sha256

import cbor
import cose
from fake_issuer import KID, FakeIssuer, mint, usual_claims, with_claim

from firmware.core import chain, credential, event
from firmware.core.credential import CredentialError
from firmware.core.decision import judge
from firmware.core.tz_string import parse

ISSUER = FakeIssuer()
ISSUERS = {KID: ISSUER}
# Monday 21 September 2026, 12:00 UTC, inside the usual hours.
NOON_S = 1_789_992_000
HOLDER = b"x" * 32 + b"y" * 32
KEY = {1: {1: 2, -1: 1, -2: b"v" * 32, -3: b"w" * 32}}


class FakeDoor:
    building = "maple-12"
    areas = ["lobby"]
    zone = parse("UTC0")
    bearer = "single-use"
    bearer_s = 86_400
    revoked = []


class Counts:
    """A ledger's part that counts uses."""

    def __init__(self):
        self.used = {}

    def uses_of(self, key):
        return self.used.get(key, 0)

    def use(self, key, expires_s, now_s, *others):
        assert now_s == NOON_S and expires_s > NOON_S
        self.used[key] = self.uses_of(key) + 1


def sign(message, holder=HOLDER):
    digest = sha256(holder + message).digest()
    return digest + sha256(digest).digest()


def verify(holder, message, signature):
    return sign(message, holder) == signature


def resident(**more):
    """A resident's claims; keys are written r_8 for claim 8 and p_1 for -70001, None leaves one out."""
    return changed(with_claim(-70001, 2), more)


def visitor(**more):
    claims = {1: "Anna", 2: "Vera", 3: "maple-12", 4: 1_790_000_000, 5: 1_789_990_000, 7: b"visitor1"}
    claims.update({8: KEY, -70001: 4, -70002: ["lobby"], -70003: 1})
    return changed(claims, more)


def changed(claims, more):
    for name in more:
        kind, number = name.split("_")
        key = int(number) if kind == "r" else -70000 - int(number)
        claims[key] = more[name]
        if more[name] is None:
            del claims[key]
    return claims


def sign_child(claims, protected=cose.ES256, unprotected=None, holder=HOLDER):
    payload = cbor.encode(claims)
    return cbor.encode([protected, unprotected or {}, payload, sign(cose.to_be_signed(payload, protected), holder)])


def link(parent=None, child=None):
    """Returns the chain of two: claims or bytes each."""
    parent = parent or resident()
    child = child or visitor()
    if isinstance(parent, dict):
        parent = mint(parent, ISSUER)
    if isinstance(child, dict):
        child = sign_child(child)
    return cbor.encode([parent, child])


def read(data):
    return chain.read(data, ISSUERS, verify)


def reason(data):
    """Returns what `data` is refused for, None if it is taken."""
    try:
        read(data)
    except CredentialError as error:
        return error.args[0]
    return None


def judged(data, via=event.PHONE, now_s=NOON_S, door=FakeDoor, ledger=None):
    return judge(read(data), door, now_s, via, (ledger or Counts()).uses_of)


def test_everything_in_it():
    data = link()
    assert data[:1] == credential.CHAIN and len(data) <= credential.MAX_CHAIN_BYTES
    found = read(data)
    assert (found.subject, found.issuer, found.role, found.uses) == ("Vera", "Anna", credential.VISITOR, 1)
    assert found.kid == KID and found.holder == b"v" * 32 + b"w" * 32 and not found.is_resident
    assert found.parent.subject == "Anna" and found.parent.is_resident and found.parent.parent is None
    assert found.details() == {18: "Vera", 19: b"visitor1", 20: 4, 21: KID, 24: found.parent.id}
    decision = judged(data)
    assert decision.is_granted and decision.is_pictured and decision.claim.parent.subject == "Anna"


def test_record_has_room_for_the_longest():
    parent = resident(r_7=b"p" * 16, r_2="A" * 32)
    found = read(link(parent, visitor(r_1="A" * 32, r_2="V" * 32, r_7=b"c" * 16)))
    details = {event.REASON: 31, event.VIA: event.BLE, event.PICTURE_NUMBER: 0xFFFFFFFF}
    details.update(found.details())
    record = event.Event(0xFFFFFFFF, event.ACCESS, 0xFFFFFFFF, (1 << 64) - 1, 0xFFFFFFFF, details).encode()
    assert len(record) <= event.MAX_RECORD_BYTES


def test_ids_of_visitors_are_a_space_of_their_own():
    found = read(link())
    whole = sha256(sha256(KID + found.parent.id).digest() + b"visitor1").digest()
    assert found.key == whole[:8] and found.parent.key == sha256(KID + found.parent.id).digest()[:8]
    # A resident gives a visitor the id of somebody's credential: nothing of that one is used up.
    twin = read(link(None, visitor(r_7=usual_claims()[7])))
    assert twin.id == twin.parent.id and twin.key != twin.parent.key


def test_clock_believes_the_issuer_only():
    assert read(link(None, visitor(r_6=1_789_999_999))).issued_s == 1_789_940_000
    assert read(link(resident(r_6=None), visitor(r_6=1_789_999_999))).issued_s is None


def test_wider_in_each_way():
    for child in (
        visitor(r_3="maple-13"),
        visitor(r_4=1_790_553_601),
        visitor(r_5=1_789_948_799),
        visitor(r_5=None),
        visitor(p_2=["lobby", "roof"]),
        visitor(p_2=["roof"]),
        visitor(p_3=4),
        visitor(p_3=None),
    ):
        assert reason(link(None, child)) == event.WIDER, child
    # As far as it goes.
    assert reason(link(None, visitor(r_4=1_790_553_600, r_5=1_789_948_800, p_2=["mail-room", "lobby"], p_3=3))) is None
    assert reason(link(resident(r_5=None, p_3=None), visitor(r_5=0, p_3=None))) is None
    assert reason(link(resident(r_5=None), visitor(r_5=None))) == event.WIDER


def test_who_was_given_more_is_named():
    try:
        read(link(None, visitor(p_3=4)))
        raise AssertionError("taken")
    except CredentialError as error:
        assert error.args[1].subject == "Vera" and error.args[1].parent.subject == "Anna"


def test_who_may_delegate():
    for parent in (usual_claims(), with_claim(-70001, 3), resident(r_8=None)):
        assert reason(link(parent)) == event.NO_DELEGATION, parent
    # A visitor's role is no issuer's to give, and a visitor's credential has no other.
    assert reason(link(with_claim(-70001, 4))) == event.MALFORMED
    assert reason(mint_alone(with_claim(-70001, 4))) == event.MALFORMED
    for role in (0, 1, 2, 3, 5, None):
        assert reason(link(None, visitor(p_1=role))) == event.MALFORMED, role
    assert reason(link(None, visitor(r_1="Bert"))) == event.UNKNOWN_ISSUER


def mint_alone(claims):
    return cbor.encode([mint(claims, ISSUER), sign_child(visitor())])


def test_chains_of_other_lengths():
    parent, child = mint(resident(), ISSUER), sign_child(visitor())
    grandchild = sign_child(visitor(r_1="Vera", r_2="Wim"), holder=b"v" * 32 + b"w" * 32)
    for parts in ([], [parent], [parent, child, grandchild], [child, grandchild], [child], [parent, parent]):
        assert reason(cbor.encode(parts)) == event.MALFORMED, len(parts)
    for parts in ([link(), grandchild], [parent, link()], [parent, cbor.encode([child, grandchild])]):
        assert reason(cbor.encode(parts)) == event.NO_DELEGATION
    for parts in ([parent, None], [parent, "child"], [1, child], {0: parent, 1: child}, [parent, [child]]):
        assert reason(cbor.encode(parts)) == event.MALFORMED
    for data in (b"", b"\x82", b"\x82\x41", bytes(2_000), link() + b"\0", link()[:-1]):
        assert reason(data) == event.MALFORMED
    # It is one by its form only where a chain is looked for.
    for data in (link(), child):
        try:
            credential.read(data, ISSUERS)
            raise AssertionError("taken")
        except CredentialError as error:
            assert error.args[0] == event.MALFORMED


def test_too_long():
    parent = mint(resident(), ISSUER)
    # Each part has at most 512 bytes, and both together 1,024.
    assert reason(cbor.encode([parent, bytes(513)])) == event.MALFORMED
    assert reason(cbor.encode([bytes(512), bytes(512)])) == event.MALFORMED
    longest = visitor(r_2="V" * 32, p_2=["x" * 31 + str(at) for at in range(6)])
    data = link(resident(p_2=longest[-70002]), longest)
    assert 800 < len(data) <= credential.MAX_CHAIN_BYTES and reason(data) is None


def test_signatures():
    assert reason(link(mint(resident(), FakeIssuer(secret=b"t")))) == event.FORGED
    assert reason(link(None, sign_child(visitor(), holder=b"o" * 64))) == event.FORGED
    # By the visitor's own key, and by the issuer.
    assert reason(link(None, sign_child(visitor(), holder=b"v" * 32 + b"w" * 32))) == event.FORGED
    assert reason(link(None, mint(visitor(), ISSUER))) == event.MALFORMED
    # Of another resident.
    other = resident(r_8={1: {1: 2, -1: 1, -2: b"o" * 32, -3: b"o" * 32}})
    assert reason(link(other, sign_child(visitor()))) == event.FORGED
    data = link()
    allowed = (event.FORGED, event.MALFORMED, event.UNKNOWN_ISSUER, event.NO_DELEGATION)
    for at in range(len(data)):
        wrong = bytearray(data)
        wrong[at] ^= 1
        assert reason(bytes(wrong)) in allowed, at


def test_forms_of_the_visitors_part():
    child = sign_child(visitor())
    for tags in (b"", b"\xd2", b"\xd8\x3d\xd2"):
        assert reason(link(None, tags + child)) is None
    for unprotected in ({4: KID}, {5: b"iv"}, {3: 61}):
        assert reason(link(None, sign_child(visitor(), unprotected=unprotected))) == event.MALFORMED
    for header in ({1: -7, 4: KID}, {1: -8}, {1: -35}, {}, {1: -7, 2: [1]}):
        assert reason(link(None, sign_child(visitor(), cbor.encode(header)))) == event.MALFORMED, header


def test_same_key_for_both():
    # The resident's own phone under another name: allowed, and no wider.
    assert reason(link(None, visitor(r_8=usual_claims()[8]))) is None


def test_both_are_judged():
    class Revoking(FakeDoor):
        def __init__(self, *ids):
            self.revoked = ids

    assert judged(link(), door=Revoking(b"visitor1")).reason == event.REVOKED
    assert judged(link(), door=Revoking(usual_claims()[7])).reason == event.REVOKED
    assert judged(link(), door=Revoking(b"visitor2")).is_granted
    elsewhere = resident(r_3="oak-3")
    assert judged(link(elsewhere, visitor(r_3="oak-3"))).reason == event.OTHER_BUILDING
    # The parent leads here, the child does not.
    assert judged(link(None, visitor(p_2=["mail-room"]))).reason == event.WRONG_AREA
    assert judged(link(), now_s=None).reason == event.TIME_UNKNOWN
    assert judged(link(), now_s=1_789_989_999).reason == event.NOT_YET_VALID
    assert judged(link(), now_s=1_790_000_000).reason == event.EXPIRED
    # A parent that is over has no child that is not.
    assert reason(link(resident(r_4=1_789_999_999), visitor())) == event.WIDER


def test_hours_of_both_hold():
    morning, noon = [[127, 480, 719]], [[127, 600, 800]]
    for of_parent, of_child, expected in (
        (None, None, event.GRANTED),
        (noon, noon, event.GRANTED),
        (None, noon, event.GRANTED),
        (noon, None, event.GRANTED),
        (morning, noon, event.OUTSIDE_HOURS),
        (noon, morning, event.OUTSIDE_HOURS),
        (morning, None, event.OUTSIDE_HOURS),
    ):
        assert judged(link(resident(p_4=of_parent), visitor(p_4=of_child))).reason == expected, (of_parent, of_child)


def test_the_way_it_comes():
    bearer = visitor(r_8=None)
    assert judged(link(None, bearer), event.BADGE).is_granted
    assert judged(link(None, bearer), event.PHONE).is_granted
    assert judged(link(None, bearer), event.BLE).reason == event.NO_BEARER
    assert judged(link(), event.BLE).is_granted
    assert judged(link(), event.BADGE).reason == event.NO_BEARER

    class Closed(FakeDoor):
        bearer = "off"

    # Not even for a resident's visitor: the policy is the door's.
    assert judged(link(None, bearer), event.BADGE, door=Closed).reason == event.NO_BEARER


def test_uses_of_both():
    ledger = Counts()
    parent = resident(p_3=2)
    visitors = [link(parent, visitor(r_7=b"visitor" + bytes([49 + at]))) for at in range(3)]
    for at, expected in ((0, event.GRANTED), (0, event.ALREADY_USED), (1, event.GRANTED), (2, event.ALREADY_USED)):
        decision = judged(visitors[at], ledger=ledger)
        assert decision.reason == expected, at
        decision.spend(ledger)
    # The parent's are gone too, spent by visitors.
    own = credential.read(mint(parent, ISSUER), ISSUERS)
    assert judge(own, FakeDoor, NOON_S, event.PHONE, ledger.uses_of).reason == event.ALREADY_USED
    assert sorted(ledger.used.values()) == [1, 1, 2]


def test_two_visitors_at_once_on_the_last_use():
    ledger = Counts()
    parent = resident(p_3=1)
    first, second = [judged(link(parent, visitor(r_7=seven)), ledger=ledger) for seven in (b"visitor1", b"visitor2")]
    assert first.is_granted and second.is_granted
    assert not first.claim.is_spent(ledger)
    first.spend(ledger)
    assert second.claim.is_spent(ledger) and second.claim.parent.is_spent(ledger)


def test_parent_without_uses_counts_the_child_only():
    ledger = Counts()
    decision = judged(link(resident(p_3=None), visitor(p_3=2)), ledger=ledger)
    decision.spend(ledger)
    assert list(ledger.used.values()) == [1] and not decision.claim.is_spent(ledger)
    decision.spend(ledger)
    assert decision.claim.is_spent(ledger) and not decision.claim.parent.is_spent(ledger)
