"""Every request of the serial line by everybody who may ask, and what the page says of who may."""

import re
from pathlib import Path

import pytest
from lockroom import NOON_S, Lockroom
from talker import INSTALLER, OWNER, STRANGER, Talker

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text("utf-8")
NOBODY, OTHER, INSTALLER_ROLE, OWNER_ROLE = ASKERS = ("nobody", "other key", "installer", "owner")
SIGNERS = {OTHER: STRANGER, INSTALLER_ROLE: INSTALLER, OWNER_ROLE: OWNER}
HASH = "00" * 32
# Something to ask each time that does no harm; what would restart the lock or open the field is asked wrongly.
FIELDS = {
    "hello": {},
    "claim": {"owner": HASH},
    "develop": {},
    "nonce": {},
    "open": {"key": HASH, "sig": "00" * 64},
    "close": {},
    "restart": {},
    "status": {},
    "enrolment": {},
    "installers": {},
    "release": {},
    "time": {"unix_s": 1, "uncertainty_s": 1},
    "begin": {"what": "nothing", "bytes": 1, "sha256": HASH},
    "piece": {"at": 0, "data": "eHg=", "crc": "00000000"},
    "preview": {"sha256": HASH},
    "apply": {"sha256": HASH},
    "test": {"what": "nothing"},
    "picture": {"at": 0},
    "export": {"from": 1},
    "update_commit": {},
    "reset": {"door": "maple-12/back"},
    "list": {},
    "time_nonce": {},
    "time_token": {"data": ""},
}
# They end the session, so they come last.
LAST = ("close", "restart")


def read_page() -> dict[str, str]:
    """Returns who may make each request, by the page."""
    start = PAGE.index("| request | who |")
    rows = re.findall(r"^\| `(\w+)` \| ([a-z]+) \|", PAGE[start : PAGE.index("\n\n", start)], re.MULTILINE)
    return dict(rows)


REQUESTS = read_page()
# What each of them is answered: None where nothing keeps them from asking.
REFUSED = {
    "all": dict.fromkeys(ASKERS),
    "claimed": dict.fromkeys(ASKERS),
    # The lock has an owner.
    "unclaimed": dict.fromkeys(ASKERS, "claimed"),
    "session": {NOBODY: "session", OTHER: "session", INSTALLER_ROLE: None, OWNER_ROLE: None},
    "owner": {NOBODY: "session", OTHER: "session", INSTALLER_ROLE: "role", OWNER_ROLE: None},
}


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A lock with an owner and one installer."""
    room = Lockroom(tmp_path_factory.mktemp("console-matrix") / "board")
    room.power_on()
    talker = Talker(room.board)
    talker.claim()
    assert talker.open(OWNER)["role"] == "owner"
    assert talker.ask("installers", set=0, key=INSTALLER.public_key.hex())["ok"]
    assert talker.ask("time", unix_s=NOON_S + 60, uncertainty_s=1)["ok"]
    assert talker.ask("close")["ok"]
    yield room.board
    room.close()


def test_every_request_of_the_page_is_asked():
    assert set(FIELDS) == set(REQUESTS) and set(REQUESTS.values()) <= set(REFUSED)


@pytest.mark.parametrize("asker", ASKERS)
def test_who_may_ask_what(board, asker):
    talker = Talker(board)
    if asker in SIGNERS:
        reply = talker.open(SIGNERS[asker])
        assert reply.get("role") == (asker if asker != OTHER else None)
    answers = {}
    for request in sorted(REQUESTS, key=LAST.__contains__):
        if request in LAST and asker in (INSTALLER_ROLE, OWNER_ROLE):
            continue
        if request == "open":
            # Any other key ends nothing: whoever has a session keeps it.
            continue
        answers[request] = talker.ask(request, **FIELDS[request]).get("error")
    for request, error in answers.items():
        expected = REFUSED[REQUESTS[request]][asker]
        if expected:
            assert error == expected, request
        else:
            assert error not in ("session", "role", "claimed", "unclaimed", "unknown"), request
    if asker in (INSTALLER_ROLE, OWNER_ROLE):
        end_session(board, talker, asker)


def end_session(board, talker, asker):
    """Tries what ends a session, and whether it has."""
    assert talker.ask("close")["ok"] and talker.ask("status")["error"] == "session"
    assert talker.open(SIGNERS[asker])["role"] == asker
    starts = len(board.reset_causes)
    assert talker.ask("restart")["ok"]
    assert board.run_until(lambda: len(board.reset_causes) > starts, 60_000)
    board.run_for(15_000)
    board.line.read()


@pytest.mark.parametrize("asker", ASKERS)
def test_who_gets_a_session(board, asker):
    talker = Talker(board)
    reply = talker.ask("open", **FIELDS["open"]) if asker == NOBODY else talker.open(SIGNERS[asker])
    if asker == NOBODY:
        assert reply["error"] in ("nonce", "signature")
    elif asker == OTHER:
        assert reply["error"] == "signature"
    else:
        assert reply["role"] == asker and talker.ask("close")["ok"]
