"""Puts functions that are called in one place into that place: each takes 80 bytes of the heap besides its code.

    x = f(a)     return f(a)     f(a)     if f(a): ...     if not f(a): ...     and the same with `await`

A function goes there if its returns can be said in other words there, so if none is in a loop or a `try`; where the
place is behind a `return` any will do. Its variables come along: `scope` gave each a name that no other one has.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from linker import own

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_INNER = (*_FUNCTIONS, ast.Lambda, ast.ClassDef)
# What makes a function another thing than its statements. An import: what it brings would stay as long as the caller.
_STRANGE = (*_INNER, ast.Yield, ast.YieldFrom, ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom)
# A function with no more variables than that computes on the stack, one with more in the heap.
_ON_STACK = 7

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Make = Callable[[ast.expr | None], list[ast.stmt]]


def inline(bodies: dict[str, list[ast.stmt]], stays: Callable[[str], bool]) -> None:
    """Changes the bodies of files. A function stays if `stays(name)`, its name as in the bodies.

    The bodies are those that `scope` and `own` have made.
    """
    uses = Counter(_uses(bodies))
    made = Counter(name for body in bodies.values() for name, _ in _functions(body))
    for body in bodies.values():
        known = {
            name: function
            for name, function in _functions(body)
            if uses[name] == made[name] == 1 and not stays(name) and _is_plain(function)
        }
        gone: set[str] = set()
        for name, function in _functions(body):
            if name not in gone:
                gone |= _Caller(name, function, known).run()
        for node in body:
            if isinstance(node, ast.ClassDef):
                node.body = [part for part in node.body if getattr(part, "name", "") not in gone] or [ast.Pass()]
        body[:] = [node for node in body if getattr(node, "name", "") not in gone]


def _uses(bodies: dict[str, list[ast.stmt]]) -> Iterator[str]:
    for body in bodies.values():
        for outer in body:
            for node in ast.walk(outer):
                if isinstance(node, ast.Name):
                    yield node.id
                elif isinstance(node, ast.Attribute):
                    yield node.attr if ":" in node.attr else f".{node.attr}"
                elif isinstance(node, ast.alias):
                    yield node.name


def _functions(body: list[ast.stmt]) -> Iterator[tuple[str, _Function]]:
    for node in body:
        for part in node.body if isinstance(node, ast.ClassDef) else (node,):
            if isinstance(part, _FUNCTIONS):
                yield part.name, part


def _is_plain(function: _Function) -> bool:
    """Whether a function is nothing but its statements, and nobody outside of its class may call it."""
    args = function.args
    if function.decorator_list or args.vararg or args.kwarg or args.kwonlyargs or args.posonlyargs:
        return False
    if function.name.startswith(".") and not own.family(function.name):
        return False
    if not all(isinstance(default, ast.Constant) for default in args.defaults):
        return False
    return not any(isinstance(node, _STRANGE) for part in function.body for node in ast.walk(part))


class _CannotSayError(Exception):
    """A return stands where nothing else says the same."""


class _Caller:
    """One function, into which others go; `known` are those that may, by name."""

    def __init__(self, name: str, function: _Function, known: dict[str, _Function]) -> None:
        self._name = name
        self._function = function
        self._known = known
        self._gone: set[str] = set()

    def run(self) -> set[str]:
        """Returns the names of the functions that are in there now."""
        inner = [node for part in self._function.body for node in ast.walk(part) if isinstance(node, _INNER)]
        # Viper has types and no frame; inner functions may change a variable behind a call.
        if not self._function.decorator_list and not inner:
            self._function.body = self._block(self._function.body, False)
        return self._gone

    def _block(self, block: list[ast.stmt], is_endless: bool) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        waiting = list(block)
        while waiting:
            node = waiting.pop(0)
            found = self._expand(node, is_endless)
            if found is not None:
                # There may be calls in what came.
                waiting[:0] = found
                continue
            is_loop = isinstance(node, ast.While) and isinstance(node.test, ast.Constant)
            for holder in (node, *getattr(node, "handlers", ())):
                for field in ("body", "orelse", "finalbody"):
                    inner = getattr(holder, field, None)
                    if isinstance(inner, list) and inner and isinstance(inner[0], ast.stmt):
                        setattr(holder, field, self._block(inner, is_endless or is_loop))
            made.append(node)
        return made

    def _expand(self, node: ast.stmt, is_endless: bool) -> list[ast.stmt] | None:
        """Returns the statements in the place of one, None if it stays."""
        value = node.test if isinstance(node, ast.If) else getattr(node, "value", None)
        if isinstance(node, ast.If) and isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not):
            value = value.operand
        call: Any = value.value if isinstance(value, ast.Await) else value
        function = self._called(call)
        if function is None or isinstance(function, ast.AsyncFunctionDef) != isinstance(value, ast.Await):
            return None
        begin = self._bind(function, call)
        if begin is None or not self._is_worth_it(function, begin, is_endless):
            return None
        try:
            made = begin + self._said(function, node)
        except _CannotSayError:
            return None
        self._gone.add(function.name)
        del self._known[function.name]
        return [ast.fix_missing_locations(part) for part in made]

    def _called(self, call) -> _Function | None:
        if not isinstance(call, ast.Call):
            return None
        name = ""
        if isinstance(call.func, ast.Name):
            name = call.func.id
        elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            name = f".{call.func.attr}"
        found = self._known.get(name)
        return found if found is not self._function else None

    def _bind(self, function: _Function, call: ast.Call) -> list[ast.stmt] | None:
        """Returns what gives the arguments their values; one that is a variable or constant is put where it is used."""
        names = [arg.arg for arg in function.args.args]
        given = [call.func.value] if isinstance(call.func, ast.Attribute) else []
        given += call.args
        missing = len(names) - len(given)
        if call.keywords or not 0 <= missing <= len(function.args.defaults):
            return None
        if any(isinstance(value, ast.Starred) for value in given):
            return None
        if missing:
            given += function.args.defaults[-missing:]
        stored = _stored(function)
        begin: list[ast.stmt] = []
        self._put: dict[str, ast.expr] = {}
        for name, value in zip(names, given, strict=True):
            is_local = isinstance(value, ast.Name) and "@" in value.id
            if name not in stored and (is_local or isinstance(value, ast.Constant)):
                self._put[name] = value
            else:
                # Not by the argument's name, which may have to stay as it is, and be the caller's own as well.
                self._put[name] = ast.Name(f"in{name}", ast.Load())
                begin.append(ast.Assign([ast.Name(f"in{name}", ast.Store())], value))
        return begin

    def _is_worth_it(self, function: _Function, begin: list[ast.stmt], is_endless: bool) -> bool:
        brought = len(_stored(function)) + len(begin)
        if is_endless and isinstance(self._function, ast.AsyncFunctionDef) and brought:
            # A coroutine that never ends would keep what they hold.
            return False
        count = len(_stored(self._function)) + len(self._function.args.args)
        return not count <= _ON_STACK < count + brought

    def _said(self, function: _Function, node: ast.stmt) -> list[ast.stmt]:
        """Returns the function's statements with its returns in the words of its place. Raises _CannotSayError."""
        body = function.body
        if isinstance(node, ast.Return):
            made = list(body) if _ends(body) else [*body, ast.Return(None)]
        elif isinstance(node, ast.Expr):
            made = _tail(body, _alone)
        elif isinstance(node, ast.Assign) and _is_plain_target(node):
            made = _tail(body, lambda value: [ast.Assign(deepcopy(node.targets), value or ast.Constant(None))])
        elif isinstance(node, ast.If):
            answer = f"in{len(self._gone)}@{function.name.lstrip('.').partition(own.MARK)[0].rpartition(':')[2]}"
            made = _tail(body, lambda value: [ast.Assign([ast.Name(answer, ast.Store())], value or ast.Constant(None))])
            test: ast.expr = ast.Name(answer, ast.Load())
            if isinstance(node.test, ast.UnaryOp):
                test = ast.UnaryOp(ast.Not(), test)
            node.test = test
            return [*(_Putter(self._put).visit(part) for part in made), node]
        else:
            raise _CannotSayError
        return [_Putter(self._put).visit(part) for part in made]


