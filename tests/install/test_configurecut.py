"""A slice of the sweep that `make configurecut` plays in full, and that the sweep can fail."""

import configurecut
import pytest
from configurecut import A, B, Bench, Broken


@pytest.mark.parametrize(("is_new", "place", "how"), [(True, 0.6, "prefix"), (False, 0.4, "suffix")])
def test_power_cut_and_cable_pulled_in_a_change_of_settings(tmp_path, is_new, place, how):
    bench = Bench(tmp_path, is_new=is_new)
    count = bench.count()
    assert count > 20
    operation = 1 + int(count * place)
    assert bench.play(operation, how) == operation
    assert bench.pull(9) == 9


def test_half_a_configuration_would_be_found():
    configurecut.judge(B, False, {A, B})
    configurecut.judge(None, False, {None, B})
    for found in (A[:200], b"", None):
        with pytest.raises(Broken, match="settings.json is"):
            configurecut.judge(found, False, {A, B})
    with pytest.raises(Broken, match="prompt"):
        configurecut.judge(A, True, {A, B})
