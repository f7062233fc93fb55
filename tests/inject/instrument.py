"""Puts a probe at every place of a board module where something can fail: calls, awaits, allocations, input and output.

    f(a, b"x" + c)      becomes     probe_before(7)
                                    probe_after(9, f(a, probe_after(8, b"x" + c)))

A probe in front of a statement fails before anything of it has happened; one around an expression fails when all of it
has, so that what came of it is lost. Between them lies every moment at which the interpreter can raise. Bodies of
modules and classes run once, at import, and are left alone; so is viper code, which allocates nothing.
"""

import ast
from typing import NamedTuple

ALLOCATION = "allocation"
IO = "io"
AWAIT = "await"

# What a driver does to a peripheral, a pin, a file or the flash is one of these methods.
_IO_CALLS = frozenset(
    "value irq init deinit write_pulses readblocks writeblocks ioctl read readinto readline write any datetime feed "
    "open stat rename remove unlink mkdir listdir urandom active connect isconnected status scan flush close "
    "readfrom_into writeto write_readinto".split()
)
# Calls that give back a number or what they were given, without allocating.
_FREE_CALLS = frozenset("len isinstance ord super const abs hasattr callable id bool".split())
_NATIVE = ("viper", "native")
_IMPORT = ast.parse("from probe import probe_after, probe_before").body[0]


class Site(NamedTuple):
    """One probe. `kinds` are what can fail there: ALLOCATION, IO, AWAIT. `is_before` is the one before a statement."""

    number: int
    path: str
    line: int
    function: str
    is_before: bool
    kinds: tuple[str, ...]


def instrument(text: str, path: str, first: int) -> tuple[str, list[Site]]:
    """Returns the source with its probes, and the probes, numbered from `first` on."""
    tree = ast.parse(text)
    prober = _Prober(path, first)
    for node in tree.body:
        prober.probe(node)
    if prober.sites:
        has_docstring = ast.get_docstring(tree) is not None
        tree.body.insert(1 if has_docstring else 0, _IMPORT)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n", prober.sites


def _is_native(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(mark, ast.Attribute) and mark.attr in _NATIVE for mark in node.decorator_list)


def _is_constant(node: ast.AST) -> bool:
    """Whether the compiler works the expression out."""
    return all(
        isinstance(part, (ast.Constant, ast.operator, ast.unaryop, ast.BinOp, ast.UnaryOp, ast.Tuple, ast.Load))
        for part in ast.walk(node)
    )


def _name_of(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


class _Prober:
    """Puts probes into definitions: at every statement and expression inside of functions."""

    def __init__(self, path: str, first: int) -> None:
        self._path = path
        self._next = first
        self._scope: list[str] = []
        # What the statement at hand can fail with, of its own expressions and not those of its blocks.
        self._found: set[str] = set()
        self.sites: list[Site] = []

    # Definitions.

    def probe(self, node: ast.stmt) -> None:
        """Changes `node`, if it is a function, or a class with some in it."""
        if isinstance(node, ast.ClassDef):
            self._scope.append(node.name)
            for each in node.body:
                self.probe(each)
            self._scope.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not _is_native(node):
                self._scope.append(node.name)
                outer, self._found = self._found, set()
                node.body = self._block(node.body)
                self._found = outer
                self._scope.pop()

    # Statements.

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        done: list[ast.stmt] = []
        for node in body:
            before = len(self.sites)
            number = self._next
            self._next += 1
            outer, self._found = self._found, set()
            changed = self._statement(node)
            if self._found:
                kinds = tuple(sorted(self._found - {AWAIT} | {ALLOCATION}))
                self._note(number, node, True, kinds, before)
                probe = ast.Call(ast.Name("probe_before", ast.Load()), [ast.Constant(number)], [])
                done.append(ast.copy_location(ast.Expr(probe), node))
            done.append(changed)
            self._found = outer
        return done

    def _statement(self, node: ast.stmt) -> ast.stmt:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self._found.add(ALLOCATION)
            self.probe(node)
            return node
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._found.update((ALLOCATION, IO))
            return node
        for name, value in ast.iter_fields(node):
            if name in ("body", "orelse", "finalbody"):
                setattr(node, name, self._block(value))
            elif name == "handlers":
                for handler in value:
                    handler.body = self._block(handler.body)
            elif name == "items":
                self._contexts(node, value)
            elif name != "annotation" and isinstance(value, ast.expr):
                setattr(node, name, self._expression(value))
            elif isinstance(value, list):
                value[:] = [self._part(each) for each in value]
        if isinstance(node, ast.AugAssign):
            self._found.add(ALLOCATION)
        return node

    def _contexts(self, node: ast.stmt, items: list[ast.withitem]) -> None:
        for item in items:
            item.context_expr = self._expression(item.context_expr)
        if isinstance(node, ast.AsyncWith):
            self._found.update((ALLOCATION, AWAIT))

    # Expressions.

    def _expression(self, node: ast.expr) -> ast.expr:
        if _is_constant(node) or isinstance(node, ast.JoinedStr):
            return self._around(node, {ALLOCATION}) if isinstance(node, ast.JoinedStr) else node
        kinds = self._kinds(node)
        self._descend(node)
        return self._around(node, kinds) if kinds else node

    def _descend(self, node: ast.AST) -> None:
        for name, value in ast.iter_fields(node):
            if isinstance(node, ast.Await) and isinstance(value, ast.Call):
                # The coroutine is made and awaited at once: the probe around the await is enough.
                self._descend(value)
            elif isinstance(node, ast.BinOp) and isinstance(value, ast.BinOp):
                self._descend(value)
            elif isinstance(value, ast.expr):
                setattr(node, name, self._expression(value))
            elif isinstance(value, list):
                value[:] = [self._part(each) for each in value]

    def _part(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr):
            return self._expression(node)
        if isinstance(node, (ast.keyword, ast.comprehension)):
            self._descend(node)
        return node

    def _kinds(self, node: ast.expr) -> set[str]:
        if isinstance(node, ast.Await):
            return {ALLOCATION, AWAIT}
        if isinstance(node, ast.Call):
            name = _name_of(node)
            if name in _FREE_CALLS:
                return set()
            return {ALLOCATION, IO} if name in _IO_CALLS else {ALLOCATION}
        if isinstance(node, ast.Subscript):
            return {ALLOCATION} if isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load) else set()
        if isinstance(node, (ast.List, ast.Tuple)):
            return {ALLOCATION} if isinstance(node.ctx, ast.Load) else set()
        is_made = isinstance(node, (ast.BinOp, ast.Dict, ast.Set, ast.ListComp, ast.GeneratorExp, ast.Lambda))
        return {ALLOCATION} if is_made or isinstance(node, (ast.DictComp, ast.SetComp)) else set()

    def _around(self, node: ast.expr, kinds: set[str]) -> ast.expr:
        self._found |= kinds
        number = self._next
        self._next += 1
        self._note(number, node, False, tuple(sorted(kinds)), len(self.sites))
        made = ast.Call(ast.Name("probe_after", ast.Load()), [ast.Constant(number), node], [])
        return ast.copy_location(made, node)

    def _note(self, number: int, node: ast.AST, is_before: bool, kinds: tuple[str, ...], at: int) -> None:
        line = getattr(node, "lineno", 0)
        self.sites.insert(at, Site(number, self._path, line, ".".join(self._scope), is_before, kinds))

    @property
    def next_number(self) -> int:
        return self._next
