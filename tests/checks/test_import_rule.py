"""Every row of the table of rooms, broken once."""

import pytest

from checks import import_rule

# A tree that keeps the rule. Each test below adds one file, or one line to one file.
SOUND = {
    "boot.py": "from machine import Pin\n",
    "main.py": "import gc\n\nfrom firmware.build import run\n",
    "lib/cbor.py": "from struct import pack\n",
    "lib/typing.py": "TYPE_CHECKING = False\n",
    "lib/vc0706.py": "import asyncio\n\nimport cbor\n",
    "firmware/__init__.py": "",
    "firmware/build.py": "from firmware.board import pins\nfrom firmware.task import entry\n",
    "firmware/core/__init__.py": "",
    "firmware/core/door.py": "import hashlib\n\nimport cbor\n\nfrom firmware.core import ports\n",
    "firmware/core/ports.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from typing import Protocol\n",
    "firmware/store/journal.py": "import os\n\nfrom firmware.core.door import Door\nfrom . import ring\n",
    "firmware/store/ring.py": "",
    "firmware/reader/keypad.py": "from ..core import door\n",
    "firmware/task/entry.py": "import asyncio\nimport umqtt.simple\nfrom firmware.store import journal\n",
    "firmware/task/uplink.py": "",
    "firmware/board/pins.py": "import machine\n\nimport vc0706\n\nfrom firmware.core.ports import Strike\n",
    "tools/lobbylock/command.py": "from typing import Any\nimport cbor\nimport typer\nfrom firmware.core import door\n",
    "tools/lobbylock/demo.py": "from virtualboard import strike\n",
    "tools/virtualboard/strike.py": "import subprocess\n",
}

BROKEN = {
    "lib knows the lock": ("lib/pn532.py", "import firmware.core.door\n", 1, "firmware.core.door (core)"),
    "lib touches hardware": ("lib/pn532.py", "import time\nimport machine\n", 2, "machine: only firmware/board"),
    "a codec needs a driver": ("lib/cose.py", "import vc0706\n", 1, "pure lib may not import vc0706"),
    "a codec needs the system": ("lib/hkdf.py", "import os\n", 1, "pure lib may not import os"),
    "not MicroPython's": ("lib/pn532.py", "import dataclasses\n", 1, "lib may not import dataclasses"),
    "core waits": ("firmware/core/clock.py", "import asyncio\n", 1, "core may not import asyncio"),
    "core uses a driver": ("firmware/core/clock.py", "from vc0706 import Camera\n", 1, "vc0706.Camera (lib)"),
    "core remembers": (
        "firmware/core/clock.py",
        "\n\nfrom firmware.store import ring\n",
        3,
        "firmware.store.ring (store)",
    ),
    "store runs": ("firmware/store/ledger.py", "from firmware.task import entry\n", 1, "firmware.task.entry (task)"),
    "store reads": ("firmware/store/ledger.py", "from ..reader import keypad\n", 1, "firmware.reader.keypad (reader)"),
    "store talks MQTT": ("firmware/store/ledger.py", "import umqtt.simple\n", 1, "store may not import umqtt"),
    "reader remembers": ("firmware/reader/badge.py", "from firmware.store.ring import Ring\n", 1, "(store)"),
    "task reaches a task": (
        "firmware/task/health.py",
        "from firmware.task import uplink\n",
        1,
        "firmware.task.uplink (task)",
    ),
    "task reaches beside": ("firmware/task/health.py", "from . import uplink\n", 1, "firmware.task.uplink (task)"),
    "task reaches the board": ("firmware/task/health.py", "import firmware.board.pins\n", 1, "(board)"),
    "task reaches what is not there": ("firmware/task/health.py", "import firmware.board.radio\n", 1, "(board)"),
    "task goes up": ("firmware/task/health.py", "from firmware.build import run\n", 1, "firmware.build.run (build)"),
    "board decides": ("firmware/board/lamp.py", "from firmware.core import door\n", 1, "firmware.core.door (core)"),
    "build touches hardware": ("firmware/build.py", "import machine\n", 1, "build may not import machine"),
    "package imports": ("firmware/__init__.py", "import sys\n", 1, "firmware may not import sys"),
    "boot waits for a library": ("boot.py", "import asyncio\n", 1, "boot may not import asyncio"),
    "boot runs the lock": ("boot.py", "import firmware.build\n", 1, "boot may not import firmware.build"),
    "main goes around build": (
        "main.py",
        "from firmware.task import entry\n",
        1,
        "main may not import firmware.task.entry",
    ),
    "main touches hardware": ("main.py", "import network\n", 1, "main may not import network"),
    "main waits for a library": ("main.py", "import asyncio\n", 1, "main may not import asyncio"),
    "host runs board code": ("tools/lobbylock/collect.py", "from firmware.store import ring\n", 1, "(store)"),
    "host runs a task": ("tools/lobbylock/collect.py", "import firmware.task.uplink\n", 1, "(task)"),
    "host touches hardware": ("tools/lobbylock/collect.py", "import machine\n", 1, "machine: only firmware/board"),
    "virtual board knows the lock": ("tools/virtualboard/keypad.py", "from firmware.core import door\n", 1, "(core)"),
    "inside a function": ("firmware/core/clock.py", "def now():\n    import time\n", 2, "core may not import time"),
    "for types only": (
        "firmware/core/clock.py",
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from firmware.board.pins import Pins\n",
        4,
        "(board)",
    ),
    "by name": ("firmware/core/clock.py", "time = __import__('time')\n", 1, "core may not import time"),
    "through importlib": ("lib/pn532.py", "import sys\nm = importlib.import_module('machine')\n", 2, "machine"),
    "by a made-up name": ("firmware/core/clock.py", "m = __import__('ti' + 'me')\n", 1, "run time cannot be checked"),
    "one of several": ("firmware/core/clock.py", "import struct, socket\n", 1, "core may not import socket"),
    "under another name": ("firmware/core/clock.py", "import time as t\n", 1, "core may not import time"),
    "above the top": ("firmware/core/clock.py", "from ....x import y\n", 1, "core may not import"),
    "not Python": ("lib/pn532.py", "x = 1\ndef (\n", 2, "not Python"),
}


