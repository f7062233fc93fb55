"""Whether two records, stores or exports, tell one history of each board."""

import heapq
from collections.abc import Iterator
from itertools import groupby

from lobbylock.finding import MISSING_ROW, PICTURE_MISSING, TWO_HISTORIES, Finding
from lobbylock.store import Chain, Entry, Store


def compare(earlier: Store, later: Store, *, is_ordered: bool) -> list[Finding]:
    """Returns what contradicts between two records that are sound in themselves.

    With `is_ordered` the later one was made from a later state, so whatever the earlier one has must be in it. Without,
    one may have what the other lacks.
    """
    findings: list[Finding] = []
    for chain in earlier.chains():
        other = later.chain(chain.door, chain.public_key)
        if other is not None:
            findings += _compare_chains(earlier, chain, later, other, is_ordered)
        elif is_ordered and later.only_door in (None, chain.door):
            findings.append(
                Finding(chain.door, 0, MISSING_ROW, "a board's whole history is in the earlier record only")
            )
    return findings


def _compare_chains(earlier: Store, chain: Chain, later: Store, other: Chain, is_ordered: bool) -> Iterator[Finding]:
    for seq, one, two in _pairs(earlier, chain, later, other):
        if one is not None and two is not None:
            if (one.record, one.tag, one.head) != (two.record, two.tag, two.head):
                # Behind it the two have nothing in common.
                yield Finding(chain.door, seq, TWO_HISTORIES, "from here on the two records tell different ones")
                return
        elif is_ordered and two is None:
            yield Finding(chain.door, seq, MISSING_ROW, "the earlier record has this event, the later one does not")
            return
    if not is_ordered:
        return
    rows = later.picture_rows(other)
    for seq, row in earlier.picture_rows(chain).items():
        if row.arrival is not None and seq in rows and rows[seq].arrival is None:
            yield Finding(chain.door, seq, PICTURE_MISSING, "the earlier record has it")
    if {each.sha256 for each in earlier.conflicts(chain)} - {each.sha256 for each in later.conflicts(other)}:
        yield Finding(chain.door, 0, MISSING_ROW, "the earlier record has evidence that the later one has not")


def _pairs(
    earlier: Store, chain: Chain, later: Store, other: Chain
) -> Iterator[tuple[int, Entry | None, Entry | None]]:
    """Yields (seq, the earlier record's event, the later one's), None where one has none, in order of seq."""
    rows = heapq.merge(
        ((entry.seq, 0, entry) for entry in earlier.events(chain)),
        ((entry.seq, 1, entry) for entry in later.events(other)),
        key=lambda row: row[:2],
    )
    for seq, both in groupby(rows, key=lambda row: row[0]):
        found = {side: entry for _, side, entry in both}
        yield seq, found.get(0), found.get(1)
