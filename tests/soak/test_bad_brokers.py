"""A lock opens for a right code and stays up, whatever its broker is like. How fast: `make bench`."""

import time

import pytest

from lobbylock.broker import find_mosquitto
from soak.brokers import BAD, side_by_side

DELIVERIES = 2
_LIMIT_S = 120


@pytest.mark.skipif(not find_mosquitto(), reason="mosquitto is not installed: apt-get install mosquitto")
@pytest.mark.timeout(420)
def test_locks_with_bad_brokers_open_and_stay_up():
    with side_by_side(BAD) as street:
        # A handshake that has not begun yet would not while somebody is at the door.
        proxies = [lock.proxy for lock in street.locks if lock.proxy is not None and lock.name != "gone"]
        end_s = time.monotonic() + _LIMIT_S
        while not all(proxy.counts["connections"] for proxy in proxies) and time.monotonic() < end_s:
            time.sleep(0.05)
        street.deliver(DELIVERIES)
        assert [lock.name for lock in street.locks] == ["gone", "black-holed", "resetting", "stuck"]
        for lock in street.locks:
            assert len(lock.latencies_ms) == DELIVERIES
            assert lock.board.reset_count == 0 and lock.board.is_powered and not lock.board.at_repl
            # It has tried, but for the one that nobody listens to.
            assert lock.proxy is not None
            assert lock.name == "gone" or lock.proxy.counts["connections"] > 0
