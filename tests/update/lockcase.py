"""The real firmware on a real littlefs, claimed, with its line as the client's port, and packages of other versions."""

import dataclasses
import functools
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import lockroom

from linker.build import compile_text
from lobbylock.boards import load
from lobbylock.console.client import Client
from lobbylock.console.line import Line, LineLost
from lobbylock.errors import UserError
from lobbylock.house import ROOT
from lobbylock.release import Package, build, pack
from lobbylock.signature import Signer
from lobbylock.update import Update
from virtualboard import VirtualBoard

OWNER = Signer(b"o" * 32)
RELEASE = Signer(b"r" * 32)
SLOT_A = ("/firmware/", "/lib/")


class Port:
    """The board's line; waiting for a reply lets the board's time pass. `left`: so many lines until it breaks."""

    name = "the virtual board"

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board
        self.left: int | None = None

    def open(self) -> Line:
        if self.left == 0 or not self._board.is_powered:
            raise UserError("There is no port.")
        self._board.line.read()
        return self

    def now_ms(self) -> float:
        return self._board.now_ms

    def sleep_ms(self, duration_ms: float) -> None:
        self._board.run_for(duration_ms)

    def write(self, data: bytes) -> None:
        if self.left == 0:
            raise LineLost("The line broke.")
        if self.left:
            self.left -= 1
        self._board.line.write(data)

    def read_line(self, timeout_ms: float) -> str | None:
        if not self._board.is_powered:
            raise LineLost("The power is gone.")
        return self._board.line.read_line(timeout_ms)

    def close(self) -> None:
        pass


class UpdateLock(lockroom.Lockroom):
    """A claimed lock of version 0.1.0 in slot a, running."""

    def __init__(self, folder: Path, **changed) -> None:
        with mock.patch.object(lockroom, "VirtualBoard", functools.partial(VirtualBoard, files="littlefs")):
            super().__init__(folder, camera="off", has_contact=False, **changed)
        self.port = Port(self.board)
        self.said: list[str] = []
        self.power_on(knows_time=False)
        with self.client() as client:
            client.ask("claim", owner=OWNER.public_key.hex(), release=RELEASE.public_key.hex())

    def write_settings(self, text: str) -> None:
        self.board.files.write("/settings.json", text.encode())

    @contextmanager
    def client(self):
        with Client(self.port, self.said.append, patience_ms=3_000) as client:
            yield client

    def session(self, client: Client) -> None:
        client.sign_in(OWNER, self.public_key)

    def update(self, package: Package, keys=(RELEASE.public_key,)):
        """Returns the outcome, as `lobbylock update` has it."""
        with self.client() as client:
            return Update(client, OWNER, package, keys, self.said.append, quiet).run()

    def put(self, files: dict[str, bytes], version: str = "0.2.0") -> None:
        """Puts a version on trial without sending it; `files` by their paths below the slot. The board is off then."""
        self.board.power_off()
        for path, data in files.items():
            self.board.files.write(f"/b/{path}", data)
        self.board.files.write("/slot", f"b?3 60 {version}".encode())

    def begin(self, package: Package, count: int) -> None:
        """Has the first `count` files of a package be there already, as after a cut. The board starts anew."""
        self.board.power_off()
        for file in package.files[:count]:
            self.board.files.write(f"/b/{file.path}", file.data)
        data = package.dump()
        head = data[: len(data) - sum(len(file.data) for file in package.files)]
        self.board.files.write("/update", sha256(data).digest() + head)
        self.power_on(knows_time=False)

    @property
    def slot(self) -> str:
        return self.board.files.read("/slot").decode()

    def kept_files(self) -> dict[str, bytes]:
        """Returns all files but those of the two versions and what says which of them runs."""
        files = self.board.files.read_all()
        ours = ("/firmware/", "/lib/", "/b/")
        return {path: data for path, data in files.items() if not path.startswith(ours) and path not in STATE}


STATE = ("/slot", "/slot.new", "/update", "/update.new")


@contextmanager
def quiet(title: str):
    yield lambda done, total: None


def make_package(version: str = "0.2.0", replace: dict[str, str] | None = None) -> Package:
    """Returns a package for the virtual board made of our own tree, with other texts in the place of some files."""
    board = dataclasses.replace(load("esp32-devkitc"), arch="x64")
    return build(ROOT, board, RELEASE, {"firmware/version.py": f'VERSION = "{version}"\n', **(replace or {})})


def renumber(package: Package, version: str) -> Package:
    """Returns a package that says to be another version, of the same files."""
    return pack(version, package.board, package.arch, list(package.files), RELEASE)


def compile_entrance(text: str) -> dict[str, bytes]:
    """Returns the files of a version that is one module only."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "build.mpy"
        compile_text(text, "build", "x64", target)
        return {"firmware/build.mpy": target.read_bytes()}
