"""What an installer saw of each part, kept beside the hand-over sheet so that a second run need not ask again."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lobbylock.errors import UserError
from lobbylock.files import make_folder, read_json, write_json
from lobbylock.home import Home
from lobbylock.names import split_door

PASSED = "passed"
FAILED = "failed"
UNWATCHED = "not watched"
OUTCOMES = (PASSED, FAILED, UNWATCHED)


@dataclass(frozen=True)
class Result:
    """One part's test: `outcome` is one of OUTCOMES, `note` what else there is to say."""

    part: str
    outcome: str
    note: str = ""


def sheet_folder(home: Home, door: str) -> Path:
    """Returns where the sheet, the test picture and the results of a door lie."""
    building, name = split_door(door)
    return home.path / "handover" / building / name


def save_results(
    folder: Path, public_key: bytes, settings_sha256: str, results: list[Result], picture_sha256: str
) -> None:
    """Keeps the results for the board with `public_key`, which ran with the settings of that hash, in hex."""
    make_folder(folder)
    write_json(
        folder / "results.json",
        {
            "version": 1,
            "public_key": public_key.hex(),
            "settings_sha256": settings_sha256,
            "picture_sha256": picture_sha256,
            "results": [asdict(result) for result in results],
        },
    )


def load_results(folder: Path, public_key: bytes, settings_sha256: str) -> tuple[list[Result], str]:
    """Returns (results, hex of the test picture's SHA-256), ([], "") if none are of this board with these settings."""
    path = folder / "results.json"
    try:
        value: dict[str, Any] = read_json(path, "list of results") if path.exists() else {}
        if value.get("version") != 1 or value.get("public_key") != public_key.hex():
            return [], ""
        # Other settings may be for other parts, such as another keypad: what was seen of the old ones says nothing.
        if value.get("settings_sha256") != settings_sha256:
            return [], ""
        results = [Result(**result) for result in value["results"]]
        picture = value["picture_sha256"]
        texts = [text for result in results for text in (result.part, result.outcome, result.note)]
        if not all(isinstance(text, str) for text in [picture, *texts]):
            return [], ""
        return [result for result in results if result.outcome in OUTCOMES], picture
    except (UserError, KeyError, TypeError):
        # Nothing that a test could not find out again.
        return [], ""
