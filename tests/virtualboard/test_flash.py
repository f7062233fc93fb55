"""The flash chip: NOR rules, the partition table, and power cuts at a chosen operation."""

import pytest

from virtualboard.flash import PARTITIONS

JOURNAL = 0x3AC000

OPEN = """
    from esp32 import Partition
    journal = Partition.find(Partition.TYPE_DATA, label="journal")[0]
    """


def test_partitions_are_found_by_type_and_label(run):
    assert run(
        """
        from esp32 import Partition
        for part in Partition.find(Partition.TYPE_DATA, 0x40):
            print(part.info())
        print([part.info()[4] for part in Partition.find(Partition.TYPE_DATA, label="nowhere")])
        print(Partition(Partition.RUNNING).info()[4], Partition("ledger").ioctl(4, 0), Partition("ledger").ioctl(5, 0))
        try:
            Partition("nowhere")
        except OSError as error:
            print(error)
        """
    ) == [
        "(1, 64, 3145728, 704512, 'photos', False)",
        "(1, 64, 3850240, 278528, 'journal', False)",
        "(1, 64, 4128768, 65536, 'ledger', False)",
        "[]",
        "factory 16 4096",
        "[Errno 2] ENOENT",
    ]


def test_the_table_neither_overlaps_nor_leaves_the_chip():
    rows = sorted(PARTITIONS, key=lambda row: row.address)
    assert all(row.address + row.size <= after.address for row, after in zip(rows, rows[1:], strict=False))
    assert rows[-1].address + rows[-1].size == 4 << 20


def test_programs_only_clear_bits_until_an_erase(run):
    assert run(
        OPEN
        + """
    buffer = bytearray(4)

    def show():
        journal.readblocks(2, buffer, 10)
        print(buffer)

    show()
    journal.writeblocks(2, b"\\xf0\\x0f\\xaa\\xff", 10)
    show()
    journal.writeblocks(2, b"\\x3c\\xff\\x0f\\x55", 10)
    show()
    print(journal.ioctl(6, 2))
    show()
    journal.writeblocks(2, bytes(range(256)) * 16)
    journal.writeblocks(2, b"\\x01" * 4096)
    show()
    whole = bytearray(4096)
    journal.readblocks(2, whole)
    print(set(whole))
    """
    ) == [
        "bytearray(b'\\xff\\xff\\xff\\xff')",
        "bytearray(b'\\xf0\\x0f\\xaa\\xff')",
        "bytearray(b'0\\x0f\\nU')",
        "0",
        "bytearray(b'\\xff\\xff\\xff\\xff')",
        "bytearray(b'\\x01\\x01\\x01\\x01')",
        "{1}",
    ]


def test_what_is_written_is_counted_and_survives_power_and_another_board(make_board):
    board = make_board(
        OPEN
        + """
    journal.writeblocks(0, b"kept", 8)
    journal.writeblocks(1, bytes(8192))
    for bad in ((68, b"x", 0), (67, b"xy", 4095), (-1, b"x", 0)):
        try:
            journal.writeblocks(*bad)
        except OSError as error:
            print(error)
    try:
        journal.writeblocks(0, b"short")
    except OSError as error:
        print(error)
    """
    )
    assert board.run_until(lambda: board.at_repl, 1_000)
    # A simple write of two blocks is two erases; each 4096 bytes go over the bus in one program.
    assert (board.flash.erases, board.flash.programs, board.flash.programmed_bytes) == (2, 3, 4 + 8192)
    assert board.console == ["[Errno 22] EINVAL"] * 4
    board.power_off()
    assert board.flash.partition("journal")[:12] == b"\xff" * 8 + b"kept"
    assert board.flash.read(JOURNAL + 4096, 8193) == bytes(8192) + b"\xff"
    assert board.flash.path.stat().st_size == 4 << 20


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ("before", b"\xff" * 8),
        ("prefix", b"new " + b"\xff" * 4),
        ("suffix", b"\xff" * 4 + b"new "),
        ("after", b"new new "),
    ],
)
def test_a_power_cut_in_the_middle_of_a_program(make_board, how, left):
    board = make_board(
        OPEN
        + """
    from machine import Pin
    Pin(26, Pin.OUT, value=1)
    journal.writeblocks(0, b"one", 100)
    journal.writeblocks(0, b"new new ", 0)
    print("not reached")
    """,
        is_on=False,
    )
    board.flash.cut_power_at(2, how)
    board.power_on()
    board.run_for(1_000)
    assert not board.is_powered
    assert board.now_ms == 1_000
    assert board.console == []
    assert not board.strike.is_released
    assert board.flash.partition("journal")[:8] == left
    assert board.flash.partition("journal")[100:103] == b"one"
    board.power_on()
    assert board.run_until(lambda: board.at_repl, 1_000)
    assert board.console == ["not reached"]


@pytest.mark.parametrize("fraction", [0.0, 0.25, 1.0])
def test_a_power_cut_in_the_middle_of_an_erase(make_board, fraction):
    board = make_board(
        OPEN
        + """
    journal.writeblocks(0, bytes(4096), 0)
    journal.ioctl(6, 0)
    """,
        is_on=False,
    )
    board.flash.cut_power_at(2, "prefix", fraction)
    board.power_on()
    assert board.run_until(lambda: not board.is_powered, 1_000)
    erased = int(4096 * fraction)
    assert board.flash.partition("journal")[:4096] == b"\xff" * erased + bytes(4096 - erased)


def test_a_littlefs_on_a_partition_survives_a_cut_at_every_operation(make_board):
    board = make_board(
        """
        import os, vfs
        from esp32 import Partition
        part = Partition.find(Partition.TYPE_DATA, label="ledger")[0]
        try:
            mounted = vfs.VfsLfs2(part)
        except OSError:
            vfs.VfsLfs2.mkfs(part)
            mounted = vfs.VfsLfs2(part)
        vfs.mount(mounted, "/flash")
        print(os.listdir("/flash"))
        with open("/flash/file", "w") as file:
            file.write("x" * 100)
        print(open("/flash/file").read() == "x" * 100)
        """
    )
    assert board.run_until(lambda: board.at_repl, 10_000)
    assert board.console == ["[]", "True"]
    board.power_off()
    for operation in range(1, 6):
        board.flash.cut_power_at(operation, "prefix")
        board.power_on()
        board.run_until(lambda: board.at_repl or not board.is_powered, 10_000)
        board.power_off()
    board.flash.cut_power_at(0)
    board.power_on()
    assert board.run_until(lambda: board.at_repl, 10_000)
    assert board.console[-2:] == ["['file']", "True"]


def test_a_thread_may_read_but_not_write(run):
    lines = run(
        OPEN
        + """
    import _thread, time
    journal.writeblocks(0, b"shared", 0)
    done = []

    def other():
        buffer = bytearray(6)
        journal.readblocks(0, buffer, 0)
        done.append(bytes(buffer))
        try:
            journal.writeblocks(0, b"\\0", 0)
        except RuntimeError as error:
            done.append(str(error))

    _thread.start_new_thread(other, ())
    import utime
    while len(done) < 2:
        utime.sleep_ms(1)
    print(done)
    """
    )
    assert lines == ["[b'shared', 'only the main thread may use this part of the virtual board']"]
