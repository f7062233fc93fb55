"""Puts numbers in the place of their names, as MicroPython's `const` does inside one module."""

from __future__ import annotations

import ast
import operator
from collections import Counter
from collections.abc import Callable, Iterator

_CONST = frozenset(("<micropython:const", "constant:const"))
_BINARY: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}
_UNARY: dict[type, Callable] = {ast.USub: operator.neg, ast.Invert: operator.invert, ast.UAdd: operator.pos}


def put_in(bodies: dict[str, list[ast.stmt]], stays: Callable[[str], bool]) -> None:
    """Replaces every name of a number, or of what `const` was called with, by what it stands for.

    The definitions go, but those of names that `stays` is true for.
    """
    found = _find(bodies)
    putter = _Putter(found)
    for name, body in bodies.items():
        kept = [node for node in body if not (_target(node) in found and not stays(_target(node)))]
        bodies[name] = [putter.visit(node) for node in kept]


def _find(bodies: dict[str, list[ast.stmt]]) -> dict[str, object]:
    stored = Counter(_stored(bodies))
    known: dict[str, object] = {}
    waiting = [node for body in bodies.values() for node in body if (target := _target(node)) and stored[target] == 1]
    # A constant may be made of others, which may stand in modules that come later.
    while waiting:
        left = []
        for node in waiting:
            target = _target(node)
            try:
                known[target] = _value(node.value, known)  # type: ignore[attr-defined]
            except LookupError:
                left.append(node)
        if len(left) == len(waiting):
            break
        waiting = left
    return known


def _stored(bodies: dict[str, list[ast.stmt]]) -> Iterator[str]:
    for body in bodies.values():
        for node in (inner for outer in body for inner in ast.walk(outer)):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                yield node.id
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield node.name


def _target(node: ast.stmt) -> str:
    """Returns the module's variable that a statement gives a value to, and nothing else; empty if there is none."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return ""


def _value(node: ast.expr, known: dict[str, object]) -> object:
    """Returns the whole number that an expression is, or what `const` is given. Raises LookupError for all else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CONST:
        return _anything(node.args[0], known)
    value = _number(node, known)
    return value


def _anything(node: ast.expr, known: dict[str, object]) -> object:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(_anything(item, known) for item in node.elts)
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    return _number(node, known)


def _number(node: ast.expr, known: dict[str, object]) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name) and type(known.get(node.id)) is int:
        return known[node.id]  # type: ignore[return-value]
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_number(node.operand, known))
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _BINARY[type(node.op)](_number(node.left, known), _number(node.right, known))
    raise LookupError


class _Putter(ast.NodeTransformer):
    def __init__(self, found: dict[str, object]) -> None:
        self._found = found

    def visit_Name(self, node: ast.Name):
        if isinstance(node.ctx, ast.Load) and node.id in self._found:
            return ast.copy_location(_literal(self._found[node.id]), node)
        return node

    def visit_Attribute(self, node: ast.Attribute):
        # Of a module that is loaded later.
        if node.attr in self._found:
            return ast.copy_location(_literal(self._found[node.attr]), node)
        return self.generic_visit(node)

    def visit_Import(self, node: ast.Import):
        node.names = [alias for alias in node.names if alias.name not in self._found]
        return node if node.names else ast.copy_location(ast.Pass(), node)

    def visit_Call(self, node: ast.Call):
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _CONST:
            return node.args[0]
        return node


def _literal(value: object) -> ast.expr:
    if isinstance(value, tuple):
        return ast.Tuple([_literal(item) for item in value], ast.Load())
    if type(value) is int and value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)  # type: ignore[arg-type]
