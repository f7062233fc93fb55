"""Accounts, sessions and the guard against guessing, on both databases."""

import hmac
import threading
from hashlib import sha256

import pytest
from pagecase import CHEAP, NOW_S, PASSWORD
from sqlalchemy import select

from lobbylock import backend, tables
from lobbylock.database import Database
from lobbylock.errors import StoreFailed, UserError
from lobbylock.page import sessions as noting
from lobbylock.page.accounts import MANAGER, RESIDENT, Accounts
from lobbylock.page.guessing import LONGEST_S, LoginGuard
from lobbylock.page.sessions import IDLE_S, LIFE_S, MAX_SESSIONS, Sessions

HERE = "192.0.2.7"


@pytest.fixture
def accounts(database):
    return Accounts(database, CHEAP)


@pytest.fixture
def mia(accounts):
    return accounts.create("mia", MANAGER, PASSWORD, NOW_S)


def test_an_account_is_what_was_made(accounts, mia):
    anna = accounts.create(
        "anna", RESIDENT, PASSWORD, NOW_S, buildings=["oak-3", "maple-12", "oak-3"], person="Anna B."
    )
    assert accounts.list() == [anna, mia]
    assert (anna.person, anna.buildings) == ("Anna B.", ("maple-12", "oak-3"))
    assert (mia.person, mia.buildings, mia.sees_everything) == (None, (), True)
    assert accounts.check("anna", PASSWORD) == anna
    assert accounts.has_manager()


def test_a_resident_without_a_name_in_the_record_is_called_as_the_account(accounts):
    assert accounts.create("anna", RESIDENT, PASSWORD, NOW_S, buildings=["oak-3"]).person == "anna"


def test_what_cannot_be_an_account_is_refused(accounts, mia):
    for name, role, password, buildings in (
        ("mia", MANAGER, PASSWORD, []),
        ("", MANAGER, PASSWORD, []),
        ("a\nb", MANAGER, PASSWORD, []),
        ("x" * 65, MANAGER, PASSWORD, []),
        ("bob", "king", PASSWORD, []),
        ("bob", RESIDENT, PASSWORD, []),
        ("bob", RESIDENT, PASSWORD, ["../etc"]),
        ("bob", MANAGER, "short", []),
        ("bob", MANAGER, "x" * 257, []),
        ("bob", MANAGER, "a" * 20, []),
        ("bob the builder", MANAGER, "Bob The Builder", []),
    ):
        with pytest.raises(UserError) as refused:
            accounts.create(name, role, password, NOW_S, buildings=buildings)
        assert password not in str(refused.value)
    assert accounts.list() == [mia]


def test_names_in_another_form_of_unicode_are_the_same_name(accounts):
    accounts.create("Zoe\u0308", MANAGER, PASSWORD, NOW_S)
    with pytest.raises(UserError):
        accounts.create("Zo\xeb", MANAGER, PASSWORD, NOW_S)
    assert accounts.check("Zo\xeb", PASSWORD) is not None


def test_strange_names_are_nobodys(accounts, mia):
    for name in ("nobody", "", "\0", "mia\0", "\ud800", "' OR 1=1 --", "m" * 10_000):
        assert accounts.check(name, PASSWORD) is None


def test_a_disabled_account_lets_nobody_in_and_ends_sessions(accounts, mia, database):
    sessions = Sessions(database)
    token = sessions.begin(mia, HERE, NOW_S)
    accounts.set_disabled("mia", NOW_S)
    assert accounts.check("mia", PASSWORD) is None
    assert sessions.check(token, NOW_S) is None
    assert not accounts.has_manager()
    accounts.set_disabled("mia", None)
    assert accounts.check("mia", PASSWORD) is not None
    assert sessions.check(token, NOW_S) is None


def test_a_removed_account_is_gone_with_its_sessions(accounts, mia, database):
    token = Sessions(database).begin(mia, HERE, NOW_S)
    accounts.remove("mia")
    assert accounts.find("mia") is None
    assert Sessions(database).check(token, NOW_S) is None
    with pytest.raises(UserError):
        accounts.remove("mia")


def test_another_password_ends_all_sessions_but_the_one_kept(accounts, mia, database):
    sessions = Sessions(database)
    here, there = sessions.begin(mia, HERE, NOW_S), sessions.begin(mia, HERE, NOW_S)
    accounts.set_password("mia", "another horse entirely", NOW_S, keep=sha256(here.encode()).digest())
    assert sessions.check(here, NOW_S) is not None
    assert sessions.check(there, NOW_S) is None
    assert accounts.check("mia", PASSWORD) is None
    assert accounts.check("mia", "another horse entirely") is not None


def test_the_store_holds_neither_password_nor_token(accounts, mia, database):
    token = Sessions(database).begin(mia, HERE, NOW_S)
    with database.connect() as connection:
        rows = [repr(row) for table in (tables.account, tables.session) for row in connection.execute(select(table))]
    text = "".join(rows)
    assert "$argon2id$" in text
    assert PASSWORD not in text
    assert token not in text


