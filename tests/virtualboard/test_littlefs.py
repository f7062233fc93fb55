"""The board's files on a real littlefs in its flash chip: booted from there, counted and cut like the rest."""

import pytest

WRITER = """
    import os
    def replace(text):
        with open("new", "w") as file:
            file.write(text)
        os.rename("new", "kept")
    try:
        print(open("kept").read())
    except OSError:
        print("nothing")
    replace("one" * 50)
    replace("two" * 50)
    print(sorted(os.listdir()), open("/kept").read()[:3])
    """


@pytest.fixture
def make_flash_board(make_board):
    def make(main: str, **options):
        return make_board(main, files="littlefs", **options)

    return make


def finish(board) -> list[str]:
    if not board.is_powered:
        board.power_on()
    assert board.run_until(lambda: board.at_repl, 60_000), board.console
    return board.console


def test_it_starts_from_there_and_finds_its_modules_there(make_flash_board):
    board = make_flash_board(
        "import os, sys\nfrom firmware.part import WORD\nimport tool\n"
        "print(WORD, tool.WORD, sorted(os.listdir('/')), [p for p in sys.path if p != '/rom'], os.getcwd())",
        boot="print('boot')",
        is_on=False,
    )
    board.files.write("/firmware/part.py", b"WORD = 'part'")
    board.files.write("/lib/tool.py", b"WORD = 'tool'")
    assert finish(board) == [
        "boot",
        "part tool ['boot.py', 'firmware', 'lib', 'main.py', 'rom'] ['', '.frozen', '/lib'] /",
    ]
    assert board.files.read("/boot.py") == b"print('boot')"
    assert sorted(board.files.read_all()) == ["/boot.py", "/firmware/part.py", "/lib/tool.py", "/main.py"]
    with pytest.raises(FileNotFoundError):
        board.files.read("/nowhere")


def test_what_it_writes_is_counted_and_survives(make_flash_board):
    board = make_flash_board(WRITER)
    lines = finish(board)
    assert lines == ["nothing", "['boot.py', 'kept', 'main.py', 'rom'] two"]
    assert board.flash.programs_of["vfs"] > 4 and board.flash.erases_of["vfs"] >= 1
    assert board.flash.operations == board.flash.programs_of["vfs"] + board.flash.erases_of["vfs"]
    board.power_off()
    assert finish(board)[2].startswith("twotwo")
    board.power_off()
    board.files.write("/kept", b"host")
    assert finish(board)[4] == "host"


def test_a_cut_at_every_operation_leaves_one_whole_file(make_flash_board):
    board = make_flash_board(WRITER)
    finish(board)
    board.power_off()
    operation, seen = 0, set()
    while True:
        operation += 1
        board.flash.cut_power_at(operation, "prefix")
        board.power_on()
        if board.run_until(lambda: board.at_repl, 10_000):
            break
        assert not board.is_powered
        seen.add(bytes(board.files.read("/kept")))
    assert operation > 8
    assert seen == {b"one" * 50, b"two" * 50}


def test_a_ready_image_a_bare_board_and_a_damaged_one(make_flash_board, make_board):
    first = make_flash_board("print('from the image')", is_on=False)
    image = first.flash.partition("vfs")
    board = make_flash_board("print('of its own')", is_on=False)
    board.load_partition("vfs", image)
    assert finish(board) == ["from the image"]
    board.power_off()
    # Erased: MicroPython formats it.
    board.load_partition("vfs", b"")
    before = board.flash.erases
    assert finish(board) == ["from the image"] and board.flash.erases > before
    assert list(board.files.read_all()) == ["/boot.py"]
    board.power_off()
    board.load_partition("vfs", bytes(4096))
    board.power_on()
    board.run_for(4_000)
    assert not board.at_repl and "looks corrupt" in board.console[-1]
    board.line.write(b"\x03")
    assert board.run_until(lambda: board.at_repl, 1_000)
    with pytest.raises(ValueError, match="do not fit"):
        board.load_partition("ledger", bytes(1 << 20))


def test_recursion_and_heap_are_those_of_the_other_kind(make_board):
    program = """
        import gc
        def down(depth):
            try:
                return down(depth + 1)
            except RuntimeError:
                return depth
        print(down(0))
        gc.collect()
        print(gc.mem_alloc())
        """
    (depth, used), (flash_depth, flash_used) = (
        map(int, finish(make_board(program, files=files))) for files in ("folders", "littlefs")
    )
    # An import needs more of the stack there, so less of it is taken away.
    assert depth <= flash_depth <= depth + 20
    # The file system's own buffers, which a board has too.
    assert 0 < flash_used - used < 4_096
