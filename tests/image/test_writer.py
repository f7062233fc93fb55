"""Writing to a board: which ones are erased, which are left alone, which keep what a lock remembers."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from lobbylock.errors import UserError
from lobbylock.house import ROOT
from lobbylock.image import writer
from lobbylock.image.writer import Orders
from virtualboard.partitions import CHIP_BYTES, GUARDED, partition

LEDGER = partition("ledger")
MICROPYTHON = Path(sys.executable).with_name("micropython")
MAKER = Path(__file__).with_name("board") / "make_ledgers.py"
AGES = (1, 2, 300, 700, 2500)


class FakeChip:
    """A flash chip that esptool would write to: whole sectors of a piece are erased, then programmed."""

    def __init__(self, data: bytes = b"\xff" * CHIP_BYTES) -> None:
        self.data = bytearray(data)
        self.reads: list[tuple[int, int]] = []
        self.writes = 0

    def read(self, address: int, size: int) -> bytes:
        self.reads.append((address, size))
        return bytes(self.data[address : address + size])

    def write(self, pieces, erases_all) -> None:
        self.writes += 1
        if erases_all:
            self.data[:] = b"\xff" * CHIP_BYTES
        for piece in pieces:
            end = piece.address + len(piece.data)
            self.data[piece.address : end] = piece.data
            self.data[end : end + -end % 4096] = b"\xff" * (-end % 4096)


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory):
    """The partition of locks that have written so many values down, by that number."""
    folder = tmp_path_factory.mktemp("ledgers")
    path = ":".join(map(str, (ROOT / "tests" / "unit", ROOT, ROOT / "lib", ".frozen")))
    subprocess.run(
        [MICROPYTHON, "-X", "heapsize=300k", MAKER, folder, *map(str, AGES)],
        env={**os.environ, "MICROPYPATH": path},
        check=True,
        timeout=100,
    )
    return {age: (folder / str(age)).read_bytes() for age in AGES}


@pytest.fixture
def lock_chip(ledgers):
    """A chip with a lock on it, its own older firmware, and things in everything that it guards."""
    data = bytearray(random.Random(3).randbytes(CHIP_BYTES))
    data[LEDGER.address : LEDGER.address + LEDGER.size] = ledgers[300]
    return FakeChip(bytes(data))


@pytest.fixture
def write(make_image):
    """Returns a function that writes the image to a chip; returns what was said."""

    def write(chip, *orders):
        said = []
        erases_all = writer.look(chip, Orders(*orders), said.append)
        writer.write(make_image("esp32"), chip, erases_all, said.append)
        return "\n".join(said)

    return write


def holds(chip, part) -> bool:
    return chip.data[part.address : part.address + len(part.data)] == part.data


def guarded(chip) -> list[bytes]:
    return [bytes(chip.data[row.address : row.address + row.size]) for row in map(partition, GUARDED)]


@pytest.mark.parametrize("before", ["erased", "zeros", "another program"])
def test_a_board_without_a_lock_is_erased_and_written(make_image, write, before):
    data = {"erased": b"\xff", "zeros": b"\0", "another program": bytes(range(256))}[before]
    chip = FakeChip(data * (CHIP_BYTES // len(data)))
    said = write(chip)
    assert "There is none. The whole chip is erased, then written." in said
    assert all(holds(chip, part) for part in make_image("esp32").parts)
    assert all(not data.strip(b"\xff") for data in guarded(chip))
    for part in make_image("esp32").parts:
        assert f"0x{part.address:06x}" in said and part.name in said


def test_a_lock_is_left_alone(write, lock_chip):
    before = bytes(lock_chip.data)
    with pytest.raises(UserError, match=r"There is a lock on this board: .* FORCE=1 writes anew"):
        write(lock_chip)
    assert bytes(lock_chip.data) == before and not lock_chip.writes
    assert lock_chip.reads == [(LEDGER.address, LEDGER.size)]


def test_erasing_alone_does_not_destroy_a_lock(write, lock_chip):
    before = bytes(lock_chip.data)
    with pytest.raises(UserError, match="keeps key, owner and record, .* only FORCE=1 ERASE=1 destroys it: key, owner"):
        write(lock_chip, False, True)
    assert bytes(lock_chip.data) == before


def test_by_force_a_lock_is_written_over_and_keeps_what_it_remembers(make_image, write, lock_chip):
    before = guarded(lock_chip)
    said = write(lock_chip, True)
    assert "photos, journal, ledger are not touched: it keeps key, owner and record." in said
    assert all(holds(lock_chip, part) for part in make_image("esp32").parts)
    assert guarded(lock_chip) == before


def test_by_force_and_erasing_a_lock_is_destroyed(make_image, write, lock_chip):
    assert "It is destroyed with key, owner and record" in write(lock_chip, True, True)
    assert all(holds(lock_chip, part) for part in make_image("esp32").parts)
    assert all(not data.strip(b"\xff") for data in guarded(lock_chip))


@pytest.mark.parametrize("age", AGES)
def test_a_ledger_is_known_at_every_age(ledgers, age):
    """It goes round in its sectors: which of them has a header changes."""
    assert len(ledgers[age]) == LEDGER.size and writer.has_lock(ledgers[age])


def test_what_is_no_ledger_is_not_taken_for_one(ledgers):
    ledger = ledgers[1]
    assert not writer.has_lock(b"") and not writer.has_lock(b"\xff" * LEDGER.size) and not writer.has_lock(bytes(65536))
    assert not writer.has_lock(random.Random(1).randbytes(LEDGER.size))
    at = ledger.index(b"LBL1")
    assert not writer.has_lock(ledger[:at] + b"LBL2" + ledger[at + 4 :])
    assert not writer.has_lock(ledger[:at] + b"LBL1" + bytes(4) + ledger[at + 8 :])
    assert not writer.has_lock(ledger[8:] + b"\xff" * 8)
