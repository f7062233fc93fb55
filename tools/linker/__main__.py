"""`python -m linker --arch xtensawin --out DIR`: the files of a board, and the names in them, into DIR."""

import argparse
from pathlib import Path

from linker.build import build_tree

_ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(prog="linker", description=__doc__)
    parser.add_argument("--arch", default="xtensawin", help="xtensawin (ESP32), rv32imc (C3), x64, x86")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--root", type=Path, default=_ROOT, help="the folder with firmware/ and lib/")
    given = parser.parse_args()
    build_tree(given.root, given.arch, given.out)


if __name__ == "__main__":
    main()
