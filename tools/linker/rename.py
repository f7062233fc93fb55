"""Short names: from the words that a firmware has in its read-only memory, which take nothing of the heap.

Arguments get the first words, variables of modules others, so that nothing hides anything. A file's variables are its
own, so every file uses the same words for them; classes have a word each, since a traceback names a class without its
file. An attribute's name is one for the whole program, and may be the same word as a variable's, but for the variables
that a class body uses, where it would hide them.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice

from linker import own
from linker.errors import NotLinkable
from linker.words import BASES, EVERYWHERE, ON_CHIPS

_INHERITED = frozenset(chain.from_iterable(BASES.values()))
_FOREIGN = EVERYWHERE | ON_CHIPS | _INHERITED
_DUNDER = re.compile(r"__\w+__\Z")
_WORD = re.compile(r"[A-Za-z_]\w*")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# More than any function has; the words come first.
_ARGUMENTS = 40
_VARIABLES = 2_000
# What a class of ours may be asked for, or may get from the built-in one it is made of.
_SPECIAL = frozenset(
    ("args", "close", "coro", "data", "errno", "ioctl", "ph_key", "read", "readinto", "readline", "send")
)
_SPECIAL |= frozenset(("state", "throw", "value", "write", "const", "uint", "ptr", "ptr8", "ptr16", "ptr32"))
_TALKING = ("getattr", "setattr", "hasattr", "delattr")


def is_private(name: str) -> bool:
    return name.startswith("_") and not _DUNDER.match(name)


def is_foreign(name: str) -> bool:
    """Whether MicroPython's own modules, or those that come with it, may use the name."""
    return name in _FOREIGN or bool(_DUNDER.match(name))


def told_in(bodies: Mapping[str, list[ast.stmt]]) -> set[str]:
    """Returns what may name an attribute without being one: the strings that getattr and its like are given.

    All strings, if one of these functions is anything but called, and the words in them if there are namedtuples.
    """
    nodes = [node for body in bodies.values() for node in _walk(body)]
    has_lists = any(_names_namedtuple(node) for node in nodes)
    calls = [node for node in nodes if isinstance(node, ast.Call) and _is_talking(node.func)]
    if not has_lists and len(calls) == sum(_is_talking(node) for node in nodes):
        nodes = [call.args[1] for call in calls]
    told: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            told.update(_WORD.findall(node.value) if has_lists else (node.value,))
    return told


