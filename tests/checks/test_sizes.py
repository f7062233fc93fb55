"""Modules and functions at and beyond their limits."""

from checks import sizes


def _function(lines):
    return "def f():\n" + "    x = 1\n" * (lines - 1)


def test_limits_are_inclusive(tree):
    root = tree({"firmware/a.py": "x = 1\n" * 300, "lib/b.py": _function(60), "tools/lobbylock/c.py": "x = 1\n" * 900})
    assert sizes.check(root, {}) == []


def test_long_module_is_named(tree):
    findings = sizes.check(tree({"firmware/core/a.py": "x = 1\n" * 301}), {})
    assert [str(found) for found in findings] == ["firmware/core/a.py:1: module of 301 lines, 300 at most"]


def test_long_function_is_named_where_it_begins(tree):
    findings = sizes.check(
        tree({"lib/b.py": "x = 1\n\n\nclass A:\n    async " + _function(61).replace("\n    ", "\n        ")}), {}
    )
    assert [str(found) for found in findings] == ["lib/b.py:5: function f of 61 lines, 60 at most"]


def test_exception_is_for_one_thing_and_only_while_it_is_needed(tree):
    root = tree({"lib/b.py": _function(61), "lib/c.py": _function(61)})
    assert [found.path for found in sizes.check(root, {"lib/b.py:f": "one loop"})] == ["lib/c.py"]
    assert [found.path for found in sizes.check(root, {"lib/b.py:f": "", "lib/c.py:f": "", "lib/d.py": ""})] == [
        "lib/d.py"
    ]
