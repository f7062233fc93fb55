"""That ruff and pyright, as they are configured here, see what they are there for."""

import re
import shutil
from pathlib import Path

import pytest

from checks import programs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def house(tree):
    """A tree with our configuration and files that are in order."""
    root = tree(
        {
            "firmware/__init__.py": "",
            "firmware/core/__init__.py": "",
            "firmware/core/door.py": "import cbor\n\n\ndef open_door(ms: int) -> bytes:\n    return cbor.encode(ms)\n",
            "lib/cbor.py": "def encode(value) -> bytes:\n    return b'%d' % value\n".replace("'", '"'),
            "lib/typing.py": "TYPE_CHECKING = False\n",
            "tools/lobbylock/door.py": "from firmware.core.door import open_door\n\nLENGTH = len(open_door(5))\n",
        }
    )
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copytree(programs.CONFIGURATIONS, root / "tools" / "checks", ignore=shutil.ignore_patterns("*.py", "__*"))
    return root


def _seen(problems, *words):
    return any(all(word in line for word in words) for line in problems)


def test_sound_tree_passes(house):
    assert programs.check_format(house) == []
    assert programs.check_lint(house) == []
    assert programs.check_board_types(house) == []
    assert programs.check_host_types(house) == []


def test_format_names_the_file(house):
    (house / "lib" / "cbor.py").write_text("def encode( value ) :\n    return b''\n")
    assert _seen(programs.check_format(house), "lib/cbor.py")


@pytest.mark.parametrize(
    ("path", "text", "line", "rule"),
    [
        ("lib/a.py", "import json\nimport cbor\n\nx = json, cbor\n", 1, "I001"),
        ("lib/a.py", "import json\n", 1, "F401"),
        ("lib/a.py", "from cbor import *\n", 1, "F403"),
        ("lib/a.py", "try:\n    x = 1\nexcept:\n    x = 2\n", 3, "E722"),
        ("lib/a.py", "def f(x=[]):\n    return x\n", 1, "B006"),
        ("firmware/a.py", "def badName():\n    return 1\n", 1, "N802"),
        ("firmware/a.py", "x = exec('1')\n", 1, "S102"),
        ("firmware/a.py", "x = 1  # " + "long " * 30 + "\n", 1, "E501"),
        (
            "tools/lobbylock/a.py",
            "def f():\n    try:\n        g()\n    except OSError:\n        raise ValueError(g)\n",
            5,
            "F821",
        ),
        ("tools/lobbylock/a.py", "try:\n    x = 1\nexcept OSError:\n    raise ValueError(1)\n", 4, "B904"),
        ("tools/lobbylock/a.py", "import pickle\n\nx = pickle.loads(b'')\n", 3, "S301"),
    ],
)
def test_lint_names_file_and_line(house, path, text, line, rule):
    (house / path).write_text(text)
    assert _seen(programs.check_lint(house), f"{path}:{line}:", rule)


def test_lint_asks_for_nothing_that_micropython_lacks(house):
    """The same lines are findings on the host, and have to stay as they are on the board."""
    text = (
        'def f(a, b):\n    try:\n        return list(zip(a, b)), "%d" % 1\n'
        '    except KeyError:\n        raise ValueError("no")\n'
    )
    for path in ("boot.py", "lib/a.py", "firmware/core/a.py", "tests/unit/test_a.py"):
        (house / path).parent.mkdir(parents=True, exist_ok=True)
        (house / path).write_text(text)
    assert programs.check_lint(house) == []
    (house / "tools" / "lobbylock" / "a.py").write_text(text)
    problems = programs.check_lint(house)
    assert all(_seen(problems, "tools/lobbylock/a.py", rule) for rule in ("B904", "B905", "UP031"))


# All in one run: starting pyright takes longer than what it does here.
WRONG_TYPES = [
    ("firmware/core/a.py", "import machine\n\nmachine.Pin(5).glow()\n", 3, "reportAttributeAccessIssue"),
    ("firmware/core/b.py", "import sntp\n", 1, "reportMissingImports"),
    ("firmware/core/c.py", "from firmware.core.door import open_door\n\nopen_door('5')\n", 3, "reportArgumentType"),
    ("lib/a.py", "import time\n\ntime.sleep_ms('5')\n", 3, "reportArgumentType"),
    ("boot.py", "from machine import Pin\n\nPin(5, Pin.SIDEWAYS)\n", 3, "reportAttributeAccessIssue"),
]


def test_board_types_are_micropythons(house):
    for path, text, _, _ in WRONG_TYPES:
        (house / path).write_text(text)
    # A problem may go on in the next line.
    problems = re.split(r"\n(?=  \S)", "\n".join(programs.check_board_types(house)))
    for path, _, line, rule in WRONG_TYPES:
        assert _seen(problems, f"{path}:{line}:", rule), (path, problems)
    assert len([each for each in problems if " error: " in each]) == len(WRONG_TYPES), problems


def test_viper_takes_buffers(house):
    (house / "lib" / "a.py").write_text(
        "import micropython\n\n\n@micropython.viper\ndef f(data: ptr8, n: int) -> int:\n    return data[n]\n\n\n"
        "def g(data: bytes) -> int:\n    return f(data, 1) + f(bytearray(2), 1)\n"
    )
    assert programs.check_board_types(house) == []


def test_host_types_see_the_codecs_and_the_standard_library(house):
    (house / "tools" / "lobbylock" / "a.py").write_text(
        "from typing import Protocol\n\nimport cbor\n\nx: int = cbor.encode(1)\n\n\nclass P(Protocol):\n    y: int\n"
    )
    problems = programs.check_host_types(house)
    assert _seen(problems, "tools/lobbylock/a.py:5:")
    assert len([line for line in problems if " error: " in line]) == 1
