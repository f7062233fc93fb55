"""The flash map of a lock: one table for the virtual board and for the image that is written to real ones."""

from typing import NamedTuple


class Row(NamedTuple):
    """One row of the partition table; `address` and `size` in bytes."""

    type: int
    subtype: int
    address: int
    size: int
    label: str


CHIP_BYTES = 4 << 20

PARTITIONS = (
    Row(1, 0x02, 0x9000, 0x6000, "nvs"),
    Row(1, 0x01, 0xF000, 0x1000, "phy_init"),
    Row(0, 0x00, 0x10000, 0x1F0000, "factory"),
    Row(1, 0x81, 0x200000, 0x100000, "vfs"),
    Row(1, 0x40, 0x300000, 0xAC000, "photos"),
    Row(1, 0x40, 0x3AC000, 0x44000, "journal"),
    Row(1, 0x40, 0x3F0000, 0x10000, "ledger"),
)
# What a lock remembers there must outlive new firmware.
GUARDED = ("photos", "journal", "ledger")


def partition(label: str) -> Row:
    """Returns the row called `label`. Raises KeyError."""
    return {row.label: row for row in PARTITIONS}[label]
