"""Logging in and out through the page, as a browser without scripts does it."""

import argon2
from pagecase import CHEAP, NOW_S, PASSWORD, Visitor

from lobbylock.page.access import safe_next
from lobbylock.page.accounts import MANAGER, Passwords
from lobbylock.page.app import build_app
from lobbylock.page.sessions import LIFE_S

WRONG = "Name and password do not belong together."


def test_nothing_is_shown_to_strangers(visitor):
    answer = visitor.get("/account?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/account%3Fx%3D1")
    fragment = visitor.get("/account", headers={"hx-request": "true"})
    assert (fragment.status_code, fragment.headers["hx-redirect"], fragment.text) == (401, "/login", "")
    assert visitor.post("/logout").headers["location"] == "/login"


def test_logging_in_leads_back_to_where_one_wanted_to_go(visitor):
    answer = visitor.submit("/login", name="mia", password=PASSWORD, next="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert "mia" in visitor.get("/account").text
    assert visitor.get("/login").headers["location"] == "/"


def test_the_sessions_cookie_is_for_the_server_alone(visitor):
    cookies = visitor.login("mia").headers.get_list("set-cookie")
    session = next(cookie for cookie in cookies if cookie.startswith("lobbylock="))
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert "Path=/" in session
    assert f"Max-Age={LIFE_S}" in session


def test_under_tls_cookies_are_for_tls_and_this_host_alone(context):
    context.url = "https://page.example"
    app = build_app(context, passwords=CHEAP)
    app.state.accounts.create("mia", MANAGER, PASSWORD, NOW_S)
    visitor = Visitor(app, base_url="https://page.example")
    answer = visitor.login("mia")
    cookies = answer.headers.get_list("set-cookie")
    assert all("Secure" in cookie and cookie.startswith("__Host-lobbylock") for cookie in cookies)
    assert visitor.get("/account").status_code == 200
    assert visitor.get("/account").headers["strict-transport-security"].startswith("max-age=")


def test_a_name_that_nobody_has_gets_the_same_answer(app):
    known, unknown = Visitor(app), Visitor(app)
    answers = [known.login("mia", "wrong password"), unknown.login("nobody", "wrong password")]
    assert [answer.status_code for answer in answers] == [403, 403]
    pages = [answer.text.replace("nobody", "mia") for answer in answers]
    tokens = [visitor.cookies["lobbylock-form"] for visitor in (known, unknown)]
    assert pages[0].replace(tokens[0], "") == pages[1].replace(tokens[1], "")
    assert WRONG in pages[0]


def test_a_name_that_nobody_has_costs_the_same_work(context):
    class Counting(argon2.PasswordHasher):
        checked = 0

        def verify(self, hash, password):
            Counting.checked += 1
            return super().verify(hash, password)

    app = build_app(context, passwords=Passwords(Counting(time_cost=1, memory_cost=8, parallelism=1)))
    app.state.accounts.create("mia", MANAGER, PASSWORD, NOW_S)
    counts = []
    for name in ("mia", "nobody", "\N{SNOWMAN}"):
        Visitor(app, client=(f"192.0.2.{len(counts)}", 1)).login(name, "wrong password")
        counts.append(Counting.checked)
    assert counts == [1, 2, 3]


def test_guesses_are_slowed_in_words_and_numbers(visitor, clock):
    assert visitor.login("mia", "wrong password").status_code == 403
    waits = []
    for _ in range(5):
        # The right one as well: else the answer would tell.
        refused = visitor.login("mia")
        wait_s = int(refused.headers["retry-after"])
        assert refused.status_code == 429
        assert f"try again in {wait_s} s" in refused.text
        waits.append(wait_s)
        clock.now_s += wait_s
        assert visitor.login("mia", "wrong password").status_code == 403
    assert waits == sorted(waits)
    assert waits[-1] >= 16
    clock.now_s += 2 * waits[-1]
    assert visitor.login("mia").status_code == 303


def test_the_wait_is_the_same_for_names_that_nobody_has(app, clock):
    waits = []
    for each, name in enumerate(("mia", "nobody")):
        visitor = Visitor(app, client=(f"192.0.2.{each}", 1))
        for _ in range(3):
            visitor.login(name, "wrong password")
            waits.append((name, visitor.login(name, "wrong password").headers["retry-after"]))
    assert [wait for name, wait in waits if name == "mia"] == [wait for name, wait in waits if name == "nobody"]


def test_a_stranger_does_not_keep_a_manager_out(app, clock):
    own = Visitor(app, client=("192.0.2.1", 1))
    given = next(each for each in own.login("mia").headers.get_list("set-cookie") if "lobbylock-known=" in each)
    assert "HttpOnly" in given and "SameSite=strict" in given and "Max-Age=31536000" in given
    own.submit("/logout", page="/account")
    stranger = Visitor(app, client=("198.51.100.1", 1))
    for _ in range(8):
        clock.now_s += int(stranger.login("mia", "wrong password").headers.get("retry-after", 0))
    assert stranger.login("mia", "wrong password").status_code in (403, 429)
    assert stranger.login("mia").status_code == 429
    # A mark that was made up, or of another account, is none.
    for mark in ("x.y", app.state.accounts.mark_browser("anna")):
        other = Visitor(app, client=("192.0.2.2", 1), cookies={"lobbylock-known": mark})
        assert other.login("mia").status_code == 429
    assert own.login("mia").status_code == 303
    # There, guesses are slowed down as everywhere.
    own.submit("/logout", page="/account")
    assert [own.login("mia", "wrong password").status_code for _ in range(2)] == [403, 429]


def test_a_new_password_lets_its_owner_in_at_once(app, clock):
    stranger, own = (Visitor(app, client=(f"192.0.2.{each}", 1)) for each in range(2))
    for _ in range(12):
        clock.now_s += int(stranger.login("mia", "wrong password").headers.get("retry-after", 0))
    stranger.login("mia", "wrong password")
    assert own.login("mia").status_code == 429
    app.state.accounts.set_password("mia", "another horse here", int(clock()))
    assert own.login("mia", "another horse here").status_code == 303
    # The browser is known with another password that was chosen there, too.
    wanted = "a third horse here"
    changed = own.submit("/account", present="another horse here", password=wanted, again=wanted)
    assert changed.status_code == 200
    own.submit("/logout", page="/account")
    for _ in range(3):
        stranger.login("mia", "wrong password")
    assert own.login("mia", wanted).status_code == 303


def test_strangers_do_not_slow_down_everybody_behind_a_proxy(context):
    context.url = "https://page.example"
    app = build_app(context, passwords=CHEAP)
    app.state.accounts.create("mia", MANAGER, PASSWORD, NOW_S)
    assert context.is_proxied
    stranger, mia = (Visitor(app, base_url=context.url, client=("127.0.0.1", 1)) for _ in range(2))
    for each in range(20):
        assert stranger.login(f"nobody-{each}", "wrong password").status_code == 403
    assert mia.login("mia").status_code == 303
    wanted = "another horse entirely"
    for each in range(20, 24):
        assert stranger.login(f"nobody-{each}", "wrong password").status_code == 403
    assert mia.submit("/account", present=PASSWORD, password=wanted, again=wanted).status_code == 200
    # Where it is reached by itself, people come from their own addresses.
    context.is_loopback_only = False
    assert not context.is_proxied


def test_a_try_that_is_cut_off_counts(context):
    class Pulled(Passwords):
        def matches(self, stored, password):
            raise RuntimeError("the plug is pulled")

    visitor = Visitor(build_app(context, passwords=Pulled()))
    assert visitor.login("mia").status_code == 500
    assert visitor.login("mia").status_code == 429


def test_many_at_once_are_sent_away(app, visitor):
    app.state.desk._waiting = 1_000
    answer = visitor.login("mia")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_the_login_form_has_to_be_ours(app):
    visitor = Visitor(app)
    form = {"name": "mia", "password": PASSWORD}
    assert visitor.post("/login", data=form).status_code == 403
    token = visitor.token("/login")
    assert visitor.post("/login", data={**form, "csrf": token[:-1]}).status_code == 403
    assert Visitor(app).post("/login", data={**form, "csrf": token}).status_code == 403
    assert Visitor(app).post("/login", data={**form, "csrf": ""}).status_code == 403
    assert visitor.post("/login", data={**form, "csrf": token}).status_code == 303


def test_logging_out_ends_the_session_and_not_only_the_cookie(manager):
    token = manager.cookies["lobbylock"]
    assert manager.submit("/logout", page="/account").headers["location"] == "/login"
    manager.cookies.set("lobbylock", token)
    assert manager.get("/account").status_code == 303


def test_changing_the_password_ends_all_other_sessions(app, manager):
    other = Visitor(app)
    assert other.login("mia").status_code == 303
    wanted = "another horse entirely"
    changed = manager.submit("/account", present=PASSWORD, password=wanted, again=wanted)
    assert "The password is changed" in changed.text
    assert manager.get("/account").status_code == 200
    assert other.get("/account").status_code == 303
    assert other.login("mia").status_code == 403


def test_the_password_is_changed_by_whoever_knows_it(manager, clock):
    for values, sentence in (
        ({"present": "wrong", "password": "x" * 12, "again": "x" * 12}, "That is not the present password."),
        ({"present": PASSWORD, "password": "abcdefghijkl", "again": "abcdefghijkm"}, "not typed the same twice"),
        ({"present": PASSWORD, "password": "short", "again": "short"}, "10 to 256 characters"),
    ):
        answer = manager.submit("/account", **values)
        assert answer.status_code == 400
        assert sentence in answer.text
        clock.now_s += 60
    manager.submit("/account", present="wrong", password="x" * 12, again="x" * 12)
    # A session that was left open is no way round the guard.
    assert manager.submit("/account", present=PASSWORD, password="x", again="x").status_code == 429


def test_ways_back_lead_nowhere_else():
    for text in ("/", "/doors?x=1", "/delivery/a/b/1/2"):
        assert safe_next(text) == text
    for text in (None, "", "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "javascript:x"):
        assert safe_next(text) == "/"
    for text in ("/a\nb", "x", "/" + "a" * 1_000, "///evil.example", "/\t/evil.example"):
        assert safe_next(text) == "/"


def test_a_strange_name_comes_back_as_text(visitor):
    page = visitor.login('"><script>alert(1)</script>', "wrong password").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
