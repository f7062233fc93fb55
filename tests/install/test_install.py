"""An installation against a scripted board: what it changes, and that it can be broken off and begun again anywhere."""

import json
import stat

import pytest
from install_case import DOOR
from scripted_board import JPEG, ScriptedBoard

from lobbylock.console.client import Client, NoAnswer
from lobbylock.errors import UserError
from lobbylock.home import Home
from lobbylock.install_results import FAILED, PASSED, UNWATCHED, sheet_folder
from lobbylock.install_selftest import SelfTest
from lobbylock.owner import find_owner, new_key
from lobbylock.signature import Signer

# How many requests an installation makes of a board whose trial is short.
_TRIAL_MS = 12_000
_NEVER = 1 << 30


def require_whole(installer, board) -> None:
    """The board is the door, whole, and the home has what the collector needs of it."""
    home = installer.home
    door = home.door(DOOR)
    assert door.public_key == board.signer.public_key
    assert door.journal_key is not None and door.journal_key.key.hex() == board.journal["key"]
    owner = find_owner(home)
    assert owner is not None and board.owner == owner.public_key.hex()
    assert board.candidate is None and board.settings is not None
    assert board.settings["building"] == "maple-12" and board.settings["mqtt_password"] == "broker secret"
    assert board.settings["code_key"] == home.code_key(door).hex()
    assert board.settings["issuers"] == [
        {"kid": key.kid.hex(), "name": key.name, "key": key.public_key.hex()} for key in home.issuer().keys
    ]
    assert (sheet_folder(home, DOOR) / "picture.jpg").read_bytes() == JPEG
    assert door.name in (sheet_folder(home, DOOR) / "sheet.txt").read_text()


def test_from_nothing_to_a_door(installer, board):
    outcome = installer.run()
    assert outcome.changed == ["owner", "settings", "clock"] and outcome.is_good and not outcome.notes
    require_whole(installer, board)
    assert board.tested == ["indicator", "strike", "contact", "camera", "reader", "keypad"]
    assert [result.outcome for result in outcome.results] == [PASSED, PASSED, UNWATCHED, PASSED, UNWATCHED, UNWATCHED]
    assert abs((board.unix_s or 0) - 1_789_992_000 - board.now_ms / 1000) < 3
    assert "code_key: changed" in installer.said and "held_ms: 30000" in installer.said


def test_the_same_again_changes_nothing(installer, board):
    installer.run()
    before = len(board.requests)
    outcome = installer.run()
    assert outcome.changed == [] and "Nothing to change" in installer.said
    asked = {request["do"] for request in board.requests[before:]}
    assert asked == {"hello", "nonce", "open", "status", "close"} and board.applied == 1
    assert len(outcome.results) == 6


def test_only_what_differs_is_changed(installer, board):
    installer.run()
    before = len(board.requests)
    text = installer.building.read_text()
    installer.building.write_text(text + 'release_s = 3\nareas = ["lobby", "mailroom"]\n')
    outcome = installer.run()
    assert outcome.changed == ["settings", "clock"] and board.settings["release_ms"] == 3_000
    assert (
        "release_ms: 5000 -> 3000" in installer.said and 'areas: ["lobby"] -> ["lobby", "mailroom"]' in installer.said
    )
    assert "held_ms" not in installer.said
    assert "claim" not in {request["do"] for request in board.requests[before:]}
    # What the door's parts do may have changed with them.
    assert len(board.tested) == 12


def test_no_secret_is_shown(installer, board, home):
    installer.run()
    sheets = [path.read_text() for path in sheet_folder(home, DOOR).glob("sheet.*")]
    assert len(sheets) == 2
    secrets = ["wifi secret", "broker secret", home.code_key(home.door(DOOR)).hex(), board.journal["key"]]
    secrets += [json.loads((home.path / name).read_text())["ed25519_seed"] for name in ("owner.json", "collector.json")]
    for text in [installer.said, *sheets]:
        assert not [secret for secret in secrets if secret in text]
    assert stat.S_IMODE((home.path / "owner.json").stat().st_mode) == 0o600


def length_of_installation(installer) -> int:
    board = ScriptedBoard(seed=b"\x55" * 32)
    board.trial_ms = _TRIAL_MS
    own = type(installer)(Home(installer.home.path.parent / "rehearsal"), installer.building, board, installer.folder)
    own.home.new_issuer("tester")
    own.run()
    return len(board.requests)


@pytest.mark.parametrize("how", ["after", "power"])
def test_cable_pulled_at_every_message_and_put_back(installer, how):
    count = length_of_installation(installer)
    assert count > 30
    for at in range(1, count + 1):
        board, again = renew(installer, at)
        board.pull_at(at, how, lost_opens=3)
        outcome = again.run()
        assert board.pulls == 1 and outcome.is_good, (at, again.said)
        require_whole(again, board)
        assert "broke" in again.said


@pytest.mark.parametrize("how", ["before", "after", "power"])
def test_cable_pulled_at_every_message_and_run_again(installer, how):
    for at in range(1, length_of_installation(installer) + 1):
        board, again = renew(installer, at)
        board.pull_at(at, how, lost_opens=_NEVER)
        try:
            again.run(patience_ms=2_000)
        except UserError as error:
            assert "run the same command again" in str(error), at
        assert board.pulls == 1
        board.lost_opens = 0
        assert again.run().is_good, (at, again.said)
        require_whole(again, board)


