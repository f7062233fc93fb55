"""`mpremote mip install` from a server on this machine: the sources by package.json, the compiled lock by an index."""

import json
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import package_index
from lobbylock.house import ROOT
from virtualboard import VirtualBoard

MPREMOTE = Path(sys.executable).with_name("mpremote")


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def install(tmp_path):
    """Installs on a bare board over its serial line, restarts it, and returns what it has and says."""
    boards = []

    def run(*words: str):
        (tmp_path / "empty").mkdir()
        board = VirtualBoard(tmp_path / "board", root=tmp_path / "empty", files="littlefs", pace="real")
        boards.append(board)
        board.power_on()
        path = board.open_pty()
        board.line.baud = 2_000_000
        command = [str(MPREMOTE), "connect", path, "resume", "mip", "install", "--target", "/", *words]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0 and "Done" in done.stdout, done.stdout + done.stderr
        board.close_pty()
        board.stop_pump()
        board.set_pace("fast")
        board.power_off()
        board.power_on()
        assert board.run_until(lambda: any('"public_key"' in line for line in board.console), 30_000), board.console
        assert not board.at_repl
        return board.files.read_all()

    yield run
    for board in boards:
        board.close()


def test_package_json_lists_what_lies_on_a_board():
    written = json.loads((ROOT / package_index.PACKAGE).read_text("utf-8"))
    assert written == package_index.list_sources(), "write it anew: make fmt"
    paths = [path for path, _ in written["urls"]]
    assert {"boot.py", "main.py", "firmware/build.py", "lib/cose.py"} <= set(paths) and paths[-1] == "main.py"
    assert not [path for path in paths if not (ROOT / path).is_file()]


# A hundred files over a serial line, on a machine that may have much else to do.
@pytest.mark.timeout(600)
def test_the_sources_are_installed_from_the_repository_and_run(serve, install):
    files = install(f"{serve(ROOT)}/package.json")
    for path, _ in json.loads((ROOT / package_index.PACKAGE).read_text("utf-8"))["urls"]:
        assert files[f"/{path}"] == (ROOT / path).read_bytes()


def test_what_is_compiled_is_installed_from_an_index_and_runs(serve, install, tmp_path):
    tree = tmp_path / "tree"
    (tree / "firmware").mkdir(parents=True)
    (tree / "lib").mkdir()
    (tree / "boot.py").write_text("")
    (tree / "main.py").write_text("from firmware.build import run\nrun()\n")
    (tree / "firmware" / "build.py").write_text(
        "import part\ndef run():\n    print(part.part())\n    import time\n    time.sleep(1000)\n"
    )
    (tree / "lib" / "part.py").write_text("def part():\n    return '{\"public_key\": 1}'\n")
    index = tmp_path / "index"
    package_index.write_index(index, "x64", tree)
    files = install("--index", serve(index), "lobbylock")
    assert {"/boot.py", "/main.py", "/firmware/build.mpy"} <= set(files)
