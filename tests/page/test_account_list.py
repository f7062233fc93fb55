"""Accounts on the page and on the command line, and what `lobbylock serve` wants before it starts."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from pagecase import PASSWORD, Visitor

from lobbylock import command

TOOLS = Path(__file__).resolve().parents[2] / "tools"
LIMIT_S = 60


def shown_password(page):
    return re.findall(r'<code class="secret">([^<]+)</code>', page)[0]


def test_a_manager_makes_an_account_whose_password_is_shown_once(app, manager, clock):
    values = {"name": "ben", "role": "resident", "building": "oak-3", "person": "Ben B."}
    page = manager.submit("/accounts", **values)
    password = shown_password(page.text)
    assert page.headers["cache-control"] == "no-store"
    assert password not in manager.get("/accounts").text
    visitor = Visitor(app)
    assert visitor.login("ben", password).status_code == 303
    facts = visitor.get("/account").text
    assert "Ben B." in facts and "oak-3" in facts


def test_what_cannot_be_made_is_a_sentence_on_the_page(manager):
    for values, sentence in (
        ({"name": "mia", "role": "manager"}, "There is an account mia already."),
        ({"name": "ben", "role": "resident"}, "say which building"),
        ({"name": "ben", "role": "resident", "building": "no-house"}, "There is no building no-house."),
        ({"name": "ben", "role": "owner"}, "A role is one of"),
        ({"name": "", "role": "manager"}, "A name is 1 to 64"),
    ):
        answer = manager.submit("/accounts", **values)
        assert answer.status_code == 400, values
        assert sentence in answer.text, values


def test_an_account_is_kept_out_let_in_and_forgotten(app, manager, resident):
    def change(what, name="anna"):
        return manager.submit("/accounts/change", page="/accounts", name=name, what=what)

    assert change("disable").status_code == 303
    assert resident.get("/account").status_code == 303
    assert Visitor(app).login("anna").status_code == 403
    assert change("enable").status_code == 303
    password = shown_password(change("password").text)
    assert app.state.accounts.check("anna", password) is not None
    assert app.state.accounts.check("anna", PASSWORD) is None
    assert change("remove").status_code == 303
    assert app.state.accounts.find("anna") is None
    assert change("remove").status_code == 400
    assert change("burn").status_code == 404
    # Nobody locks themselves out by a slip.
    assert change("disable", "mia").status_code == 400
    assert manager.get("/account").status_code == 200


@pytest.fixture
def run(home, capsys, monkeypatch, log_settings):
    monkeypatch.setenv("LOBBYLOCK_HOME", str(home.path))

    def call(*arguments, password=None):
        if password is not None:
            monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
        code = command.main(list(arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_the_first_manager_is_made_on_the_command_line(run, tmp_path):
    code, _, said = run("serve", "--listen", "127.0.0.1:0")
    assert (code, "lobbylock account add NAME --role manager" in said) == (2, True)
    code, printed, _ = run("account", "add", "mia", "--role", "manager", "--password-stdin", password=PASSWORD)
    assert (code, printed) == (0, "mia may log in as manager and sees all buildings.\n")
    code, _, said = run("account", "add", "mia", "--role", "manager", "--password-stdin", password=PASSWORD)
    assert (code, said) == (2, "lobbylock: There is an account mia already.\n")
    code, _, said = run("account", "add", "ben", "--role", "manager", "--password-stdin", password="short")
    assert code == 2 and "10 to 256 characters" in said
    code, _, said = run("account", "add", "ben", "--role", "resident", "--building", "elm-9", "--password-stdin")
    assert code == 2 and "elm-9" in said
    values = ("--role", "resident", "--building", "maple-12", "--person", "Ben B.")
    assert run("account", "add", "ben", *values, "--password-stdin", password=PASSWORD)[0] == 0
    listed = json.loads(run("account", "list", "--json")[1])
    assert [(each["name"], each["role"], each["person"], each["buildings"]) for each in listed] == [
        ("ben", "resident", "Ben B.", ["maple-12"]),
        ("mia", "manager", None, []),
    ]
    assert PASSWORD not in json.dumps(listed) and "argon2" not in json.dumps(listed)
    assert run("account", "password", "ben", "--password-stdin", password="another horse entirely")[0] == 0
    assert run("account", "disable", "ben")[0] == 0
    assert json.loads(run("account", "list", "--json")[1])[0]["disabled_s"] is not None
    assert run("account", "disable", "ben", "--undo")[0] == 0
    assert "ben" in run("account", "list")[1]
    assert run("account", "remove", "ben")[0] == 0
    code, _, said = run("account", "remove", "ben")
    assert code == 2 and "There is no account ben" in said


def test_what_serve_cannot_do_is_a_sentence(run):
    assert run("account", "add", "mia", "--role", "manager", "--password-stdin", password=PASSWORD)[0] == 0
    for arguments, sentence in (
        (("--listen", "0.0.0.0:0"), "--tls-cert"),
        (("--listen", "here"), "write HOST:PORT"),
        (("--url", "https://a/b"), "not of the form"),
        (("--tls-cert", "x.pem"), "needs its key"),
        (("--tls-cert", "x.pem", "--tls-key", "y.pem", "--listen", "127.0.0.1:0"), "There is no file"),
        (("--keep-pictures", "often"), "often"),
        (("--keep-pictures", "maple-13=3d"), "no such building; there are: maple-12"),
        (("--broker", "http://x"), "mqtt://"),
    ):
        code, _, said = run("serve", *arguments)
        assert (code, sentence in said) == (2, True), (arguments, said)
        assert said.count("\n") == 1, said


def test_help_shows_where_things_are_by_default(run):
    code, said, _ = run("serve", "--help")
    assert code == 0 and said.count("default: DIR/") + said.count("DIR/alerts.toml") >= 2


def test_serve_runs_until_it_is_told_to_end(run, home):
    assert run("account", "add", "mia", "--role", "manager", "--password-stdin", password=PASSWORD)[0] == 0
    environment = {**os.environ, "LOBBYLOCK_HOME": str(home.path), "PYTHONPATH": str(TOOLS)}
    # Nobody is at the broker's port, nor gets it meanwhile as one that is free: the page is there all the same, and
    # says so.
    broker = "mqtt://127.0.0.1:1"
    command_line = [sys.executable, "-m", "lobbylock", "serve", "--listen", "127.0.0.1:0", "--broker", broker]
    with subprocess.Popen(command_line, stderr=subprocess.PIPE, env=environment, text=True) as process:
        try:
            said = ""
            assert process.stderr is not None
            while "The page is at " not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            url = re.findall(r"The page is at (http://127\.0\.0\.1:\d+)", said)[0]
            assert "Log in" in httpx.get(f"{url}/login", timeout=LIMIT_S).text
            deadline_s = time.monotonic() + LIMIT_S
            while (health := httpx.get(f"{url}/healthz", timeout=LIMIT_S)).status_code != 503:
                assert time.monotonic() < deadline_s, health
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=LIMIT_S)
            assert process.returncode == 0
        finally:
            process.kill()
