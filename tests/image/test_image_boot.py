"""The image's files on the virtual board: started from the littlefs that was made on the host, up to a delivery.

The interpreter is that of this machine, so native code is for its core and not for the chip's; all else is what lies
on a board. Heap and depth of calls are a board's.
"""

import json
import sys

import pytest

from lobbylock import boards
from lobbylock.house import ROOT
from lobbylock.image import assembly, filesystem
from virtualboard import VirtualBoard
from virtualboard.partitions import partition

sys.path.insert(0, str(ROOT / "tests" / "scenario"))

import lockroom

from firmware.core import event

VFS = partition("vfs")


class ImageRoom(lockroom.Lockroom):
    """A door whose lock came out of an image: its settings are written to its littlefs."""

    def write_settings(self, text: str) -> None:
        self.board.files.write("/settings.json", text.encode())


@pytest.fixture
def room(make_image, merged, tmp_path, monkeypatch):
    """A lock on a chip that holds the image, with its power off."""
    files = assembly.build_files(boards.load("esp32-devkitc"), "x64").files
    assert files.keys() == make_image("esp32").files.keys()
    chip = bytearray(merged("esp32"))
    chip[VFS.address : VFS.address + VFS.size] = filesystem.fill(files)
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "flash.bin").write_bytes(chip)
    monkeypatch.setattr(
        lockroom, "VirtualBoard", lambda folder, wiring, **_: VirtualBoard(folder, wiring=wiring, files="littlefs")
    )
    made = ImageRoom(tmp_path / "board")
    yield made
    made.close()


def test_the_lock_starts_from_the_image_and_grants_a_delivery(room):
    before = room.board.files.read_all()
    room.power_on()
    start = json.loads(room.board.console[0])
    assert start["lobbylock"] == "0.1.0" and len(start["public_key"]) == 64
    assert room.type(room.code()) == event.GRANTED
    assert room.is_released
    assert room.until_event(event.PICTURE, 10_000)
    room.board.run_for(6_000)
    assert len(room.pulses) == 1 and not room.is_released
    assert not room.board.at_repl and room.board.reset_count == 0
    # What the image left erased has become this lock's memory; of its files none has changed.
    for label in ("ledger", "journal", "photos"):
        assert room.board.flash.partition(label).strip(b"\xff")
    room.board.power_off()
    after = room.board.files.read_all()
    assert {path: after[path] for path in before} == before
    room.power_on()
    assert room.type(room.code()) == event.GRANTED
