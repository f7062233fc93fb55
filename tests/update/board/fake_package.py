"""Packages of updates and a lock's file system to put them in: littlefs on a flash chip in memory that can be cut."""

import os
import sys
from hashlib import sha256

import cbor
import cose
import ed25519
import vfs
from fake_flash import _partly

from firmware.console import update
from firmware.store import ledger

FOLDER = "/lobbylock-update"
BLOCKS = 64
SEED = b"r" * 32
OWNER = b"o" * 32
BOARD = "esp32-devkitc"
RUNNING = "0.1.0"
ENTRANCE = "firmware/build.mpy"
_signer = ed25519.Signer(SEED)

FILES = (
    ("firmware/__init__.mpy", b"M\x06"),
    ("firmware/core/door.mpy", b"door" * 300),
    ("firmware/parts.mpy", bytes(range(256)) * 20),
    ("lib/cbor.mpy", b"cbor" * 1100),
    (ENTRANCE, b"the way in"),
)


class Chip:
    """With `cut_at` n, operation n (from 0) is done as far as `how` says, and nothing is written after it.

    Its bytes lie in a file without a name, since the heap of a test is a board's.
    """

    def __init__(self, blocks=BLOCKS):
        path = "/tmp/lobbylock-" + os.urandom(8).hex()
        self._file = open(path, "w+b")
        os.remove(path)
        for _ in range(blocks):
            self._file.write(b"\xff" * 4096)
        self._blocks = blocks
        self.operations = 0
        self.cut_at = None
        self.how = "none"

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(block * 4096 + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        self._apply(block * 4096 + offset, buffer)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._blocks
        if operation == 5:
            return 4096
        if operation == 6:
            self._apply(argument * 4096, b"\xff" * 4096)
        return 0

    def _apply(self, address, new):
        if self.cut_at is not None and self.operations > self.cut_at:
            raise OSError(5)
        is_cut = self.operations == self.cut_at
        self.operations += 1
        if is_cut:
            self._file.seek(address)
            new = _partly(self._file.read(len(new)), new, self.how)
        self._file.seek(address)
        self._file.write(new)
        if is_cut:
            raise OSError(5)

    def spoil(self, old, new):
        """Replaces bytes wherever they lie in one block."""
        for block in range(self._blocks):
            self._file.seek(block * 4096)
            data = self._file.read(4096)
            if old in data:
                self._file.seek(block * 4096)
                self._file.write(data.replace(old, new))


def mount(chip=None, blocks=BLOCKS):
    """Mounts littlefs on `chip`, or on a fresh one, and goes there."""
    try:
        os.chdir("/")
        vfs.umount(FOLDER)
    except OSError:
        pass
    if chip is None:
        chip = Chip(blocks)
        vfs.VfsLfs2.mkfs(chip, progsize=32, readsize=32)
    vfs.mount(vfs.VfsLfs2(chip, progsize=32, readsize=32), FOLDER)
    os.chdir(FOLDER)
    return chip


def manifest(version="0.2.0", files=FILES, board=BOARD, arch="x64", form=1):
    rows = [[path, len(data), sha256(data).digest()] for path, data in files]
    return cbor.encode([form, version, board, arch, rows])


def sign(payload, files=FILES, signer=_signer):
    message = cose.pack(payload, signer.sign(cose.to_be_signed(payload)))
    for _, data in files:
        message += data
    return message


def package(version="0.2.0", files=FILES, **others):
    return sign(manifest(version, files, **others), files)


class Kept:
    """A ledger in memory."""

    def __init__(self):
        self.values = {ledger.CLAIM: OWNER + _signer.public}

    def get(self, number):
        return self.values.get(number)

    def put(self, number, value):
        self.values[number] = value

    def integer(self, number):
        return self.values.get(number, 0)

    def put_integer(self, number, value):
        self.values[number] = value


class Session:
    def __init__(self):
        self.upload = None
        self.kid = b"installer"


class Console:
    """What update.py sees of the console: the trail is a list of (kind, details)."""

    def __init__(self, kept=None):
        self.kept = kept or Kept()
        self.trail = self
        self.records = []
        self.board = BOARD
        self.version = RUNNING
        self.session = Session()
        self.ending = ""
        self.line = self

    def record(self, kind, details):
        self.records.append((kind, details))
        return len(self.records)

    async def give_way(self, quiet_ms=0, limit_ms=0):
        return True


async def begin(console, data):
    """Begins, as a request does; returns how many bytes are there already."""
    console.session.upload = None
    console.session.upload = await update.begin(console, len(data), sha256(data).digest())
    return console.session.upload.have


async def send(console, data, piece_bytes=120, until=None):
    """Sends what is not there yet, up to `until`; returns how many bytes were there at the beginning."""
    first = have = await begin(console, data)
    until = len(data) if until is None else until
    while have < until:
        have = await console.session.upload.take(have, data[have : min(have + piece_bytes, until)])
    return first


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def write(path, data):
    at = path.find("/")
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            pass
        at = path.find("/", at + 1)
    with open(path, "wb") as file:
        file.write(data)


def run_slot(slot):
    """Has slots.running() say that `slot` runs."""
    if sys.path[0] == "/b":
        sys.path.pop(0)
    if slot == "b":
        sys.path.insert(0, "/b")


def tree(folder=""):
    """Returns {path: bytes} of all files below `folder`."""
    found = {}
    for entry in os.ilistdir(folder or "."):
        path = folder + "/" + entry[0] if folder else entry[0]
        if entry[1] == 0x4000:
            found.update(tree(path))
        else:
            found[path] = read(path)
    return found
