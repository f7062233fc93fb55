"""What a check has found: where, and what is wrong there."""

from typing import NamedTuple


class Finding(NamedTuple):
    """`path` is relative to the repository's root, `line` counts from 1."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"