class _Putter(ast.NodeTransformer):
    """Puts in the arguments."""

    def __init__(self, put: dict[str, ast.expr]) -> None:
        self._put = put

    def visit_Name(self, node: ast.Name):
        found = self._put.get(node.id)
        if isinstance(found, ast.Name):
            node.id = found.id
        return node if found is None or isinstance(found, ast.Name) else deepcopy(found)


def _stored(function: _Function) -> set[str]:
    """Returns the variables that a function gives values to, without its arguments' first ones."""
    found = set()
    for part in function.body:
        for node in ast.walk(part):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                found.add(node.id)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                found.add(node.name)
    return found


def _is_plain_target(node: ast.Assign) -> bool:
    """Whether nothing has to be computed for the target, or before the value."""
    target = node.targets[0]
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    return len(node.targets) == 1 and all(isinstance(part, ast.Name) for part in parts)


def _alone(value: ast.expr | None) -> list[ast.stmt]:
    return [] if value is None or _is_idle(value) else [ast.Expr(value)]


def _is_idle(value: ast.expr | None) -> bool:
    return value is None or isinstance(value, (ast.Name, ast.Constant))


def _ends(block: list[ast.stmt]) -> bool:
    """Whether what stands behind the block is never reached."""
    if not block:
        return False
    last = block[-1]
    return (
        isinstance(last, (ast.Return, ast.Raise))
        or isinstance(last, ast.If)
        and _ends(last.body)
        and _ends(last.orelse)
    )


def _tail(block: list[ast.stmt], make: _Make) -> list[ast.stmt]:
    """Returns the block with what `make(value)` returns in the place of `return value`; at its end as well.

    Raises _CannotSayError for a return that is not the last thing that happens in there.
    """
    made: list[ast.stmt] = []
    for at, node in enumerate(block):
        if isinstance(node, ast.Return):
            return made + make(node.value)
        if not any(isinstance(inner, ast.Return) for inner in ast.walk(node)):
            made.append(node)
            if isinstance(node, ast.Raise):
                return made
            continue
        rest = block[at + 1 :]
        if not isinstance(node, ast.If) or rest and not (_ends(node.body) or _ends(node.orelse)):
            raise _CannotSayError
        body, orelse = node.body, node.orelse
        if rest and _ends(body):
            orelse = orelse + rest if not _ends(orelse) else orelse
        elif rest:
            body = body + rest
        return [*made, ast.If(node.test, _tail(body, make) or [ast.Pass()], _tail(orelse, make))]
    return made + make(None)
