"""`lobbylock deploy` through the real mpremote, on a pseudo-terminal, to a virtual board that starts from its flash."""

import pytest
import serial

from lobbylock import command, deploy_prompt
from lobbylock import deploy as deploying
from lobbylock.deploy import deploy
from lobbylock.errors import UserError
from virtualboard import VirtualBoard

# Answers as docs/protocol.md section 7 has it, so far as deploying asks.
LOCK = """
import json, sys
from firmware.words import NAME

CLAIMED = False

def run():
    print(NAME, "runs")
    while True:
        try:
            request = json.loads(sys.stdin.buffer.readline())
        except ValueError:
            continue
        reply = {"id": request["id"], "ok": True}
        if request["do"] == "hello":
            reply.update({"lobbylock": NAME, "protocol": 1, "board": "esp32-devkitc", "claimed": CLAIMED})
            reply["door"] = "maple-12/front"
        print(json.dumps(reply))
        if request["do"] == "develop":
            return
"""
MAIN = """
import micropython
micropython.kbd_intr(-1)
from firmware.build import run
run()
"""
KEPT = {"/settings.json": b"{}", "/settings.new.json": b"{1", "/key-4f.tbl": bytes(range(256))}


# A board is a process, and may be as slow as the machine.
PATIENT_S = 100


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """The prompt is asked for again soon, since a lock that ends may lose the first time, and then waited for."""
    enter = deploy_prompt.Prompt._enter

    def enter_and_wait(prompt):
        enter(prompt)
        prompt._connected.serial.timeout = PATIENT_S

    monkeypatch.setattr(deploy_prompt, "_SILENCE_S", 4.0)
    monkeypatch.setattr(deploy_prompt, "_PROMPT_S", PATIENT_S)
    monkeypatch.setattr(deploy_prompt.Prompt, "_enter", enter_and_wait)


@pytest.fixture
def await_lock(monkeypatch):
    """`await_lock()`: a lock runs on the board, so that an answer comes, however late."""

    def call():
        monkeypatch.setattr(deploying, "_HELLO_MS", PATIENT_S * 1000)

    return call


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "firmware" / "board").mkdir(parents=True)
    (root / "lib").mkdir()
    (root / "main.py").write_text(MAIN)
    (root / "boot.py").write_text("")
    (root / "firmware" / "build.py").write_text(LOCK)
    (root / "firmware" / "words.py").write_text('NAME = "1.0"\n')
    (root / "firmware" / "board" / "pins.py").write_text("")
    (root / "firmware" / "__init__.py").write_text("")
    (root / "firmware" / "board" / "__init__.py").write_text("")
    return root


@pytest.fixture
def plug(tmp_path):
    """A board with files, and the path of its line. Bare without any."""
    boards = []

    def make(files=None):
        empty = tmp_path / "empty"
        empty.mkdir(exist_ok=True)
        board = VirtualBoard(tmp_path / f"board{len(boards)}", root=empty, files="littlefs", pace="real")
        boards.append(board)
        board.files.fill(files or {})
        board.power_on()
        path = board.open_pty()
        board.line.baud = 2_000_000
        return board, path

    yield make
    for board in boards:
        board.close()


def sources(tree) -> dict[str, bytes]:
    """The tree as somebody has put it on a board by hand."""
    names = ("boot.py", "main.py", "firmware/build.py", "firmware/words.py")
    return {f"/{name}": (tree / name).read_bytes() for name in names}


def test_first_deploy_to_a_bare_board_second_one_and_one_changed_file(plug, tree, await_lock):
    board, path = plug()
    said = []
    first = deploy(path, None, said.append, tree)
    assert {"/boot.py", "/main.py", "/firmware/build.mpy"} <= set(first.put) and first.removed == []
    assert said[-1] == "LobbyLock 1.0 runs." and board.reset_causes[-1] == 2
    assert any("esp32-devkitc is taken" in line for line in said)
    assert set(board.files.read_all()) == set(first.put)
    await_lock()
    operations = board.flash.operations
    second = deploy(path, None, said.append, tree)
    assert (second.put, second.removed) == ([], [])
    assert "Nothing has changed; the board starts again." in said
    # Holding main.py back and giving its name back to it is all that was done.
    assert board.flash.operations - operations < 40
    (tree / "firmware" / "words.py").write_text('NAME = "1.1"\n')
    third = deploy(path, None, said.append, tree)
    assert 1 <= len(third.put) < len(first.put) and "/main.py" not in third.put and third.removed == []
    assert said[-1] == "LobbyLock 1.1 runs."


def test_what_is_no_longer_there_goes_and_what_the_lock_keeps_stays(plug, tree, await_lock):
    stale = {"/firmware/core/old.mpy": b"x", "/lib/old.py": b"x", "/b/firmware/build.mpy": b"x", "/slot": b"a"}
    board, path = plug({**sources(tree), **stale, **KEPT, "/mine.txt": b"mine"})
    await_lock()
    said = []
    result = deploy(path, None, said.append, tree)
    assert set(stale) | {"/firmware/build.py", "/firmware/words.py"} == set(result.removed)
    assert {f"- {name}" for name in stale} <= set(said)
    files = board.files.read_all()
    assert {name: files[name] for name in KEPT} == KEPT and files["/mine.txt"] == b"mine"
    assert set(files) - set(KEPT) - {"/mine.txt"} == {
        name for name in ("/boot.py", "/main.py", *result.put) if name in files
    }


