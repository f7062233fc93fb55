"""A slice of `make updatecut`: the power cut in the middle of an update."""

import cutwork
import pytest
from cutwork import Share


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    return cutwork.make_versions(tmp_path_factory.mktemp("versions"))


@pytest.mark.parametrize(
    "share", [Share("good", "a", 11, 50), Share("good", "b", 17, 50), Share("broken", "a", 47, 50)]
)
def test_a_slice_of_the_cuts(versions, share):
    counted = cutwork.sweep(versions, share)
    assert counted["operations"] > 100 and counted["cuts"] >= 10


def test_a_lock_whose_power_is_cut_goes_on_with_the_update(lock, package):
    cut = cutwork.cut_lock(lock, package, 60, "prefix")
    assert cut
