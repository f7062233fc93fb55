"""What a board module may do while it is imported, and what it may not."""

import pytest

from checks import import_time

IDLE = {
    "lib/cbor.py": (
        "from micropython import const\nimport struct\n\n_HEAD = const(7)\n_SIZE = struct.calcsize('<I')\n"
        "_EMPTY = bytes(4)\n_WORDS = ' '.join(('a', 'b'))\n_MASKS = [1 << n for n in range(8)]\n\n\n"
        "def _table():\n    return bytes(3)\n\n\n_TABLE = _table()\nNAMES = {}\nNAMES['a'] = 1\n"
    ),
    "lib/vc0706.py": (
        "try:\n    import asyncio\nexcept ImportError:\n    asyncio = None\n\n\n"
        "class Camera:\n    LIMIT = max(1, 2)\n\n"
        "    @property\n    def size(self):\n        return open('x').read()\n"
    ),
    "firmware/task/entry.py": (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    Keys = NewType('Keys', int)\n\n\n"
        "def run(count=len('ab')):\n    for _ in range(count):\n        print(1)\n"
    ),
    "boot.py": "from machine import Pin\n\nPin(5, Pin.OUT, value=0)\n",
    "main.py": "from firmware.build import run\n\nrun()\n",
}

WORKING = {
    "touches a pin": ("firmware/board/pins.py", "from machine import Pin\n\nSTRIKE = Pin(5)\n", 3, "call of Pin()"),
    "opens a file": ("firmware/store/settings.py", "TEXT = open('a').read()\n", 1, "call of"),
    "starts a task": ("firmware/task/entry.py", "import asyncio\nasyncio.create_task(1)\n", 2, "create_task()"),
    "starts a thread": (
        "firmware/task/entry.py",
        "import _thread\nT = _thread.start_new_thread(f, ())\n",
        2,
        "_thread.",
    ),
    "in a class": ("lib/vc0706.py", "class A:\n    pin = Pin(1)\n", 2, "call of Pin()"),
    "in a default": ("lib/vc0706.py", "def f(a, *, pin=Pin(1)):\n    pass\n", 1, "call of Pin()"),
    "in a decorator": ("lib/vc0706.py", "@register(1)\ndef f():\n    pass\n", 1, "call of register()"),
    "in a condition": ("lib/vc0706.py", "if 1:\n    started = start()\n", 2, "call of start()"),
    "in a loop": ("lib/vc0706.py", "for n in (1, 2):\n    x = n\n", 1, "for block"),
    "with a lock": ("lib/vc0706.py", "with lock:\n    x = 1\n", 1, "with block"),
    "changes a module": ("lib/vc0706.py", "import sys\n\nsys.modules['a'] = 1\n", 3, "change of sys"),
    "replaces a function": ("lib/vc0706.py", "import time\n\ntime.sleep = None\n", 3, "change of time"),
    "own work outside the pure": ("lib/vc0706.py", "def f():\n    pass\n\n\nX = f()\n", 5, "call of f()"),
    "a codec that prints": ("lib/cbor.py", "def f():\n    print(1)\n", 2, "print() in a module that only computes"),
    "a decision that reads": ("firmware/core/clock.py", "def f():\n    return open('x')\n", 2, "open() in a module"),
}


def test_definitions_and_constants_are_no_work(tree):
    assert import_time.check(tree(IDLE)) == []


@pytest.mark.parametrize("name", WORKING)
def test_work_is_named_with_file_and_line(tree, name):
    path, text, line, words = WORKING[name]
    findings = import_time.check(tree({path: text}))
    assert {(found.path, found.line) for found in findings} == {(path, line)}
    assert words in " ".join(found.text for found in findings)
