"""The sources of a board's modules, and who imports whom."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

FOLDERS = {"firmware": "firmware.", "lib": ""}
STARTERS = ("boot.py", "main.py")


def read_tree(root: Path) -> dict[str, Path]:
    """Returns the modules that the board imports from firmware/ and lib/ of `root`: dotted name and file."""
    found = {}
    for folder, prefix in FOLDERS.items():
        for path in sorted((root / folder).rglob("*.py")):
            dotted = prefix + ".".join(path.relative_to(root / folder).with_suffix("").parts)
            found[dotted.removesuffix(".__init__").removesuffix("__init__").rstrip(".")] = path
    return found


def board_path(module: str) -> str:
    """Returns where a compiled module lies on the board: `firmware/core/door.mpy`, `lib/cbor.mpy`."""
    folder = "" if module.startswith("firmware.") else "lib/"
    return folder + module.replace(".", "/") + ".mpy"


class Module:
    """One source. `eager` and `lazy` are the modules of ours that it imports when it is loaded, and later."""

    def __init__(self, name: str, text: str, known: Iterable[str]) -> None:
        self.name = name
        self.tree = _without_types(ast.parse(text))
        known = frozenset(known)
        imports = {id(node) for node in self.tree.body if isinstance(node, (ast.Import, ast.ImportFrom))}
        self.eager: list[str] = []
        self.lazy: list[str] = []
        for node in ast.walk(self.tree):
            for target in _imported(node, known):
                place = self.eager if id(node) in imports else self.lazy
                if target not in place:
                    place.append(target)

    @property
    def is_empty(self) -> bool:
        return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in self.tree.body)


def read_modules(texts: Mapping[str, str]) -> dict[str, Module]:
    return {name: Module(name, text, texts) for name, text in texts.items()}


def reachable(modules: Mapping[str, Module], first: Iterable[str]) -> set[str]:
    """Returns `first` and every module that those import, now or later."""
    found: set[str] = set()
    waiting = list(first)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += modules[name].eager + modules[name].lazy
    return found


def _imported(node: ast.AST, known: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in known)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            if f"{node.module}.{alias.name}" in known:
                yield f"{node.module}.{alias.name}"
            elif node.module in known:
                yield node.module


class _TypeStripper(ast.NodeTransformer):
    """Takes out what only a type checker reads. Viper code keeps its annotations, which are its types."""

    def visit_If(self, node: ast.If):
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return [self.visit(inner) for inner in node.orelse]
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef):
        if not any(isinstance(mark, ast.Attribute) and mark.attr == "viper" for mark in node.decorator_list):
            node.returns = None
            for arg in ast.walk(node.args):
                if isinstance(arg, ast.arg):
                    arg.annotation = None
        _drop_docstring(node)
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef):
        return self.visit_FunctionDef(node)  # type: ignore[arg-type]

    def visit_ClassDef(self, node: ast.ClassDef):
        _drop_docstring(node)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign):
        if node.value is None:
            return ast.Pass()
        return ast.Assign(targets=[node.target], value=self.visit(node.value), lineno=node.lineno)


def _drop_docstring(node: ast.FunctionDef | ast.ClassDef | ast.Module) -> None:
    if ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])


def _without_types(tree: ast.Module) -> ast.Module:
    _drop_docstring(tree)
    return ast.fix_missing_locations(_TypeStripper().visit(tree))
