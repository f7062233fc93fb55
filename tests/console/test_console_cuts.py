"""The power cut while a claim, a list of installers or a factory reset is written, on the whole lock."""

import pytest
from talker import INSTALLER, OWNER, Talker

from virtualboard.flash import CUTS


def ordered(room, what):
    """Brings a fresh lock to where `what` is about to be written; returns the function that orders it."""
    room.power_on(knows_time=False)
    talker = Talker(room.board)
    if what == "claim":
        return lambda: talker.claim()
    talker.claim()
    assert talker.open()["ok"]
    if what == "installers":
        return lambda: talker.ask("installers", set=0, key=INSTALLER.public_key.hex())
    assert talker.ask("installers", set=0, key=INSTALLER.public_key.hex())["ok"]
    return lambda: (talker.ask("reset", door="maple-12/front"), room.board.run_for(20_000))


def cut(room, what, operation, how):
    """Cuts the power at that operation of `what`; returns whether it was one of its operations at all."""
    board = room.board
    order = ordered(room, what)
    board.flash.cut_power_at(operation, how)
    try:
        order()
    except AssertionError:
        # Nobody answers any more.
        assert not board.is_powered
    was_cut = not board.is_powered
    board.flash.cut_power_at(0)
    board.run_for(1_000)
    if was_cut:
        board.power_on()
        board.run_for(15_000)
    board.line.read()
    return was_cut


def assert_whole(room, what):
    """The lock is what it was or what it was to be, it says so, and its owner gets in or nobody has one."""
    talker = Talker(room.board)
    hello = talker.ask("hello")
    is_claimed = hello["claimed"]
    if is_claimed:
        assert talker.open()["role"] == "owner"
        assert len(talker.ask("installers")["ids"]) <= 1
    elif what != "claim":
        assert what == "reset" and hello["door"] == "unset/unset"
        assert not [path.name for path in room.board.vfs.iterdir() if path.name.startswith(("settings", "part"))]
        ledger = room.board.flash.partition("ledger")
        assert OWNER.public_key not in ledger and INSTALLER.public_key not in ledger
    if not is_claimed:
        assert talker.claim()["ok"] and talker.open()["role"] == "owner"
    assert not room.board.at_repl and not any("Traceback" in line for line in room.board.console)


@pytest.mark.parametrize(
    ("what", "operation", "how"),
    [("claim", 2, "prefix"), ("installers", 3, "suffix"), ("reset", 6, "before"), ("reset", 14, "prefix")],
)
def test_a_cut(make_room, what, operation, how):
    room = make_room(has_reader=False)
    assert cut(room, what, operation, how)
    assert_whole(room, what)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("what", ["claim", "installers", "reset"])
def test_every_cut(make_room, what):
    cuts = 0
    for how in CUTS:
        operation = 1
        while True:
            room = make_room(has_reader=False)
            was_cut = cut(room, what, operation, how)
            assert_whole(room, what)
            room.close()
            if not was_cut:
                break
            cuts += 1
            operation += 1
    assert cuts >= 3 * len(CUTS), cuts
    print(f"{what}: {cuts} cuts")
