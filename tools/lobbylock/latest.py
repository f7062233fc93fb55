"""The latest events of some kinds on each board, found along the index: of a million events only those are read."""

import functools
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, Subquery, bindparam, select, union_all

from lobbylock import tables

_ROWS = tables.event
_RECORDS = select(_ROWS.c.record, _ROWS.c.received_s).where(
    _ROWS.c.chain == bindparam("of_chain"), _ROWS.c.seq.in_(bindparam("seqs", expanding=True))
)


def latest_rows(
    connection: Connection, chains: Collection[int], kinds: Collection[int], each: int
) -> Iterator[tuple[int, Any, int]]:
    """Yields (chain, record, received_s) of the last `each` events of every kind on every chain, in no order.

    The kinds are those of the rows' columns; the records are as they are stored, and may be altered.
    """
    if not kinds:
        return
    statement = _statement(tuple(sorted(kinds)))
    for chain in chains:
        seqs = connection.execute(statement, {"of_chain": chain, "each": each}).scalars().all()
        if seqs:
            for record, received_s in connection.execute(_RECORDS, {"of_chain": chain, "seqs": seqs}).tuples():
                yield chain, record, received_s


@functools.lru_cache(maxsize=16)
def _statement(kinds: tuple[int, ...]) -> Any:
    # One look at the index for each kind: one for all of them would go through every row that is of any.
    return union_all(*(select(_of_kind(kind).c.seq) for kind in kinds))


def _of_kind(kind: int) -> Subquery:
    # Only what the index holds: with more columns SQLite would go back through the chain, to its begin for a kind that
    # never was.
    found = select(_ROWS.c.kind, _ROWS.c.seq).where(_ROWS.c.kind == kind, _ROWS.c.chain == bindparam("of_chain"))
    return found.order_by(_ROWS.c.seq.desc()).limit(bindparam("each")).subquery()
