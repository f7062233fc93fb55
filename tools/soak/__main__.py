"""Everything that `make soak` does. Prints what came out and ends with 1 if anything is not as it must be.

python -m soak [--publishes N] [--reboots N] [--boards N] [--seed N]
"""

import argparse
import sys

from lobbylock import house

house.open_path()

from soak import boards, reboots  # noqa: E402
from soak.publishes import publish  # noqa: E402

# The journal's list of its sectors takes 8 bytes for each, and doubles as it grows: 1,024 once the ring is full,
# however many events come after. The rest is for names that are interned on the way.
_MOST_GROWTH_BYTES = 1_536
_IDS = 65_535
_LONG_LIFE_S = 60.0
_LONG_EVERY_MS = 20_000


def _publishes(count: int) -> list[str]:
    found = publish(count)
    print(f"publishes: {found.confirmed:,} confirmed, {len(found.numbers):,} arrived, ids wrapped {found.wraps} times")
    print(f"  in use by number of publishes: {found.heap}; {found.took_s:.0f} s")
    problems = []
    if found.confirmed != count or found.numbers != list(range(1, count + 1)):
        problems.append("publishes are missing, doubled or out of order")
    if found.wraps != (count - 1) // _IDS:
        problems.append("the packet ids did not wrap as they should")
    if found.growth_bytes > _MOST_GROWTH_BYTES:
        problems.append(f"the heap grew by {found.growth_bytes} bytes")
    return problems


def _reboots(count: int, seed: int) -> list[str]:
    found = reboots.run(count, seed=seed)
    line = found.line
    lost = line["dropped"] + line["cut"]
    print(f"reboots: {count} kills, {found.cut_at_start} of them before the first delivery")
    print(f"  {len(found.appended):,} events acknowledged by the journal, {len(found.stored):,} in the store")
    print(f"  {found.stored_before:,} came over the line that lost {lost:,} of {lost + line['forwarded']:,} packets")
    print(f"  {line['connections']:,} connections; {found.took_s:.0f} s")
    problems = found.problems()
    for events, looks in sorted(found.heap.items()):
        if len(looks) > 1:
            growth = found.growth_bytes(events)
            print(f"  in use after {events} events of a life: {min(looks):,} to {max(looks):,}, grew by {growth}")
            if growth > _MOST_GROWTH_BYTES:
                problems.append(f"the heap after {events} events grew by {growth} bytes from life to life")
    return problems


def _long_life(seed: int) -> list[str]:
    found = reboots.run(1, seed=seed, loss=0.0, life_s=(_LONG_LIFE_S, _LONG_LIFE_S), every_ms=_LONG_EVERY_MS)
    looks = {events: bytes_[0] for events, bytes_ in sorted(found.heap.items()) if events >= 500}
    print(f"one long life: {len(found.appended):,} events, {len(found.stored):,} in the store; {found.took_s:.0f} s")
    print(f"  in use by number of events: {looks}")
    problems = found.problems()
    growth = list(looks.values())[-1] - list(looks.values())[0]
    if growth > _MOST_GROWTH_BYTES:
        problems.append(f"the heap grew by {growth} bytes in one life")
    return problems


def _boards(count: int, seed: int) -> list[str]:
    found = boards.run(count, seed=seed)
    print(f"whole boards: {count} power cuts, {found.boots} starts and {len(found.stored):,} events in the store")
    print(f"  {len(found.kept):,} in the flash; {found.took_s:.0f} s")
    return found.problems() + ([] if found.boots == count + 1 else ["a start is not in the store"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Long runs of client, uplink and collector over a line that fails.")
    parser.add_argument("--publishes", type=int, default=70_000)
    parser.add_argument("--reboots", type=int, default=200)
    parser.add_argument("--boards", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    problems = []
    for work in (
        lambda: _publishes(options.publishes),
        lambda: _reboots(options.reboots, options.seed),
        lambda: _long_life(options.seed),
        lambda: _boards(options.boards, options.seed),
    ):
        found = work()
        for problem in found:
            print(f"  WRONG: {problem}")
        sys.stdout.flush()
        problems += found
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
