"""An issuer's folder, a building's file and a scripted board."""

from pathlib import Path

import pytest
from install_case import BUILDING, Installer
from scripted_board import ScriptedBoard

from lobbylock.home import Home


@pytest.fixture
def home(tmp_path) -> Home:
    folder = Home(tmp_path / "home")
    folder.new_issuer("tester")
    return folder


@pytest.fixture
def building(tmp_path) -> Path:
    path = tmp_path / "building.toml"
    path.write_text(BUILDING)
    return path


@pytest.fixture
def board() -> ScriptedBoard:
    return ScriptedBoard()


@pytest.fixture
def installer(home, building, board, tmp_path) -> Installer:
    return Installer(home, building, board, tmp_path)
