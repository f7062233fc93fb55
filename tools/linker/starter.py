"""What boot.py and main.py, which stay sources, ask of the lock's modules."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping


class Starter:
    """`modules` are those that are asked for by name, `entries` the `module:name` of what is used of them.

    `is_open`: one of the sources does more with the modules than that, so they have to stay as they are.
    """

    def __init__(self, texts: Iterable[str], known: Mapping[str, object]) -> None:
        self.modules: set[str] = set()
        self.entries: set[str] = set()
        self.is_open = False
        for text in texts:
            tree = ast.parse(text)
            aliases = self._imports(tree, known)
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
                    self.entries.add(f"{aliases[node.value.id]}:{node.attr}")
                    self.is_open |= not isinstance(node.ctx, ast.Load)
                elif isinstance(node, ast.Name) and node.id == "__import__":
                    self.is_open = True

    def _imports(self, tree: ast.Module, known: Mapping[str, object]) -> dict[str, str]:
        aliases = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name in known:
                        self.modules.add(alias.name)
                        self.is_open |= "." in alias.name and not alias.asname
                        aliases[alias.asname or alias.name] = alias.name
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    if whole in known:
                        self.modules.add(whole)
                        aliases[alias.asname or alias.name] = whole
                    elif node.module and node.module in known:
                        self.modules.add(node.module)
                        self.entries.add(f"{node.module}:{alias.name}")
        return aliases
