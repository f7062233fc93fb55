"""Runs everything that `make bench` shows; writes build/bench.json."""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lobbylock import house

house.open_path()

from rich.console import Console  # noqa: E402

from bench import arrival, brokers, channel, crypto_ed25519, crypto_p256, delivery, pages, revoked, throughput  # noqa: E402
from bench.figure import Figure, show, write  # noqa: E402
from lobbylock.broker import find_mosquitto  # noqa: E402


def _measures() -> list[tuple[str, Callable[[], Figure | list[Figure]]]]:
    measures: list[tuple[str, Callable[[], Figure | list[Figure]]]] = [
        ("heap", delivery.heap_free),
        ("flash", delivery.flash_cost),
        ("events stored on both databases", throughput.events_per_second),
        ("pages over a million events (some minutes)", pages.first_page),
    ]
    if find_mosquitto():
        measures.append(("the door beside bad brokers (6 minutes)", brokers.key_to_strike))
    if Path(arrival.CHROMIUM).exists():
        measures.insert(0, ("from the lock to an open page", arrival.delivery_to_page))
    if shutil.which("valgrind"):
        measures.insert(0, ("from a key to the strike", delivery.key_to_strike))
        measures.insert(1, ("from a badge to the strike", delivery.badge_to_strike))
        measures.insert(2, ("from a phone to the strike", delivery.proof_to_strike))
        measures.insert(3, ("from a phone by Bluetooth to the strike", delivery.ble_to_strike))
        measures.insert(1, ("Ed25519", crypto_ed25519.costs))
        measures.insert(2, ("P-256", crypto_p256.costs))
        measures.insert(3, ("channel", channel.costs))
        measures.insert(4, ("revoked or not", revoked.costs))
    return measures


def main() -> int:
    """Returns 0 if every target is met, else 1."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", metavar="WORD", default="", help="what has it in its name; shown, not written")
    given = parser.parse_args()
    console = Console()
    if not shutil.which("valgrind"):
        console.print("left out: instruction counts, since valgrind is not installed (apt-get install valgrind)")
    if not find_mosquitto():
        console.print("left out: the door beside bad brokers, since mosquitto is not installed")
    if not Path(arrival.CHROMIUM).exists():
        console.print("left out: from the lock to an open page, since chromium is not installed")
    figures: list[Figure] = []
    for name, measure in _measures():
        if given.only not in name:
            continue
        console.print(f"measuring {name} ...", style="dim")
        found = measure()
        figures += found if isinstance(found, list) else [found]
    show(figures, console)
    if not given.only:
        write(figures, given.out)
        console.print(f"written to {given.out}")
    return 0 if all(figure.met is not False for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
