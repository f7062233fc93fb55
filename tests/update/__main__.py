"""The whole sweep of power cuts in an update: says what it counted, and fails if anything was not as it should be.

python tests/update
"""

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import lobbylock  # noqa: F401 - makes the lock's own modules importable

sys.path.append(str(Path(__file__).resolve().parents[1] / "scenario"))

import cutwork
import lockcase
from cutwork import Share

from virtualboard.flash import CUTS

_SHARES = 10
# Of the whole lock, each flash operation of this many is cut once.
_EACH = 4
_MOST_OPERATIONS = 400


def main() -> int:
    start_s = time.monotonic()
    totals: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        versions = cutwork.make_versions(Path(folder))
        work = {}
        for way in ("good", "broken"):
            for slot in "ab":
                for share in range(_SHARES):
                    single = Share(way, slot, share, _SHARES)
                    work[pool.submit(cutwork.sweep, versions, single)] = f"{way}, from slot {slot}"
                    pairs = Share(way, slot, share, _SHARES, 2)
                    work[pool.submit(cutwork.sweep, versions, pairs)] = f"{way}, from slot {slot}, pairs of cuts"
        for number, future in enumerate(as_completed(work), 1):
            title = work[future]
            counted = future.result()
            total = totals.setdefault(title, [0, 0])
            total[0] = counted["operations"]
            total[1] += counted["cuts"]
            print(f"[{number}/{len(work)}] {time.monotonic() - start_s:4.0f} s  {title}", flush=True)
    totals["the whole lock"] = _cut_locks()
    print(f"\n{'sweep':<40} {'operations':>10} {'cuts':>8}")
    for title in sorted(totals):
        print(f"{title:<40} {totals[title][0]:>10,} {totals[title][1]:>8,}")
    return 0 if all(cuts for _, cuts in totals.values()) else 1


def _cut_locks() -> list[int]:
    """Cuts the power of whole locks; returns (operations gone through, cuts)."""
    package = lockcase.make_package()
    cuts = 0
    for operation in range(1, _MOST_OPERATIONS, _EACH):
        how = CUTS[operation // _EACH % len(CUTS)]
        with tempfile.TemporaryDirectory() as folder:
            lock = lockcase.UpdateLock(Path(folder) / "board")
            try:
                was_cut = cutwork.cut_lock(lock, package, operation, how)
            finally:
                lock.close()
        if not was_cut:
            return [operation, cuts]
        cuts += 1
        print(f"the whole lock: cut at operation {operation}, {how}", flush=True)
    return [_MOST_OPERATIONS, cuts]


if __name__ == "__main__":
    sys.exit(main())
