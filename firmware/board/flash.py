"""Raw flash partitions by their label."""

from esp32 import Partition

from firmware.core.errors import FlashError


def partition(label: str) -> Partition:
    """Returns the data partition `label`. Raises FlashError if the partition table has none."""
    found = Partition.find(Partition.TYPE_DATA, label=label)
    if not found:
        raise FlashError("no partition " + label)
    return found[0]
