"""The boards' files are right, and what is made from them says the same."""

from pathlib import Path

from checks.finding import Finding
from lobbylock import board_pages
from lobbylock.boards import load, names
from lobbylock.errors import UserError


def check(root: Path) -> list[Finding]:
    """Returns the boards that do not load, else the files that differ from what is made of `boards/`."""
    findings = []
    folder = root / "boards"
    for name in names(folder):
        try:
            load(name, folder)
        except UserError as error:
            findings.append(Finding(f"boards/{name}.toml", 1, str(error)))
    if findings:
        return findings
    try:
        stale = board_pages.stale(root)
    except UserError as error:
        return [Finding("boards", 1, str(error))]
    return [Finding(path, 1, "differs from boards/; `lobbylock boards --write` renews it") for path in stale]