def renew(installer, at: int):
    """Returns (another unclaimed board, an installer of a home that knows nothing of it yet)."""
    board = ScriptedBoard(seed=bytes([at]) * 32)
    board.trial_ms = _TRIAL_MS
    folder = installer.home.path.parent / f"cut{at}"
    folder.mkdir()
    again = type(installer)(Home(folder / "home"), installer.building, board, folder)
    again.home.new_issuer("tester")
    return board, again


def test_noise_between_lines_and_damaged_pieces(installer, board):
    board.noise = [">>> ", "\x00\xff", '{"id": 5}', "Traceback (most recent call last):", '{"event": 3}', "[1,2]"]
    board.damages = {3, 9}
    assert installer.run().is_good
    require_whole(installer, board)


# Boards that are not the one.


def refusal(installer, **wishes) -> str:
    with pytest.raises(UserError) as caught:
        installer.run(**wishes)
    text = str(caught.value)
    assert text.endswith((".", "!"))
    return text


def test_somebody_elses_board(installer, board):
    board.owner = Signer(b"\x66" * 32).public_key.hex()
    text = refusal(installer)
    assert "no owner's key" in text
    new_key(installer.home.path / "owner.json")
    assert "claimed by somebody else" in refusal(installer)
    assert board.settings is None and board.applied == 0


def test_another_doors_board(installer, board):
    board.door = "oak-3/front"
    assert "This board is oak-3/front, not maple-12/front" in refusal(installer)
    assert not board.owner and installer.home.door_names() == []


def test_another_kind_of_board(installer, board):
    board.kind = "olimex-esp32-poe"
    assert "olimex-esp32-poe" in refusal(installer) and not board.owner


def test_another_protocol(installer, board):
    board.protocol = 2
    assert "another console protocol" in refusal(installer) and not board.owner


def test_a_door_that_has_another_board(installer, board):
    installer.run()
    fresh = ScriptedBoard(seed=b"\x77" * 32)
    installer.board = fresh
    assert "--replace" in refusal(installer) and not fresh.owner
    assert installer.run(may_replace=True).is_good
    require_whole(installer, fresh)
    assert board.signer.public_key in installer.home.door(DOOR).public_keys


def test_settings_that_the_board_goes_back_from(installer, board):
    board.refuses_to_run = "wifi_ssid"
    assert "went back to its old settings" in refusal(installer)
    board.refuses_to_run = ""
    assert installer.run().is_good
    require_whole(installer, board)


def test_a_board_that_falls_silent(installer, board):
    board.is_mute = True
    with pytest.raises(NoAnswer, match="does not answer"), Client(board.port) as client:
        client.hello()


def test_without_a_collector_it_says_so_and_goes_on(installer, board):
    board.acks_after_ms = None
    outcome = installer.run(acknowledgement_ms=10_000)
    assert outcome.is_good and "broker" in outcome.notes[0] and outcome.sheet is not None
    assert outcome.notes[0] in outcome.sheet.with_suffix(".txt").read_text()


def test_enrolment_after_the_first_acknowledgement_is_explained(installer, board, home):
    installer.run()
    path = home.door_path(DOOR)
    path.unlink()
    assert "acknowledged by another collector" in refusal(installer)


def test_a_failed_part_is_a_result_and_is_tested_again(installer, board):
    board.fails = {"camera": ("camera", "The camera gave no picture.")}
    outcome = installer.run()
    assert not outcome.is_good
    assert [result.outcome for result in outcome.results if result.part == "camera"] == [FAILED]
    assert "The camera gave no picture" in (outcome.sheet or installer.building).with_suffix(".txt").read_text()
    board.fails = {}
    assert installer.run().is_good


def test_results_of_other_settings_are_not_taken_over(installer, board, monkeypatch):
    """Also if the run that changed them got no further than to the start of the board."""
    installer.run()
    installer.building.write_text(installer.building.read_text() + 'keypad = "wiegand"\n')

    def break_off(*_):
        raise UserError("The laptop went to sleep.")

    with monkeypatch.context() as patch:
        patch.setattr(SelfTest, "run", break_off)
        assert "went to sleep" in refusal(installer)
    assert "The board starts with them" in installer.said
    before = len(board.tested)
    outcome = installer.run()
    assert "settings" not in outcome.changed and board.settings["keypad"] == "wiegand"
    assert board.tested[before:] == ["indicator", "strike", "contact", "camera", "reader", "keypad"]
    assert installer.run().is_good and len(board.tested) == before + 6


def test_what_nobody_watched_is_tested_when_somebody_is_there(installer, board):
    unwatched = ["contact", "reader", "keypad"]
    first = installer.run()
    assert [result.part for result in first.results if result.outcome == UNWATCHED] == unwatched
    installer.is_unattended = False
    second = installer.run()
    assert board.tested[6:] == unwatched
    assert [result.part for result in second.results] == [result.part for result in first.results]
    assert all(result.outcome == PASSED for result in second.results)
    sheet = (second.sheet or installer.building).with_suffix(".txt").read_text()
    assert UNWATCHED not in sheet and "test picture, SHA-256" in sheet
    installer.run()
    installer.is_unattended = True
    assert installer.run().results == second.results and board.tested[6:] == unwatched


def test_an_installer_with_a_key_of_his_own(installer, board, tmp_path):
    key = new_key(tmp_path / "anna.json")
    assert "its owner claims it first" in refusal(installer, key=key)
    installer.run()
    assert "claimed by somebody else" in refusal(installer, key=key)
    board.installers.append(key.public_key.hex())
    outcome = installer.run(key=key, tests_again=True)
    assert outcome.is_good and outcome.changed == []
    owner = find_owner(installer.home)
    assert owner is not None
    sheet = (outcome.sheet or tmp_path).with_suffix(".txt").read_text()
    assert "Owner's key" in sheet
