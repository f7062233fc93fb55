"""Several that bring a list at the same time."""

from fake_issuer import FakeIssuer
from news_case import Carrier, Case, Console, bring, enter_folder, finish, forget, make_ids, make_list, send

from firmware.console import news as console_news
from firmware.console.request import Refusal
from firmware.core import event


def _case(name, **options):
    enter_folder("/tmp/lobbylock-news-" + name)
    return Case(**options)


def test_of_two_carriers_of_one_list_the_second_waits():
    case = _case("two")
    data = make_list(3, make_ids(200))
    first, second = _Slow(data, 3), _Slow(data, 3)
    _together(case, first, second)
    assert case.news.version == 3 and case.news.coming is None
    assert case.kinds() == [event.LIST_TAKEN] and (0, 1) in second.asked
    # If the first one goes, the second one goes on with what there is.
    data = make_list(4, make_ids(200))
    first, second = _Slow(data, 4, left=4), _Slow(data, 4)
    _together(case, first, second)
    assert case.news.version == 4 and [at for at, most in second.asked if at and most > 1][0] == 960


def test_nobody_spoils_what_others_bring():
    good, rubbish = make_list(3, make_ids(200)), make_list(3, make_ids(200))[:181] + bytes(1_600)
    for name in ("first", "second", "broker"):
        case = _case("thief-" + name)
        thief, honest = _Slow(rubbish, 3), _Slow(good, 3)
        if name == "broker":
            # It has its turn as soon as it comes, and goes on with what there is.
            _together(case, thief, honest, "mqtt")
        elif name == "first":
            _together(case, thief, honest)
        else:
            _together(case, honest, thief)
        assert case.news.version == 3 and case.news.coming is None, name
        assert set(case.kinds()) <= {event.LIST_TAKEN, event.LIST_REFUSED}, name


def test_a_phone_goes_on_when_the_broker_that_took_over_goes():
    case = _case("over")
    data = make_list(3, make_ids(200))
    phone = _Slow(data, 3)
    _together(case, phone, _Slow(data, 3, left=3), "mqtt")
    assert case.news.version == 3 and case.kinds() == [event.LIST_TAKEN]
    assert [at for at, _ in phone.asked].count(0) > 1


def test_one_who_brings_nothing_for_long_is_passed():
    case = _case("silent")
    data = make_list(3, make_ids(200))
    silent = case.news.collect(_Slow(data, 3))
    for _ in range(3):
        silent.send(None)
    case.uptime.ms += 29_000
    bring(case.news, data, 3)
    assert case.news.version == 0
    case.uptime.ms += 1_000
    bring(case.news, data, 3)
    assert case.news.version == 3
    try:
        while True:
            silent.send(None)
    except StopIteration:
        pass
    assert case.kinds() == [event.LIST_TAKEN] and case.news.coming is None


def test_of_two_lists_at_once_the_newer_one_stays():
    case = _case("newer")
    old, new = _Slow(make_list(3, make_ids(200)), 3), _Slow(make_list(4, make_ids(150)), 4)
    one, two, three = case.news.collect(old), case.news.collect(new), case.news.collect(_Slow(old.data, 3))
    running = [one, one, two, three] + [one, two, three] * 30
    for coroutine in running:
        try:
            coroutine.send(None)
        except StopIteration:
            pass
    assert case.news.version == 4 and case.kinds() == [event.LIST_TAKEN]
    # One that nobody goes on with keeps no older one out for long.
    bring(case.news, make_list(9, make_ids(200)), 9, left=3)
    bring(case.news, make_list(8, make_ids(200)), 8)
    assert case.news.version == 8


def _together(case, first, second, source="phone"):
    one, two = case.news.collect(first), case.news.collect(second, source)
    one.send(None)
    one.send(None)
    for running in (two, one) * 90:
        try:
            running.send(None)
        except StopIteration:
            pass


class _Pause:
    def __await__(self):
        yield

    __iter__ = __await__


class _Slow(Carrier):
    async def fetch(self, what, offset, most):
        await _Pause()
        return await super().fetch(what, offset, most)


def test_a_chip_that_fails_goes_through_and_leaves_nothing_open():
    case = _case("chip")

    class Failing(Carrier):
        async def fetch(self, what, offset, most):
            if self.left < 998:
                raise ValueError("chip")
            return await super().fetch(what, offset, most)

    try:
        finish(case.news.collect(Failing(make_list(3, make_ids(200)), 3)))
        raise AssertionError("it went through quietly")
    except ValueError:
        pass
    assert case.news.coming is None
    bring(case.news, make_list(3, make_ids(200)), 3)
    assert case.news.version == 3


def test_a_phone_that_comes_between_two_uploads_of_a_session_meets_no_older_code():
    case = _case("session", forget=forget)
    console = Console(case.news)
    upload = console_news.begin(console, len(make_list(1, make_ids(2))))
    send(upload, make_list(1, make_ids(2)))
    finish(upload.commit())
    upload.close()
    data = make_list(2, make_ids(30))
    upload = console_news.begin(console, len(data))
    send(upload, data[:240])
    bring(case.news, make_list(3, [], issuer=FakeIssuer(secret=b"thief")), 3)
    assert case.trail.events[-1] == (event.LIST_REFUSED, {event.REASON: event.FORGED, event.NAME: "phone"})
    # And the other way round: what refuses the upload is what the console knows.
    bad = console_news.begin(console, 240)
    try:
        send(bad, make_list(4, make_ids(20), issuer=FakeIssuer(secret=b"thief")))
        raise AssertionError("a forged list was taken")
    except Refusal as refusal:
        assert refusal.args[0] == "list"
    bad.close()
    send(upload, data)
    finish(upload.commit())
    upload.close()
    assert case.news.version == 2 and case.news.coming is None