def test_sessions_end_after_a_while_unused_and_in_any_case(mia, database):
    sessions = Sessions(database)
    token = sessions.begin(mia, HERE, NOW_S)
    assert sessions.check(token, NOW_S + IDLE_S - 1) is not None
    # That use counts.
    assert sessions.check(token, NOW_S + 2 * IDLE_S - 2) is not None
    assert sessions.check(token, NOW_S + 4 * IDLE_S) is None
    token = sessions.begin(mia, HERE, NOW_S)
    for used_s in range(NOW_S, NOW_S + LIFE_S, IDLE_S // 2):
        assert sessions.check(token, used_s) is not None
    assert sessions.check(token, NOW_S + LIFE_S) is None


def test_made_up_tokens_are_no_sessions(mia, database):
    Sessions(database).begin(mia, HERE, NOW_S)
    for token in ("", "x", "\ud800", "y" * 10_000, "\0"):
        assert Sessions(database).check(token, NOW_S) is None


def test_the_oldest_of_too_many_sessions_ends(mia, database):
    sessions = Sessions(database)
    tokens = [sessions.begin(mia, HERE, NOW_S + each) for each in range(MAX_SESSIONS + 1)]
    alive = [sessions.check(token, NOW_S + 60) is not None for token in tokens]
    assert alive == [False] + [True] * MAX_SESSIONS


def test_a_use_that_cannot_be_noted_is_still_a_use(mia, database):
    class Full:
        """A store whose disk is full."""

        connect = staticmethod(database.connect)

        def begin(self, wait_s):
            raise StoreFailed("The disk is full.")

    token = Sessions(database).begin(mia, HERE, NOW_S)
    full = Sessions(Full())  # pyright: ignore[reportArgumentType] all that is needed of one
    assert full.check(token, NOW_S + 3_600) is not None


def test_readers_do_not_wait_for_another_writer(mia, database, store_address, pictures_path, monkeypatch):
    def used_s():
        with database.connect() as connection:
            return connection.execute(select(tables.session.c.used_s)).scalar_one()

    token = Sessions(database).begin(mia, HERE, NOW_S)
    # Whoever waits for the writer as long as others do is still there at the deadline.
    monkeypatch.setattr(backend, "_WAIT_S", 600)
    # What one of them has tried the next one does not, however much later it comes.
    monkeypatch.setattr(noting, "_PAUSE_S", 3_600.0)
    with Database.open(store_address, pictures_path) as opened:
        tries, begin = [], opened.begin
        monkeypatch.setattr(opened, "begin", lambda *waits: tries.append(waits) or begin(*waits))
        found = []

        def read():
            found.append(Sessions(opened).check(token, NOW_S + 3_600))

        # Another program, and another part of this one.
        for writer in (database, opened):
            noting._PAUSED.clear()
            tries.clear()
            found.clear()
            with Database.begin(writer):
                for _ in range(3):
                    reader = threading.Thread(target=read, daemon=True)
                    reader.start()
                    reader.join(60)
                    assert not reader.is_alive()
            assert len(found) == 3 and None not in found
            # Nor is it tried again and again.
            assert len(tries) == 1 and used_s() == NOW_S
        read()
        assert len(tries) == 1 and used_s() == NOW_S
        for _ in range(2):
            noting._PAUSED.clear()
            read()
        assert len(tries) == 2 and used_s() == NOW_S + 3_600
        assert opened not in noting._PAUSED
        with opened.connect() as connection:
            shown = connection.exec_driver_sql("PRAGMA busy_timeout" if opened.is_sqlite else "SHOW lock_timeout")
            assert shown.scalar_one() in (600_000, "10min")


def test_each_failure_of_a_name_doubles_the_wait(database):
    guard, now_s, waits = LoginGuard(database), float(NOW_S), []
    for each in range(14):
        assert guard.begin("mia", f"192.0.2.{each}", now_s) == 0
        wait_s = guard.begin("mia", "198.51.100.1", now_s)
        waits.append(wait_s)
        # It may say a second more than needed, and never less.
        assert guard.begin("mia", "198.51.100.1", now_s + wait_s - 2) > 0 or wait_s <= 2
        now_s += wait_s
    expected = [min(LONGEST_S, 1 << each) for each in range(14)]
    assert all(want <= got <= want + 2 for got, want in zip(waits, expected, strict=True)), waits


def test_other_names_from_one_address_slow_down_as_well(database):
    guard, waits = LoginGuard(database), []
    for each in range(8):
        waits.append(guard.begin(f"name-{each}", HERE, NOW_S))
    assert waits[0] == 0
    assert waits[-1] > 0
    # Elsewhere it goes on at once, and in the same network of version 6 it does not.
    assert guard.begin("name-9", "192.0.2.8", NOW_S) == 0
    for each in range(8):
        guard.begin(f"six-{each}", f"2001:db8:1:2::{each}", NOW_S)
    assert guard.begin("six-9", "2001:db8:1:2:ffff::9", NOW_S) > 0
    assert guard.begin("six-9", "2001:db8:1:3::9", NOW_S) == 0


def test_a_right_password_ends_the_names_wait_and_not_that_of_the_address(database):
    guard = LoginGuard(database)
    for each in range(6):
        guard.begin(f"name-{each}", HERE, NOW_S + 100 * each)
    before = _failures(database)
    assert guard.begin("mia", HERE, NOW_S + 1_000) == 0
    guard.succeed("mia", HERE)
    # Whoever has an account cannot guess at those of others in between.
    assert _failures(database) == before
    assert guard.begin("mia", HERE, NOW_S + 1_001) == 0


def test_tries_at_the_same_moment_count_one_by_one(database):
    guard = LoginGuard(database)
    assert [guard.begin("mia", f"192.0.2.{each}", NOW_S) > 0 for each in range(4)] == [False, True, True, True]


def test_a_name_is_counted_in_its_one_form(database):
    guard, waits = LoginGuard(database), []
    for each, name in enumerate(("Zo\xeb", "Zoe\u0308", "ZOE\u0308", " zo\xeb ")):
        waits.append(guard.begin(name, f"192.0.2.{each}", NOW_S))
    assert [wait > 0 for wait in waits] == [False, True, True, True]


def test_a_browser_that_is_known_is_counted_by_itself(database):
    guard = LoginGuard(database)
    for each in range(8):
        guard.begin("mia", HERE, NOW_S + 1_000 * each)
    now_s = NOW_S + 7_001
    assert guard.begin("mia", HERE, now_s) > 0
    assert guard.begin("mia", HERE, now_s, "browser-1") == 0
    # It is slowed down as well, and neither another one nor its number with another name is.
    assert guard.begin("mia", "192.0.2.8", now_s, "browser-1") > 0
    assert guard.begin("mia", HERE, now_s, "browser-2") == guard.begin("anna", HERE, now_s, "browser-1") == 0
    guard.succeed("mia", HERE, "browser-1")
    assert guard.begin("mia", HERE, now_s, "browser-1") == 0
    # A right password there says nothing about those who guess elsewhere.
    assert guard.begin("mia", HERE, now_s) > 0


def test_nobodys_address_is_not_counted(database):
    guard = LoginGuard(database)
    assert [guard.begin(f"name-{each}", "", NOW_S) for each in range(8)] == [0] * 8
    guard.succeed("name-1", "")
    assert len(_failures(database)) == 7


def test_a_browsers_mark_is_for_one_account_and_password(accounts, mia):
    accounts.create("anna", RESIDENT, PASSWORD, NOW_S, buildings=["oak-3"])
    mark = accounts.mark_browser("mia")
    browser, _, seal = mark.partition(".")
    assert accounts.known_browser("mia", mark) == browser != ""
    assert mark != accounts.mark_browser("mia")
    # Made as for a name that nobody has, whose key anybody knows.
    made_up = hmac.new(b"", b"lobbylock known browser 0 x", sha256).hexdigest()
    for name, given in (
        ("anna", mark),
        ("nobody", mark),
        ("nobody", f"x.{made_up}"),
        ("mia", f"x.{seal}"),
        ("mia", f"{browser}."),
        ("mia", browser),
        ("mia", ""),
        ("mia", "\ud800.\xe9"),
        ("mia", "." * 10_000),
    ):
        assert accounts.known_browser(name, given) == "", (name, given)
    accounts.set_password("mia", "another horse entirely", NOW_S)
    assert accounts.known_browser("mia", mark) == ""


def test_another_password_ends_the_names_wait(accounts, mia, database):
    guard = LoginGuard(database)
    for name in ("mia", "anna"):
        guard.begin(name, "", NOW_S)
    accounts.set_password("mia", "another horse entirely", NOW_S)
    assert guard.begin("mia", "", NOW_S) == 0
    assert guard.begin("anna", "", NOW_S) > 0


def test_what_a_clock_noted_that_was_far_ahead_is_forgotten(database):
    guard, year_s = LoginGuard(database), 365 * 86_400
    for each in range(3):
        guard.begin("mia", f"192.0.2.{each}", NOW_S + year_s + 1_000 * each)
    # A clock that is put back a little is no way round the guard.
    assert guard.begin("mia", HERE, NOW_S + year_s + 1_990) > 0
    assert guard.begin("mia", HERE, NOW_S) == 0
    assert set(_failures(database).values()) == {1}
    assert len(_failures(database)) == 2


def test_failures_are_forgotten_after_a_day(database):
    guard = LoginGuard(database)
    for each in range(12):
        guard.begin("mia", HERE, NOW_S + 1_000 * each)
    assert guard.begin("mia", HERE, NOW_S + 100_000 * 2) == 0
    assert len(_failures(database)) == 2


def test_what_is_typed_as_a_name_is_not_kept(database):
    LoginGuard(database).begin("my password is swordfish", HERE, NOW_S)
    assert not any("swordfish" in name or HERE in name for name in _failures(database))


def _failures(database):
    with database.connect() as connection:
        return dict(connection.execute(select(tables.attempt.c.name, tables.attempt.c.failures)).all())
