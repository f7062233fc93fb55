"""Leaves out what nobody can get at: functions, classes, methods and variables that no live code names."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

# Decorators that make a function another kind of one, and do nothing else.
_QUIET = ("property", "staticmethod", "classmethod")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def shake(
    bodies: dict[str, list[ast.stmt]],
    entries: Iterable[str],
    whole: Callable[[str], bool],
    asked: Callable[[str], bool],
) -> None:
    """Drops dead statements and methods from `bodies`.

    `entries` are names that are asked for from outside, modules for which `whole` is true keep everything, and a method
    or class variable whose name is `asked` for by somebody else's code stays with its class.
    """
    live = _Live(asked)
    for module, body in bodies.items():
        for node in body:
            live.add(node, is_root=whole(module))
    live.find(entries)
    for module, body in bodies.items():
        bodies[module] = [node for node in body if id(node) in live.kept]
        for node in bodies[module]:
            if isinstance(node, ast.ClassDef):
                node.body = [part for part in node.body if id(part) in live.kept] or [ast.Pass()]


class _Live:
    """`kept` has the ids of the statements that stay."""

    def __init__(self, asked: Callable[[str], bool]) -> None:
        self.kept: set[int] = set()
        self._asked = asked
        self._makers: dict[str, list[ast.AST]] = {}
        self._members: dict[str, list[ast.AST]] = {}
        self._named: set[str] = set()
        self._waiting: list[ast.AST] = []

    def add(self, node: ast.stmt, is_root: bool) -> None:
        makes = _makes(node)
        for name in makes:
            self._makers.setdefault(name, []).append(node)
        if is_root or not makes:
            self._waiting.append(node)

    def find(self, entries: Iterable[str]) -> None:
        for name in entries:
            self._name(name)
        while self._waiting:
            node = self._waiting.pop()
            if id(node) in self.kept:
                continue
            self.kept.add(id(node))
            if isinstance(node, ast.ClassDef):
                for outside in (*node.bases, *node.decorator_list):
                    self._look(outside)
                for part in node.body:
                    self._member(part)
            else:
                self._look(node)

    def _member(self, part: ast.stmt) -> None:
        names = _makes(part)
        if not names or any(self._asked(name) or name in self._named for name in names):
            self._waiting.append(part)
        for name in names:
            self._members.setdefault(name, []).append(part)

    def _look(self, node: ast.AST) -> None:
        marks = {id(mark) for inner in ast.walk(node) for mark in getattr(inner, "decorator_list", ())}
        waiting = [node]
        while waiting:
            inner = waiting.pop()
            if id(inner) in marks and isinstance(inner, ast.Attribute) and inner.attr in ("viper", "native"):
                continue
            if isinstance(inner, ast.Name):
                self._name(inner.id)
            elif isinstance(inner, ast.Attribute):
                self._name(inner.attr if ":" in inner.attr else f".{inner.attr}")
            elif isinstance(inner, ast.alias) and ":" in inner.name:
                self._name(inner.name)
            elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                # getattr and its like.
                self._name(f".{inner.value}")
            waiting += ast.iter_child_nodes(inner)

    def _name(self, name: str) -> None:
        if name not in self._named:
            self._named.add(name)
            self._waiting += self._makers.get(name, [])
            self._waiting += self._members.get(name, [])


def _makes(node: ast.stmt) -> list[str]:
    """Returns the names that a statement does nothing but make; none for one that may do more."""
    if isinstance(node, _DEFINITIONS):
        return [node.name] if _is_quiet(node) else []
    if isinstance(node, ast.Assign) and _is_idle(node.value):
        targets = [
            name for target in node.targets for name in (target.elts if isinstance(target, ast.Tuple) else [target])
        ]
        if all(isinstance(target, ast.Name) for target in targets):
            return [target.id for target in targets]  # type: ignore[attr-defined]
    return []


def _is_quiet(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether a definition calls no decorator that may do something with it, nor does one inside of a class."""
    for mark in node.decorator_list:
        is_compilers = isinstance(mark, ast.Attribute) and ast.unparse(mark.value) == "<micropython:"
        if not (is_compilers or (isinstance(mark, ast.Name) and mark.id in _QUIET)):
            return False
    parts = node.body if isinstance(node, ast.ClassDef) else ()
    return all(_is_quiet(part) for part in parts if isinstance(part, _DEFINITIONS))


def _is_idle(node: ast.expr) -> bool:
    """Whether computing the value does nothing else."""
    calls = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.Call)
    for inner in ast.walk(node):
        if isinstance(inner, calls) and not _is_plain_call(inner):
            return False
    return True


def _is_plain_call(node: ast.AST) -> bool:
    plain = ("bytes", "bytearray", "memoryview", "tuple", "range", "dict", "list", "<array:array")
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in plain
