"""A module stays under 300 lines and a function under 60: beyond that there are two rooms in one."""

import ast
from pathlib import Path

from checks import source
from checks.finding import Finding

MODULE_LINES = 300
FUNCTION_LINES = 60

# What may be longer, and why. An entry that is not needed any more is a finding too.
EXCEPTIONS: dict[str, str] = {
    "lib/field25519.py:run": "written out step by step: loops or a call for each operation cost a quarter more",
    "lib/inverse.py:_reduce": "one loop over numbers in viper code: a call for each of 30 rounds, and calls allocate",
    "lib/p256_field.py:run": "written out step by step, as in field25519",
}


def check(root: Path, exceptions: dict[str, str] = EXCEPTIONS) -> list[Finding]:
    """Returns the board's modules and functions that are too long; `exceptions` maps paths or path:function to why."""
    modules, findings = source.read(root)
    needed = set()
    for module in modules.values():
        if not module.path.startswith(source.BOARD_FOLDERS):
            continue
        for key, line, what, count, limit in _measure(module):
            if count <= limit:
                continue
            needed.add(key)
            if key not in exceptions:
                findings.append(Finding(module.path, line, f"{what} of {count} lines, {limit} at most"))
    for key in exceptions.keys() - needed:
        findings.append(Finding(key.partition(":")[0], 1, f"{key} needs no exception from the sizes any more"))
    return sorted(findings)


def _measure(module: source.Module):
    yield module.path, 1, "module", len(module.text.splitlines()), MODULE_LINES
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield f"{module.path}:{node.name}", node.lineno, f"function {node.name}", lines, FUNCTION_LINES
