"""Reads a traceback of a board whose names the linker has shortened."""

import re
from collections.abc import Mapping

from linker.messages import MESSAGES

_FRAME = re.compile(r'^(\s*File )"([^"]*)", line \d+, in (\S+)')
_ERROR = re.compile(r"^(\w+)(?:: (\d+)$|(?=:)|$)")


def explain(traceback_text: str, names: Mapping[str, Mapping[str, str]]) -> str:
    """Returns the traceback with the names of the sources; `names` is what names.json beside the files holds.

    A function may be one of several that share a short name: then all of them are there, with `|` between. There are no
    line numbers in a board's files.
    """
    lines = []
    file = ""
    for line in traceback_text.splitlines():
        frame = _FRAME.match(line)
        if frame and frame[2] in names:
            file = frame[2]
            lines.append(_frame(frame[1], names[file].get(frame[3], f"{file}:{frame[3]}")))
        else:
            lines.append(_ERROR.sub(lambda found: _error(found[1], found[2], names), line))
    return "\n".join(lines) + ("\n" if traceback_text.endswith("\n") else "")


def _frame(start: str, name: str) -> str:
    modules = " | ".join(sorted({_path(one.partition(":")[0]) for one in name.split(" | ")}))
    functions = " | ".join(one.partition(":")[2] for one in name.split(" | "))
    return f'{start}"{modules}", in {functions}'


def _path(module: str) -> str:
    folder = "" if module.startswith("firmware.") else "lib/"
    return folder + module.replace(".", "/") + ".py"


def _error(short: str, number: str | None, names: Mapping[str, Mapping[str, str]]) -> str:
    """Returns the class's own name, and what a number stands for. A class has its short name in every file."""
    known = {name for file, rows in names.items() if file != MESSAGES for name in rows.get(short, "").split(" | ")}
    classes = {
        name.partition(":")[2]
        for name in known
        if name.partition(":")[2][:1].isupper() and "." not in name.partition(":")[2]
    }
    if len(classes) == 1:
        short = classes.pop()
        number = names.get(MESSAGES, {}).get(number or "", number)
    return f"{short}: {number}" if number else short
