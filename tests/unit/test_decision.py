# runs on: micropython cpython
from fake_issuer import KID, FakeIssuer, mint, usual_claims, with_claim, without

from firmware.core import credential, event
from firmware.core.decision import judge
from firmware.core.tz_string import parse

ISSUER = FakeIssuer()
# Monday 21 September 2026, 12:00 UTC, inside the usual hours.
NOON_S = 1_789_992_000


class FakeDoor:
    building = "maple-12"
    areas = ["garage", "lobby"]
    zone = parse("UTC0")
    bearer = "single-use"
    bearer_s = 86_400
    revoked = [b"revoked1"]

    def __init__(self, **changed):
        for name in changed:
            setattr(self, name, changed[name])


def reason(claims, now_s=NOON_S, via=event.PHONE, used=0, door=None):
    shown = credential.read(mint(claims, ISSUER), {KID: ISSUER})
    decision = judge(shown, door or FakeDoor(), now_s, via, lambda key: used if key == shown.key else 99)
    assert decision.claim is shown and decision.via == via and shown.judged_s == now_s
    assert decision.is_granted == (decision.reason == event.GRANTED)
    return decision.reason


def bearer(**more):
    """Claims without a holder key: badges."""
    claims = without(8)
    claims.update(more)
    return claims


def test_granted():
    assert reason(usual_claims()) == event.GRANTED
    shown = credential.read(mint(with_claim(-70001, 2), ISSUER), {KID: ISSUER})
    decision = judge(shown, FakeDoor(), NOON_S, event.PHONE, lambda key: 0)
    assert not decision.is_pictured
    assert decision.details() == {1: 0, 2: 3, 18: "Anna", 19: shown.id, 20: 2, 21: KID}


def test_revoked_ids():
    assert reason(with_claim(7, b"revoked1")) == event.REVOKED
    assert reason(with_claim(7, b"revoked10")) == event.GRANTED
    assert reason(with_claim(7, b"revoked1"), door=FakeDoor(revoked=[])) == event.GRANTED


def test_other_building_and_area():
    assert reason(with_claim(3, "maple-1")) == event.OTHER_BUILDING
    assert reason(with_claim(-70002, ["mail-room", "roof"])) == event.WRONG_AREA
    assert reason(with_claim(-70002, ["mail-room", "garage"])) == event.GRANTED


def test_time():
    always = without(-70004)
    assert reason(always, None) == event.TIME_UNKNOWN
    assert reason(always, 1_789_948_799) == event.NOT_YET_VALID
    assert reason(always, 1_789_948_800) == event.GRANTED
    assert reason(always, 1_790_553_599) == event.GRANTED
    assert reason(always, 1_790_553_600) == event.EXPIRED
    assert reason(without(5, -70004), 0) == event.GRANTED


def test_hours_are_local():
    # 12:00 UTC is 08:00 in New York, and Monday to Friday begins there.
    door = FakeDoor(zone=parse("EST5EDT,M3.2.0,M11.1.0"))
    assert reason(usual_claims(), door=door) == event.GRANTED
    assert reason(usual_claims(), NOON_S - 1, door=door) == event.OUTSIDE_HOURS
    assert reason(usual_claims(), NOON_S + 5 * 86_400, door=door) == event.OUTSIDE_HOURS


def test_hours_across_a_change_of_the_clock():
    # Sunday 1 November 2026: at 06:00 UTC New York goes back from 02:00 to 01:00.
    claims = with_claim(-70004, [[0b1000000, 60, 120]])
    claims[4] = 1_800_000_000
    door = FakeDoor(zone=parse("EST5EDT,M3.2.0,M11.1.0"))
    for minute, expected in ((299, 22), (300, 0), (359, 0), (360, 0), (419, 0), (420, 22)):
        assert reason(claims, 1_793_491_200 + minute * 60, door=door) == expected, minute


def test_a_holder_key_has_to_be_proven():
    assert reason(usual_claims(), via=event.BADGE) == event.NO_BEARER
    for policy in ("off", "single-use", "short"):
        assert reason(usual_claims(), door=FakeDoor(bearer=policy)) == event.GRANTED
        assert reason(usual_claims(), via=event.BADGE, door=FakeDoor(bearer=policy)) == event.NO_BEARER


def test_bearer_policy():
    once, often, unbounded = bearer(), bearer(), without(5, 8, -70003)
    once[-70003] = 1
    short = bearer()
    short[4] = short[5] + 86_400
    too_long = bearer()
    too_long[4] = too_long[5] + 86_401
    expected = {
        "off": (23, 23, 23, 23, 23),
        "single-use": (0, 23, 23, 23, 23),
        "short": (0, 23, 0, 23, 23),
    }
    for policy in expected:
        # A phone that hands out a credential without a key of its own is a badge.
        for via in (event.BADGE, event.PHONE):
            found = [
                reason(claims, via=via, door=FakeDoor(bearer=policy))
                for claims in (once, often, short, too_long, unbounded)
            ]
            assert tuple(found) == expected[policy], (policy, via)


def test_uses():
    for used, expected in ((0, 0), (1, 0), (2, 0), (3, event.ALREADY_USED), (255, event.ALREADY_USED)):
        assert reason(usual_claims(), used=used) == expected
    assert reason(without(-70003), used=255) == event.GRANTED


def test_the_first_reason_is_the_one_that_is_told():
    """Everything is wrong; one after the other is put right."""
    claims = {
        1: "maple-office",
        2: "Anna",
        3: "oak-3",
        4: 1_789_948_801,
        5: 1_789_948_800,
        7: b"revoked1",
        -70001: 1,
        -70002: ["roof"],
        -70003: 3,
        -70004: [[64, 0, 1]],
    }
    now_s = None
    told = []
    for step in range(9):
        if step == 1:
            claims[7] = b"12345678"
        elif step == 2:
            claims[3] = "maple-12"
        elif step == 3:
            claims[-70002] = ["lobby"]
        elif step == 4:
            now_s = 1_789_948_799
        elif step == 5:
            now_s = NOON_S
        elif step == 6:
            claims[4] = 1_790_553_600
        elif step == 7:
            claims[-70004] = [[127, 0, 1440]]
        elif step == 8:
            claims[8] = usual_claims()[8]
        told.append(reason(claims, now_s, used=3))
    assert told == [
        event.REVOKED,
        event.OTHER_BUILDING,
        event.WRONG_AREA,
        event.TIME_UNKNOWN,
        event.NOT_YET_VALID,
        event.EXPIRED,
        event.OUTSIDE_HOURS,
        event.NO_BEARER,
        event.ALREADY_USED,
    ]
