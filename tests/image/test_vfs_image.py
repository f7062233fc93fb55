"""The lock's file system: what was made on the host, mounted by MicroPython as a board mounts it."""

import json
import random
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from lobbylock.errors import UserError
from lobbylock.image import filesystem
from virtualboard.partitions import partition

MICROPYTHON = Path(sys.executable).with_name("micropython")
READER = Path(__file__).with_name("board") / "list_files.py"


@pytest.fixture
def on_board(tmp_path):
    """Returns a function that has MicroPython, in a board's heap, list a partition: files as [size, SHA-256, time]."""

    def list_files(data, *arguments):
        path = tmp_path / "vfs.bin"
        path.write_bytes(data)
        done = subprocess.run(
            [MICROPYTHON, "-X", "heapsize=148k", READER, path, *arguments], capture_output=True, text=True, timeout=100
        )
        assert not done.returncode, done.stdout + done.stderr
        *files, blocks = map(json.loads, done.stdout.splitlines())
        return {name: rest for name, *rest in files}, blocks, path.read_bytes()

    return list_files


@pytest.mark.parametrize("chip", ["esp32", "esp32c3"])
def test_micropython_finds_every_file_of_the_tree(make_image, on_board, chip):
    files = make_image(chip).files
    (data,) = (part.data for part in make_image(chip).parts if part.address == partition("vfs").address)
    found, blocks, _ = on_board(data)
    # No file has a time: it would differ from one build to the next.
    assert found == {path: [len(data), sha256(data).hexdigest(), 0] for path, data in files.items()}
    room = make_image(chip).room
    assert room.used_blocks + room.free_blocks == blocks == 256
    assert (room.files, room.bytes) == (len(files), sum(map(len, files.values())))


def test_micropython_has_room_for_a_second_version(make_image, on_board):
    """The same tree again under /b, and 64 KB of settings and tables."""
    files = make_image("esp32").files
    (image,) = (part.data for part in make_image("esp32").parts if part.address == partition("vfs").address)
    found, _, after = on_board(image, "write")
    expected = files | {f"/b{path}": data for path, data in files.items() if path.startswith(("/firmware/", "/lib/"))}
    expected |= {"/settings.json": b"x" * 8192, "/spare": bytes(56 * 1024)}
    assert {path: [size, digest] for path, (size, digest, _) in found.items()} == {
        path: [len(data), sha256(data).hexdigest()] for path, data in expected.items()
    }
    # Whoever looks into a board's flash on the host reads what MicroPython wrote.
    assert after != image and filesystem.read(after, "/settings.json") == b"x" * 8192


def test_files_of_every_size_around_littlefs_own_limits(on_board):
    """Small ones lie in the folder itself, up to the size of the cache that mounts it."""
    sizes = [0, 1, 31, 32, 33, 63, 64, 127, 128, 129, 511, 512, 513, 4079, 4080, 4095, 4096, 4097, 12_289]
    files = {f"/s{size}": random.Random(size).randbytes(size) for size in sizes}
    found, _, _ = on_board(filesystem.fill(files))
    assert found == {path: [len(data), sha256(data).hexdigest(), 0] for path, data in files.items()}


def test_the_order_of_the_files_makes_no_difference():
    files = {f"/lib/m{number}.mpy": random.Random(number).randbytes(3000) for number in range(30)}
    backwards = dict(reversed(files.items()))
    assert filesystem.fill(files) == filesystem.fill(backwards)
    assert filesystem.fill(files) != filesystem.fill(files | {"/lib/m7.mpy": b"another"})


def test_files_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="The files do not fit into a partition of 64 KB"):
        filesystem.fill({"/lib/a.mpy": bytes(65_536)}, 65_536)


def test_files_that_do_not_fit_a_second_time_are_refused():
    """Of a partition of 256 blocks two trees and 64 KB take the whole or nearly so."""

    def tree(blocks):
        return {f"/lib/m{number}.mpy": random.Random(number).randbytes(4000) for number in range(blocks)} | {
            "/main.py": b""
        }

    room = filesystem.measure(tree(112))
    assert room.files == 113 and room.used_blocks + room.free_blocks == 256
    assert 0 <= room.spare_blocks < 10
    with pytest.raises(UserError) as caught:
        filesystem.measure(tree(120))
    assert str(caught.value).endswith(
        "of 256 blocks: an update would have no room for them a second time beside 64 KB for settings and tables."
    )
