"""Gives every variable of a program a name that no other variable has.

    module's own     firmware.core.door:Door
    from elsewhere   <struct:pack, or <struct: for the module itself
    local            7@door: in the scope with that number
    of a class       .release: one for all classes, like attributes, since nobody knows whose an attribute is

A built-in keeps its name. What is imported from another module of the program has the name that it has there, so an
import needs no variable: `alias.NAME` becomes the name, and the import goes. The exception is an import inside a
function of something that is not loaded with the module: that is a local variable, and NAME an attribute that is spelt
`module:NAME`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import NamedTuple

from linker.errors import NotLinkable
from linker.tree import Module

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class ModuleRef(NamedTuple):
    """A variable that stands for a module of ours; `local` is its name if it is one at run time."""

    module: str
    local: str = ""


class Scope:
    def __init__(self, parent: Scope | None, is_class: bool = False) -> None:
        self.parent = parent
        self.is_class = is_class
        self.names: dict[str, str | ModuleRef] = {}

    def resolve(self, name: str) -> str | ModuleRef:
        """Returns what a name stands for; itself if it is a built-in."""
        scope: Scope | None = self
        while scope:
            if name in scope.names and (scope is self or not scope.is_class):
                return scope.names[name]
            scope = scope.parent
        return name


class Program:
    """Modules whose variables are told apart.

    `root_of(module)` is the module whose file it lies in; `is_at_hand(here, there)`: `there` is loaded where `here` is.
    """

    def __init__(
        self, modules: dict[str, Module], root_of: Callable[[str], str], is_at_hand: Callable[[str, str], bool]
    ) -> None:
        self.modules = modules
        self.root_of = root_of
        self.is_at_hand = is_at_hand
        # Locals that a firmware knows by their name: arguments, and functions and classes inside functions.
        self.named_locals: set[str] = set()
        self.scopes = 0
        # Local variables that stand for one module or another, and what such modules are asked for by its plain name.
        self.mixed: dict[str, set[str]] = {}
        self.asked: set[str] = set()
        self._globals = {name: _global_names(module, modules) for name, module in modules.items()}
        self.bodies = {name: _Namer(self, module).run() for name, module in modules.items()}

    def global_scope(self, module: str) -> Scope:
        scope = Scope(None)
        for name in self._globals[module]:
            found = self.meaning(module, name)
            if found is not None:
                scope.names[name] = found
        return scope

    def meaning(self, module: str, name: str) -> str | ModuleRef | None:
        """Returns what the module's global `name` is, wherever it comes from; None if there is none."""
        source = self._globals[module].get(name)
        if source is None or source == "":
            return None if source is None else f"{module}:{name}"
        if source in self.modules:
            return ModuleRef(source)
        if source.startswith("<"):
            return source
        home, _, there = source.partition(":")
        return self.meaning(home, there)


def _global_names(module: Module, modules: dict[str, Module]) -> dict[str, str]:
    """Returns the names in the module's own scope and where each comes from: "" if it is made there."""
    found = dict.fromkeys(_bound(module.tree.body)[0], "")
    for name in (name for node in ast.walk(module.tree) if isinstance(node, ast.Global) for name in node.names):
        found[name] = ""
    for node in module.tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name, source in _sources(node, modules):
                found[name] = source
    return found


