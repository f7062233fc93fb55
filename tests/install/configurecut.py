"""The power cut at every flash operation of a change of settings, on the real firmware with its real file system.

The board has settings A and gets B over its serial line; or it has neither owner nor settings, and gets both. In front
of each program and erase from the first request on until B is in force, in the middle of it and with only its end done,
the power fails; and at each message of the host the cable is pulled. The board has to come up, or stay, by itself with
what it had or with B, whole; and the same once more has to lead to B.
"""

import argparse
import shutil
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from lock_case import BoardPort

from lobbylock import house

house.open_path()

from lobbylock.console.client import Client, Refused  # noqa: E402
from lobbylock.console.status import read_status  # noqa: E402
from lobbylock.errors import UserError  # noqa: E402
from lobbylock.settings import Options, compose  # noqa: E402
from lobbylock.signature import Signer  # noqa: E402
from virtualboard import VirtualBoard  # noqa: E402

HOWS = ("before", "prefix", "suffix")
OWNER = Signer(b"\x66" * 32)
DOOR = "maple-12/front"
_TRIAL_MS = 125_000
_STARTS = 4


def settings(release_ms: int) -> bytes:
    """Returns settings of the door that differ in one field."""
    building, door = DOOR.split("/")
    return compose(building, door, 3, b"\x01" * 32, b"\x02" * 32, Options(release_ms=release_ms, camera="off"))


A, B = settings(5_000), settings(3_000)


class Broken(AssertionError):
    """What must not come of a power cut."""


class Bench:
    """A board in `folder`, new or claimed and with settings A; each case works on a copy."""

    def __init__(self, folder: Path, *, is_new: bool) -> None:
        self._folder = folder
        self._is_new = is_new
        self._first = folder / "first"
        with self._board(self._first) as board:
            board.power_on()
            with Client(BoardPort(board)) as client:
                client.wait_for_start()
                if not is_new:
                    change(client, A)
            # What the start puts off is done, so that the cases differ by what is looked at.
            board.run_for(_TRIAL_MS)
            board.power_off()

    def _board(self, state: Path) -> VirtualBoard:
        board = VirtualBoard(state, use_mpy=True, files="littlefs")
        board.wlan.available = False
        return board

    def count(self) -> int:
        """Returns how many flash operations the change makes when nothing goes wrong."""
        return self.play(0, HOWS[0])

    def play(self, operation: int, how: str) -> int:
        """Plays one case; an operation of 0 cuts nothing. Returns how many operations the change came to.

        Raises Broken.
        """
        state = self._folder / "case"
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(self._first, state)
        with self._board(state) as board:
            board.power_on()
            with Client(BoardPort(board), patience_ms=0) as client:
                client.wait_for_start()
                before = board.flash.operations
                board.flash.cut_power_at(operation, how)
                try:
                    change(client, B)
                except UserError as error:
                    if board.is_powered:
                        raise Broken(f"without a power cut: {error}") from None
                operations = board.flash.operations - before
            if not board.is_powered:
                self._recover(board)
            require(board, {B})
        return operations

    def pull(self, message: int) -> int:
        """Pulls the cable at the host's `message`-th write, and begins again; returns how many it came to.

        The board stays on. A message of 0 pulls nothing. Raises Broken.
        """
        state = self._folder / "case"
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(self._first, state)
        with self._board(state) as board:
            board.power_on()
            port = BoardPort(board)
            with Client(port, patience_ms=0) as client:
                client.wait_for_start()
                before = port.written
                port.pull_at(message)
                try:
                    change(client, B)
                except UserError as error:
                    if not port.is_gone:
                        raise Broken(f"without a pulled cable: {error}") from None
                written = port.written - before
            if port.is_gone:
                self._recover(board)
            require(board, {B})
        return written

    def _recover(self, board: VirtualBoard) -> None:
        board.flash.cut_power_at(0)
        board.power_on()
        with Client(BoardPort(board)) as client:
            hello = client.wait_for_start().fields
            if not self._is_new and (hello["door"] != DOOR or hello["claimed"] is not True):
                raise Broken(f"it came up as {hello}")
            require(board, {None, B} if self._is_new else {A, B})
            change(client, B)


def change(client: Client, data: bytes) -> None:
    """Does what an installation does about owner and settings, until they are in force."""
    hello = client.hello()
    if hello.fields["claimed"] is not True:
        client.ask("claim", owner=OWNER.public_key.hex())
    client.sign_in(OWNER, bytes.fromhex(hello.text("public_key")))
    digest = sha256(data).hexdigest()
    for _ in range(_STARTS):
        status = read_status(client)
        if status.get("settings", "trial") == digest:
            client.port.sleep_ms(_TRIAL_MS)
        elif status.get("settings", "sha256") == digest:
            client.sign_out()
            return
        else:
            boot = client.hello().number("boot")
            client.send("settings", data)
            try:
                client.ask("apply", sha256=digest, timeout_ms=20_000)
            except Refused as error:
                raise Broken(f"it does not take them: {error}") from None
            while client.wait_for_start().number("boot") == boot:
                client.port.sleep_ms(1_000)
    raise Broken("the settings do not come into force")


def require(board: VirtualBoard, allowed: set[bytes | None]) -> None:
    """Looks at the line and at the file itself. Raises Broken."""
    judge(board.files.read_all().get("/settings.json"), board.at_repl, allowed)


def judge(found: bytes | None, is_at_prompt: bool, allowed: set[bytes | None]) -> None:
    """`found` is what is in settings.json, None if there is none. Raises Broken."""
    if is_at_prompt:
        raise Broken("a prompt is on the line")
    if found not in allowed:
        raise Broken(f"settings.json is {found!r:.100}")


def sweep(folder: Path, step: int, *, is_new: bool) -> int:
    """Plays every `step`-th operation in all ways and prints what broke; returns how often something did."""
    bench = Bench(folder, is_new=is_new)
    count = bench.count()
    cases = [(operation, how) for operation in range(1, count + 1, step) for how in HOWS]
    failed = 0
    for operation, how in cases:
        try:
            bench.play(operation, how)
        except Broken as error:
            failed += 1
            print(f"operation {operation}, {how}: {error}", flush=True)
    messages = range(1, bench.pull(0) + 1, step)
    for message in messages:
        try:
            bench.pull(message)
        except Broken as error:
            failed += 1
            print(f"message {message}: {error}", flush=True)
    what = "owner and first settings" if is_new else "change of settings"
    pulled = f"the cable pulled {len(messages)} times"
    print(f"{what}: {count} flash operations, {len(cases)} cuts, {pulled}, {failed} failures", flush=True)
    return failed


def main() -> int:
    """Sweeps both; returns 1 if a cut broke something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int, default=1, help="play only every so many-th operation")
    step = parser.parse_args().step
    failed = 0
    for is_new in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            failed += sweep(Path(folder), step, is_new=is_new)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
