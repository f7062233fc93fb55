"""Merges modules that are always loaded together, and gives their names short ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from linker import bundles, constants, inline, messages, own, rename, shake
from linker.errors import NotLinkable
from linker.scope import Program
from linker.starter import Starter
from linker.tree import Module, reachable, read_modules


class Linked:
    """`texts` by the dotted name of the file's module, and `names` for people: file, short name, what it was."""

    def __init__(self, texts: dict[str, str], names: dict[str, dict[str, str]]) -> None:
        self.texts = texts
        self.names = names


def link(texts: Mapping[str, str], starters: Iterable[str] = ()) -> Linked:
    """Makes files of a board's modules, which are given by their dotted names.

    `starters` are the texts of boot.py and main.py; without any, every module may be asked for anything. Raises
    NotLinkable.
    """
    modules = read_modules(texts)
    starter = Starter(starters, modules)
    for module in starter.modules:
        starter.is_open |= bundles.root_of(module) != module
    starter.is_open |= not starter.modules
    files = _Files(modules, {} if starter.is_open else {name: bundles.root_of(name) for name in modules})
    program = Program(modules, files.file_of, files.is_at_hand)
    bodies = program.bodies
    starter.entries |= program.asked
    exports = _exports(program, files, starter)
    # What nobody imports may still be asked for by somebody at run time.
    free = set(modules) - reachable(modules, starter.modules)

    def is_public(name: str) -> bool:
        """Whether a module's variable has to keep its name."""
        module, _, own = name.partition(":")
        if name in starter.entries:
            return True
        return (starter.is_open or module in free) and not rename.is_private(own)

    constants.put_in(bodies, is_public)
    if not starter.is_open:
        shake.shake(bodies, starter.entries, free.__contains__, lambda name: rename.is_foreign(name.removeprefix(".")))
    said = {} if starter.is_open else messages.number(bodies)
    merged = {root: [node for name in names for node in bodies[name]] for root, names in files.members.items()}
    merged = {root: body for root, body in merged.items() if body or not modules[root].is_empty}
    asked = {name.partition(":")[2] for name in program.asked}
    if not starter.is_open:
        told = asked | rename.told_in(merged)
        own.split(merged.values(), lambda name: not rename.is_foreign(name) and name not in told)
        given = {name for names in exports.values() for name in names}
        inline.inline(merged, lambda name: name in given or (":" in name and is_public(name)))
    namer = rename.Renamer(merged, program.named_locals, files.file_of, is_public, starter.is_open, asked, exports)
    names = {**namer.names(), messages.MESSAGES: said}
    return Linked({root: namer.text(root) for root in sorted(merged)}, names)


def _exports(program: Program, files: _Files, starter: Starter) -> dict[str, list[str]]:
    """Returns, by file, what is asked for there and comes from another one; the entries are where they are made."""
    found: dict[str, list[str]] = {}
    for entry in sorted(starter.entries):
        module, _, name = entry.partition(":")
        home = program.meaning(module, name)
        if isinstance(home, str) and home != entry and ":" in home:
            if home.partition(":")[2] != name:
                raise NotLinkable(f"{entry} is {home} by another name")
            starter.entries.add(home)
            found.setdefault(files.file_of(module), []).append(home)
    return found


class _Files:
    """Which module lies in which file. `members` are a file's modules in the order in which their bodies run."""

    def __init__(self, modules: dict[str, Module], roots: Mapping[str, str]) -> None:
        self._modules = modules
        self._file_of = {name: roots.get(name, name) for name in modules}
        self._file_of = {name: root if root in modules else name for name, root in self._file_of.items()}
        self.members = {root: self._ordered(root) for root in sorted(set(self._file_of.values()))}
        direct: dict[str, set[str]] = {root: set() for root in self.members}
        for name, module in modules.items():
            direct[self._file_of[name]].update(self._file_of[other] for other in module.eager)
        self._loads = {root: _closure(root, direct) for root in direct}
        for root, loaded in self._loads.items():
            if root in loaded and any(other != root and root in self._loads[other] for other in loaded):
                raise NotLinkable(f"{root} and another file import each other")

    def file_of(self, module: str) -> str:
        return self._file_of.get(module, module)

    def is_at_hand(self, here: str, there: str) -> bool:
        """Whether the file of module `there` is loaded with that of `here`."""
        here, there = self._file_of[here], self._file_of[there]
        return here == there or there in self._loads[here]

    def _ordered(self, root: str) -> list[str]:
        names = sorted(name for name, file in self._file_of.items() if file == root)
        done: list[str] = []

        def add(name: str) -> None:
            if name not in done and name in names:
                names.remove(name)
                for other in self._modules[name].eager:
                    add(other)
                done.append(name)

        while names:
            add(names[0])
        return done


def _closure(root: str, direct: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(direct[root])
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += direct[other]
    return found
