"""A file that is none: the JSON lines that are written to it are taken one by one."""

import io
import json
from collections.abc import Callable
from typing import Any


class LineFile(io.TextIOBase):
    """Calls `take` with each line, once it is whole."""

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self._take = take
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            self._take(json.loads(line))
        return len(text)
