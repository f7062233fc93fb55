"""Which parts are out of order: one alert when it begins and one all-clear when it is over, however often it flaps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

# A door's full name, or "" for the service; and a kind of alert.
Key = tuple[str, str]


@dataclass
class Fault:
    """`since_s` is when it began, `last_s` its last bad sign; `good_s` the good sign after that, None without one.

    `is_told`: whether somebody was told.
    """

    since_s: int
    last_s: int
    good_s: int | None = None
    is_told: bool = False


@dataclass(frozen=True)
class Change:
    """Something to be told about a part."""

    door: str
    what: str
    since_s: int
    is_over: bool


class Faults:
    """The faults by door and part. `changed` holds the keys of what was not written down yet."""

    def __init__(self, known: Iterable[tuple[Key, Fault]] = ()) -> None:
        self._all = dict(known)
        self.changed: set[Key] = set()

    def get(self, key: Key) -> Fault | None:
        return self._all.get(key)

    def bad(self, door: str, what: str, at_s: int) -> None:
        """Notes a sign of failure."""
        fault = self._all.setdefault((door, what), Fault(at_s, at_s))
        fault.last_s = max(fault.last_s, at_s)
        fault.good_s = None
        self.changed.add((door, what))

    def good(self, door: str, what: str, at_s: int) -> None:
        """Notes a sign that the part works."""
        fault = self._all.get((door, what))
        if fault is not None and fault.good_s is None:
            fault.good_s = at_s
            self.changed.add((door, what))

    def due(self, now_s: int, settle_s: int, patience_s: Callable[[str], int]) -> list[Change]:
        """Returns what is to be told now. A fault is told when it has lasted `patience_s(part)`, and is over when the
        part has worked for `settle_s` without a bad sign."""
        changes = []
        for key, fault in list(self._all.items()):
            door, what = key
            if not fault.is_told:
                if now_s - fault.since_s >= patience_s(what):
                    if fault.good_s is None:
                        fault.is_told = True
                        self.changed.add(key)
                        changes.append(Change(door, what, fault.since_s, False))
                    else:
                        self._drop(key)
            elif fault.good_s is not None and now_s - fault.good_s >= settle_s:
                self._drop(key)
                changes.append(Change(door, what, fault.since_s, True))
        return changes

    def _drop(self, key: Key) -> None:
        del self._all[key]
        self.changed.add(key)
