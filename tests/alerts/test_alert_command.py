"""`lobbylock alerts`, as people call it."""

import json

import pytest
from alert_case import PATIENT, Street, person

from lobbylock import command
from lobbylock.database import Database


@pytest.fixture
def lane(tmp_path, monkeypatch):
    monkeypatch.setenv("LOBBYLOCK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.delenv("LOBBYLOCK_STORE", raising=False)
    with Database.open(tmp_path / "home" / "collector.db") as opened:
        yield Street(tmp_path, opened)


def run(capsys, *arguments):
    code = command.main(["alerts", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_check_shows_who_is_told_of_what_without_addresses(lane, capsys):
    assert run(capsys, "check")[0] == 2
    url = "mailto://user:pw-Tk9vcGU@mail.example.com?to=ines@example.com"
    lane.tell(person(urls=[url, url], kinds=["forced"], quiet="22:00-07:00", digest="every 30m"))
    code, out, _ = run(capsys, "check")
    assert code == 0
    for piece in ("Ines", "manager", "forced", "all doors", "22:00-07:00", "every 30 min", "2 mailto", "1 person."):
        assert piece in out
    assert "pw-Tk9vcGU" not in out and "example.com" not in out


def test_check_says_what_is_wrong(lane, capsys):
    lane.tell(person(kinds=["forced"], urls=["nothing://pw-Tk9vcGU"]))
    code, out, err = run(capsys, "check")
    assert code == 2 and err == "lobbylock: Person 'Ines': URL 1 (nothing) is none that apprise can send to.\n"
    lane.tell(person(kinds=["forced"], doors=["oak-3/front"]))
    code, out, err = run(capsys, "check")
    assert code == 2 and "names oak-3/front, and there is none" in err


def test_the_template_passes_its_own_check(lane, capsys):
    code, template, _ = run(capsys, "template")
    lane.tell(template)
    assert code == 0 and run(capsys, "check")[0] == 0


def test_test_sends_a_trial_over_each_address(lane, capsys, hooks):
    url = f"json://127.0.0.1:{hooks.port}/x?{PATIENT}"
    lane.tell(person(urls=[url, "json://127.0.0.1:1/pw-Tk9vcGU"], kinds=["forced"]))
    code, out, err = run(capsys, "test", "Ines")
    assert code == 1
    assert out == "URL 1 (json): sent.\nURL 2 (json): not taken, or no answer.\n" and err == ""
    assert [value["title"] for _, value in hooks.calls] == ["LobbyLock: trial"]
    code, _, err = run(capsys, "test", "Otto")
    assert code == 2 and "no person 'Otto'" in err


def test_list_shows_what_waits(lane, capsys):
    lane.tell(person(kinds=["delivery"], digest="18:00"))
    lane.step()
    for _ in range(3):
        lane.access()
    lane.pass_on()
    code, out, _ = run(capsys, "list")
    assert code == 0 and "delivery at maple-12/front" in out and "Jonas" not in out
    code, out, _ = run(capsys, "list", "--json")
    (row,) = json.loads(out)["waiting"]
    assert (row["person"], row["kind"], row["door"], row["count"]) == ("Ines", "delivery", "maple-12/front", 3)
