"""Throws wrong input at the parsers, on both interpreters, and compares what they say.

    python -m fuzz [--inputs N] [--seed N] [TARGET ...]

Ends with 1 and the first input of each kind that goes wrong: an exception that nobody declared, two interpreters that
disagree, a heap that grew. Inputs are made in batches; the same seed makes the same ones.
"""

import argparse
import sys
import time

from fuzz.batch import make_inputs, run_batch
from fuzz.corpus import corpora

BATCH = 25_000


def fuzz(target: str, count: int, seed: int) -> list[str]:
    """Returns what went wrong with `count` inputs for `target`, at most the first few."""
    for batch in range((count + BATCH - 1) // BATCH):
        inputs = make_inputs(target, seed, batch, min(BATCH, count - batch * BATCH))
        problems = run_batch(target, inputs)
        if problems:
            return [f"seed {seed}, batch {batch}: {problem}" for problem in problems[:5]]
    return []


def main() -> int:
    names = list(corpora())
    parser = argparse.ArgumentParser(description="Throws wrong input at the parsers, on both interpreters.")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(names))
    options = parser.parse_args()
    for name in options.targets:
        if name not in names:
            parser.error(f"no target {name!r}")
    is_wrong = False
    for target in options.targets or names:
        start_s = time.monotonic()
        problems = fuzz(target, options.inputs, options.seed)
        took_s = time.monotonic() - start_s
        print(f"{target}: {'WRONG' if problems else 'ok'}, {options.inputs:,} inputs, {took_s:.0f} s", flush=True)
        for problem in problems:
            print(f"  {problem}")
        is_wrong = is_wrong or bool(problems)
    return 1 if is_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
