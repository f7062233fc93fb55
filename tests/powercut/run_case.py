"""Plays one case on the interpreter that this file is started with, and prints what it counted as a line of JSON.

micropython run_case.py CASE SHARE SHARES SIZE
"""

import gc
import json
import sys

from cases import CASES


def run(name: str, share: int, shares: int, size: int) -> None:
    play = CASES.get(name)
    if not play:
        # Only here, since what they are made of is not the lock any more.
        from controls import CONTROLS

        play = CONTROLS[name]
    tally = play(share, shares, size)
    print(
        json.dumps(
            {
                "operations": tally.operations,
                "cuts": tally.cuts,
                "failed": tally.failed,
                "failures": tally.failures,
                "images": tally.images,
                "keys found": tally.keys_found,
                "figures": tally.figures,
            }
        )
    )


if __name__ == "__main__":
    if sys.implementation.name == "micropython":
        # Or what stays would lie scattered all over a large heap, and nothing long find a place any more.
        gc.threshold(2 << 20)  # type: ignore[attr-defined]
    run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
