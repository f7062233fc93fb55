"""The list of revoked credentials, as phones bring it."""

import os

from news_case import Case, bring, enter_folder, make_id, make_ids, make_list

from firmware.core import event


def _case(name, **options):
    enter_folder("/tmp/lobbylock-news-" + name)
    return Case(**options)


def test_without_a_list_nobody_is_revoked():
    case = _case("none")
    assert case.news.version == 0 and case.news.is_revoked(bytes(8)) == event.GRANTED
    assert case.trail.events == []
    # Nor is a phone that brings none asked for one.
    assert bring(case.news, make_list(1, []), 0).asked == []


def test_a_list_is_taken_and_asked():
    case = _case("taken")
    for count in (0, 1, 2, 3, 60, 127, 128):
        ids = make_ids(count)
        version = case.news.version + 1
        bring(case.news, make_list(version, ids), version)
        assert case.news.version == version
        assert all(case.news.is_revoked(key) == event.REVOKED for key in ids)
        others = [key[:7] + bytes([key[7] ^ 1]) for key in ids[:50]] + [bytes(8), b"\xff" * 8]
        assert all(case.news.is_revoked(key) == event.GRANTED for key in others)
        kind, details = case.trail.events[-1]
        assert kind == event.LIST_TAKEN
        assert details == {event.LIST_VERSION: version, event.COUNT: count, event.NAME: "phone"}
    assert case.start().version == 7 and case.news.is_revoked(make_ids(1)[0]) == event.REVOKED
    assert sorted(os.listdir()) == ["revoked"] and os.stat("revoked")[6] <= 8_190


def test_the_longest_list_is_asked_and_one_more_id_is_too_many():
    case = _case("longest")
    for count in (1000, 1001):
        body = bytearray()
        for number in range(count):
            body.extend(make_id(number))
        bring(case.news, make_list(count, (body,), count=count), count)
        assert case.news.version == 1000 and case.news.count == 1000
    assert case.trail.events[-1] == (event.LIST_REFUSED, {event.REASON: event.MALFORMED, event.NAME: "phone"})
    assert os.stat("revoked")[6] <= 8_190
    for number in range(0, 1000, 37):
        assert case.news.is_revoked(make_id(number)) == event.REVOKED
        assert case.news.is_revoked(make_id(number)[:6] + b"xx") == event.GRANTED
    assert case.news.is_revoked(make_id(999)) == event.REVOKED
    assert case.news.is_revoked(make_id(1000)) == case.news.is_revoked(b"\xff" * 8) == event.GRANTED


def test_what_one_visitor_could_not_finish_the_next_ones_do():
    case = _case("visitors")
    data = make_list(3, make_ids(180))
    first = bring(case.news, data, 3, left=4)
    assert case.news.version == 0 and len(first.asked) == 4 and case.trail.events == []
    # Also over a start, and with other sizes of pieces.
    case.start()
    second = bring(case.news, data, 3, piece=200, left=3)
    assert second.asked[1][0] == 960
    third = bring(case.news, data, 3)
    assert case.news.version == 3 and third.asked[1][0] > 1_000
    assert case.issuer.verified == 2
    assert len(bring(case.news, data, 3).asked) == 0


def test_a_phone_that_gives_byte_after_byte_is_heard_out_only_so_long():
    case = _case("bytes")
    carrier = bring(case.news, make_list(1, make_ids(100)), 1, piece=1)
    assert case.news.version == 0 and len(carrier.asked) < 300
    assert case.news.coming is None


def test_older_ones_are_not_even_asked_for():
    case = _case("older")
    bring(case.news, make_list(5, make_ids(3)), 5)
    for version in (0, 1, 4, 5):
        assert bring(case.news, make_list(version or 1, []), version).asked == []
    # It says that it brings a newer one, and does not.
    for version in (1, 4, 5):
        bring(case.news, make_list(version, []), 9)
        assert case.news.version == 5 and case.news.is_revoked(make_ids(1)[0]) == event.REVOKED
    assert case.trail.events[-1] == (event.LIST_REFUSED, {event.REASON: event.OLDER, event.NAME: "phone"})
