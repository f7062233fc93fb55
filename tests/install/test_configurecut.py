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


def test_half_a_configuration_would_be_found():
    configurecut.judge(B, False, {A, B})
    configurecut.judge(None, False, {None, B})
    for found in (A[:200], b"", None):
        with pytest.raises(Broken, match="settings.json is"):
            configurecut.judge(found, False, {A, B})
    with pytest.raises(Broken, match="prompt"):
        configurecut.judge(A, True, {A, B})
