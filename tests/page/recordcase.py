"""A page over a building with a real record, on each of the two databases."""

import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
# Last, so that nothing of theirs takes the place of a module of this folder.
sys.path += [str(_TESTS / "history"), str(_TESTS / "tools")]

from visitcase import NOON_S, House  # noqa: E402

from lobbylock.page.context import Context  # noqa: E402
from lobbylock.page.live import Hub  # noqa: E402

__all__ = ["NOON_S", "Finding", "House", "open_page"]


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


def open_page(house, clock) -> Context:
    """Returns what the page works with, of a house."""
    clock.now_s = float(NOON_S + 3_600)
    return Context(
        house.home, house.database, house.doors, house.history, Hub(), Watch(), now_s=clock, hosts=("testserver",)
    )
