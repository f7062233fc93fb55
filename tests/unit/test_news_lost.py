"""Lists that are lost, damaged or cut on their way into force."""

import os

from news_case import Case, bring, enter_folder, make_ids, make_list

from firmware.core import event
from firmware.store import ledger


def _case(name, **options):
    enter_folder("/tmp/lobbylock-news-" + name)
    return Case(**options)


def test_a_lost_list_refuses_everybody_until_it_comes_again():
    case = _case("lost")
    data = make_list(5, make_ids(3))
    bring(case.news, data, 5)
    case.news.file.close()
    os.remove("revoked")
    for _ in range(2):
        case.start()
        assert case.news.version == 0 and case.news.is_revoked(b"12345678") == event.NO_LIST
    assert case.trail.events[1:] == [(event.LIST_LOST, {event.LIST_VERSION: 5})]
    bring(case.news, make_list(4, []), 4)
    assert case.news.is_revoked(b"12345678") == event.NO_LIST
    bring(case.news, data, 5)
    assert case.news.is_revoked(b"12345678") == event.GRANTED
    assert case.news.is_revoked(make_ids(3)[1]) == event.REVOKED
    # Lost once more, it is told once more.
    case.news.file.close()
    os.remove("revoked")
    case.start()
    assert case.kinds().count(event.LIST_LOST) == 2


def test_a_damaged_list_is_a_lost_one():
    case = _case("damaged")
    data = make_list(5, make_ids(30))
    bring(case.news, data, 5)
    for at in (0, 60, len(data) - 3):
        case.news.file.close()
        with open("revoked", "wb") as file:
            file.write(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        case.start()
        assert case.news.is_revoked(b"12345678") == event.NO_LIST
        bring(case.news, data, 5)
        assert case.news.version == 5


def test_a_list_that_becomes_unreadable_is_opened_again():
    case = _case("unreadable")
    bring(case.news, make_list(5, make_ids(3)), 5)
    case.news.file.close()
    case.news.file = _Deaf()
    assert case.news.is_revoked(make_ids(3)[0]) == event.REVOKED
    case.news.file.close()
    os.remove("revoked")
    case.news.file = _Deaf()
    assert case.news.is_revoked(make_ids(3)[0]) == event.NO_LIST
    assert case.kinds()[-1] == event.LIST_LOST


class _Deaf:
    def seek(self, at):
        raise OSError(5)

    def close(self):
        pass


def test_a_cut_between_ledger_and_rename_is_made_good_by_the_next_start():
    case = _case("rename")
    bring(case.news, make_list(5, make_ids(3)), 5)
    with open("revoked.new", "wb") as file:
        file.write(make_list(6, make_ids(4)))
    assert case.start().version == 5
    kept = case.kept.get(ledger.LIST_VERSION)
    case.kept.put(ledger.LIST_VERSION, (6).to_bytes(4, "big") + kept[4:])
    assert case.start().version == 6 and sorted(os.listdir()) == ["revoked"]


def test_a_lock_that_lost_its_ledger_goes_by_the_list_it_has():
    case = _case("ledger")
    bring(case.news, make_list(5, make_ids(3)), 5)
    del case.kept.values[ledger.LIST_VERSION]
    assert case.start().version == 5
    bring(case.news, make_list(4, []), 4)
    assert case.start().version == 5


def test_another_building_counts_its_lists_by_itself():
    case = _case("moved")
    bring(case.news, make_list(5, make_ids(3)), 5)
    case.config.building = "oak-1"
    assert case.start().version == 0 and case.news.is_revoked(make_ids(3)[0]) == event.GRANTED
    bring(case.news, make_list(2, make_ids(2), building="oak-1"), 2)
    assert case.news.version == 2
