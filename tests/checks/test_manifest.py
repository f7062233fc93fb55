"""That what is frozen is what lies on the board."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _frozen():
    """Runs manifest.py with functions that write down what a freezing tool would be told to freeze."""
    found = {"packages": [], "modules": [], "includes": []}
    runpy.run_path(
        str(ROOT / "manifest.py"),
        {
            "include": found["includes"].append,
            "package": found["packages"].append,
            "module": lambda name, base_path=".": found["modules"].append((base_path, name)),
        },
    )
    return found


def test_manifest_names_every_board_file_once():
    modules = _frozen()["modules"]
    expected = [(".", "boot.py"), (".", "main.py")] + [("lib", path.name) for path in (ROOT / "lib").glob("*.py")]
    assert sorted(modules) == sorted(expected)
    assert not [path for path in (ROOT / "lib").iterdir() if path.is_dir() and path.name != "__pycache__"]


def test_manifest_takes_the_firmware_whole_and_the_ports_own_modules():
    found = _frozen()
    assert found["packages"] == ["firmware"]
    assert found["includes"] == ["$(PORT_DIR)/boards/manifest.py"]
