"""What goes wrong for a person, as one sentence."""


class UserError(Exception):
    """Something that the person at the command can put right; its text is the whole message, one sentence.

    `lobbylock.command.main` prints it and exits with 2. Never holds a secret.
    """
