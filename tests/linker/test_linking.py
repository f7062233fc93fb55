"""What linking makes of modules: fewer files, the same program."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from linker import bundles, explain
from linker.errors import NotLinkable
from linker.link import link
from linker.words import BASES, EVERYWHERE

ROOT = Path(__file__).resolve().parents[2]
MICROPYTHON = Path(sys.executable).with_name("micropython")

MAIN = "from firmware.build import run\nrun()\n"


@pytest.fixture
def play(tmp_path):
    """Runs main.py on MicroPython over modules as they are and linked, and returns what both print."""

    def run(tree: dict[str, str], main: str = MAIN) -> str:
        printed = []
        for kind, texts in (("plain", tree), ("linked", link(tree, [main]).texts)):
            folder = tmp_path / kind
            for name, text in texts.items():
                path = folder / (name.replace(".", "/") + ".py")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            (folder / "main.py").write_text(main)
            done = subprocess.run([MICROPYTHON, "main.py"], cwd=folder, capture_output=True, text=True)
            printed.append(done.stdout + done.stderr)
        assert printed[0] == printed[1]
        return printed[0]

    return run


def linked(tree: dict[str, str], main: str = MAIN) -> dict[str, str]:
    return link(tree, [main]).texts


def test_modules_of_a_bundle_are_one_file_and_bodies_run_in_order(play):
    tree = {
        "firmware.build": "from firmware.core import event\nfrom firmware.store import ledger\nSEEN = [ledger.LIST]\n"
        "def run():\n    ledger.LIST.append(event.name())\n    print(SEEN, ledger.LIST)\n",
        "firmware.store.ledger": "from firmware.core.event import name\nLIST = [name()]\n",
        "firmware.core.event": "def name():\n    return 'event'\n",
    }
    assert play(tree) == "[['event', 'event']] ['event', 'event']\n"
    made = linked(tree)
    assert list(made) == ["firmware.build"]
    assert "import" not in made["firmware.build"]


def test_the_same_name_in_two_modules_is_two_names(play):
    tree = {
        "firmware.build": "from firmware.core import event, clock\n_x = 1\n"
        "def run():\n    _x = 5\n    print(_x, event.get(), clock.get(), [_x for _x in (7, _x)])\n",
        "firmware.core.event": "_x = [2]\ndef get():\n    return _x\n",
        "firmware.core.clock": "_x = [3]\ndef get():\n    global _x\n    _x = _x + [4]\n    return _x\n",
    }
    assert play(tree) == "5 [2] [3, 4] [7, 5]\n"


def test_what_is_imported_later_is_loaded_later(play):
    tree = {
        "firmware.build": "import sys\nfrom firmware.core import event\n"
        "def run():\n    print('firmware.store.trial' in sys.modules)\n    from firmware.store import trial\n"
        "    print(trial.open_it(), trial.LIMIT, 'firmware.store.trial' in sys.modules)\n    event.tell()\n",
        "firmware.core.event": "def tell():\n    from firmware.store.settings import load as read\n"
        "    print(read(3))\n",
        "firmware.store.trial": "from firmware.store import settings\nLIMIT = 40 + 2\n"
        "def open_it():\n    return settings.load(1)\n",
        "firmware.store.settings": "def load(given):\n    return [given]\n",
    }
    assert play(tree) == "False\n[1] 42 True\n[3]\n"
    assert sorted(linked(tree)) == ["firmware.build", "firmware.store.trial"]


def test_a_name_may_stand_for_one_module_or_another(play):
    tree = {
        "firmware.build": "def words(part):\n    if part:\n        from firmware.console import knock as found\n"
        "    else:\n        from firmware.console import desk as found\n    return found.WORDS\n"
        "def run():\n    print(words(0), words(1))\n",
        "firmware.console.knock": "def _hidden():\n    return ['k']\nWORDS = _hidden()\n",
        "firmware.console.desk": "WORDS = ['d']\n",
    }
    assert play(tree) == "['d'] ['k']\n"


def test_attributes_of_classes_are_renamed_everywhere_and_foreign_ones_stay(play):
    tree = {
        "firmware.build": "from firmware.core.door import Door, Sliding\n"
        "def run():\n    door = Sliding(3)\n    door.width_mm += 1\n    door.open_up(times=2)\n"
        "    print(door.width_mm, door.LIMIT_MM, isinstance(door, Door), door.is_wide, len(door))\n"
        "    door.append(7)\n    print(door.kept, getattr(door, 'spelt'), hasattr(door, 'width_mm'))\n",
        "firmware.core.door": "LIMIT = 9\nclass Door:\n    LIMIT_MM = [LIMIT]\n    spelt = 'out'\n"
        "    def __init__(self, width_mm):\n        self.width_mm = width_mm\n        self.kept = []\n"
        "    def open_up(self, times=1):\n        print('opened', times)\n"
        "    @property\n    def is_wide(self):\n        return self.width_mm > 3\n"
        "    def __len__(self):\n        return 5\n    def append(self, value):\n        self.kept.append(value)\n"
        "class Sliding(Door):\n    def open_up(self, times=1):\n        super().open_up(times=times + 1)\n",
    }
    assert play(tree) == "opened 3\n4 [9] True True 5\n[7] out True\n"
    text = linked(tree)["firmware.build"]
    assert "is_wide" not in text and "open_up" not in text
    # Asked for by a string, and of lists.
    assert "width_mm" in text and "spelt" in text and "append" in text


def test_a_class_body_does_not_hide_a_variable(play):
    names = "".join(f"    def method_{n}(self):\n        return {n}\n" for n in range(60))
    tables = "".join(f"table_{n} = [{n}]\n" for n in range(60))
    picks = "".join(f"    pick_{n} = table_{n}\n" for n in range(60))
    calls = "+".join(f"one.method_{n}() + one.pick_{n}[0]" for n in range(60))
    tree = {"firmware.build": f"{tables}class One:\n{names}{picks}def run():\n    one = One()\n    print({calls})\n"}
    assert play(tree) == f"{sum(range(60)) * 2}\n"


def test_numbers_and_texts_of_const_are_put_in(play):
    tree = {
        "firmware.build": "from micropython import const\nfrom firmware.core import event\n_KEYS = const('12#')\n"
        "_DOUBLE = const(2 * 4)\ndef run():\n    print(_KEYS, _DOUBLE, event.GRANTED, -event.LOW, event.BOTH)\n",
        "firmware.core.event": "GRANTED = 4\nLOW = -3\nBOTH = (GRANTED, LOW)\nLEVEL = 1\n",
    }
    assert play(tree) == "12# 8 4 3 (4, -3)\n"
    assert "LEVEL" not in linked(tree)["firmware.build"] and "const" not in linked(tree)["firmware.build"]


def test_a_number_that_changes_is_no_constant(play):
    tree = {
        "firmware.build": "from firmware.core import event\ndef run():\n    event.rise()\n    print(event.level())\n",
        "firmware.core.event": "LEVEL = 1\ndef rise():\n    global LEVEL\n    LEVEL += 1\n"
        "def level():\n    return LEVEL\n",
    }
    assert play(tree) == "2\n"


def test_what_nobody_asks_for_is_left_out_and_what_runs_when_loaded_stays(play):
    tree = {
        "firmware.build": "from firmware.core import event\nclass A:\n    def used(self):\n        return 1\n"
        "    def dropped_method(self):\n        return dropped()\ndef dropped():\n    return event.dropped_too()\n"
        "def run():\n    print(A().used())\n",
        "firmware.core.event": "print('loaded')\ndef dropped_too():\n    return 'dropped text'\n",
    }
    assert play(tree) == "loaded\n1\n"
    assert "dropped" not in linked(tree)["firmware.build"]


def test_viper_code_keeps_its_types_and_the_order_of_its_variables(play):
    tree = {
        "firmware.build": "import micropython\nfrom micropython import const\n_STEP = const(3)\n"
        "@micropython.viper\ndef add(words: ptr32, count: int) -> int:\n    total: int = 0\n"
        "    for at in range(count):\n        total += words[at] * _STEP\n    return total\n"
        "def run():\n    print(add(b'\\x01\\0\\0\\0\\x02\\0\\0\\0', 2))\n",
    }
    assert play(tree) == "9\n"


def test_coroutines_closures_and_errors(play):
    tree = {
        "firmware.build": "import asyncio\nfrom firmware.core.errors import DoorError\n"
        "async def work(limit):\n    count = 0\n    def more():\n        nonlocal count\n        count += 1\n"
        "        return count\n"
        "    while more() < limit:\n        await asyncio.sleep_ms(0)\n    raise DoorError('stuck', count)\n"
        "def run():\n    try:\n        asyncio.run(work(3))\n    except DoorError as error:\n"
        "        print(error.args)\n",
        "firmware.core.errors": "class DoorError(Exception):\n    pass\n",
    }
    assert play(tree) == "('stuck', 3)\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("from firmware.core import event\ndef run():\n    return [event]\n", "used as a value"),
        ("from firmware.core import event\ndef run():\n    event.LEVEL = 2\n", "set from outside"),
        ("from firmware.core import event\ndef run():\n    return event.MISSING\n", "MISSING"),
        ("def run(name):\n    return getattr(run, name)\n", "computed"),
        ("from firmware.core.event import *\ndef run():\n    pass\n", "full name"),
        ("import firmware.core.event\ndef run():\n    pass\n", "`as`"),
    ],
)
def test_what_cannot_be_linked_is_refused(text, said):
    with pytest.raises(NotLinkable, match=said):
        link({"firmware.build": text, "firmware.core.event": "LEVEL = [1]\n"}, [MAIN])


OTHERS = {
    "firmware.core.event": "def find():\n    return 1\ndef level():\n    return 3\n",
    "firmware.core.clock": "def find():\n    return 2\n",
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "def run(x=0):\n    if x:\n        from firmware.core.event import find\n    else:\n"
            "        from firmware.core.clock import find\n    print(find())\n",
            "also something else",
        ),
        (
            "def run(find=None):\n    if find is None:\n        from firmware.core.event import find\n"
            "    print(find())\n",
            "also something else",
        ),
        (
            "def run():\n    find = None\n    if not find:\n        from firmware.core.event import find\n"
            "    print(find())\n",
            "also something else",
        ),
        (
            "def run():\n    try:\n        from firmware.core.event import find\n    except ImportError as find:\n"
            "        pass\n    print(find())\n",
            "also something else",
        ),
        ("def run():\n    global find\n    from firmware.core.event import find\n", "also something else"),
        ("def run():\n    from firmware.core.event import find\n    del find\n", "also something else"),
        (
            "def run():\n    from firmware.core.event import find\n    def change():\n        nonlocal find\n"
            "        find = 1\n    change()\n",
            "nonlocal find",
        ),
        ("from firmware.core.event import find\nfind = [find]\ndef run():\n    pass\n", "also something else"),
        ("class A:\n    from firmware.core.event import find\ndef run():\n    print(A.find())\n", "neither"),
        ("limit = [1]\nclass A:\n    limit = limit\ndef run():\n    print(A.limit)\n", "gives it a value later"),
        (
            "limit = [1]\nclass A:\n    def get(self, limit=limit):\n        return limit\n    limit = 2\n"
            "def run():\n    print(A().get(), A.limit)\n",
            "gives it a value later",
        ),
        (
            "from bluetooth import BLE\nclass A(BLE):\n    pass\ndef run():\n    print(A())\n",
            "whose attributes",
        ),
    ],
)
def test_a_name_that_would_come_to_mean_another_thing_is_refused(text, said):
    tree = {"firmware.build": "from firmware.core import clock, event\n" + text, **OTHERS}
    with pytest.raises(NotLinkable, match=said):
        link(tree, [MAIN])


def test_imports_of_what_is_at_hand_leave_whole_blocks_behind(play):
    """And the name means the same above the import, which a loop may come to later."""
    tree = {
        "firmware.build": "from firmware.core import clock, event\ndef run():\n    for turn in (0, 1):\n"
        "        if turn:\n            print(find())\n        else:\n"
        "            from firmware.core.event import find\n"
        "    try:\n        from firmware.core.event import level, find\n    finally:\n        print(level(), find())\n"
        "    print(clock.find(), event.find())\n",
        **OTHERS,
    }
    assert play(tree) == "1\n3 1\n2 1\n"


def test_a_class_body_may_use_what_it_has_made(play):
    tree = {
        "firmware.build": "limit = [1]\nclass A:\n    width = 2\n    both = [width, limit]\n    width += 1\n"
        "    rows = [limit for width in (width,)]\n"
        "def run():\n    print(A.both, A.width, A.rows)\n"
    }
    assert play(tree) == "[2, [1]] 3 [[1]]\n"


def test_what_a_decorator_does_is_done_though_nobody_names_the_function(play):
    tree = {
        "firmware.build": "import micropython\nfrom firmware.core import event\nSEEN = []\n"
        "def seen(function):\n    SEEN.append(function)\n    return function\n"
        "@seen\ndef listed():\n    return 1\n"
        "class Desk:\n    @seen\n    def answered(self):\n        return 2\n"
        "@micropython.native\ndef dropped():\n    return 3\n"
        "class Dropped:\n    @property\n    def dropped_too(self):\n        return 4\n"
        "def run():\n    print(len(SEEN), SEEN[0]())\n",
        **OTHERS,
    }
    assert play(tree) == "2 1\n"
    assert "Dropped" not in link(tree, [MAIN]).names["firmware.build"].values()
    assert not any("ropped" in name for name in link(tree, [MAIN]).names["firmware.build"].values())


def test_the_fields_of_a_namedtuple_keep_their_names(play):
    tree = {
        "firmware.build": 'from collections import namedtuple\nPair = namedtuple("Pair", "frobnic grumble")\n'
        "class Other:\n    def __init__(self):\n        self.frobnic = 1\n        self.grumble = 2\n"
        "def run():\n    pair, other = Pair(3, 4), Other()\n"
        "    print(pair.frobnic, pair.grumble, other.frobnic, other.grumble)\n"
    }
    assert play(tree) == "3 4 1 2\n"


def test_no_attribute_of_ours_is_called_like_one_of_a_class_from_elsewhere():
    names = [f"field_{n}" for n in range(400)]
    stores = "".join(f"        self.{name} = 1\n" for name in names)
    reads = "".join(f"    print(client.{name})\n" for name in names)
    tree = {
        "firmware.build": "from umqtt.simple import MQTTClient\nclass Client(MQTTClient):\n"
        f"    def __init__(self):\n{stores}        self.pid = 5\n    def wait_msg(self):\n        return 1\n"
        f"def run():\n    client = Client()\n{reads}    print(client.pid, client.wait_msg())\n"
    }
    made = ast.parse(linked(tree)["firmware.build"])
    stored = [
        node.attr for node in ast.walk(made) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    assert len(set(stored)) == len(names) + 1
    assert set(stored) & BASES["umqtt.simple:MQTTClient"] == {"pid"}
    assert "def wait_msg(" in linked(tree)["firmware.build"]


def test_the_attributes_of_the_mqtt_client_are_those_of_micropython_lib():
    text = (ROOT / "build" / "micropython-lib" / "umqtt" / "simple.py").read_text()
    made = next(node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == "MQTTClient")
    found = {node.name for node in made.body if isinstance(node, ast.FunctionDef)} - {"__init__"}
    found |= {
        node.attr
        for node in ast.walk(made)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    assert found == BASES["umqtt.simple:MQTTClient"]


def test_files_that_import_each_other_are_refused():
    tree = {
        "firmware.build": "from firmware.store import trial\ndef run():\n    return trial.a()\n",
        "firmware.store.trial": "from firmware.core import event\ndef a():\n    return event.b()\n",
        "firmware.core.event": "def b():\n    return 1\n",
    }
    with pytest.raises(NotLinkable, match="import each other"):
        link(tree, [MAIN])


def test_a_main_that_reaches_into_modules_finds_them_as_they_are(play):
    tree = {
        "firmware.build": "from firmware.core import event\ndef run():\n    print(event.name())\n",
        "firmware.core.event": "def name():\n    return 'event'\n",
    }
    main = "from firmware.core import event\nevent.name = lambda: 'mine'\nfrom firmware.build import run\nrun()\n"
    assert play(tree, main) == "mine\n"
    assert sorted(linked(tree, main)) == ["firmware.build", "firmware.core.event"]


def test_short_names_are_words_of_the_firmware():
    tree = {
        "firmware.build": "_rare = [1]\ndef run(given):\n    return _rare, given, inner(2)\n"
        "def inner(other):\n    return other\n"
    }
    names = link(tree, [MAIN]).names["firmware.build"]
    assert names["run"] == "firmware.build:run"
    assert all(short in EVERYWHERE for short in names)


def test_a_traceback_is_read_back(tmp_path):
    tree = {
        "firmware.build": "from firmware.core.door import Door\ndef run():\n    Door().release_now()\n",
        "firmware.core.door": "from firmware.core.errors import DoorError\nclass Door:\n    def release_now(self):\n"
        "        raise DoorError('stuck')\n",
        "firmware.core.errors": "class DoorError(Exception):\n    pass\n",
    }
    made = link(tree, [MAIN])
    back = {name: short for short, name in made.names["firmware.build"].items()}
    method, error = back["firmware.core.door:Door.release_now"], back["firmware.core.errors:DoorError"]
    text = 'Traceback (most recent call last):\n  File "main.py", line 2, in <module>\n'
    text += '  File "firmware.build", line 1, in run\n'
    text += f'  File "firmware.build", line 1, in {method}\n{error}: stuck\n'
    assert explain(text, made.names) == (
        'Traceback (most recent call last):\n  File "main.py", line 2, in <module>\n'
        '  File "firmware/build.py", in run\n  File "firmware/core/door.py", in Door.release_now\nDoorError: stuck\n'
    )
    assert explain("ValueError: none of ours\n", made.names) == "ValueError: none of ours\n"


def test_what_errors_say_is_in_the_names_and_not_on_the_board():
    tree = {
        "firmware.build": "from firmware.core.errors import FlashError, SettingsError\n"
        "def run(bad):\n    if bad:\n        raise FlashError('the sector takes nothing')\n"
        "    raise SettingsError('a_field')\n",
        "firmware.core.errors": "class FlashError(Exception):\n    pass\nclass SettingsError(Exception):\n    pass\n",
    }
    made = link(tree, [MAIN])
    assert "takes nothing" not in made.texts["firmware.build"] and "'a_field'" in made.texts["firmware.build"]
    back = {name: short for short, name in made.names["firmware.build"].items()}
    assert (
        explain(f"{back['firmware.core.errors:FlashError']}: 1", made.names) == "FlashError: the sector takes nothing"
    )
    assert explain(f"{back['firmware.core.errors:SettingsError']}: a_field\n", made.names) == "SettingsError: a_field\n"


def test_every_module_of_the_table_is_there_once():
    listed = [name for root, names in bundles.BUNDLES.items() for name in (root, *names)]
    assert len(listed) == len(set(listed))
    assert all(bundles.root_of(name) in bundles.BUNDLES for name in listed)
