"""An installation against a scripted board: what it changes, and that it can be broken off and begun again anywhere."""

from install_case import DOOR


def test_from_nothing_to_a_door(installer, home, board):
    outcome = installer.run()
    assert outcome.changed == ["owner", "settings", "clock"] and outcome.is_good and not outcome.notes
    door = home.door(DOOR)
    assert door.public_key == board.signer.public_key and door.journal_key is not None
    assert board.settings is not None and board.settings["wifi_password"] == "wifi secret"
    assert board.tested == ["indicator", "strike", "contact", "camera", "reader", "keypad"]


def test_the_same_again_changes_nothing(installer, board):
    installer.run()
    before = len(board.requests)
    outcome = installer.run()
    assert outcome.changed == [] and "Nothing to change" in installer.said
    asked = {request["do"] for request in board.requests[before:]}
    assert asked == {"hello", "nonce", "open", "status", "close"} and board.applied == 1