def _is_talking(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in _TALKING


class Renamer:
    """`bodies` by file, `file_of(module)`, `is_public(name)` for variables that keep their names.

    `asked` are attributes that keep theirs; `exports`, by file, variables that it must have though another makes them.
    """

    def __init__(
        self,
        bodies: dict[str, list[ast.stmt]],
        named_locals: set[str],
        file_of: Callable[[str], str],
        is_public: Callable[[str], bool],
        is_open: bool,
        asked: set[str],
        exports: Mapping[str, Iterable[str]],
    ) -> None:
        self._bodies = bodies
        self._named_locals = named_locals
        self._file_of = file_of
        self._is_public = is_public
        self._is_open = is_open
        self._asked = asked
        self._uses = {root: Counter(_variables(body)) for root, body in bodies.items()}
        for root, names in exports.items():
            self._uses[root].update(names)
        self._keywords = {
            node.arg for body in bodies.values() for node in _walk(body) if isinstance(node, ast.keyword) and node.arg
        }
        _check_talk(bodies)
        _check_bases(bodies)
        self._attributes: dict[str, str] = {}
        self._globals: dict[str, dict[str, str]] = {root: {} for root in bodies}
        self._locals: dict[str, str] = {}
        made, kept = self._attribute_names()
        words = list(islice(_words(kept | self._kept_variables()), _VARIABLES))
        self._arguments = words[:_ARGUMENTS]
        self._name_attributes(made, words)
        free = words[_ARGUMENTS:]
        attributes = set(self._attributes.values())
        self._name_globals(free, [word for word in free if word not in attributes])
        for body in bodies.values():
            for node in body:
                for part in node.body if isinstance(node, ast.ClassDef) else [node]:
                    self._name_locals(part)

    def _name_attributes(self, made: Counter[str], words: list[str]) -> None:
        # An attribute of an object of ours must not be one of the class from elsewhere that it is made of.
        left = [word for word in words if word not in _INHERITED]
        everybodys = Counter({name: uses for name, uses in made.items() if own.plain(name) == name})
        for name, _ in _by_use(everybodys):
            self._attributes[name] = left.pop(0)
        families: dict[str, Iterator[str]] = {}
        for name, _ in _by_use(made - everybodys):
            self._attributes[name] = next(families.setdefault(own.family(name), iter(left)))

    def _attribute_names(self) -> tuple[Counter[str], set[str]]:
        """Returns the names of attributes that may be others, with their uses, and those that stay."""
        used = Counter[str]()
        made: set[str] = set()
        told = self._asked | told_in(self._bodies)
        for body in self._bodies.values():
            for node in _walk(body):
                if isinstance(node, ast.Attribute) and ":" not in node.attr:
                    used[node.attr] += 1
                    if not isinstance(node.ctx, ast.Load):
                        made.add(node.attr)
                elif (name := _name_of(node)).startswith("."):
                    used[name[1:]] += 1
                    made.add(name[1:])
        changed = {name for name in made if not is_foreign(name) and name not in told}
        if self._is_open:
            changed = {name for name in changed if is_private(name)}
        return Counter({name: used[name] for name in changed}), set(used) - changed

    def _kept_variables(self) -> set[str]:
        kept = set(self._keywords)
        for uses in self._uses.values():
            for name in uses:
                if name.startswith("<"):
                    module, _, there = name[1:].partition(":")
                    kept.update((module, there))
                elif ":" in name:
                    kept.update((name.partition(":")[2],) if self._is_public(name) else ())
                elif "@" not in name and not name.startswith("."):
                    kept.add(name)
        return kept

    def _name_globals(self, words: list[str], exposed_words: list[str]) -> None:
        """Names the variables of modules; those that class bodies use by words that no attribute has."""
        classes = {node.name for body in self._bodies.values() for node in body if isinstance(node, ast.ClassDef)}
        exposed = {name for body in self._bodies.values() for name in _exposed(body)}
        taken: dict[str, str] = {}
        for common, source in ((exposed, iter(exposed_words)), (classes - exposed, iter(words))):
            for name in sorted(common):
                if ":" in name and not name.startswith("<") and not self._is_public(name):
                    taken[name] = next(word for word in source if word not in taken.values())
        left = [word for word in words if word not in taken.values()]
        for root, uses in self._uses.items():
            names = self._globals[root]
            free = iter(left)
            # Those that have to keep their names first, the file's own before others: some may be called the same.
            for name, _ in sorted(_by_use(uses), key=lambda row: self._file_of(_module(row[0])) != root):
                if name.startswith("<") or (":" in name and self._is_public(name)):
                    plain = _plain(name)
                    if plain not in names.values():
                        names[name] = plain
            for name, _ in _by_use(uses):
                if ":" in name and name not in names:
                    names[name] = taken[name] if name in taken else next(free)

    def _name_locals(self, node: ast.stmt) -> None:
        """Names what is local in a statement of a module or class: arguments and what is defined inside by words."""
        words = chain(self._arguments, (f"q_{count}" for count in range(200)))
        count = 0
        for name in _variables([node]):
            if "@" not in name or name in self._locals:
                continue
            plain = name.partition("@")[2]
            if name in self._named_locals:
                self._locals[name] = plain if plain in self._keywords else next(words)
            else:
                self._locals[name] = f"_{_digits(count)}"
                count += 1

    def text(self, root: str) -> str:
        """Returns the source of a file, with its imports."""
        changer = _Changer(self, root)
        body = [changer.visit(node) for node in self._bodies[root]]
        whole = ast.Module(self._imports(root) + body, [])
        return ast.unparse(ast.fix_missing_locations(whole)) + "\n"

    def _imports(self, root: str) -> list[ast.stmt]:
        plain = []
        taken: dict[str, list[ast.alias]] = {}
        for name in sorted(self._globals[root]):
            short = self._globals[root][name]
            if name.startswith("<"):
                module, _, there = name[1:].partition(":")
                if not there:
                    plain.append(ast.Import([_alias(module, short)]))
                else:
                    taken.setdefault(module, []).append(_alias(there, short))
            elif (home := self._file_of(_module(name))) != root:
                taken.setdefault(home, []).append(_alias(self.exported(name), short))
        return [*plain, *(ast.ImportFrom(module, names, 0) for module, names in sorted(taken.items()))]

    def exported(self, name: str) -> str:
        """Returns what a module's variable is called in its file."""
        found = self._globals[self._file_of(_module(name))].get(name)
        if found is None:
            raise NotLinkable(f"{name} is asked for and not there")
        return found

    def file_of(self, module: str) -> str:
        return self._file_of(module)

    def variable(self, root: str, name: str) -> str:
        if name.startswith("."):
            return self.attribute(name[1:])
        if name in self._locals:
            return self._locals[name]
        # A compiler's mark, `@micropython.viper`, is no variable and needs no import.
        return self._globals[root].get(name) or (_plain(name) if name.startswith("<") else name)

    def attribute(self, name: str) -> str:
        return self.exported(name) if ":" in name else self._attributes.get(name, own.plain(name))

    def names(self) -> dict[str, dict[str, str]]:
        """Returns, for each file, what its functions and classes are called in the sources, by their short names."""
        found: dict[str, dict[str, str]] = {}
        for root, body in self._bodies.items():
            rows: dict[str, set[str]] = {}
            for node in body:
                for short, name in _definitions(node, lambda name, root=root: self.variable(root, name), ""):
                    rows.setdefault(short, set()).add(name)
            found[root] = {short: " | ".join(sorted(rows[short])) for short in sorted(rows)}
        return dict(sorted(found.items()))


class _Changer(ast.NodeTransformer):
    """Gives a file's statements the new names."""

    def __init__(self, renamer: Renamer, root: str) -> None:
        self._renamer = renamer
        self._root = root

    def _new(self, name: str) -> str:
        return self._renamer.variable(self._root, name)

    def visit_Name(self, node: ast.Name):
        node.id = self._new(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute):
        self.generic_visit(node)
        node.attr = self._renamer.attribute(node.attr)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef):
        node.name = self._new(node.name)
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_arg(self, node: ast.arg):
        node.arg = self._new(node.arg)
        return self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler):
        if node.name:
            node.name = self._new(node.name)
        return self.generic_visit(node)

    def visit_Global(self, node: ast.Global):
        node.names = [self._new(name) for name in node.names]
        return node

    visit_Nonlocal = visit_Global  # type: ignore[assignment]

    def visit_Import(self, node: ast.Import):
        alias = node.names[0]
        local = self._new(alias.asname or alias.name)
        if ":" not in alias.name:
            node.names = [_alias(alias.name, local)]
            return node
        home = self._renamer.file_of(_module(alias.name))
        if not alias.name.endswith(":"):
            return ast.ImportFrom(home, [_alias(self._renamer.exported(alias.name), local)], 0)
        package, _, last = home.rpartition(".")
        if package:
            return ast.ImportFrom(package, [_alias(last, local)], 0)
        return ast.Import([_alias(home, local)])

    def visit_ImportFrom(self, node: ast.ImportFrom):
        node.names = [_alias(alias.name, self._new(alias.asname or alias.name)) for alias in node.names]
        return node


