"""What goes wrong for a person, as one sentence."""


class UserError(Exception):
    """Something that the person at the command can put right; its text is the whole message, one sentence.

    `lobbylock.command.main` prints it and exits with 2. Never holds a secret.
    """


class StoreFailed(Exception):
    """The database or its disk failed: gone, full, locked. Its text is one sentence for people, without SQL and without
    a password. What was being written is not there."""
