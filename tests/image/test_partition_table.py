"""The partition table: our own form against Espressif's, and every damage of it."""

import pytest

from lobbylock.image import table
from virtualboard.partitions import GUARDED, PARTITIONS, Row

# Where the table lies in the file, which begins with the bootloader.
OFFSETS = {"esp32": 0x7000, "esp32c3": 0x8000}


@pytest.mark.parametrize("chip", OFFSETS)
def test_the_official_table_is_read_and_written_the_same(official, chip):
    data = official[chip].read_bytes()[OFFSETS[chip] :][: table.SECTOR_BYTES]
    rows = table.decode(data)
    assert rows == [
        Row(1, 2, 0x9000, 0x6000, "nvs"),
        Row(1, 1, 0xF000, 0x1000, "phy_init"),
        Row(0, 0, 0x10000, 0x1F0000, "factory"),
    ]
    assert table.encode(rows) == data


def test_ours_has_every_partition_and_a_checksum():
    data = table.encode()
    assert len(data) == table.SECTOR_BYTES and table.decode(data) == list(PARTITIONS)
    assert table.is_sound(PARTITIONS)
    rows = {row.label: row for row in PARTITIONS}
    assert set(GUARDED) < set(rows)
    # What MicroPython mounts as "/" by itself is called so.
    assert (rows["vfs"].type, rows["vfs"].subtype) == (1, 0x81)


@pytest.mark.parametrize(
    "changed",
    [
        {"address": 0x8000},
        {"address": 0x1F0000},
        {"address": 0x200800},
        {"size": 0x100800},
        {"size": 0x300000},
        {"label": "sixteen-bytes-01"},
    ],
)
def test_unsound_rows_are_seen(changed):
    rows = [row._replace(**changed) if row.label == "vfs" else row for row in PARTITIONS]
    assert not table.is_sound(rows)


def test_every_flipped_bit_is_seen():
    data = table.encode()
    for at in range((len(PARTITIONS) + 2) * 32):
        for bit in range(8):
            broken = bytearray(data)
            broken[at] ^= 1 << bit
            with pytest.raises(table.BadTable):
                table.decode(bytes(broken))


@pytest.mark.parametrize("size", [0, 1, 31, 32, 224, 255])
def test_a_cut_off_table_is_seen(size):
    with pytest.raises(table.BadTable):
        table.decode(table.encode()[:size])


def test_no_table_and_an_encrypted_partition_are_seen():
    for data in (bytes(4096), b"\xff" * 4096, table.encode([])):
        with pytest.raises(table.BadTable):
            table.decode(data)
    data = bytearray(table.encode())
    data[28] = 1
    with pytest.raises(table.BadTable, match="nvs is marked as encrypted"):
        table.decode(bytes(data))


def test_the_csv_names_every_partition_once():
    lines = table.write_csv().splitlines()
    assert lines[0].startswith("#") and len(lines) == len(PARTITIONS) + 1
    assert "ledger, data, 0x40, 0x3f0000, 0x10000" in lines
    assert "factory, app, 0x00, 0x10000, 0x1f0000" in lines
