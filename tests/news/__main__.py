"""The whole sweep of power cuts while a list is taken: says what it counted, and fails if a lock was wrong.

python tests/news
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed

from listwork import CASES, Share, sweep

_SHARES = 4
_PAIRS = 60


def main() -> int:
    totals = {case: [0, 0] for case in CASES}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        shares = [Share(case, share, _SHARES, _PAIRS) for case in CASES for share in range(_SHARES)]
        work = {pool.submit(sweep, share): share for share in shares}
        for future in as_completed(work):
            total, counted = totals[work[future].case], future.result()
            total[0] = counted["operations"]
            total[1] += counted["cuts"]
    print(f"{'list':<10} {'operations':>10} {'cuts':>8} {'second cuts':>12}")
    for case, (operations, cuts) in totals.items():
        print(f"{case:<10} {operations:>10,} {cuts:>8,} {cuts * _PAIRS:>12,}")
    return 0 if all(cuts for _, cuts in totals.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
