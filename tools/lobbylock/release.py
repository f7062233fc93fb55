"""Packages for `lobbylock update`: docs/protocol.md, section 13."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import cbor
import cose

from linker import build_tree
from linker.errors import CompileError, NotLinkable
from lobbylock.boards import Board
from lobbylock.errors import UserError
from lobbylock.signature import Signer, is_signed

SUFFIX = ".lbu"
# What a board takes: docs/protocol.md, section 13.
MAX_MANIFEST_BYTES = 4096
MAX_PACKAGE_BYTES = 1 << 20
MAX_FILE_BYTES = (1 << 16) - 1
MAX_PATH_BYTES = 64
ENTRANCE = "firmware/build.mpy"

_FORM = 1
_PATH = re.compile(r"(lib/[a-z0-9_]+|firmware(/[a-z0-9_]+){1,3})\.mpy")
_VERSION = re.compile(r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})")
_ASSIGNMENT = re.compile(r'^VERSION = "([^"]*)"$', re.MULTILINE)
_VERSION_FILE = "firmware/version.py"
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class File:
    """One file of a package: where it goes below its slot, and what it holds."""

    path: str
    data: bytes


@dataclass(frozen=True)
class Package:
    """A whole package: its files in their order, their hashes checked; whose signature it is, `is_signed_by` tells."""

    version: str
    board: str
    arch: str
    files: tuple[File, ...]
    manifest: bytes
    signature: bytes

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether the 32-byte Ed25519 `public_key` holds for the signature."""
        return is_signed(public_key, cose.to_be_signed(self.manifest), self.signature)

    def dump(self) -> bytes:
        """Returns the bytes of the file."""
        return cose.pack(self.manifest, self.signature) + b"".join(file.data for file in self.files)


def version_number(version: str) -> int:
    """Returns a version as a number that orders versions. Raises UserError for what is none."""
    found = _VERSION.fullmatch(version)
    parts = [int(part) for part in found.groups()] if found else []
    if not parts or max(parts) > 255:
        raise UserError(f"{version[:20]!r} is no version: three numbers up to 255, like 1.2.3.")
    return parts[0] << 16 | parts[1] << 8 | parts[2]


def tree_version(root: Path) -> str:
    """Returns the version that the tree at `root` says it has. Raises UserError."""
    path = root / _VERSION_FILE
    try:
        found = _ASSIGNMENT.search(path.read_text("utf-8"))
    except OSError:
        raise UserError(f"{root} is no tree of the lock: there is no {_VERSION_FILE}.") from None
    if not found:
        raise UserError(f"{path} does not say VERSION.")
    version_number(found.group(1))
    return found.group(1)


def build(root: Path, board: Board, signer: Signer, replace: Mapping[str, str] = _NONE) -> Package:
    """Compiles the tree at `root` for `board` and signs it; equal trees and keys give equal packages.

    `replace` has texts that take the place of files, by their paths below `root`. Raises UserError.
    """
    texts = {"firmware/board/pins.py": board.pins_source(), **replace}
    version = tree_version(root)
    if _VERSION_FILE in texts:
        version = _ASSIGNMENT.findall(texts[_VERSION_FILE])[0]
    with TemporaryDirectory() as folder:
        out = Path(folder)
        try:
            build_tree(root, board.arch, out, texts)
        except (CompileError, NotLinkable, SyntaxError) as error:
            raise UserError(f"The tree does not compile: {error}") from None
        found = [File(path.relative_to(out).as_posix(), path.read_bytes()) for path in sorted(out.rglob("*.mpy"))]
    return pack(version, board.name, board.arch, found, signer)


def pack(version: str, board: str, arch: str, files: list[File], signer: Signer) -> Package:
    """Returns the package of `files`, signed. Raises UserError for what no board would take."""
    # The way in last: half a version does not start.
    ordered = tuple(sorted(files, key=lambda file: (file.path == ENTRANCE, file.path)))
    rows = [[file.path, len(file.data), sha256(file.data).digest()] for file in ordered]
    manifest = cbor.encode([_FORM, version, board, arch, rows])
    package = Package(version, board, arch, ordered, manifest, signer.sign(cose.to_be_signed(manifest)))
    return read(package.dump())


def read(data: bytes) -> Package:
    """Returns the package in `data`. Raises UserError if it is none, damaged, or more than a board takes."""
    head = _head(data)
    if head is None:
        raise _damaged()
    try:
        manifest, signature = cose.unpack(data[:head], MAX_MANIFEST_BYTES + 128)
        fields = cbor.decode(manifest, MAX_MANIFEST_BYTES)
    except (cose.CoseError, cbor.CborError):
        raise _damaged() from None
    if not isinstance(fields, list) or len(fields) != 5 or fields[0] != _FORM or not isinstance(fields[4], list):
        raise _damaged()
    _, version, board, arch, rows = fields
    if not all(isinstance(text, str) for text in (version, board, arch)):
        raise _damaged()
    version_number(version)
    if len(data) > MAX_PACKAGE_BYTES:
        raise UserError(f"The package has {len(data):,} bytes; a board takes {MAX_PACKAGE_BYTES:,} at most.")
    return Package(version, board, arch, _files(rows, data[head:]), manifest, signature)


def _head(data: bytes) -> int | None:
    """Returns how long the COSE_Sign1 at the beginning is, None if there is none."""
    if data[:6] != b"\x84\x43" + cose.EDDSA + b"\xa0" or len(data) < 9 or data[6] not in (0x58, 0x59):
        return None
    size = data[7] if data[6] == 0x58 else int.from_bytes(data[7:9], "big")
    end = (8 if data[6] == 0x58 else 9) + size + 2 + 64
    if size > MAX_MANIFEST_BYTES:
        raise UserError(
            f"The package's list of files has {size:,} bytes; a board takes {MAX_MANIFEST_BYTES:,} at most."
        )
    return end if end <= len(data) else None


def _files(rows: list, body: bytes) -> tuple[File, ...]:
    files = []
    at = 0
    before = ""
    for left, row in zip(range(len(rows), 0, -1), rows, strict=True):
        if not isinstance(row, list) or [type(item) for item in row] != [str, int, bytes]:
            raise _damaged()
        path, size, digest = row
        if not _PATH.fullmatch(path) or len(path) > MAX_PATH_BYTES:
            raise UserError(
                f"The package wants to write {path[:80]!r}; only compiled files of firmware/ and lib/ may be."
            )
        if (path == ENTRANCE) != (left == 1) or (left > 1 and path <= before):
            raise UserError("The package's files are not in order.")
        data = body[at : at + size]
        if not 0 < size <= MAX_FILE_BYTES or sha256(data).digest() != digest or len(data) != size:
            raise UserError(f"The package is damaged: {path} is not what its hash says.")
        files.append(File(path, data))
        before = path
        at += size
    if at != len(body) or not files:
        raise _damaged()
    return tuple(files)


def _damaged() -> UserError:
    return UserError("That is no package for a lock, or a damaged one.")
