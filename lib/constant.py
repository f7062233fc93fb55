"""`const` for the files that run on CPython as well, where there is no `micropython` to import it from.

MicroPython's compiler goes by the name: `_GUESSES = const(5)` puts the number wherever the name stands and leaves no
variable behind, which a board has no room for.
"""


def const(value):
    return value