def test_sound_tree_has_no_findings(tree):
    assert import_rule.check(tree(SOUND)) == []


@pytest.mark.parametrize("name", BROKEN)
def test_violation_is_named_with_file_and_line(tree, name):
    path, text, line, words = BROKEN[name]
    findings = import_rule.check(tree({**SOUND, path: text}))
    assert [(found.path, found.line) for found in findings] == [(path, line)]
    assert words in findings[0].text
    assert str(findings[0]).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("files", "path", "line", "circle"),
    [
        (
            {"lib/cbor.py": "import cose\n", "lib/cose.py": "import struct\nimport cbor\n"},
            "lib/cose.py",
            2,
            "cbor -> cose -> cbor",
        ),
        (
            {
                "firmware/store/a.py": "from firmware.store import b\n",
                "firmware/store/b.py": "def f():\n    from .c import x\n",
                "firmware/store/c.py": "\nfrom firmware.store.a import y\n",
            },
            "firmware/store/c.py",
            2,
            "firmware.store.a -> firmware.store.b -> firmware.store.c -> firmware.store.a",
        ),
        (
            {
                "firmware/core/__init__.py": "from firmware.core import door\n",
                "firmware/core/door.py": "from . import x\n",
            },
            "firmware/core/__init__.py",
            1,
            "firmware.core.door -> firmware.core -> firmware.core.door",
        ),
        ({"lib/cose.py": "import cose\n"}, "lib/cose.py", 1, "cose -> cose"),
    ],
)
def test_cycle_is_named_where_it_closes(tree, files, path, line, circle):
    findings = import_rule.check(tree({**SOUND, **files}))
    assert [(found.path, found.line, found.text) for found in findings] == [(path, line, f"import cycle: {circle}")]


def test_host_typing_is_the_standard_one(tree):
    """On the board `typing` is lib/typing.py; the host's own comes first there, and is no part of ours."""
    files = {"lib/json.py": "", "tools/lobbylock/store.py": "import json\nfrom typing import Any\n"}
    assert import_rule.check(tree({**SOUND, **files})) == []


def test_virtual_board_may_load_by_a_made_up_name(tree):
    assert (
        import_rule.check(tree({**SOUND, "tools/virtualboard/port/machine.py": "m = __import__('_' + 'pin')\n"})) == []
    )
