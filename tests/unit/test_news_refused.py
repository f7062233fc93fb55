"""Lists that are forged, older, half or for somebody else change nothing."""

from fake_issuer import FakeIssuer
from news_case import Case, bring, enter_folder, make_ids, make_list

from firmware.core import event


def _case(name, **options):
    enter_folder("/tmp/lobbylock-news-" + name)
    return Case(**options)


def _refused(case, data, reason):
    """Brings `data` as version 9 and looks that it is refused for `reason`."""
    case.uptime.ms += 61_000
    before = len(case.trail.events)
    bring(case.news, data, 9)
    assert case.news.version == 5 and case.news.is_revoked(make_ids(1)[0]) == event.REVOKED
    assert case.trail.events[before:] == [(event.LIST_REFUSED, {event.REASON: reason, event.NAME: "phone"})], reason
    assert case.news.coming is None
    case.start()
    assert case.news.version == 5


def test_what_is_not_genuine_changes_nothing():
    case = _case("forged")
    bring(case.news, make_list(5, make_ids(3)), 5)
    ids = make_ids(40)
    good = make_list(9, ids)
    _refused(case, make_list(9, ids, issuer=FakeIssuer(secret=b"thief")), event.FORGED)
    _refused(case, make_list(9, ids, kid=b"\x99" * 4), event.UNKNOWN_ISSUER)
    _refused(case, make_list(9, ids, building="maple-13"), event.OTHER_BUILDING)
    _refused(case, make_list(9, list(reversed(ids))), event.MALFORMED)
    _refused(case, make_list(9, ids[:2] + [ids[1]] + ids[2:]), event.MALFORMED)
    _refused(case, make_list(9, ids, count=1001), event.MALFORMED)
    _refused(case, make_list(9, ids, count=39), event.TORN)
    _refused(case, make_list(9, ids, digest=bytes(32)), event.TORN)
    _refused(case, make_list(1 << 32, ids), event.MALFORMED)
    _refused(case, good[:100] + bytes([good[100] ^ 1]) + good[101:], event.FORGED)
    _refused(case, good[:-1] + bytes([good[-1] ^ 1]), event.TORN)
    _refused(case, b"\x00" + good[1:], event.MALFORMED)
    _refused(case, bytes(240), event.MALFORMED)
    # Cut short, or its count says more than there is: the rest of it may still come.
    bring(case.news, good[:300], 9)
    bring(case.news, make_list(10, ids, count=41), 10)
    assert case.news.version == 5
    bring(case.news, good, 9)
    assert case.news.version == 9


def test_one_that_comes_again_and_again_is_recorded_once():
    case = _case("again")
    forged = make_list(9, [], issuer=FakeIssuer(secret=b"thief"))
    another = make_list(10, [], issuer=FakeIssuer(secret=b"thief"))
    for _ in range(50):
        bring(case.news, forged, 9)
        case.uptime.ms += 10_000
    assert case.kinds() == [event.LIST_REFUSED]
    for _ in range(60):
        bring(case.news, another, 9)
        bring(case.news, forged, 9)
        case.uptime.ms += 5_000
    assert len(case.kinds()) <= 7


def test_half_a_list_spoiled_by_one_visitor_is_asked_for_anew_by_the_next():
    case = _case("spoiled")
    data = make_list(3, make_ids(200))
    bring(case.news, data[:181] + bytes(2_000), 3, left=5)
    assert case.news.version == 0
    carrier = bring(case.news, data, 3)
    assert case.news.version == 3 and carrier.asked[0][0] == 0
    assert case.kinds() == [event.LIST_REFUSED, event.LIST_TAKEN]
