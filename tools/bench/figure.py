"""One measured figure, and the table and file they go into."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """`target` is an upper bound for costs, a lower one where more is better; None where there is only a reading."""

    name: str
    value: float
    unit: str
    target: float | None = None
    is_more_better: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.is_more_better else self.value <= self.target

    def values(self) -> dict[str, object]:
        """Returns the row of build/bench.json."""
        values = asdict(self)
        del values["is_more_better"]
        return {**values, "met": self.met}


def write(figures: list[Figure], path: Path) -> None:
    """Writes them as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([figure.values() for figure in figures], indent=1) + "\n")


def show(figures: list[Figure], console: Console) -> None:
    """Prints them as a table."""
    table = Table("what", "measured", "", "target", "met")
    for figure in figures:
        target = "" if figure.target is None else f"{'≥' if figure.is_more_better else '≤'} {figure.target:,g}"
        met = {None: "", True: "yes", False: "[bold red]no[/]"}[figure.met]
        table.add_row(figure.name, f"{figure.value:,.6g}", figure.unit, target, met)
    console.print(table)
