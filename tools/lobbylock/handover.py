"""The hand-over sheet: what was installed, tested and wired, for the building's folder. It never holds a secret."""

import io
from dataclasses import dataclass
from hashlib import sha256
from html import escape

import segno

from lobbylock.install_results import Result
from lobbylock.moment import format_local

_HTML = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 11pt/1.4 sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em; }}
table {{ border-collapse: collapse; margin: .5em 0 1.5em; }}
td, th {{ border: 1px solid #999; padding: .2em .6em; text-align: left; vertical-align: top; }}
code {{ word-break: break-all; }}
.qr {{ float: right; width: 11em; }}
@media print {{ body {{ margin: 0; }} }}
</style>
<div class="qr">{qr}</div>
<h1>{title}</h1>
{tables}
<h2>How to reset it</h2>
{reset}
</html>
"""

_RESET = (
    "Switch the board off and on: it keeps everything, and needs the network or an installer for the time.",
    "To make it another door's, the owner runs `lobbylock owner reset BUILDING/DOOR --port PORT`: the board records it,"
    " destroys its keys, journal, pictures and settings, and is unclaimed afterwards.",
    "Without the owner's key there is no way but to erase the whole flash and write it anew:"
    " `make flash FIRMWARE=... PORT=... FORCE=1 ERASE=1`. That destroys key, owner and record; the board is unclaimed"
    " afterwards and has another key. FORCE=1 alone keeps all three, so the board stays its owner's.",
)


@dataclass(frozen=True)
class Sheet:
    """What the sheet says.

    Keys are public ones, the owner's empty if it is not known; `wiring` has rows of texts, `picture_sha256` is hex or
    empty.
    """

    door: str
    public_key: bytes
    owner_key: bytes
    version: str
    board: str
    date_s: int
    settings_sha256: str
    wiring: list[tuple[str, ...]]
    results: list[Result]
    picture_sha256: str
    notes: list[str]

    @property
    def link(self) -> str:
        """What the QR code says: which door this is, and the key that its seals verify with."""
        return f"lobbylock:{self.door}?key={self.public_key.hex()}"

    def sections(self) -> list[tuple[str, list[tuple[str, ...]]]]:
        """Returns (heading, rows of texts)."""
        facts: list[tuple[str, ...]] = [
            ("Door", self.door),
            ("Board", self.board),
            ("Its public key", self.public_key.hex()),
            ("Fingerprint", fingerprint(self.public_key)),
            ("Owner's key", f"id {key_id(self.owner_key)}" if self.owner_key else "not in this installer's home"),
            ("LobbyLock", self.version),
            ("Settings, SHA-256", self.settings_sha256),
            ("Installed", format_local(self.date_s)),
        ]
        tested: list[tuple[str, ...]] = [(result.part, result.outcome, result.note) for result in self.results] or [
            ("nothing", "not tested", "")
        ]
        if self.picture_sha256:
            tested.append(("test picture, SHA-256", self.picture_sha256, ""))
        found: list[tuple[str, list[tuple[str, ...]]]] = [("", facts), ("Tested", tested), ("Wiring", self.wiring)]
        if self.notes:
            found.append(("Open", [(note,) for note in self.notes]))
        return found


def fingerprint(key: bytes) -> str:
    """Returns the first 16 bytes of the SHA-256 of `key` in groups, to be compared by eye."""
    text = sha256(key).hexdigest()[:32]
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def key_id(key: bytes) -> str:
    """Returns by which the lock's events name a console key: hex of the first 8 bytes of its SHA-256."""
    return sha256(key).hexdigest()[:16]


def write_text(sheet: Sheet) -> str:
    """Returns the sheet as plain text."""
    lines = [f"LobbyLock hand-over sheet: {sheet.door}", ""]
    for heading, rows in sheet.sections():
        if heading:
            lines += ["", heading, "-" * len(heading)]
        columns = max((len(row) for row in rows), default=0)
        widths = [max((len(row[at]) for row in rows if at < len(row)), default=0) for at in range(columns)]
        for row in rows:
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())
    lines += ["", "How to reset it", "---------------", *_RESET, "", "The door's QR code says:", sheet.link]
    return "\n".join(lines) + "\n"


def write_html(sheet: Sheet) -> str:
    """Returns the sheet as one HTML page that needs nothing else, the QR code drawn in it."""
    drawn = io.BytesIO()
    segno.make(sheet.link, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2, svgclass=None, lineclass=None
    )
    tables = []
    for heading, rows in sheet.sections():
        if heading:
            tables.append(f"<h2>{escape(heading)}</h2>")
        cells = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
        tables.append("<table>\n" + "\n".join(cells) + "\n</table>")
    reset = "\n".join(f"<p>{escape(text)}</p>" for text in _RESET)
    return _HTML.format(
        title=escape(f"LobbyLock: {sheet.door}"), qr=drawn.getvalue().decode(), tables="\n".join(tables), reset=reset
    )