def _alias(name: str, local: str) -> ast.alias:
    return ast.alias(name, None if local == name else local)


def _module(name: str) -> str:
    return name.partition(":")[0]


def _plain(name: str) -> str:
    module, _, there = name.lstrip("<").partition(":")
    return there or module


def _by_use(counted: Counter[str]) -> list[tuple[str, int]]:
    """Returns the names and numbers, the most frequent first: the order is always the same."""
    return sorted(counted.items(), key=lambda row: (-row[1], row[0]))


def _words(kept: set[str]) -> Iterator[str]:
    barred = kept | _SPECIAL | set(dir(builtins)) | set(keyword.kwlist)
    for words in (EVERYWHERE, ON_CHIPS):
        for word in sorted(words - barred, key=lambda word: (len(word), word)):
            if not word.startswith("_"):
                yield word
    count = 0
    while True:
        yield f"q{_digits(count)}"
        count += 1


def _digits(value: int) -> str:
    digits = ""
    while not digits or value:
        digits = _DIGITS[value % len(_DIGITS)] + digits
        value //= len(_DIGITS)
    return digits


def _walk(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for node in body:
        yield from ast.walk(node)


def _names_namedtuple(node: ast.AST) -> bool:
    name = getattr(node, "attr", "") or getattr(node, "id", "") or getattr(node, "name", "")
    return isinstance(name, str) and name.rpartition(":")[2] == "namedtuple"


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.ExceptHandler):
        return node.name or ""
    return ""


