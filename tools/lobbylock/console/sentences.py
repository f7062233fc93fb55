"""What a board's refusals mean to a person, and what to do about them."""

# Where the board's own sentence does not say what a person can do.
_SENTENCES = {
    "bad_line": "The board did not understand the line: the cable may be a bad one, or this lobbylock another version.",
    "too_long": "The line was longer than the board takes: this lobbylock and the board do not fit together.",
    "unknown": "The board does not know this request: its LobbyLock is older than this one.",
    "claimed": "The board has an owner already: only the owner's key, or an installer's, opens it.",
    "unclaimed": "The board has no owner yet: `lobbylock install` claims it.",
    "signature": "The board refuses the key: it is neither its owner's nor one of its installers'.",
    "busy": "Somebody is at the door; run this again in a moment.",
    "session": "The session on the board has ended; run this again.",
    "role": "This needs the owner's key; an installer's is not enough.",
    "flash": "The board's flash did not take it: run this again, and change the board if that goes on.",
    "memory": "The board had no memory for it just now: run this again, or restart the board before.",
}


def explain(do: str, word: str, say: str) -> str:
    """Returns the sentence for the refusal `word` of the request `do`; `say` is the board's own."""
    return _SENTENCES.get(word) or say or f"The board refused `{do}`: {word}."