@pytest.mark.parametrize("way", ["cable", "power"])
def test_broken_off_in_the_middle_it_goes_on_the_next_time(plug, tree, way, await_lock, monkeypatch):
    for number in range(6):
        (tree / "lib" / f"part{number}.py").write_text(f"def part():\n    return {number}, '{'x' * 900}'\n")
    imports = "".join(f"import part{number}\n" for number in range(6))
    used = " + ".join(f"part{number}.part()[1][:0]" for number in range(6))
    (tree / "firmware" / "words.py").write_text(f'{imports}NAME = {used} + "1.0"\n')
    # A tree from before, so that there is a main.py that must not start half of the new one.
    board, path = plug({**sources(tree), "/firmware/words.py": b'NAME = "0.9"\n'})
    done = []

    def break_off(line):
        if line.startswith("+ "):
            done.append(line[2:])
        if len(done) == 1:
            if way == "power":
                # Through the same cable.
                board.power_off()
            board.close_pty()

    usual_ms = deploying._HELLO_MS
    await_lock()
    with pytest.raises(UserError, match="put the cable back in and run this again"):
        deploy(path, None, break_off, tree)
    assert done
    board.power_on()
    path = board.open_pty()
    # Nothing of it runs; the prompt is there.
    assert board.run_until(lambda: board.at_repl, PATIENT_S * 1000)
    monkeypatch.setattr(deploying, "_HELLO_MS", usual_ms)
    assert "/main.py" not in board.files.read_all()
    said = []
    result = deploy(path, None, said.append, tree)
    assert done[0] not in result.put and said[-1] == "LobbyLock 1.0 runs."
    assert not {"/main.held", "/deploy.part"} & set(board.files.read_all())


def test_a_claimed_board_is_refused_and_goes_on(plug, tree, await_lock):
    source = sources(tree)
    source["/firmware/build.py"] = LOCK.replace("CLAIMED = False", "CLAIMED = True").encode()
    board, path = plug(source)
    await_lock()
    with pytest.raises(UserError, match="claimed: only its owner") as caught:
        deploy(path, None, print, tree)
    assert f"`lobbylock owner reset maple-12/front --port {path}`" in str(caught.value)
    assert not board.at_repl and board.files.read_all() == source


def test_a_full_file_system_is_a_sentence(plug, tree):
    (tree / "lib" / "big.py").write_text("def big():\n    return " + repr("x" * 40_000) + "\n")
    (tree / "firmware" / "words.py").write_text('import big\nNAME = big.big()[:0] + "1.0"\n')
    _, path = plug({"/filler": bytes(1_000_000)})
    with pytest.raises(UserError, match="file system is full"):
        deploy(path, None, print, tree)


def test_a_board_that_says_nothing_is_a_sentence(plug, tree, monkeypatch):
    monkeypatch.setattr(deploy_prompt, "_PROMPT_S", 1.0)
    monkeypatch.setattr(deploy_prompt, "_TRY_S", 1)
    silent = b"import micropython, time\nmicropython.kbd_intr(-1)\nwhile True: time.sleep(1)"
    _, path = plug({"/main.py": silent})
    with pytest.raises(UserError, match="answers neither as a lock nor with"):
        deploy(path, None, print, tree)


def test_ports_that_are_not_there_or_in_use_and_wrong_boards(plug, tree, capsys):
    assert command.main(["deploy"]) == 2
    assert "Name the serial port, PORT=..." in capsys.readouterr().err
    assert command.main(["deploy", "--port", "/dev/nowhere"]) == 2
    assert "There is no port /dev/nowhere" in capsys.readouterr().err
    _, path = plug()
    with serial.serial_for_url(path, exclusive=True):
        assert command.main(["deploy", "--port", path]) == 2
    assert "is in use" in capsys.readouterr().err
    with pytest.raises(UserError, match="toaster"):
        deploy(path, "toaster", print, tree)


def test_the_lock_itself_is_asked_for_its_prompt_and_runs_again(tmp_path, capsys, await_lock):
    await_lock()
    with VirtualBoard(tmp_path / "board", files="littlefs", use_mpy=True, pace="real") as board:
        board.files.remove("/firmware/console/export.mpy")
        board.files.write("/lib/old.py", b"x")
        board.power_on()
        path = board.open_pty()
        board.line.baud = 2_000_000
        assert command.main(["deploy", "--port", path]) == 0
        said = capsys.readouterr().out.splitlines()
        assert said[0].endswith("belongs to nobody.")
        assert said[1:3] == ["- /lib/old.py", "+ /firmware/console/export.mpy"]
        assert said[3].startswith("1 files put (") and said[4].startswith("LobbyLock ") and len(said) == 5
        assert not board.at_repl
