"""A slice of the sweep that `make configurecut` plays in full, and that the sweep can fail."""

import configurecut
import pytest
from configurecut import A, B, Bench, Broken


@pytest.mark.parametrize(("is_new", "places"), [(True, (0.3, 0.8)), (False, (0.1, 0.6))])
def test_power_cut_in_a_change_of_settings(tmp_path, is_new, places):
    bench = Bench(tmp_path, is_new=is_new)
    count = bench.count()
    assert count > 20
    for place, how in zip(places, ("prefix", "suffix"), strict=True):
        operation = 1 + int(count * place)
        assert bench.play(operation, how) == operation


def test_half_a_configuration_would_be_found(tmp_path):
    board = FakeBoard(A[:200])
    with pytest.raises(Broken, match=r"settings.json is b"):
        configurecut.require(board, {A, B})
    configurecut.require(FakeBoard(B), {A, B})
    board = FakeBoard(A)
    board.at_repl = True
    with pytest.raises(Broken, match="prompt"):
        configurecut.require(board, {A, B})


class FakeBoard:
    """A board of which only the file counts."""

    def __init__(self, content: bytes) -> None:
        self.at_repl = False
        self.files = self
        self._content = content

    def read_all(self) -> dict[str, bytes]:
        return {"/settings.json": self._content}
