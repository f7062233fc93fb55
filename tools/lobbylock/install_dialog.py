"""How an installation talks with the person at it: steps, progress and questions, on a terminal or in plain lines."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from lobbylock.errors import UserError

Advance = Callable[[int, int], None]


class Dialog:
    """Writes to `console`. Without a terminal, or if it is unattended, there are lines only and no questions."""

    def __init__(self, console: Console, *, is_unattended: bool = False) -> None:
        self._console = console
        self.is_unattended = is_unattended
        self._is_live = console.is_terminal and not is_unattended

    def step(self, title: str) -> None:
        """Begins another step."""
        self._write(Text(title, "bold"))

    def say(self, text: str) -> None:
        """Tells how the step goes."""
        self._write(Text(f"  {text}"))

    def warn(self, text: str) -> None:
        """Tells what the person should look after."""
        self._write(Text(f"  {text}", "yellow"))

    def _write(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)
        self._console.file.flush()

    def confirm(self, question: str) -> bool:
        """Returns whether the person says yes; an unattended installation always does.

        Raises UserError when there is nobody to ask.
        """
        if self.is_unattended:
            return True
        while True:
            self._console.print(Text(f"  {question} [y/n] "), end="")
            self._console.file.flush()
            answer = sys.stdin.readline()
            if not answer:
                raise UserError("There is nobody to answer: run this at a terminal, or with --unattended.")
            if answer.strip().lower() in ("y", "yes", "n", "no"):
                return answer.strip().lower().startswith("y")

    @contextlib.contextmanager
    def progress(self, title: str) -> Iterator[Advance]:
        """Yields a function to be told (done, total): a bar on a terminal, a line at the end of it elsewhere."""
        if self._is_live:
            columns = (TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
            with Progress(*columns, console=self._console, transient=True) as bar:
                task = bar.add_task(title, total=None)
                yield lambda done, total: bar.update(task, completed=done, total=total)
            return
        self.say(f"{title} ...")
        yield lambda done, total: None