def _sources(node: ast.Import | ast.ImportFrom, modules: dict[str, Module]) -> Iterator[tuple[str, str]]:
    """Yields each name that the import makes, and its source: a module of ours, `module:name` of one, or `<...`."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            if "." in alias.name and not alias.asname:
                raise NotLinkable(f"import {alias.name}: give it a name with `as`")
            yield alias.asname or alias.name, alias.name if alias.name in modules else f"<{alias.name}:"
        else:
            if alias.name == "*" or node.level:
                raise NotLinkable(f"from {node.module} import {alias.name}: not by its full name")
            whole = f"{node.module}.{alias.name}"
            source = f"{node.module}:{alias.name}"
            if whole in modules:
                source = whole
            elif node.module not in modules:
                source = f"<{source}"
            yield alias.asname or alias.name, source


def _bound(body: list) -> tuple[set[str], set[str], set[str]]:
    """Returns what the statements themselves bind, and what they declare `global` and `nonlocal`."""
    bound: set[str] = set()
    outer: set[str] = set()
    free: set[str] = set()
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, _COMPREHENSIONS):
            bound.update(inner.target.id for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.Global):
            outer.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            free.update(node.names)
        waiting += ast.iter_child_nodes(node)
    return bound - outer - free, outer, free


class _Namer(ast.NodeTransformer):
    """Renames one module; what it imports of ours goes unless it is to be loaded later."""

    def __init__(self, program: Program, module: Module) -> None:
        self._program = program
        self._module = module
        self._scope = program.global_scope(module.name)

    def run(self) -> list[ast.stmt]:
        imports = (ast.Import, ast.ImportFrom)
        body = [node for node in self._module.tree.body if not isinstance(node, imports)]
        made = []
        for node in body:
            result = self.visit(node)
            made += result if isinstance(result, list) else [result]
        return made

    def _refuse(self, node: ast.AST, what: str) -> NotLinkable:
        return NotLinkable(f"{self._module.name}, line {getattr(node, 'lineno', '?')}: {what}")

    def _new_scope(self, bound: set[str], outer: set[str], free: set[str], named: set[str]) -> Scope:
        program = self._program
        program.scopes += 1
        scope = Scope(self._scope)
        for name in sorted(bound | named):
            scope.names[name] = f"{program.scopes}@{name}"
        for name in outer:
            scope.names[name] = f"{self._module.name}:{name}"
        for name in free:
            scope.names[name] = self._scope.resolve(name)
        program.named_locals.update(f"{program.scopes}@{name}" for name in named)
        return scope

    def _own(self, name: str, node: ast.AST) -> str:
        found = self._scope.resolve(name)
        if isinstance(found, ModuleRef):
            raise self._refuse(node, f"module {found.module} is used as a value")
        return found

    def visit_Name(self, node: ast.Name):
        node.id = self._own(node.id, node)
        return node

    def visit_Delete(self, node: ast.Delete):
        for at, target in enumerate(node.targets):
            found = self._scope.resolve(target.id) if isinstance(target, ast.Name) else None
            if isinstance(found, ModuleRef):
                # Of a module that is at hand there is no variable.
                node.targets[at] = ast.Name(found.local, ast.Del()) if found.local else None  # type: ignore[call-overload]
            else:
                node.targets[at] = self.visit(target)
        node.targets = [target for target in node.targets if target]
        return node if node.targets else ast.copy_location(ast.Pass(), node)

    def visit_Attribute(self, node: ast.Attribute):
        value = node.value
        found = self._scope.resolve(value.id) if isinstance(value, ast.Name) else None
        if not isinstance(found, ModuleRef):
            for module in self._program.mixed.get(found, ()):  # type: ignore[arg-type]
                self._program.asked.add(f"{module}:{node.attr}")
            return self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            raise self._refuse(node, f"a name of module {found.module} is set from outside")
        home = self._program.meaning(found.module, node.attr)
        if not isinstance(home, str) or home.startswith("<"):
            raise self._refuse(node, f"{found.module} has no {node.attr} of its own")
        if not found.local:
            return ast.copy_location(ast.Name(home, node.ctx), node)
        node.value = ast.Name(found.local, ast.Load())
        node.attr = home
        return node

    def _function(self, node) -> ast.AST:
        arguments = node.args
        for outside in (*getattr(node, "decorator_list", ()), *arguments.defaults, *arguments.kw_defaults):
            if outside is not None:
                self._replace_in(node, outside)
        body = node.body if isinstance(node.body, list) else [node.body]
        args = {arg.arg for arg in ast.walk(arguments) if isinstance(arg, ast.arg)}
        inner = {
            child.name
            for child in _statements(body)
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        }
        scope = self._new_scope(*_bound(body), args | inner)
        self._find_mixed(scope, body)
        before, self._scope = self._scope, scope
        for arg in ast.walk(arguments):
            if isinstance(arg, ast.arg):
                arg.arg = scope.names[arg.arg]  # type: ignore[assignment]
        if isinstance(node.body, list):
            node.body = self._body(node.body)
        else:
            node.body = self.visit(node.body)
        self._scope = before
        return node

    def _find_mixed(self, scope: Scope, body: list) -> None:
        """Finds the names that imports in a function give to several modules."""
        found: dict[str, set[str]] = {}
        modules = self._program.modules
        for node in _statements(body):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for name, source in _sources(node, modules):
                    if source in modules:
                        found.setdefault(name, set()).add(source)
        for name, sources in found.items():
            if len(sources) > 1:
                self._program.mixed[scope.names[name]] = set()  # type: ignore[index]

    def _body(self, body: list) -> list:
        made: list[ast.stmt] = []
        for child in body:
            result = self.visit(child)
            if result is not None:
                made += result if isinstance(result, list) else [result]
        return made or [ast.Pass()]

    def _replace_in(self, node, outside: ast.AST) -> None:
        """Renames what stands in a function's head, which is looked up outside of it."""
        new = self.visit(outside)
        for holder, field in ((node, "decorator_list"), (node.args, "defaults"), (node.args, "kw_defaults")):
            values = getattr(holder, field, [])
            for at, value in enumerate(values):
                if value is outside:
                    values[at] = new

    def visit_FunctionDef(self, node: ast.FunctionDef):
        node.name = self._own(node.name, node)
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef):
        return self.visit_FunctionDef(node)  # type: ignore[arg-type]

    def visit_Lambda(self, node: ast.Lambda):
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef):
        node.name = self._own(node.name, node)
        node.bases = [self.visit(base) for base in node.bases]
        node.decorator_list = [self.visit(mark) for mark in node.decorator_list]
        scope = Scope(self._scope, is_class=True)
        scope.names = {name: f".{name}" for name in _bound(node.body)[0]}
        before, self._scope = self._scope, scope
        node.body = self._body(node.body)
        self._scope = before
        return node

    def _comprehension(self, node):
        first = node.generators[0]
        first.iter = self.visit(first.iter)
        targets = {name.id for part in node.generators for name in ast.walk(part.target) if isinstance(name, ast.Name)}
        before, self._scope = self._scope, self._new_scope(targets, set(), set(), set())
        for at, part in enumerate(node.generators):
            part.target = self.visit(part.target)
            if at:
                part.iter = self.visit(part.iter)
            part.ifs = [self.visit(test) for test in part.ifs]
        for field in ("elt", "key", "value"):
            if hasattr(node, field):
                setattr(node, field, self.visit(getattr(node, field)))
        self._scope = before
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_ExceptHandler(self, node: ast.ExceptHandler):
        if node.name:
            node.name = self._own(node.name, node)
        return self.generic_visit(node)

    def visit_Global(self, node: ast.Global):
        node.names = [self._own(name, node) for name in node.names]
        return node

    visit_Nonlocal = visit_Global  # type: ignore[assignment]

    def visit_Import(self, node: ast.Import):
        return self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom):
        return self._import(node)

    def _import(self, node):
        """An import inside a function: of ours goes if it is at hand, else says `module:` and `module:name`."""
        program = self._program
        here = self._module.name
        made = []
        for alias, (name, source) in zip(list(node.names), _sources(node, program.modules), strict=True):
            found = self._scope.resolve(name)
            local = found.local if isinstance(found, ModuleRef) else found
            if source.startswith("<") or self._is_missing(source):
                alias.asname = local
                is_from = isinstance(node, ast.ImportFrom)
                made.append(ast.ImportFrom(node.module, [alias], 0) if is_from else ast.Import([alias]))
                continue
            if local in program.mixed:
                if program.root_of(source) != source:
                    raise self._refuse(node, f"module {source} is used as a value")
                program.mixed[local].add(source)
                made.append(ast.Import([ast.alias(f"{source}:", local)]))
                continue
            if source in program.modules:
                is_at_hand = program.is_at_hand(here, source)
                self._scope.names[name] = ModuleRef(source, "" if is_at_hand else local)
                what = f"{source}:"
            else:
                home, _, there = source.partition(":")
                what = program.meaning(home, there)
                if not isinstance(what, str) or what.startswith("<"):
                    raise self._refuse(node, f"{home} has no {there} of its own")
                is_at_hand = program.is_at_hand(here, what.partition(":")[0])
                if is_at_hand:
                    self._scope.names[name] = what
            if not is_at_hand:
                made.append(ast.Import([ast.alias(what, local)]))
        return made or None

    def _is_missing(self, source: str) -> bool:
        """Whether it is asked of an empty package, which has only modules: then that is for the run to find out."""
        modules = self._program.modules
        home, _, there = source.partition(":")
        return bool(there) and modules[home].is_empty


def _statements(body: list) -> Iterator[ast.stmt]:
    """Yields the statements of a function, those in its blocks as well, none of functions in it."""
    for node in body:
        if not isinstance(node, ast.stmt):
            continue
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, field, []))
        for handler in getattr(node, "handlers", ()):
            yield from _statements(handler.body)
