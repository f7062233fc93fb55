"""Puts the working tree on an unclaimed board: what differs, compiled for its chip, through MicroPython's prompt.

main.py is held back until everything else is there. So a board on which this was broken off starts nothing, but stands
at the prompt, and the next time goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from lobbylock import boards
from lobbylock.boards import Board
from lobbylock.console.client import Client, NoAnswer
from lobbylock.console.line import SerialPort
from lobbylock.deploy_prompt import MAIN, Prompt
from lobbylock.errors import UserError
from lobbylock.house import ROOT
from lobbylock.image import assembly
from lobbylock.names import NO_DOOR, is_door

# sys.implementation._mpy >> 10 & 15 -> what mpy-cross -march calls it; those that a lock can be.
_ARCHS = {2: "x64", 10: "xtensawin", 11: "rv32imc"}
# One that runs replies at once; one that has just got power is still starting.
_HELLO_MS = 4_000
_START_MS = 120_000
# Ctrl-B, with which the prompt introduces itself.
_ASK_BANNER = b"\r\x02"
_BANNER = "MicroPython v"
_BANNER_MS = 500

Say = Callable[[str], None]


@dataclass
class Result:
    """What was done, by full paths on the board."""

    put: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    bytes: int = 0


def deploy(port: str, board_name: str | None, say: Say, root: Path = ROOT) -> Result:
    """Brings the board at `port` up to the working tree in `root` and starts it; `say` is told each step as a sentence.

    `board_name` is a pin map's, for a board that cannot say which one it is. Raises UserError.
    """
    told_name = _make_way(port, say)
    name = board_name or told_name
    with Prompt(port) as prompt:
        about = prompt.inspect()
        board, arch = _choose(name, about.mpy, about.machine)
        if not name:
            say(f"The board does not say which one it is; {board.name} is taken. BOARD=... names another one.")
        result = _bring(prompt, about.files, assembly.build_files(board, arch, root).files, say)
        prompt.restart()
    what = f"{len(result.put)} files put ({result.bytes:,} bytes), {len(result.removed)} removed"
    say(f"{what if result.put or result.removed else 'Nothing has changed'}; the board starts again.")
    _await_start(port, say)
    return result


def _make_way(port: str, say: Say) -> str | None:
    """Has a lock end, so that the prompt is there. Returns which board it says it is, None if nobody says anything."""
    if _is_prompt(port):
        return None
    with Client(SerialPort(port)) as client:
        try:
            hello = client.wait_for_start(_HELLO_MS)
        except NoAnswer:
            # Perhaps another program, which can be interrupted.
            return None
        version = str(hello.fields.get("lobbylock"))
        if hello.fields.get("claimed") is not False:
            door = hello.fields.get("door")
            shown = door if isinstance(door, str) and is_door(door) and door != NO_DOOR else "BUILDING/DOOR"
            raise UserError(
                "This board is claimed: only its owner changes what it runs, with a signed version "
                "(`lobbylock update`), or makes it an unclaimed one again "
                f"(`lobbylock owner reset {shown} --port {port}`)."
            )
        say(f"The board runs LobbyLock {version} and belongs to nobody.")
        client.ask("develop")
        name = hello.fields.get("board")
        return name if isinstance(name, str) else None


def _is_prompt(port: str) -> bool:
    """Whether MicroPython's prompt is there. To a lock what is asked is no more than a bad line."""
    line = SerialPort(port).open()
    try:
        line.write(_ASK_BANNER)
        while (text := line.read_line(_BANNER_MS)) is not None:
            if text.startswith(_BANNER):
                return True
        return False
    finally:
        line.close()


def _choose(name: str | None, mpy: int, machine: str) -> tuple[Board, str]:
    """Returns the pin map, and what to compile for. Raises UserError for a board that no lock can be."""
    arch = _ARCHS.get(mpy >> 10 & 15)
    if arch is None:
        raise UserError(f"This is no board for a lock: {machine}. It has to be an ESP32 or ESP32-C3.")
    if name:
        board = boards.load(name)
    else:
        # The virtual board has the pins of the reference board and another core.
        known = [boards.load(each) for each in (boards.REFERENCE, *boards.names())]
        board = next((each for each in known if each.arch == arch), known[0])
    if arch != "x64" and board.arch != arch:
        raise UserError(f"{board.name} has another chip than this board ({machine}): BOARD=... names the right one.")
    return board, arch


def _bring(prompt: Prompt, old: dict[str, str], new: dict[str, bytes], say: Say) -> Result:
    """Removes and puts what differs; `old` has the SHA-256 of what is there, by path."""
    result = Result()
    result.removed = sorted(path for path in old if path not in new and not prompt.is_held(path))
    result.put = sorted(path for path, data in new.items() if old.get(path) != sha256(data).hexdigest())
    prompt.hold_main()
    if result.removed:
        prompt.remove(result.removed)
        for path in result.removed:
            say(f"- {path}")
    for path in result.put:
        if path != MAIN:
            prompt.put(path, new[path])
            say(f"+ {path}")
    if MAIN in result.put:
        prompt.put(MAIN, new[MAIN])
        say(f"+ {MAIN}")
    prompt.release_main(is_new=MAIN in result.put)
    result.bytes = sum(len(new[path]) for path in result.put)
    return result


def _await_start(port: str, say: Say) -> None:
    with Client(SerialPort(port)) as client:
        try:
            hello = client.wait_for_start(_START_MS)
        except NoAnswer:
            raise UserError(
                "The files are on the board, but the lock does not start from them: "
                f"`lobbylock doctor --port {port}` shows what it says."
            ) from None
    say(f"LobbyLock {hello.fields.get('lobbylock')} runs.")
