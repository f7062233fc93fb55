"""The time, by a token that an issuer has signed over the lock's nonce."""

from fake_issuer import FakeIssuer
from news_case import Case, enter_folder, make_list, make_token

from firmware.core import event

_NOW_S = 1_790_000_000


def _case(name, **options):
    enter_folder("/tmp/lobbylock-news-" + name)
    return Case(**options)


def test_the_time_comes_by_a_token_for_the_locks_own_nonce():
    case = _case("time")
    nonce = case.news.nonce()
    assert len(nonce) == 16 and case.news.nonce() == nonce
    case.uptime.ms += 20_500
    for wrong in (
        make_token(bytes(16), _NOW_S),
        make_token(nonce, _NOW_S, door="maple-12/back"),
        make_token(nonce, _NOW_S, kid=b"\x99" * 4),
        make_token(nonce, 1_000_000_000),
        make_token(nonce, _NOW_S)[:-1],
        make_token(nonce, _NOW_S) + b"x",
        b"",
        make_list(1, [], building="maple-12"),
    ):
        assert not case.news.take_token(wrong)
    assert case.clock.now_s(case.uptime.ms) is None
    assert case.news.take_token(make_token(nonce, _NOW_S))
    assert case.clock.now_s(case.uptime.ms) == _NOW_S + 10 and case.clock.uncertainty_s(case.uptime.ms) == 13
    assert case.trail.events[-1] == (event.CLOCK_SET, {event.STEP_S: 0, event.NAME: "token"})
    assert case.news.nonce() is None and not case.news.take_token(make_token(nonce, _NOW_S))


def test_a_nonce_is_good_once_and_for_less_than_twenty_minutes():
    case = _case("nonce")
    first = case.news.nonce()
    case.uptime.ms += 1_190_000
    assert not case.news.take_token(make_token(first, _NOW_S))
    second = case.news.nonce()
    assert second != first and not case.news.take_token(make_token(first, _NOW_S))
    assert case.news.take_token(make_token(second, _NOW_S))
    case.clock = type(case.clock)(case.clock.floor_s)
    third = case.start().nonce()
    assert third not in (first, second)
    # Behind what the lock knows: it stays without a time, and the nonce is used.
    assert not case.news.take_token(make_token(third, _NOW_S - 86_400))
    assert case.kinds()[-1] == event.CLOCK_REFUSED
    assert not case.news.take_token(make_token(third, _NOW_S)) and case.news.nonce() != third


def test_the_last_token_that_is_taken_makes_a_clock_that_is_used():
    case = _case("last")
    nonce = case.news.nonce()
    case.uptime.ms += 1_189_999
    assert case.news.take_token(make_token(nonce, _NOW_S))
    assert case.clock.now_s(case.uptime.ms) == case.rtc.time_s == _NOW_S + 595


def test_a_forged_token_has_others_wait_and_spends_no_nonce():
    case = _case("token")
    nonce = case.news.nonce()
    assert not case.news.take_token(make_token(nonce, _NOW_S, issuer=FakeIssuer(secret=b"thief")))
    assert not case.news.take_token(make_token(nonce, _NOW_S))
    case.uptime.ms += 5_000
    assert case.news.take_token(make_token(nonce, _NOW_S))


def test_a_token_never_makes_the_time_worse():
    case = _case("worse")
    case.clock.tell(_NOW_S, 90, case.uptime.ms)
    nonce = case.news.nonce()
    case.uptime.ms += 300_000
    assert not case.news.take_token(make_token(nonce, _NOW_S + 300))
    assert case.clock.uncertainty_s(case.uptime.ms) == 90
