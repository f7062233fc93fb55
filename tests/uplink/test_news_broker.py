"""Lists of revoked credentials and the time, retained at a real broker, on their way to the real firmware."""

import subprocess
import sys

import pytest

from lobbylock.address import Address
from lobbylock.bulletin import make_list, split_list
from lobbylock.carriers import list_messages, publish
from lobbylock.demo.stage import DOOR
from lobbylock.home import Home
from lobbylock.revocation import Book
from lobbylock.signature import Signer

# Several waits in one test may each take long on a busy machine.
pytestmark = pytest.mark.timeout(420)

_LIMIT_MS = 60_000


def revoke(stage, number):
    """Revokes an id on the command line and publishes the list."""
    done = stage.run("revoke", number.hex(), "--building", "maple-12", "--until", "+30d", "--broker", stage.broker.url)
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(stage, kind, least, **wanted):
    """Waits until the collector has so many events of a kind with these details."""

    def found():
        return [e for e in stage.events(kind) if all(e["details"].get(n) == v for n, v in wanted.items())]

    assert stage.wait(lambda: len(found()) >= least, _LIMIT_MS), (kind, wanted, stage.events()[-3:])
    return found()


@pytest.fixture
def serve(make_stage):
    """A stage whose lock has no time server, and `lobbylock news serve` beside it."""
    stage = make_stage(is_reached=False, door_options=("--ntp", ""))
    command = [sys.executable, "-m", "lobbylock", "news", "serve", "--broker", stage.broker.url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=stage._environment)
    yield stage
    process.terminate()
    process.wait(60)


def test_news_from_the_broker(serve):
    stage = serve
    # The time, in answer to the lock's nonce.
    until(stage, "clock_set", 1, name="token")
    # A list while it is connected.
    assert "List 1 of maple-12" in revoke(stage, b"\x01" * 8)
    until(stage, "list_taken", 1, name="mqtt", list_version=1)
    assert (stage.board.vfs / "revoked").read_bytes() == Book(Home(stage.home), "maple-12").list()
    # Forged, cut, and of another building: retained, and there again at the next connection.
    address = Address.parse(stage.broker.url)
    stranger = Signer(b"\x09" * 32)
    issuer = Home(stage.home).issuer().signer
    ids = [number.to_bytes(8, "big") for number in range(300)]
    publish(address, list_messages([DOOR], make_list(stranger, "maple-12", 99, ids)))
    until(stage, "list_refused", 1)
    head, _ = split_list(make_list(issuer, "maple-12", 50, ids))
    # Its pieces are those of the stranger.
    publish(address, [(f"lobbylock/{DOOR}/list/head", head)])
    stage.board.run_for(3_000)
    # And while the lock is off; a longer one, in three pieces.
    stage.board.power_off()
    with Home(stage.home).locked():
        book = Book(Home(stage.home), "maple-12")
        longer = make_list(issuer, "maple-12", 60, ids)
        book.list_path.write_bytes(longer)
    publish(address, list_messages([DOOR], longer))
    stage.start_lock()
    until(stage, "list_taken", 1, name="mqtt", list_version=60, count=300)
    assert (stage.board.vfs / "revoked").read_bytes() == longer
    # An older one changes nothing.
    publish(address, list_messages([DOOR], make_list(issuer, "maple-12", 59, [])))
    stage.board.run_for(3_000)
    assert (stage.board.vfs / "revoked").read_bytes() == longer
    assert len(stage.events("list_taken")) == 2 and not stage.events("list_lost")
    assert stage.board.reset_count == 0


def enter(stage, digits):
    """Types a code; returns the reason of the access event that the collector gets."""
    before = len(stage.events("access"))
    # On the board's own clock: a busy machine would lose keys in real time.
    stage.skip(stage.board.keypad.type(digits + "#") + 500)
    assert stage.wait(lambda: len(stage.events("access")) > before, _LIMIT_MS), stage.events()[-3:]
    return stage.events("access")[-1]["details"]["reason"]


def test_a_code_that_is_revoked_on_the_command_line_opens_no_more(make_stage):
    stage = make_stage(door_options=("--camera", "off"))
    broker = ("--broker", stage.broker.url)
    anna, bert = stage.code("Anna"), stage.code("Bert")
    assert enter(stage, anna) == "granted"
    # The pulse is over.
    stage.skip(3_000)
    done = stage.run("revoke", "--code", DOOR, "Anna", *broker)
    assert done.returncode == 0, done.stderr
    until(stage, "list_taken", 1, name="mqtt", count=1)
    assert enter(stage, anna) == "revoked" and enter(stage, bert) == "granted"
    stage.skip(3_000)
    done = stage.run("revoke", "--code", DOOR, "Anna", "--undo", *broker)
    assert done.returncode == 0, done.stderr
    until(stage, "list_taken", 2, name="mqtt")
    assert enter(stage, anna) == "granted"
    assert len(stage.board.strike.pulses) == 3
    # What the lock says of itself: every 25 s.
    stage.skip(26_000)

    def told():
        return [line for line in stage.lines if line["type"] == "status" and line.get("clock") is not None]

    assert stage.wait(lambda: bool(stage.events() and told()), _LIMIT_MS), stage.lines
    status = told()[-1]
    assert 1_000 <= status["clock"] <= 600_000 and status["clock"] % 1_000 == 0
    assert 20_000 < status["heap"] < 400_000 and status["pending"] >= 0 and status["version"]
