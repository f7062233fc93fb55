"""Attributes that nobody but the methods of one class asks for, by `self`: each class may call its own the same.

So a few words do for all classes, and fewer names are needed than MicroPython has in its read-only memory.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

# Between the name and the number of the class.
MARK = "%"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def split(bodies: Iterable[list[ast.stmt]], may: Callable[[str], bool]) -> None:
    """Gives such attributes a name with the number of their class, `_flash%7`, if `may(name)`.

    A class and those made of it count as one. The bodies are those that `scope` makes: no two variables are called the
    same.
    """
    bodies = list(bodies)
    classes = _Classes(
        {
            node.id
            for body in bodies
            for outer in body
            for node in ast.walk(outer)
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        }
    )
    for body in bodies:
        for node in body:
            classes.look(node, "")
    for node, name, owner in classes.found:
        if name not in classes.shared and may(name):
            _rename(node, f"{name}{MARK}{classes.family(owner)}")


def plain(name: str) -> str:
    """Returns what an attribute was called."""
    return name.partition(MARK)[0]


def family(name: str) -> str:
    """Returns the number of its class."""
    return name.partition(MARK)[2]


class _Classes:
    """`found` has (node, attribute, class) of what a class has or asks itself for, `shared` what others ask for."""

    def __init__(self, stored: set[str]) -> None:
        self.found: list[tuple[ast.AST, str, str]] = []
        self.shared: set[str] = set()
        self._stored = stored
        self._made_of: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        # The class that a method's first argument is one of.
        self._class_of: dict[str, str] = {}

    def family(self, name: str) -> int:
        """Returns a number that is the same for a class and what it is made of."""
        return self._numbers.setdefault(self._first(name), len(self._numbers))

    def _first(self, name: str) -> str:
        while name in self._made_of:
            name = self._made_of[name]
        return name

    def look(self, node: ast.AST, inside: str) -> None:
        """Takes in a node; `inside` is the class in whose body it stands, not in a method's."""
        if isinstance(node, ast.ClassDef):
            self._look_at_bases(node)
            inside = node.name
        elif isinstance(node, _FUNCTIONS):
            if node.name.startswith("."):
                self.found.append((node, node.name[1:], inside))
                self._look_at_method(node, inside)
            for outside in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
                if outside is not None:
                    self.look(outside, inside)
            for part in node.body:
                self.look(part, "")
            return
        elif isinstance(node, ast.Name):
            if node.id.startswith("."):
                self.found.append((node, node.id[1:], inside))
        elif isinstance(node, ast.Attribute):
            owner = self._class_of.get(node.value.id) if isinstance(node.value, ast.Name) else None
            if owner:
                self.found.append((node, node.attr, owner))
            else:
                self.shared.add(node.attr)
        for child in ast.iter_child_nodes(node):
            self.look(child, inside)

    def _look_at_bases(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            first, other = self._first(node.name), self._first(ast.unparse(base))
            if first != other:
                self._made_of[first] = other

    def _look_at_method(self, node: ast.FunctionDef | ast.AsyncFunctionDef, inside: str) -> None:
        """Notes what its first argument is; one that is given another value may be anything."""
        is_static = any(isinstance(mark, ast.Name) and mark.id.endswith("method") for mark in node.decorator_list)
        if node.args.args and not is_static and node.args.args[0].arg not in self._stored:
            self._class_of[node.args.args[0].arg] = inside


def _rename(node: ast.AST, name: str) -> None:
    if isinstance(node, ast.Attribute):
        node.attr = name
    elif isinstance(node, ast.Name):
        node.id = f".{name}"
    elif isinstance(node, _FUNCTIONS):
        node.name = f".{name}"
