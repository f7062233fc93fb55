"""A slice of the 70,000 publishes of `make soak`: across the wrap of the packet ids."""

import pytest

from lobbylock.broker import find_mosquitto
from soak.publishes import publish

COUNT = 2_000
# Names that are interned on the way; a packet that stayed with every publish would be 200 KB.
MOST_GROWTH_BYTES = 512


@pytest.mark.skipif(not find_mosquitto(), reason="mosquitto is not installed: apt-get install mosquitto")
def test_packet_ids_wrap_and_the_heap_stays():
    # The last packet id is 65,535, so the wrap comes within the first 1,000.
    found = publish(COUNT, first_pid=64_700, tell_every=1_000)
    assert found.confirmed == COUNT and found.wraps == 1
    assert found.numbers == list(range(1, COUNT + 1))
    assert list(found.heap) == [1_000, 2_000]
    assert found.growth_bytes <= MOST_GROWTH_BYTES
