"""What the board's modules are told before they are compiled, so that their names take less of the heap.

MicroPython interns every name in the heap, once for all modules, and a module's numbers lie in a dict. Two things need
neither, and leave a lock some 15 KB more (docs/architecture.md, "Memory"):

- private names, and those of arguments, are nobody else's business, so each module may use the same few:
  `self._photographer` becomes `self._3`;
- a number that has a name in one module, `event.GRANTED`, is put in its place everywhere, as `const` does inside one.

Lines stay where they are, so the line numbers of a traceback are those of the source.
"""

import ast
import builtins
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PRIVATE = re.compile(r"_[A-Za-z0-9]\w*\Z")
# Private names of MicroPython's own modules that ours use, knowing what they do.
_FOREIGN = frozenset(("_io_queue",))
# An object's private names come from its class's module and from those of its bases: they must not be the same ones.
_OF_SUBCLASSES = 1_000


class NameTaken(Exception):
    """A private name that the module uses but does not make: it belongs to somebody else."""


class Module:
    """One source file of the board, as text and in tokens."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines(keepends=True)
        self.tree = ast.parse(text)
        self.tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        self.imported = _imported(self.tree)
        self.made = _made(self.tree)
        self.numbers = _numbers(self.tree)

    def replace(self, new: dict[int, str]) -> None:
        """Puts in the texts for the tokens of those numbers; no other token moves to another line."""
        for at in sorted(new, reverse=True):
            row, column = self.tokens[at].start
            line = self.lines[row - 1]
            end = self.tokens[at].end[1]
            self.lines[row - 1] = line[:column] + new[at] + line[end:]


def _numbers(tree: ast.Module) -> dict[str, tuple[int, int]]:
    """Returns the public names that get a whole number, once, on a line of their own: (index of the line, number)."""
    stored = Counter(
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and node.lineno == node.end_lineno:
            target, value = node.targets[0], node.value
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and type(value.value) is int:
                if stored[target.id] == 1 and not target.id.startswith("_"):
                    found[target.id] = (node.lineno - 1, value.value)
    return found


def shorten(tree: dict[str, str]) -> dict[str, str]:
    """Returns the sources of a board's modules, by their dotted names, with numbers put in and private names short.

    Raises NameTaken for a private name from elsewhere that is neither imported nor made where it is used.
    """
    modules = {name: Module(text) for name, text in tree.items()}
    keywords = {
        node.arg
        for module in modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.keyword) and node.arg
    }
    new: dict[str, dict[int, str]] = {name: {} for name in modules}
    left = Counter[str]()
    for name, module in modules.items():
        new[name] = _numbers_in(name, module, modules)
        for at, token in enumerate(module.tokens):
            if token.type == tokenize.NAME and at not in new[name]:
                left[token.string] += 1
    for name, module in modules.items():
        new[name].update(_private_in(module, keywords))
        module.replace(new[name])
        for number, (row, _) in module.numbers.items():
            # Nobody asks for it by its name any more; what is left is the definition itself.
            if left[number] == 1:
                module.lines[row] = "\n"
    return {name: "".join(module.lines) for name, module in modules.items()}


def _numbers_in(name: str, module: Module, modules: dict[str, Module]) -> dict[int, str]:
    """Returns the tokens of `module` that name a number, and the number; `alias.NAME` leaves the name alone."""
    aliases = {alias: modules[of] for alias, of in _aliases(module.tree).items() if of in modules}
    found = {}
    tokens = module.tokens
    for at in range(len(tokens) - 2):
        before = tokens[at - 1].string if at else ""
        alias, dot, constant = tokens[at : at + 3]
        if alias.type == tokenize.NAME and before != "." and alias.string in aliases and dot.string == ".":
            # A module that is also somebody's argument or variable here cannot be told from it.
            known = None if alias.string in module.made else aliases[alias.string].numbers.get(constant.string)
            if known:
                found[at], found[at + 1], found[at + 2] = "", "", str(known[1])
    return found


def _private_in(module: Module, keywords: set[str]) -> dict[int, str]:
    """Returns the tokens of `module` that are private names, or arguments that no call names, and what they become."""
    arguments = _arguments(module.tree) - module.imported - keywords
    names = Counter[str]()
    places = []
    for at, token in enumerate(module.tokens):
        if token.type != tokenize.NAME or token.string in module.imported | _FOREIGN:
            continue
        is_attribute = at and module.tokens[at - 1].string == "."
        if _PRIVATE.match(token.string) or token.string in arguments and not is_attribute:
            names[token.string] += 1
            places.append(at)
    for name in names.keys() - module.made:
        raise NameTaken(name)
    # The most frequent names first, so that they get the shortest; then by name, so that it is always the same.
    first = _OF_SUBCLASSES if _has_imported_base(module.tree) else 0
    order = sorted(names, key=lambda name: (-names[name], name))
    short = {name: _number(first + at) for at, name in enumerate(order)}
    return {at: short[module.tokens[at].string] for at in places}


def _number(value: int) -> str:
    digits = ""
    while not digits or value:
        digits = _DIGITS[value % len(_DIGITS)] + digits
        value //= len(_DIGITS)
    return "_" + digits


def _aliases(tree: ast.AST) -> dict[str, str]:
    """Returns what a name that is imported here may stand for: a module's dotted name."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname or "." not in alias.name:
                    found[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _imported(tree: ast.AST) -> set[str]:
    """Returns the names that stand in an import."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [alias.asname or "" for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            for name in names:
                found.update(name.split("."))
    return found


def _made(tree: ast.AST) -> set[str]:
    """Returns the names that are assigned to, defined, or arguments, somewhere in the module."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    return found


def _arguments(tree: ast.Module) -> set[str]:
    """Returns the names that are arguments somewhere in the module and local variables at most elsewhere."""
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    known = {"self", "cls"} | set(dir(builtins))
    for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
        known.update(_stored(scope.body))
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            known.add(node.name)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            known.update(node.names)
    return arguments - known


def _stored(body: list[ast.stmt]) -> set[str]:
    """Returns the names that the statements of a module or class body themselves give a value to."""
    found = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
    return found


def _has_imported_base(tree: ast.Module) -> bool:
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef)} | {"Exception"}
    bases = [base for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases]
    return any(not (isinstance(base, ast.Name) and base.id in own) for base in bases)


def read_tree(root: Path) -> dict[str, Path]:
    """Returns the modules that the board imports from firmware/ and lib/ of `root`: dotted name and file."""
    found = {}
    for folder, prefix in ((root / "firmware", "firmware."), (root / "lib", "")):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            dotted = prefix + ".".join(parts)
            found[dotted.removesuffix(".__init__")] = path
    return found
