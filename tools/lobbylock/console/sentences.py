"""What a board's refusals mean to a person, and what to do about them."""

_SENTENCES = {
    "bad_line": "The board did not understand the line; the cable may be a bad one.",
    "too_long": "The line was longer than the board takes; this lobbylock and the board do not fit together.",
    "unknown": "The board does not know this command: its LobbyLock is older than this one.",
    "claimed": "The board has an owner already; only its owner's key, or an installer's, opens it.",
    "unclaimed": "The board has no owner yet: `lobbylock install` claims it.",
    "signature": "The board refused the key: it is neither its owner's nor one of its installers'.",
    "busy": "The board is busy with something else; run this again in a moment.",
    "session": "The session on the board has ended; run this again.",
    "role": "This needs the owner's key; an installer's is not enough.",
}


def explain(do: str, word: str, say: str) -> str:
    """Returns the sentence for the refusal `word` of the request `do`; `say` is the board's own."""
    sentence = say or _SENTENCES.get(word, "")
    return sentence or f"The board refused `{do}`: {word}."
