"""A slice of `make listcut`: the power cut while a list of revoked credentials is taken."""

import pytest
from listwork import CASES, Share, sweep


@pytest.mark.parametrize("case", CASES)
def test_a_cut_leaves_the_old_list_or_the_new_one(case):
    counted = sweep(Share(case, 1, 4, 1))
    assert counted["operations"] >= 15 and counted["cuts"] >= 20


def test_the_sweep_notices_a_list_that_is_written_over_the_old_one():
    with pytest.raises(RuntimeError, match="AssertionError"):
        sweep(Share("newer", 0, 1), "in-place")
