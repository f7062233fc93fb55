"""How output looks on a terminal and in a pipe."""

import sys

from rich.console import Console

# A pipe has no width; this one leaves the cells of a table unbroken, for grep.
_PIPE_COLUMNS = 200


def open_console() -> Console:
    """Returns standard output, as wide as the terminal; numbers and words in it keep their own color."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)


def open_error_console() -> Console:
    """Returns standard error in the same way, for what people read while programs read the output."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _PIPE_COLUMNS)
