"""One fault, one run of the whole board, and what has to be true of it afterwards."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from instrument import ALLOCATION, AWAIT, IO, Site
from probetree import Tree
from visits import VISITS, FlashImage, Lockroom, Stage, press

from lobbylock import house
from lobbylock.signature import is_signed

house.open_path()

import cose  # noqa: E402

from firmware.core import event, ratchet  # noqa: E402
from firmware.store.journal import Journal  # noqa: E402

ERRORS = {ALLOCATION: "MemoryError", IO: "OSError", AWAIT: "RuntimeError"}

# How an injected fault ended.
HANDLED = "handled"
RESET = "reset"
# The run came by other ways than the one that was recorded: a phone's signatures are never the same twice.
NOT_REACHED = "not reached"

_RELEASE_MS = 5_000
# The peripheral counts in 3.2 us, and the board's clock in what its code costs.
_TOLERANCE_MS = 20
_HARD_RESET = 2
_DOOR = "maple-12/front"
# A fault in what writes down that a task has failed leaves only the next start to tell of it.
_SUPERVISION = ("firmware/task/supervise.py", "firmware/build.py", "firmware/board/chip.py", "main.py")


@dataclass(frozen=True)
class Case:
    """A fault at probe `site` during the visit `visit`, when it is reached once more than `skip` times.

    `harm` comes instead of an error, to see whether it is noticed: "STRIKE" or "JOURNAL", see board_probe.
    """

    visit: str
    site: int
    kind: str
    skip: int = 0
    harm: str = ""


@dataclass
class Outcome:
    """`ended` is HANDLED, RESET or NOT_REACHED; `problems` are the sentences that say what was not as it has to be."""

    case: Case
    ended: str
    problems: list[str]
    console: list[str]


class Trail:
    """The journal of a board that stands still: `records` by seq, `events` decoded, `problems` of what does not hold.

    `earlier` is the trail of the same board some time ago, whose next key authenticates what came since.
    """

    def __init__(self, room: Lockroom, earlier: "Trail | None" = None) -> None:
        self.records: dict[int, bytes] = {}
        self.events: list[event.Event] = []
        self.problems: list[str] = []
        self._tags: dict[int, bytes] = {}
        self._heads: dict[int, bytes] = {}
        image = room.board.flash.partition("journal")
        head = event.genesis(room.public_key)
        journal = Journal(FlashImage(image), head, 0, 0, None)
        for seq, before, record, tag in journal._events_from(1):
            found = event.decode(record)
            self._check(found.seq == seq == len(self.records) + 1, f"event {found.seq} stands at {seq}")
            self._check(before == head, f"the chain breaks before event {seq}")
            if found.kind == event.SEAL:
                self._check_seal(found, before, room.public_key)
            head = event.next_head(before, record)
            self.records[seq], self._tags[seq], self._heads[seq] = record, tag, head
            self.events.append(found)
        self._check(journal.head == head and journal.seq == len(self.records), "the newest event is another one")
        self._check(not journal.is_broken, "there is no key for the next event")
        self.next_key = journal.next_key
        if earlier:
            self._check_keys(earlier, image)

    def _check(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)

    def _check_seal(self, found: event.Event, before: bytes, public_key: bytes) -> None:
        signed = cose.to_be_signed(event.seal_payload(_DOOR, found, before))
        self._check(is_signed(public_key, signed, found.details[event.SIGNATURE]), f"seal {found.seq} does not hold")

    def _check_keys(self, earlier: "Trail", image: bytes) -> None:
        for seq, record in earlier.records.items():
            self._check(self.records.get(seq) == record, f"event {seq} from before the fault is gone or another")
        key = earlier.next_key
        for seq in range(len(earlier.records) + 1, len(self.records) + 1):
            self._check(self._tags[seq] == ratchet.tag(key, self._heads[seq]), f"the tag of event {seq} does not hold")
            self._check(key not in image, f"the key of event {seq} is still in the flash")
            key = ratchet.following(key)
        self._check(key == self.next_key, "the next key is another one")


def run(tree: Tree, case: Case, folder: Path) -> Outcome:
    """Plays the visit with the fault in it, a visit after it, and looks at everything. `folder` is made and removed."""
    try:
        with Stage(tree, case.visit, folder, tree.folder / case.visit) as stage:
            return _Run(stage, case, tree.sites[case.site]).play()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Run:
    def __init__(self, stage: Stage, case: Case, site: Site) -> None:
        self._stage = stage
        self._room = stage.room
        self._board = stage.board
        self._case = case
        self._site = site
        self._problems: list[str] = []

    def play(self) -> Outcome:
        visit, _, show_again, exits = VISITS[self._case.visit]
        self._stage.start()
        before = Trail(self._room)
        fault = self._case.harm or ERRORS[self._case.kind]
        self._stage.order(f"{self._case.site} {fault} {self._case.skip}")
        visit(self._room)
        self._check(not self._room.is_released, "the strike is not at rest after the visit")
        self._check(self._stage.await_start(), "the lock did not come up again")
        self._board.run_for(8_000)
        was_let_in = len(self._room.pulses)
        self._serve_somebody()
        shown = len(self._room.pulses)
        show_again(self._room)
        self._board.run_for(7_000)
        again = len(self._room.pulses) - shown
        self._check(not (was_let_in > exits and again), "what was for one use opened twice")
        self._board.power_off()
        after = Trail(self._room, before)
        self._check_strike(after, exits)
        self._check_trail(after)
        self._check(self._has_fired() or len(self._board.reset_causes) == 1, "a reset without a fault")
        ended = RESET if len(self._board.reset_causes) > 1 else HANDLED if self._has_fired() else NOT_REACHED
        return Outcome(self._case, ended, self._problems, list(self._board.console))

    def _check(self, holds: bool, problem: str) -> None:
        if not holds:
            self._problems.append(problem)

    def _has_fired(self) -> bool:
        return any(line.startswith(f"probe {self._case.site} ") for line in self._board.console)

    def _serve_somebody(self) -> None:
        """A right code opens, now that the fault is over."""
        before = len(self._room.board.strike.pulses)
        press(self._room, self._room.code())
        opened = self._board.run_until(lambda: self._room.is_released, 15_000)
        self._check(opened, "a right code did not open afterwards")
        self._board.run_for(7_000)
        self._check(len(self._room.pulses) == before + opened, "the strike is not at rest after the code")

    def _check_strike(self, after: Trail, exits: int) -> None:
        self._check(not self._board.at_repl, "the board showed its prompt")
        self._check(not self._room.is_released, "the strike is released at the end")
        longest_ms = max(self._room.pulses, default=0)
        self._check(longest_ms <= _RELEASE_MS + _TOLERANCE_MS, f"the strike was released for {longest_ms} ms")
        granted = sum(e.kind == event.ACCESS and e.details[event.REASON] == event.GRANTED for e in after.events)
        self._check(len(self._room.pulses) <= granted + exits, "the door opened more often than somebody was let in")

    def _check_trail(self, after: Trail) -> None:
        self._problems += after.problems
        starts = self._board.reset_causes
        boots = [found for found in after.events if found.kind == event.BOOT]
        self._check(len(boots) >= len(starts), "a start is not in the journal")
        if len(starts) == 1:
            return
        self._check(starts[1:] == [_HARD_RESET], f"starts of causes {starts}")
        self._check(boots[-1].details[event.CAUSE] == starts[-1], "the start's cause is another one in the journal")
        if self._site.path not in _SUPERVISION:
            failed = [found for found in after.events if found.kind == event.TASK_FAILED]
            self._check(len(failed) == 1 and bool(failed[0].details[event.NAME]), f"{len(failed)} events of the task")
