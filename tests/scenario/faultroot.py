"""A board whose tasks can be made to fail: the lock as it is, and a main.py that reads `fault.txt` before it starts.

One line: name of the task's module, its class, what becomes of it, and after how many ms (below 60,000). Modules are
those of firmware/task, and the two that stand in for a task until it is needed.
"""

from pathlib import Path

from lobbylock.house import ROOT

# What reaches into the lock's modules keeps them apart, which takes more than the files of a board do.
HEAP = "340k"

_MAIN = """
import asyncio
import gc

gc.threshold(8192)
try:
    with open("fault.txt") as file:
        module, kind, how, after_ms = file.read().split()
except OSError:
    module = ""

async def fail(self, *given):
    try:
        await asyncio.wait_for_ms(work(self, *given), int(after_ms))
    except asyncio.TimeoutError:
        pass
    if how == "raise":
        raise ValueError("injected")
    if how == "memory":
        bytearray(1 << 30)
    if how == "cancel":
        raise asyncio.CancelledError
    if how == "exit":
        raise SystemExit
    if how == "hang":
        await asyncio.Event().wait()

if module in ("ledger", "journal"):
    from firmware.board import flash
    from firmware.core.errors import FlashError

    find = flash.partition

    def partition(label):
        if label == module:
            raise FlashError("injected")
        return find(label)

    flash.partition = partition
elif module:
    room = "firmware." if module in ("keyway", "lobby") else "firmware.task."
    task = getattr(__import__(room + module, None, None, (kind,)), kind)
    work = task.run
    task.run = fail

from firmware.build import run

run()
"""


def make(folder: Path) -> Path:
    """Returns the folder of such a board."""
    folder.mkdir()
    for name in ("boot.py", "firmware", "lib"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "main.py").write_text(_MAIN)
    return folder


def put(room, module: str, kind: str = "-", how: str = "raise", after_ms: int = 5_000) -> None:
    room.board.vfs.mkdir(parents=True, exist_ok=True)
    (room.board.vfs / "fault.txt").write_text(f"{module} {kind} {how} {after_ms}")


def take_away(room) -> None:
    (room.board.vfs / "fault.txt").unlink()
