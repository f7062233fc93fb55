"""Every import in a syntax tree, wherever it stands: in functions, under TYPE_CHECKING, by `__import__`."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from checks.source import Module


class Import(NamedTuple):
    """`name` is absolute and, for `from a import b`, holds both: a.b. None: it is only known at run time."""

    name: str | None
    line: int


def find(module: Module) -> Iterator[Import]:
    """Yields the imports of `module` in no particular order."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            for alias in node.names:
                yield Import(base if alias.name == "*" else f"{base}.{alias.name}", node.lineno)
        elif isinstance(node, ast.Call) and _called(node.func) in ("__import__", "import_module"):
            yield Import(_literal(node), node.lineno)


def _base(module: Module, node: ast.ImportFrom) -> str:
    """Returns the absolute name behind `from`; more dots than there are packages give an impossible name."""
    if not node.level:
        return node.module or ""
    parents = module.package.split(".")
    if node.level > len(parents):
        return "." * node.level + (node.module or "")
    base = parents[: len(parents) - node.level + 1]
    return ".".join(base + ([node.module] if node.module else []))


def _called(function: ast.expr) -> str:
    """Returns the last part of a called name: `import_module` for `importlib.import_module(...)`."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _literal(call: ast.Call) -> str | None:
    if len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
        return call.args[0].value
    return None
