"""Nothing happens when a board module is imported: no file, pin, task or other module is touched."""

import ast
from collections.abc import Iterator
from pathlib import Path

from checks import source
from checks.finding import Finding
from checks.rooms import PURE_LIB, room_of
from checks.source import Module

# Calls that only compute. What is not named here is work, whatever it does.
_COMPUTING = frozenset(
    ("abs", "array", "array.array", "binascii.unhexlify", "bytearray", "bytes", "bytes.fromhex", "calcsize", "const")
    + ("dict", "frozenset", "int", "len", "list", "max", "micropython.const", "min", "namedtuple", "object", "ord")
    + ("pow", "range", "set", "str", "struct.calcsize", "sum", "time.gmtime", "tuple")
    + ("unhexlify",)
)
_INPUT_OUTPUT = frozenset(("eval", "exec", "input", "open", "print"))
_BLOCKS = (ast.For, ast.While, ast.With, ast.AsyncFor, ast.AsyncWith)


def check(root: Path) -> list[Finding]:
    """Returns the work done at import time below `root`, and input or output anywhere in the rooms that compute."""
    modules, findings = source.read(root)
    for module in modules.values():
        if not module.path.startswith(source.BOARD_FOLDERS):
            continue
        is_pure = room_of(module.name, PURE_LIB) in ("core", "pure lib")
        allowed = _COMPUTING | (_own_functions(module) if is_pure else frozenset())
        strangers = _imported(module)
        for statement in module.tree.body:
            for line, what in _work(statement, allowed, strangers):
                findings.append(Finding(module.path, line, f"{what} at import time"))
        if is_pure:
            findings.extend(_input_output(module))
    return sorted(findings)


def _own_functions(module: Module) -> frozenset[str]:
    """Returns the functions that a module which only computes may use to make its tables."""
    return frozenset(node.name for node in module.tree.body if isinstance(node, ast.FunctionDef))


def _imported(module: Module) -> frozenset[str]:
    """Returns the names that imports bind: what hangs on them belongs to somebody else."""
    nodes = (node for node in ast.walk(module.tree) if isinstance(node, (ast.Import, ast.ImportFrom)))
    return frozenset((alias.asname or alias.name).partition(".")[0] for node in nodes for alias in node.names)


def _input_output(module: Module) -> Iterator[Finding]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and _dotted(node.func) in _INPUT_OUTPUT:
            yield Finding(module.path, node.lineno, f"{_dotted(node.func)}() in a module that only computes")


def _work(node: ast.AST, allowed: frozenset[str], strangers: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yields (line, what) for everything in `node` that runs at import and is more than a definition."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        # The body runs later, decorators and defaults run now.
        now = [default for default in (*node.args.defaults, *node.args.kw_defaults) if default]
        now += [] if isinstance(node, ast.Lambda) else node.decorator_list
        for part in now:
            yield from _work(part, allowed, strangers)
        return
    if isinstance(node, ast.If) and _dotted(node.test) == "TYPE_CHECKING":
        for part in node.orelse:
            yield from _work(part, allowed, strangers)
        return
    if isinstance(node, _BLOCKS):
        yield node.lineno, f"{type(node).__name__.lower()} block"
    elif isinstance(node, ast.Call) and not _is_allowed(node.func, allowed):
        yield node.lineno, f"call of {_dotted(node.func) or 'something'}()"
    elif isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        if _root(node) in strangers:
            yield node.lineno, f"change of {_root(node)}"
    for part in ast.iter_child_nodes(node):
        yield from _work(part, allowed, strangers)


def _is_allowed(function: ast.expr, allowed: frozenset[str]) -> bool:
    is_method_of_literal = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Constant)
    return is_method_of_literal or _dotted(function) in allowed


def _root(node: ast.expr) -> str:
    """Returns `a` of `a.b[c].d`."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _dotted(node: ast.AST) -> str:
    """Returns `a.b.c` for such an expression, an empty string for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""
