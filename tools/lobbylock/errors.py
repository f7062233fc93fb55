"""What goes wrong for a person, as one sentence."""


class UserError(Exception):
    """Something that the person at the command can put right; its text is the whole message, one sentence.

    `lobbylock.command.main` prints it and exits with 2. Never holds a secret.
    """


class StoreFailed(Exception):
    """The database or its disk failed: gone, full, locked. Its text is one sentence for people, without SQL and without
    a password. What was being written is not there. `is_gone` says that the connection was lost with it."""

    def __init__(self, sentence: str, *, is_gone: bool = False) -> None:
        super().__init__(sentence)
        self.is_gone = is_gone
