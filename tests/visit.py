"""A driver at the virtual door of a demonstration's stage."""


def deliver(stage) -> None:
    """Types a right code and waits until the strike released and came to rest."""
    code = stage.code("UPS 4711")
    stage.skip(6_000)
    stage.board.set_pace("fast")
    stage.board.keypad.type(code + "#")
    assert stage.wait(lambda: stage.board.strike.is_released, 10_000), stage.board.console
    stage.board.set_pace("real")
    assert stage.wait(lambda: not stage.board.strike.is_released, 5_000)
