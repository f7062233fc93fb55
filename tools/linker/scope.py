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
from collections.abc import Callable, Iterable, Iterator
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
    set_in_functions = {name for node in ast.walk(module.tree) if isinstance(node, ast.Global) for name in node.names}
    found.update(dict.fromkeys(set_in_functions, ""))
    made = _made(_bindings(module.tree.body), modules)
    for node in module.tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name, source in _sources(node, modules):
                if len(made[name]) > 1 or name in set_in_functions:
                    raise NotLinkable(f"{module.name}, line {node.lineno}: {name} is imported and also something else")
                found[name] = source
    return found


def _made(bindings: Iterator[tuple[str, ast.AST]], modules: dict[str, Module]) -> dict[str, set[str]]:
    """Returns the sources of names, as `_sources` has them; "" stands for any other value than an imported one."""
    made: dict[str, set[str]] = {}
    for name, node in bindings:
        is_import = isinstance(node, (ast.Import, ast.ImportFrom))
        made.setdefault(name, set()).add(dict(_sources(node, modules))[name] if is_import else "")
    return made


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


def _bindings(body: list) -> Iterator[tuple[str, ast.AST]]:
    """Yields the names that the statements themselves bind or declare to be outside, and the nodes that do so."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, node
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, _COMPREHENSIONS):
            yield from ((inner.target.id, inner) for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name, node
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            yield from ((name, node) for name in node.names)
        waiting += ast.iter_child_nodes(node)


def _bound(body: list) -> tuple[set[str], set[str], set[str]]:
    """Returns what the statements themselves bind, and what they declare `global` and `nonlocal`."""
    bound: set[str] = set()
    outer: set[str] = set()
    free: set[str] = set()
    for name, node in _bindings(body):
        (outer if isinstance(node, ast.Global) else free if isinstance(node, ast.Nonlocal) else bound).add(name)
    return bound - outer - free, outer, free


def _class_loads(node: ast.AST) -> Iterator[ast.Name]:
    """Yields what a part of a class body looks up while the class is made, in its own scope."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node
    inner: Iterable[ast.AST | None] = ast.iter_child_nodes(node)
    if isinstance(node, _FUNCTIONS):
        inner = (*getattr(node, "decorator_list", ()), *node.args.defaults, *node.args.kw_defaults)
    elif isinstance(node, ast.ClassDef):
        inner = (*node.decorator_list, *node.bases)
    elif isinstance(node, _COMPREHENSIONS):
        inner = (node.generators[0].iter,)
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        inner = (ast.copy_location(ast.Name(node.target.id, ast.Load()), node), node.value)
    for part in inner:
        if part is not None:
            yield from _class_loads(part)


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
            scope.names[name] = found = self._scope.resolve(name)
            if isinstance(found, ModuleRef) or "@" not in found:
                raise NotLinkable(f"{self._module.name}: nonlocal {name} is imported")
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
        self._bind_imports(scope, args, body)
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

    def _bind_imports(self, scope: Scope, args: set[str], body: list) -> None:
        """Gives the names that a function imports of ours their meaning, wherever in it they stand.

        It is one for the whole function, so a name that may also be something else is refused unless it is a variable.
        """
        program = self._program
        bindings = list(_bindings(body))
        deleted = {name for name, node in bindings if isinstance(getattr(node, "ctx", None), ast.Del)}
        # Deleting a module is no other value; of one that is at hand it does nothing.
        made = _made(
            (row for row in bindings if not isinstance(getattr(row[1], "ctx", None), ast.Del)), program.modules
        )
        places = dict(bindings)
        for name, sources in sorted(made.items()):
            local = scope.names[name]
            ours = [source for source in sorted(sources) if source and not self._is_foreign(source)]
            is_mixed = local in program.mixed
            if is_mixed and all(source in program.modules for source in ours):
                continue
            for source in ours:
                what = self._what(source, places[name])
                meaning: str | ModuleRef = what
                if source in program.modules:
                    meaning = ModuleRef(source, "" if self._is_at_hand(what) else str(local))
                elif not self._is_at_hand(what) and not is_mixed:
                    continue
                if len(sources) > 1 or name in args or (name in deleted and isinstance(meaning, str)):
                    raise self._refuse(places[name], f"{name} is imported and also something else")
                scope.names[name] = meaning

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
        self._check_class(scope, node.body)
        before, self._scope = self._scope, scope
        node.body = self._body(node.body)
        self._scope = before
        return node

    def _check_class(self, scope: Scope, body: list) -> None:
        """Refuses a name that a class body looks up and may not have bound yet: it would be one from outside."""
        done: set[str] = set()
        for node in body:
            for part in _class_loads(node):
                if part.id in scope.names and part.id not in done:
                    raise self._refuse(part, f"{part.id} is looked up in a class that gives it a value later")
            if not isinstance(node, (ast.If, ast.For, ast.While, ast.Try, ast.Delete)):
                done.update(_bound([node])[0])

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
        """An import that is not at the top: of ours goes if it is at hand, else says `module:` and `module:name`."""
        program = self._program
        made = []
        for alias, (name, source) in zip(list(node.names), _sources(node, program.modules), strict=True):
            found = self._scope.resolve(name)
            local = found.local if isinstance(found, ModuleRef) else found
            if self._is_foreign(source):
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
            what = self._what(source, node)
            is_at_hand = self._is_at_hand(what)
            is_variable = not is_at_hand and source not in program.modules
            if not is_variable and (self._scope.is_class or not self._scope.parent):
                raise self._refuse(node, f"{name} is imported neither at the top nor in a function")
            if not is_at_hand:
                made.append(ast.Import([ast.alias(what, local)]))
        return made or ast.copy_location(ast.Pass(), node)

    def _what(self, source: str, node: ast.AST) -> str:
        """Returns `module:` or `module:name` for what is imported of ours, by its home."""
        if source in self._program.modules:
            return f"{source}:"
        home, _, there = source.partition(":")
        what = self._program.meaning(home, there)
        if not isinstance(what, str) or what.startswith("<"):
            raise self._refuse(node, f"{home} has no {there} of its own")
        return what

    def _is_at_hand(self, what: str) -> bool:
        return self._program.is_at_hand(self._module.name, what.partition(":")[0])

    def _is_foreign(self, source: str) -> bool:
        """Whether it is not ours, or asked of an empty package, which has only modules: the run will find out."""
        home, _, there = source.partition(":")
        return source.startswith("<") or (bool(there) and self._program.modules[home].is_empty)


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
