"""The whole power-cut sweep, two cases at a time: says what it counted, and fails if anything was not as it should be.

python tests/powercut
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from casework import CONTROLS, Piece, add, run

# (what it is, case, interpreter, size, shares). Shares are for the progress, and so that all processors have work.
WHOLE = (
    ("1,000 events", "events", "micropython", 1000, 10),
    ("300 events, on CPython", "events", "cpython", 300, 3),
    ("pairs of cuts over 30 events", "pairs", "micropython", 30, 15),
    ("full ring, 60 events", "overrun", "micropython", 60, 4),
    ("one lock, 1,000 cuts in a row", "in a row", "micropython", 1000, 1),
    ("first start, pairs", "first start", "micropython", 2, 1),
    ("lost journal, pairs", "lost journal", "micropython", 2, 4),
    ("wrong codes", "guesses", "micropython", 1000, 1),
    ("single uses", "uses", "micropython", 1000, 1),
    ("expired, wrong time", "clock", "micropython", 1000, 1),
)


def main() -> int:
    start_s = time.monotonic()
    pieces: dict = {}
    for title, case, interpreter, size, shares in WHOLE:
        pieces.update({Piece(case, interpreter, size, share, shares): title for share in range(shares)})
    pieces.update({control: control.case for control in CONTROLS})
    totals: dict = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(run, piece): piece for piece in pieces}
        for number, future in enumerate(as_completed(running), 1):
            piece = running[future]
            counted = future.result()
            title = pieces[piece]
            totals[title] = add(totals.get(title, {}), counted)
            passed_s = time.monotonic() - start_s
            share = f"{title} {piece.share + 1}/{piece.shares}" if title != piece.case else title
            print(
                f"[{number}/{len(running)}] {passed_s:4.0f} s  {share}: {counted['cuts']:,} cuts, "
                f"{counted['failed']:,} failed",
                flush=True,
            )
    return _report(totals)


def _report(totals: dict) -> int:
    """Prints the tables; returns the exit code."""
    is_red = False
    print(f"\n{'sweep':<32} {'operations':>10} {'cuts':>8} {'failures':>8} {'images searched':>16} {'keys found':>10}")
    for title, *_ in WHOLE:
        total = totals[title]
        print(
            f"{title:<32} {total['operations']:>10,} {total['cuts']:>8,} {total['failed']:>8,} "
            f"{total['images']:>16,} {total['keys found']:>10,}"
        )
        is_red = is_red or total["failed"] > 0 or not total["cuts"]
        for failure in total["failures"]:
            print(f"    {failure}")
        if total["figures"]:
            print("    " + ", ".join(f"{name} {total['figures'][name]:,}" for name in sorted(total["figures"])))
    print(f"\n{'control that must fail':<40} {'cuts':>8} {'failures':>8}")
    for control in CONTROLS:
        name = control.case
        total = totals[name]
        print(f"{name:<40} {total['cuts']:>8,} {total['failed']:>8,}{'' if total['failed'] else '  NOT NOTICED'}")
        is_red = is_red or not total["failed"]
    return 1 if is_red else 0


if __name__ == "__main__":
    sys.exit(main())
