"""Holds every import to the table in rooms.py, and the modules to an order without cycles."""

import sys
from collections.abc import Iterator
from pathlib import Path

from checks import imports, source
from checks.finding import Finding
from checks.rooms import HARDWARE, MAY_MAKE_UP_NAMES, PURE_LIB, ROOMS, TOUCHING, room_of
from checks.source import Module

_HOST = ("linker", "lobbylock", "virtualboard")


def check(root: Path) -> list[Finding]:
    """Returns what breaks the rule in the tree below `root`."""
    modules, findings = source.read(root)
    lib = PURE_LIB | {name.partition(".")[0] for name, module in modules.items() if module.path.startswith("lib/")}
    edges: dict[str, dict[str, int]] = {}
    for module in modules.values():
        room = room_of(module.name, lib) or "lib"
        edges[module.name] = {}
        for found in imports.find(module):
            problem = _judge(room, found.name, lib)
            if problem:
                findings.append(Finding(module.path, found.line, problem))
            target = _resolve(found.name or "", modules)
            if target and room_of(found.name or "", _visible(room, lib)):
                edges[module.name].setdefault(target, found.line)
    findings.extend(_cycles(modules, edges))
    return sorted(findings)


def _visible(room: str, lib: frozenset[str]) -> frozenset[str]:
    """Returns the lib modules that `room` sees: on the host lib/ comes last, so the standard library hides some."""
    return lib - sys.stdlib_module_names if room in _HOST else lib


def _judge(room: str, name: str | None, lib: frozenset[str]) -> str | None:
    """Returns why `room` may not import `name`, or None if it may."""
    if name is None and room in MAY_MAKE_UP_NAMES:
        return None
    if name is None:
        return "an import whose name is made at run time cannot be checked: write the name out"
    rule = ROOMS[room]
    target = room_of(name, _visible(room, lib))
    if target is None:
        first = name.partition(".")[0]
        if first in HARDWARE and room not in TOUCHING:
            return f"{room} may not import {first}: only firmware/board and boot.py touch the hardware"
        if rule.outside is not None and first not in rule.outside:
            return f"{room} may not import {first or name}"
        return None
    allowed = target in rule.may or any(name == one or name.startswith(one + ".") for one in rule.may)
    return None if allowed else f"{room} may not import {name} ({target})"


def _resolve(name: str, modules: dict[str, Module]) -> str | None:
    """Returns the longest beginning of `name` that is a module: `from a.b import c` means a.b.c or a.b."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def _cycles(modules: dict[str, Module], edges: dict[str, dict[str, int]]) -> Iterator[Finding]:
    """Yields a finding for each import that leads back to where a walk over the modules came from."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> Iterator[Finding]:
        for target in sorted(edges[name]):
            if target in trail:
                circle = " -> ".join([*trail[trail.index(target) :], target])
                yield Finding(modules[name].path, edges[name][target], f"import cycle: {circle}")
            elif target not in done:
                yield from visit(target, [*trail, target])
        done.add(name)

    for name in sorted(modules):
        if name not in done:
            yield from visit(name, [name])
