"""What holds for every address of the page, those of other modules too: they are all taken from the application."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pagecase import PASSWORD, Visitor
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import lobbylock.page
from lobbylock.errors import StoreFailed
from lobbylock.page.app import build_app
from lobbylock.page.security import MAX_BODY_BYTES, POLICY, host_name

PAGE = Path(lobbylock.page.__file__).parent
# For everybody: logging in, files without a secret, and whether the service is well. /metrics has a token of its own.
PUBLIC = {"/login", "/static/{name}", "/healthz", "/metrics"}
EVERYWHERE = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
PARTS = {"building": "maple-12", "door": "front", "chain": "1", "seq": "1", "name": "style.css"}


def addresses(app, method):
    """Returns (pattern, an address of it) of each route that takes `method`."""
    found = []
    for route in app.routes:
        if isinstance(route, Route) and method in (route.methods or {"GET"}):
            path = re.sub(r"\{(\w+)(:\w+)?\}", lambda part: PARTS.get(part.group(1), "1"), route.path)
            found.append((route.path, path))
    return found


class Strict(HTMLParser):
    """Finds what the policy would forbid in a page."""

    def __init__(self):
        super().__init__()
        self.forbidden = []
        self._is_script = False

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        self.forbidden += [(tag, name) for name in names if name == "style" or name.startswith("on")]
        self.forbidden += [(tag, name) for name, value in attrs if "javascript:" in (value or "").lower()]
        sources = [names.get(name) or "" for name in ("src", "href", "action") if name in names]
        self.forbidden += [(tag, source) for source in sources if re.match(r"(?:[a-z]+:)?//|data:", source)]
        self._is_script = tag == "script"
        if tag in ("style", "iframe", "object", "base"):
            self.forbidden.append((tag, ""))

    def handle_data(self, data):
        if self._is_script and data.strip():
            self.forbidden.append(("script", data.strip()[:40]))

    def handle_endtag(self, tag):
        self._is_script = False


def forbidden_in(text):
    parser = Strict()
    parser.feed(text)
    return parser.forbidden


def test_the_check_of_pages_finds_what_is_forbidden():
    for text in (
        '<p style="x">',
        '<p onclick="x">',
        "<script>x</script>",
        '<a href="javascript:x">',
        "<style>x</style>",
    ):
        assert forbidden_in(text), text
    assert forbidden_in('<img src="https://elsewhere.example/x">')
    assert not forbidden_in('<script src="/static/page.js" defer></script><a href="/x">y</a>')


def test_strangers_get_no_further_than_the_login_page(app):
    checked = 0
    for pattern, path in addresses(app, "GET"):
        if pattern in PUBLIC:
            continue
        answer = Visitor(app).get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/login"), path
        checked += 1
    assert checked >= 10


def test_strangers_change_nothing(app):
    for pattern, path in addresses(app, "POST"):
        answer = Visitor(app).post(path, data={"csrf": "guess"})
        expected = (403,) if pattern in PUBLIC else (303,)
        assert answer.status_code in expected, path
        assert answer.headers.get("location", "/login") == "/login", path


def test_every_form_needs_the_sessions_token(manager, app):
    paths = [path for pattern, path in addresses(app, "POST") if pattern not in PUBLIC]
    assert len(paths) >= 4
    other = Visitor(app)
    other.login("anna")
    foreign = other.token("/account")
    for path in paths:
        for token in ("", "guess", foreign):
            assert manager.post(path, data={"csrf": token}).status_code == 403, (path, token)
            assert manager.post(path, headers={"x-csrf-token": token}).status_code == 403, (path, token)
    assert manager.get("/account").status_code == 200


def test_forms_of_other_pages_are_refused_even_with_the_token(manager):
    token = manager.token("/account")
    good = {"present": PASSWORD, "password": "x", "again": "x", "csrf": token}
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver:81"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ):
        assert manager.post("/account", data=good, headers=headers).status_code == 403, headers
    for headers in ({"origin": "http://testserver", "sec-fetch-site": "same-origin"}, {"x-csrf-token": token}):
        assert manager.post("/account", data=good, headers=headers).status_code == 400, headers


def test_methods_that_nobody_expects_do_nothing(manager):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert manager.request(method, "/account").status_code == 405, method


def test_what_a_resident_may_not_see_does_not_exist_for_them(app, resident):
    nothing = resident.get("/door/no-house/front")
    assert nothing.status_code == 404
    for path in ("/accounts", "/doors", "/grants", "/alarms", "/door/oak-3/front", "/door/maple-12/front"):
        answer = resident.get(path)
        assert (answer.status_code, answer.text) == (404, nothing.text), path
    posts = [path for pattern, path in addresses(app, "POST") if pattern not in (*PUBLIC, "/account", "/logout")]
    token = resident.token("/account")
    for path in posts:
        assert resident.post(path, data={"csrf": token}).status_code == 404, path


def test_every_answer_carries_the_headers(app, manager, visitor):
    answers = [manager.get(path) for pattern, path in addresses(app, "GET") if pattern != "/live"]
    answers += [visitor.get("/account"), visitor.post("/login"), visitor.get("/nothing"), visitor.put("/login")]
    answers += [visitor.get("/login", headers={"host": "evil.example"})]
    answers += [visitor.post("/login", content=b"x" * (MAX_BODY_BYTES + 1))]
    statuses = {answer.status_code for answer in answers}
    assert {200, 303, 403, 404, 405, 413, 421} <= statuses
    for answer in answers:
        for name, value in EVERYWHERE.items():
            assert answer.headers[name] == value, (answer.url, name)
        assert answer.headers["cache-control"] in ("no-store", "no-cache"), answer.url


def test_pages_keep_to_their_own_policy(app, manager):
    looked_at = 0
    for pattern, path in addresses(app, "GET"):
        answer = manager.get(path) if pattern != "/live" else None
        if answer is not None and answer.headers.get("content-type", "").startswith("text/html"):
            assert not forbidden_in(answer.text), path
            looked_at += 1
    assert looked_at >= 6


def test_templates_and_scripts_hold_nothing_inline():
    templates = sorted(PAGE.glob("templates/*.html"))
    assert len(templates) >= 6
    for path in templates:
        text = path.read_text()
        assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=|<style|javascript:|\|\s*safe\b|autoescape", text), path
    script = (PAGE / "static" / "page.js").read_text()
    assert not re.search(r"\beval\(|new Function|document\.write|https?://", script)


def test_faults_and_failures_are_pages_with_the_same_headers(context):
    def fail(request):
        raise StoreFailed("The disk of the store at /srv/secret is full.")

    def stumble(request):
        raise RuntimeError("a secret in a fault")

    app = build_app(context, [Route("/full", fail), Route("/fault", stumble)])
    visitor = Visitor(app)
    full, fault = visitor.get("/full"), visitor.get("/fault")
    assert (full.status_code, fault.status_code) == (503, 500)
    assert "Locks keep what they record" in full.text
    assert full.headers["retry-after"] == "5"
    assert "secret" not in full.text + fault.text
    for answer in (full, fault):
        assert answer.headers["content-security-policy"] == POLICY


def test_a_store_that_is_gone_is_a_sentence(app, manager, monkeypatch):
    def gone():
        raise StoreFailed("The database does not answer.")

    monkeypatch.setattr(app.state.context.database, "connect", gone)
    answer = manager.get("/account")
    assert answer.status_code == 503
    assert "The store cannot be used at this moment" in answer.text
    monkeypatch.undo()
    assert manager.get("/account").status_code == 200


def test_only_the_pages_own_names_are_served(visitor):
    for host in ("evil.example", "", "testserver.evil.example", "a@testserver", "[", "127.0.0.1.nip.example"):
        assert visitor.get("/login", headers={"host": host}).status_code == 421, host
    for host in ("testserver", "TESTSERVER:8480", "127.0.0.1:8480"):
        assert visitor.get("/login", headers={"host": host}).status_code == 200, host
    assert host_name("[::1]:8480") == "::1"


def test_long_bodies_are_not_read(visitor):
    token = visitor.token("/login")
    long = {"csrf": token, "name": "mia", "password": "x" * MAX_BODY_BYTES}
    answer = visitor.post("/login", data=long)
    assert answer.status_code == 413 and '<a href="/">To the first page</a>' in answer.text

    def pieces():
        for _ in range(100):
            yield b"x" * 4_096

    # Without a length it is counted as it comes.
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert visitor.post("/login", content=pieces(), headers=form).status_code in (400, 413)
    for length in ("-1", "1e3", "9" * 30, "x"):
        assert visitor.post("/login", headers={"content-length": length}).status_code in (400, 413), length


@pytest.mark.parametrize("charset", ["punycode", "undefined", "x\0y", "unicode_escape", "utf-7", "nothing", ""])
def test_forms_are_in_utf_8(visitor, manager, charset):
    body = b'--B\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n\\ud800+2AA-\xff\r\n--B--\r\n'
    kind = "multipart/form-data; boundary=B"
    for who, path in ((visitor, "/login"), (manager, "/account"), (manager, "/alarms/seen")):
        wrong = {"content-type": f"{kind}; charset={charset}".encode("latin-1")}
        assert who.post(path, content=body, headers=wrong).status_code == 400
        for right in (kind, f"{kind}; charset=UTF-8"):
            assert who.post(path, content=body, headers={"content-type": right}).status_code == 403


def test_files_are_not_taken(manager):
    token = manager.token("/account")
    answer = manager.post("/account", data={"csrf": token}, files={"present": ("x", b"y")})
    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["style.css", "page.js", "htmx.js", "sse.js", "icon.svg"])
def test_files_come_from_here_and_stay_in_caches(visitor, name):
    answer = visitor.get(f"/static/{name}")
    assert answer.status_code == 200
    assert len(answer.content) > 100
    again = visitor.get(f"/static/{name}", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fapp.py", "%2e%2e/app.py", "style.css%00", "ext/hx-sse-2.min.js"])
def test_no_other_file_is_served(visitor, name):
    assert visitor.get(f"/static/{name}").status_code == 404


def test_whether_the_service_is_well_is_one_word(context, visitor):
    assert (visitor.get("/healthz").status_code, visitor.get("/healthz").text) == (200, "ok\n")
    context.banner = lambda: "The store at /srv/store is full."
    answer = visitor.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "failing\n")


def test_what_is_mounted_beside_the_page_is_guarded_as_well(context):
    app = build_app(context, [Route("/street", lambda request: PlainTextResponse("street"))])
    answer = Visitor(app).get("/street")
    assert answer.text == "street"
    assert answer.headers["content-security-policy"] == POLICY