def _variables(body: list[ast.stmt]) -> Iterator[str]:
    """Yields the variables in some statements, and what a module is asked for that is loaded later."""
    marks = {id(mark) for node in _walk(body) for mark in getattr(node, "decorator_list", ())}
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        if id(node) in marks and isinstance(node, ast.Attribute) and node.attr in ("viper", "native"):
            # The compiler's business: no such variable is looked up.
            continue
        name = _name_of(node)
        if name:
            yield name
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            yield from node.names
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname
        waiting += reversed(list(ast.iter_child_nodes(node)))


def _exposed(body: list[ast.stmt]) -> Iterator[str]:
    """Yields what is looked up while a class is made: there, an attribute of that name would be found."""
    for node in _walk(body):
        if not isinstance(node, ast.ClassDef):
            continue
        waiting: list[ast.AST] = list(node.body)
        while waiting:
            inner = waiting.pop()
            if isinstance(inner, ast.Name):
                yield inner.id
            for field, value in ast.iter_fields(inner):
                if not (field == "body" and isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
                    waiting += [
                        part for part in (value if isinstance(value, list) else [value]) if isinstance(part, ast.AST)
                    ]


def _definitions(node: ast.AST, new: Callable[[str], str], inside: str) -> Iterator[tuple[str, str]]:
    """Yields (short name, module:name in the source) of functions and classes; called before they are renamed."""
    for child in ast.iter_child_nodes(node) if inside else (node,):
        below = inside
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            plain = own.plain(child.name.rpartition("@")[2].lstrip("."))
            below = f"{inside}.{plain}" if inside else child.name
            yield new(child.name), below
        if below:
            yield from _definitions(child, new, below)


def _check_talk(bodies: dict[str, list[ast.stmt]]) -> None:
    """Refuses attributes whose names are computed, since nobody knows which they are."""
    for root, body in bodies.items():
        for node in _walk(body):
            if not (isinstance(node, ast.Call) and _is_talking(node.func)):
                continue
            holder, name = node.args[:2]
            of_modules = isinstance(holder, ast.Subscript) and ast.unparse(holder.value).endswith("modules")
            if not isinstance(name, ast.Constant) and not of_modules:
                raise NotLinkable(f"{root}: {ast.unparse(node.func)} with a name that is computed")


def _check_bases(bodies: dict[str, list[ast.stmt]]) -> None:
    """Refuses classes made of ones from elsewhere whose attributes are not known: ours could be called the same."""
    for root, body in bodies.items():
        for node in _walk(body):
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                name = _foreign_base(base)
                if name and name not in BASES and not _is_exception(name):
                    raise NotLinkable(f"{root}: a class is made of {name}, whose attributes words.BASES lacks")


def _foreign_base(base: ast.expr) -> str:
    """Returns the built-in or `module:name` from elsewhere that a class is made of; empty if it is made of ours."""
    if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name) and base.value.id.startswith("<"):
        return f"{base.value.id[1:]}{base.attr}"
    if isinstance(base, ast.Name) and base.id.startswith("<"):
        return base.id[1:]
    return base.id if isinstance(base, ast.Name) and ":" not in base.id and "@" not in base.id else ""


def _is_exception(name: str) -> bool:
    found = getattr(builtins, name, None)
    return isinstance(found, type) and issubclass(found, BaseException)
