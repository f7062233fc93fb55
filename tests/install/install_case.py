"""One building with one door, and who installs it: tests of tests/install share them."""

from pathlib import Path

from rich.console import Console
from scripted_board import ScriptedBoard

from lobbylock.building_file import BuildingFile
from lobbylock.console.client import Client
from lobbylock.home import Home
from lobbylock.install import Installation, Outcome, Wishes
from lobbylock.install_dialog import Dialog

BUILDING = """
building = "maple-12"
zone = "EST5EDT,M3.2.0,M11.1.0"
ntp = ""

[wifi]
ssid = "maple-staff"
password = "wifi secret"

[mqtt]
url = "mqtt://broker.example"
user = "maple"
password = "broker secret"

[[door]]
name = "front"
board = "esp32-devkitc"
nfc = "uart"
"""
DOOR = "maple-12/front"
NOW_S = 1_789_992_000


class Installer:
    """Runs installations of `building` at the board, one process after the other; `said` is what they wrote."""

    def __init__(self, home: Home, building: Path, board: ScriptedBoard, tmp_path: Path) -> None:
        self.home = home
        self.building = building
        self.board = board
        self.folder = tmp_path
        self.said = ""
        self.is_unattended = True
        self._out = tmp_path / "said"

    def run(self, patience_ms: float = 60_000, **wishes) -> Outcome:
        file = BuildingFile(self.building)
        plan = file.plan(file.find(None), [])
        with open(self._out, "w") as out:
            dialog = Dialog(Console(file=out, width=200, highlight=False), is_unattended=self.is_unattended)
            try:
                with Client(self.board.port, dialog.warn, patience_ms) as client:
                    return Installation(
                        client,
                        self.home,
                        plan,
                        dialog,
                        Wishes(now_s=lambda: NOW_S + self.board.now_ms / 1000, **wishes),
                    ).run()
            finally:
                out.flush()
                self.said = self._out.read_text()
