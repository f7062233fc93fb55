"""Several that bring a list at the same time."""

from news_case import Carrier, Case, bring, enter_folder, finish, make_ids, make_list

from firmware.core import event


def _case(name, **options):
    enter_folder("/tmp/lobbylock-news-" + name)
    return Case(**options)


def test_two_carriers_of_one_list_add_to_each_other():
    case = _case("two")
    data = make_list(3, make_ids(200))
    first, second = _Slow(data, 3), _Slow(data, 3)
    one, two = case.news.collect(first), case.news.collect(second)
    for running in (one, two) * 30:
        try:
            running.send(None)
        except StopIteration:
            pass
    assert case.news.version == 3 and case.news.coming is None
    assert case.kinds() == [event.LIST_TAKEN]


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
