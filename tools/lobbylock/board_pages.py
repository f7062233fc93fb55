"""What in the repository follows from `boards/`: wiring tables of README and docs, firmware/board/pins.py, boot.py."""

import re
from pathlib import Path

from lobbylock.boards import REFERENCE, Board, load
from lobbylock.errors import UserError
from lobbylock.house import ROOT
from lobbylock.wires import Wire

PAGES = ("README.md", "docs/hardware.md")
PINS = "firmware/board/pins.py"
BOOT = "boot.py"
_HEAD = ("part", "its pin", "GPIO", "supply", "pull", "notes")
# For example <!-- wiring esp32-devkitc nfc=spi only=nfc -->; the table stands behind it.
_PLACE = re.compile(r"(<!-- wiring ([a-z0-9-]+)((?: [a-z]+=[a-z]+)*) -->\n).*?(<!-- end -->)", re.DOTALL)
_CHOICES = frozenset(("lock", "keypad", "nfc", "only"))


def render(wires: list[Wire]) -> str:
    """Returns a wiring table in Markdown, with the part's name in the first of its rows."""
    lines = [_row(_HEAD), "|" + "---|" * len(_HEAD)]
    part = ""
    for wire in wires:
        lines.append(
            _row(
                ("" if wire.part == part else wire.part, wire.line, show_gpios(wire), wire.supply, wire.pull, wire.note)
            )
        )
        part = wire.part
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def show_gpios(wire: Wire) -> str:
    """Returns the numbers, in the order of the pins of the part."""
    return " ".join(map(str, wire.gpios))


def expected(root: Path = ROOT) -> dict[str, str]:
    """Returns what the files should say, by their paths below `root`. Raises UserError."""
    folder = root / "boards"
    found = {page: _fill((root / page).read_text("utf-8"), page, folder) for page in PAGES}
    reference = load(REFERENCE, folder)
    return {**found, PINS: reference.pins_source(), BOOT: reference.boot_source()}


def _fill(text: str, page: str, folder: Path) -> str:
    """Returns a page with its tables renewed."""

    def table(place: re.Match[str]) -> str:
        board: Board = load(place[2], folder)
        chosen = dict(word.split("=") for word in place[3].split())
        if not chosen.keys() <= _CHOICES:
            raise UserError(f"{page}: a wiring table is chosen by {', '.join(sorted(_CHOICES))}.")
        only = chosen.pop("only", "")
        wires = [wire for wire in board.wiring(**chosen) if wire.use.startswith(only)]
        return f"{place[1]}{render(wires)}{place[4]}"

    filled, count = _PLACE.subn(table, text)
    if not count:
        raise UserError(f"{page} has no place for a wiring table.")
    return filled


def stale(root: Path = ROOT) -> list[str]:
    """Returns the paths below `root` of the files that say something else than `boards/`. Raises UserError."""
    return [
        path
        for path, text in expected(root).items()
        if not (root / path).is_file() or (root / path).read_text("utf-8") != text
    ]


def renew(root: Path = ROOT) -> list[str]:
    """Writes the files that are stale, and returns their paths. Raises UserError."""
    texts = expected(root)
    changed = stale(root)
    for path in changed:
        (root / path).write_text(texts[path], "utf-8")
    return changed
