"""`make inject`: a fault at every place that a delivery comes by, one run of the whole board for each.

    python tests/inject/faultsweep.py [--only PART_OF_A_PATH] [--later] [--workers N]

With --later not the first time that a place is reached, but another one, chosen by a seed. Prints what failed and why
as it comes, and counts at the end; the exit code is 1 if anything failed.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faultrun import ERRORS, HANDLED, NOT_REACHED, RESET, Case, Outcome, run
from probetree import Tree, make_tree
from visits import VISITS, Stage, press

_PROGRESS_S = 60.0
_SEED = 4
# One fault of so many may not be reached again.
_MOST_MISSED = 100
_CONSOLE_LINES = 24


def prepare(tree: Tree, name: str) -> dict[int, int]:
    """Makes the state of the door for the visit `name`; returns how often the visit reaches which probes."""
    state = tree.folder / name
    reached = tree.folder / f"{name}.reached"
    if not reached.exists():
        with tempfile.TemporaryDirectory(dir=tree.folder) as folder:
            with Stage(tree, name, Path(folder) / "board") as stage:
                stage.start()
                press(stage.room, stage.room.code())
                stage.board.run_for(20_000)
                # What a power cut at a quiet moment leaves.
                shutil.copytree(Path(folder) / "board", Path(folder) / "state")
                stage.order("record")
                VISITS[name][0](stage.room)
                stage.order("tell")
                counts = (stage.board.vfs / "reached").read_bytes()
            _keep(Path(folder) / "state", state)
            reached.with_suffix(f".{os.getpid()}").write_bytes(counts)
            reached.with_suffix(f".{os.getpid()}").rename(reached)
    counts = reached.read_bytes()
    return {number: counts[number] for number in tree.sites if counts[number]}


def _keep(made: Path, state: Path) -> None:
    try:
        made.rename(state)
    except OSError:
        # Another process was as quick.
        shutil.rmtree(made)


def cases(tree: Tree, visits: Iterable[str] = VISITS, is_later: bool = False) -> list[Case]:
    """Returns every fault: each probe in the first of `visits` that reaches it, with each kind it can fail with.

    If `is_later`, those that are reached more than once, at one of the later times.
    """
    chance = random.Random(_SEED)
    found = []
    seen: set[int] = set()
    for name in visits:
        reached = prepare(tree, name)
        for number in sorted(reached.keys() - seen):
            for kind in tree.sites[number].kinds:
                if not is_later:
                    found.append(Case(name, number, kind))
                elif reached[number] > 1:
                    found.append(Case(name, number, kind, chance.randrange(1, reached[number])))
        seen |= reached.keys()
    return found


def _work(task: tuple[Tree, Case]) -> Outcome:
    tree, case = task
    folder = Path(tempfile.mkdtemp(prefix="inject-"))
    try:
        return run(tree, case, folder / "board")
    except Exception as error:  # noqa: BLE001 - a run that breaks is a finding like others
        return Outcome(case, "", [f"{type(error).__name__}: {error}"], [])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def describe(tree: Tree, outcome: Outcome) -> str:
    site = tree.sites[outcome.case.site]
    place = "before" if site.is_before else "in"
    what = f"{site.path}:{site.line} {site.function}: {ERRORS[outcome.case.kind]} {place}, probe {site.number}"
    return f"{what}, {outcome.case.visit}: {'; '.join(outcome.problems)}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="only files whose path has this in it")
    parser.add_argument("--later", action="store_true", help="not the first time that a place is reached, but another")
    parser.add_argument("--probe", type=int, help="only this probe, and show the console")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    tree = make_tree()
    todo = [case for case in cases(tree, is_later=options.later) if options.only in tree.sites[case.site].path]
    if options.probe:
        todo = [case for case in todo if case.site == options.probe]
    # What is alike does not come in a row, so that a sweep that is broken off has seen something of everything.
    random.Random(_SEED).shuffle(todo)
    print(f"{len(todo)} faults at {len({case.site for case in todo})} places", flush=True)
    counts: Counter[tuple[str, str]] = Counter()
    handled: Counter[str] = Counter()
    failed = 0
    said_s = start_s = time.monotonic()
    with get_context("spawn").Pool(options.workers) as pool:
        for at, outcome in enumerate(pool.imap_unordered(_work, [(tree, case) for case in todo]), 1):
            counts[outcome.case.kind, outcome.ended] += 1
            if outcome.ended == HANDLED:
                handled[tree.sites[outcome.case.site].path] += 1
            if outcome.problems:
                failed += 1
                print("FAILED", describe(tree, outcome), flush=True)
            if options.probe:
                print("\n".join(outcome.console[-_CONSOLE_LINES:]), outcome.ended)
            if time.monotonic() - said_s > _PROGRESS_S:
                said_s = time.monotonic()
                print(f"  {at} of {len(todo)}, {failed} failed, {said_s - start_s:.0f} s", flush=True)
    for kind, error in ERRORS.items():
        kept, reset = counts[kind, HANDLED], counts[kind, RESET]
        print(f"{error}: {kept + reset} faults, {kept} handled, {reset} ended in a reset")
    print("handled in " + ", ".join(f"{path} {count}" for path, count in sorted(handled.items())))
    missed = sum(count for (_, ended), count in counts.items() if ended == NOT_REACHED)
    print(f"{len(todo)} faults, {missed} not reached, {failed} failed")
    return 1 if failed or len(todo) <= missed * _MOST_MISSED else 0


if __name__ == "__main__":
    sys.exit(main())
