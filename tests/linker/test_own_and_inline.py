"""What linking makes of names that only a class uses, and of functions that are called in one place."""

import re

import pytest
from test_linking import linked, play  # noqa: F401  # pyright: ignore[reportMissingImports]

BUILD = "firmware.build"


def count(text: str, what: str) -> int:
    return text.count(what)


def test_classes_call_what_only_they_ask_for_the_same(play):  # noqa: F811
    classes = "".join(
        f"class C{number}:\n    def __init__(self, value):\n        self._flash_{number} = value\n"
        f"        self.shown_{number} = 7\n"
        f"    def _double_{number}(self):\n        return self._flash_{number} * 2\n"
        f"    def both_{number}(self):\n        return self._double_{number}() + self._double_{number}()\n"
        for number in range(30)
    )
    calls = ", ".join(f"C{number}({number}).both_{number}() + C{number}(0).shown_{number}" for number in range(30))
    tree = {BUILD: f"{classes}def run():\n    print({calls})\n"}
    assert play(tree) == " ".join(str(4 * number + 7) for number in range(30)) + "\n"
    stored = set(re.findall(r"\.(\w+) = ", linked(tree)[BUILD]))
    # Thirty that everybody may ask for, and one for all of the others.
    assert len(stored) == 31


def test_a_base_and_what_is_made_of_it_share_their_names(play):  # noqa: F811
    tree = {
        BUILD: "class Base:\n    def __init__(self):\n        self._kept = 1\n    def _step(self):\n        return 10\n"
        "    def go(self):\n        return self._step() + self._kept + self._step()\n"
        "class Other(Base):\n    def __init__(self):\n        super().__init__()\n        self._mine = 100\n"
        "    def _step(self):\n        return self._mine + self._kept\n"
        "class Apart:\n    def __init__(self):\n        self._a, self._b, self._c = 1, 2, 3\n"
        "    def sum(self):\n        return self._a + self._b + self._c\n"
        "def run():\n    print(Base().go(), Other().go(), Apart().sum(), Apart().sum())\n"
    }
    assert play(tree) == "21 203 6 6\n"


def test_what_others_ask_for_keeps_one_name(play):  # noqa: F811
    tree = {
        BUILD: "class A:\n    def __init__(self):\n        self._seen = 1\n        self._more = 2\n"
        "    def sum(self):\n        return self._seen + self._more\n"
        "class B:\n    def __init__(self):\n        self._more = 5\n        self._seen = 6\n"
        "def run():\n    print([(one._seen, getattr(one, '_more')) for one in (A(), B())], A().sum(), A().sum())\n"
    }
    assert play(tree) == "[(1, 2), (6, 5)] 3 3\n"


PLACES = (
    ("statement", "def f(x):\n    print('in', x)\n    if x > 1:\n        return\n    print('low')\n", "    f(n)\n"),
    (
        "value",
        "def f(x, y=4):\n    if x > 1:\n        return x * y\n    y = x + 1\n    return y\n",
        "    print(f(n))\n",
    ),
    (
        "assigned",
        "def f(x):\n    if x > 1:\n        x = x + 1\n        return x\n    return -x\n",
        "    n = f(n)\n    print(n)\n",
    ),
    ("returned", "def f(x):\n    for y in range(9):\n        if y == x:\n            return y\n", "    return f(n)\n"),
    (
        "asked",
        "def f(x):\n    if x > 5:\n        return False\n    return x > 1\n",
        "    if not f(n + 0):\n        print('no')\n",
    ),
    (
        "elif",
        "def f(x):\n    return x > 1\n",
        "    if n == 0:\n        print(0)\n    elif f(n):\n        print('more')\n",
    ),
    ("loop", "def f(x):\n    for y in range(3):\n        if y == x:\n            return 'got'\n", "    print(f(n))\n"),
    (
        "same names",
        "def f(n, m):\n    n, m = m + 1, n + 2\n    return n, m\n",
        "    m = 9\n    a, b = f(m, n)\n    print(n, m, a, b)\n",
    ),
)


@pytest.mark.parametrize(("function", "use"), [place[1:] for place in PLACES], ids=[place[0] for place in PLACES])
def test_a_function_that_is_called_once_does_the_same_in_its_place(play, function, use):  # noqa: F811
    tree = {
        BUILD: f"{function}def caller(n):\n{use}\ndef run():\n    for n in (0, 1, 2, 9):\n        print(n, caller(n))\n"
        "        caller(n)\n"
    }
    assert play(tree)


def test_methods_and_coroutines_go_where_they_are_called(play):  # noqa: F811
    tree = {
        BUILD: "import asyncio\nclass One:\n    def __init__(self):\n        self.log = []\n"
        "    async def run(self):\n        got = await self._step(3)\n        self.log.append(got)\n"
        "        await self._rest()\n        return await self._end()\n"
        "    async def _step(self, n):\n        await asyncio.sleep_ms(1)\n"
        "        if n > 2:\n            return 'big'\n"
        "        return 'small'\n"
        "    async def _rest(self):\n        try:\n            await asyncio.sleep_ms(1)\n            self._fail()\n"
        "        except ValueError as error:\n            self.log.append(str(error))\n"
        "    def _fail(self):\n        raise ValueError('mine')\n"
        "    async def _end(self):\n        while True:\n            if self.log:\n                return self.log\n"
        "def run():\n    print(asyncio.run(One().run()))\n"
    }
    assert play(tree) == "['big', 'mine']\n"
    assert count(linked(tree)[BUILD], "def ") == 3


def test_who_is_overridden_exported_or_called_twice_stays(play):  # noqa: F811
    tree = {
        BUILD: "from firmware.core import event\ndef twice(x):\n    return x + 1\n"
        "def run():\n    print(twice(1), twice(2), event.once(3))\n"
        "    from firmware.store import trial\n    print(trial.there(5))\n",
        "firmware.core.event": "def once(x):\n    return x * x\n",
        "firmware.store.trial": "def there(x):\n    print('there')\n    return x\n",
    }
    assert play(tree) == "2 3 9\nthere\n5\n"
