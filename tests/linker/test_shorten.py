"""What compiling does to names: less of the heap, the same program, the same lines."""

import pytest

from linker.shorten import NameTaken, shorten

TABLE = "OPEN = 7\nSHUT = 8\nBOTH = (OPEN, SHUT)\nASKED = 9\n"


def run(tree: dict[str, str], name: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(shorten(tree)[name], name, "exec"), names)
    return names


def test_private_names_are_numbered_by_use_and_lines_stay():
    text = "class A:\n    def __init__(self, b):\n        self._rare = b\n"
    text += "        self._often = self._often_too(self._often)\n"
    text += "\n    def _often_too(self, _often):\n        return _often\n"
    made = shorten({"m": text})["m"]
    assert "self._0 = self._1(self._0)" in made
    assert "__init__" in made and "_rare" not in made
    assert made.count("\n") == text.count("\n")


def test_modules_use_the_same_few_names_and_subclasses_of_others_do_not():
    made = shorten({"m": "_a = []\n_b = _a\n", "n": "_x = []\n", "o": "from m import C\nclass D(C):\n    _x = []\n"})
    assert made["n"] == "_0 = []\n"
    assert "_0 " not in made["o"]


def test_a_number_is_put_where_its_name_was():
    made = shorten({"p.table": TABLE, "m": "from p import table\nx = table.OPEN, table.ASKED\n"})
    assert "x = 7, 9" in made["m"]
    # BOTH still needs its parts, and nobody knows who else asks for it.
    assert made["p.table"] == "OPEN = 7\nSHUT = 8\nBOTH = (OPEN, SHUT)\n\n"


@pytest.mark.parametrize(
    "text",
    [
        "from p import table\ndef f(table):\n    return table.ASKED\n",
        "from p.table import ASKED\nx = ASKED\n",
        "import q\nx = q.table.ASKED\n",
        "from p import table\nx = table.BOTH, vars(table)['ASKED']\ny = 1 .ASKED\n",
    ],
)
def test_a_name_that_may_be_asked_for_otherwise_stays(text):
    made = shorten({"p.table": TABLE, "m": text})
    assert "ASKED = 9\n" in made["p.table"]
    assert made["m"] == text


def test_numbers_that_change_are_no_names_of_numbers():
    text = "LEVEL = 1\ndef f():\n    global LEVEL\n    LEVEL = 2\n"
    assert shorten({"p.table": text, "m": "from p import table\nx = table.LEVEL\n"})["m"].endswith("table.LEVEL\n")


def test_what_comes_out_does_the_same():
    text = "class A:\n    _x = 5\n    def _get(self, _y):\n        return [_z + self._x for _z in (_y,)]\n"
    assert run({"m": text + "out = A()._get(3)\n"}, "m")["out"] == [8]


def test_somebody_elses_private_name_is_refused():
    with pytest.raises(NameTaken):
        shorten({"m": "import other\nother._inner()\n"})


def test_imported_private_names_stay():
    text = "import _thread\n_thread.start_new_thread(print, ())\n"
    assert shorten({"m": text})["m"] == text


def test_arguments_that_no_call_names_are_private_too():
    text = "def f(given, kept):\n    return given.given + kept\n"
    made = shorten({"m": text, "n": "import m\nm.f(1, kept=2)\n"})["m"]
    assert made == "def f(_0, kept):\n    return _0.given + kept\n"


@pytest.mark.parametrize(
    "text",
    [
        "import given\ndef f(given):\n    return given\n",
        "given = 1\ndef f(given):\n    return given\n",
        "def given():\n    pass\ndef f(given):\n    return given\n",
        "class A:\n    given = 1\n    def f(self, given):\n        return given\n",
        "def f(given):\n    return given\ndef g():\n    global given\n    given = 1\n",
        "def f(list):\n    return list\n",
    ],
)
def test_arguments_with_a_name_that_is_something_else_as_well_keep_it(text):
    assert shorten({"m": text})["m"] == text
