"""A page over a building with a real record, on each of the two databases."""

import re
import sys
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[1]
# Last, so that nothing of theirs takes the place of a module of this folder.
sys.path += [str(_TESTS / "history"), str(_TESTS / "tools")]

from visitcase import NOON_S, House  # noqa: E402

from lobbylock.page.context import Context  # noqa: E402
from lobbylock.page.live import Hub  # noqa: E402

__all__ = ["NOON_S", "Finding", "House", "find", "open_page"]


class Finding:
    """Something that a watchman found."""

    def __init__(self, door, seq, what="edited", chain=1) -> None:
        self.door, self.chain, self.seq, self.what = door, chain, seq, what
        self.sentence = f"Row {seq} is not what the chain says."
        self.is_alteration = True


class Watch:
    """A watchman who finds what he is told to."""

    def __init__(self) -> None:
        self.findings = []
        self.checked_s = None
        self.failure = None

    @property
    def alterations(self):
        return [each for each in self.findings if each.is_alteration]


def open_page(house, clock) -> Context:
    """Returns what the page works with, of a house."""
    clock.now_s = float(NOON_S + 3_600)
    watch: Any = Watch()
    return Context(
        house.home, house.database, house.doors, house.history, Hub(), watch, now_s=clock, hosts=("testserver",)
    )


def find(pattern, text) -> str:
    """Returns what the first group of `pattern` stands for in `text`, where it has to be."""
    found = re.search(pattern, text, re.DOTALL)
    assert found is not None, (pattern, text)
    return found.group(1)
