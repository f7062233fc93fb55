import pytest

from certificates import Certificates, make_certificates
from lobbylock.broker import Broker, find_mosquitto
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


@pytest.fixture
def certificates(tmp_path) -> Certificates:
    """A CA of our own with a certificate for 127.0.0.1, and a CA that signed nothing here."""
    folder = tmp_path / "tls"
    folder.mkdir()
    return make_certificates(folder)
