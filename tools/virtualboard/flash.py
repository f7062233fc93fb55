"""The flash chip: an image file under NOR rules, counters, and a power cut at a chosen operation."""

from collections import Counter
from pathlib import Path

from virtualboard.partitions import CHIP_BYTES, PARTITIONS, partition

SECTOR_BYTES = 4096
# Below this nothing is written on a board of ours: the file has a hole there that reads as zeros.
_FIRST_BYTE = 0x300000

CUTS = ("before", "prefix", "suffix", "after")


def _label(address: int) -> str:
    return next((row.label for row in PARTITIONS if row.address <= address < row.address + row.size), "")


class PowerCut(Exception):
    """The operation that the power was to fail at has come."""


class Flash:
    """Counts since the board was made: `programs`, `erases`, `programmed_bytes`; `..._of` by partition label."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.programs = 0
        self.erases = 0
        self.programmed_bytes = 0
        self.programs_of: Counter[str] = Counter()
        self.erases_of: Counter[str] = Counter()
        self._cut: tuple[int, str, float] | None = None
        if not path.exists():
            with path.open("wb") as file:
                file.seek(_FIRST_BYTE)
                file.write(b"\xff" * (CHIP_BYTES - _FIRST_BYTE))
        self._file = path.open("r+b", buffering=0)

    @property
    def operations(self) -> int:
        return self.programs + self.erases

    def cut_power_at(self, operation: int, how: str = "before", fraction: float = 0.5) -> None:
        """Cuts the power at the `operation`-th program or erase from now on (1 is the next).

        `how` is what of it still happens: nothing ("before"), its first or last bytes ("prefix", "suffix"; that
        `fraction` of them), all of it ("after"). An operation of 0 takes the order back.
        """
        if how not in CUTS:
            raise ValueError(f"how is one of {', '.join(CUTS)}")
        self._cut = (self.operations + operation, how, fraction) if operation else None

    def program(self, address: int, data: bytes) -> None:
        """Clears the bits that are 0 in `data`. Raises PowerCut if this was the operation, after what of it happens."""
        self.programs += 1
        self.programs_of[_label(address)] += 1
        self.programmed_bytes += len(data)
        self._apply(address, data, is_erase=False)

    def erase(self, address: int) -> None:
        """Sets a sector to 0xFF. Raises PowerCut as above."""
        if address % SECTOR_BYTES:
            raise ValueError("an erase begins at a sector")
        self.erases += 1
        self.erases_of[_label(address)] += 1
        self._apply(address, b"\xff" * SECTOR_BYTES, is_erase=True)

    def read(self, address: int, size: int) -> bytes:
        self._file.seek(address)
        return self._file.read(size)

    def partition(self, label: str) -> bytes:
        """The bytes of a whole partition. Raises KeyError."""
        row = partition(label)
        return self.read(row.address, row.size)

    def load(self, label: str, data: bytes) -> None:
        """Puts `data` at the start of a partition and erases the rest; neither counted nor cut. Raises ValueError."""
        row = partition(label)
        if len(data) > row.size:
            raise ValueError(f"{len(data)} bytes do not fit into {label}, which has {row.size}")
        self._file.seek(row.address)
        self._file.write(data + b"\xff" * (row.size - len(data)))

    def close(self) -> None:
        self._file.close()

    def _apply(self, address: int, data: bytes, is_erase: bool) -> None:
        if not 0 <= address <= CHIP_BYTES - len(data):
            raise ValueError("outside of the flash chip")
        start, end, is_cut = self._window(len(data))
        part = data[start:end]
        if part:
            if not is_erase:
                old = int.from_bytes(self.read(address + start, len(part)), "big")
                part = (old & int.from_bytes(part, "big")).to_bytes(len(part), "big")
            self._file.seek(address + start)
            self._file.write(part)
        if is_cut:
            self._cut = None
            raise PowerCut

    def _window(self, size: int) -> tuple[int, int, bool]:
        """Which bytes of the present operation happen, and whether the power fails then."""
        if not self._cut or self.operations != self._cut[0]:
            return 0, size, False
        _, how, fraction = self._cut
        part = int(size * fraction)
        if how == "before":
            return 0, 0, True
        if how == "after":
            return 0, size, True
        return (0, part, True) if how == "prefix" else (size - part, size, True)
