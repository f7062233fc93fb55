import shutil
import subprocess
from pathlib import Path

import pytest

from lobbylock.broker import Broker, TlsFiles, find_mosquitto
from lobbylock.demo.stage import Stage


@pytest.fixture
def make_stage(tmp_path):
    """Returns a function that opens a Stage of its own; all are closed at the end."""
    opened = []

    def make(kind: str | None = None, *, broker: Broker | None = None, is_reached: bool = True, **options) -> Stage:
        if kind == "mosquitto" and not find_mosquitto():
            pytest.skip("mosquitto is not installed: apt-get install mosquitto")
        folder = tmp_path / f"stage{len(opened)}"
        folder.mkdir()
        stage = Stage(folder, broker=broker or Broker(kind), **options)
        stage.__enter__()
        opened.append(stage)
        assert not is_reached or stage.wait_for_time(), stage.board.console
        stage.board.run_for(3_000)
        return stage

    yield make
    for stage in opened:
        stage.__exit__()


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_authority(folder: Path) -> None:
    """Makes ca.pem and ca.key in `folder`."""
    names = ["-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=lobby"]
    _openssl(folder, "req", "-x509", *_CURVE, *names)


@pytest.fixture
def tls_files(tmp_path) -> TlsFiles:
    """A CA of our own and a certificate for 127.0.0.1."""
    assert shutil.which("openssl")
    folder = tmp_path / "tls"
    folder.mkdir()
    make_authority(folder)
    _openssl(folder, "req", *_CURVE, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "names"]
    _openssl(folder, "x509", "-req", "-in", "server.csr", "-out", "server.pem", *signing)
    return TlsFiles(folder / "ca.pem", folder / "server.pem", folder / "server.key")
