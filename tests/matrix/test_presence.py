"""A door's presence against a model that looks at the whole day at once instead of living through it."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from firmware.core import event
from firmware.core.door import Door

RELEASE_MS, HELD_MS, GRACE_MS = 5_000, 30_000, 500


class Strike:
    def __init__(self):
        self.until_ms = 0
        self.now_ms = 0

    def pulse(self, duration_ms):
        self.until_ms = self.now_ms + duration_ms


class PresenceMachine(RuleBasedStateMachine):
    """Lives through a day with `core.door`, as the doorway does: `tick` at the moments that the door asks for."""

    @initialize(has_contact=st.booleans(), is_open=st.booleans())
    def begin(self, has_contact, is_open):
        self.strike = Strike()
        self.door = Door(self.strike, RELEASE_MS, HELD_MS)
        self.now_ms = 0
        self.told = []
        # What was done: (when, what, access_seq).
        self.done = []
        self.has_contact = has_contact
        self.starts_open = has_contact and is_open
        self.is_open = self.starts_open
        self.seq = 0
        if has_contact:
            self.tell(self.door.start(is_open, 0))

    def tell(self, happened):
        self.told += [(self.now_ms, kind, details.get(event.ACCESS_SEQ)) for kind, details in happened]

    @rule()
    def let_in(self):
        self.seq += 1
        self.done.append((self.now_ms, "grant", self.seq))
        self.tell(self.door.release(event.BY_ACCESS, self.seq, self.now_ms))
        self.pass_ms(1)

    @rule()
    def leave(self):
        self.done.append((self.now_ms, "exit", None))
        self.tell(self.door.release(event.BY_EXIT, None, self.now_ms))
        self.pass_ms(1)

    @rule()
    def move_door(self):
        if self.has_contact:
            self.is_open = not self.is_open
            self.done.append((self.now_ms, "open" if self.is_open else "close", None))
            self.tell(self.door.contact(self.is_open, self.now_ms))
            self.pass_ms(1)

    @rule(step_ms=st.sampled_from((1, 40, 499, 500, 501, 2_000, 4_999, 5_000, 5_001, 31_000)))
    def wait(self, step_ms):
        self.pass_ms(step_ms)

    def pass_ms(self, step_ms):
        """No two things are done in one millisecond: only the door would know which came first."""
        end_ms = self.now_ms + step_ms
        while True:
            due_ms = self.door.next_ms()
            if due_ms is None or due_ms > end_ms:
                break
            self.now_ms = self.strike.now_ms = max(due_ms, self.now_ms)
            self.tell(self.door.tick(self.now_ms))
        self.now_ms = self.strike.now_ms = end_ms
        self.tell(self.door.tick(end_ms))

    def releases(self):
        """Returns [start, end, [(when, access_seq) of those let in]] of each time in which the strike does not rest."""
        found = []
        for at_ms, what, seq in self.done:
            if what in ("grant", "exit"):
                # What the door notes a moment later counts from the end of the pulse.
                if not found or at_ms >= found[-1][1]:
                    found.append([at_ms, at_ms + RELEASE_MS, []])
                found[-1][1] = max(found[-1][1], at_ms + RELEASE_MS)
                if what == "grant":
                    found[-1][2].append((at_ms, seq))
        return found

    def openings(self):
        """Returns [opened, closed or None, access_seq or None, whether it was forced] of each time it was open."""
        found = [[0, None, None, False]] if self.starts_open else []
        for at_ms, what, _ in self.done:
            if what == "open":
                last = [each for each in self.releases() if each[0] <= at_ms]
                is_let = bool(last) and at_ms < last[-1][1] + GRACE_MS
                let_in = [seq for when_ms, seq in last[-1][2] if when_ms <= at_ms] if is_let else []
                found.append([at_ms, None, let_in[-1] if let_in else None, not is_let])
            elif what == "close":
                found[-1][1] = at_ms
        return found

    def not_opened(self):
        """Returns (when it is said, access_seq) of those for whom the door stayed closed."""
        openings = self.openings()
        releases = self.releases()
        found = []
        for number, (_, end_ms, let_in) in enumerate(releases):
            due_ms = end_ms + GRACE_MS
            if number + 1 < len(releases):
                due_ms = min(due_ms, releases[number + 1][0])
            for when_ms, seq in let_in[-8:]:
                is_seen = any(
                    opened < due_ms and (closed is None or closed > when_ms) for opened, closed, _, _ in openings
                )
                if self.has_contact and not is_seen and due_ms <= self.now_ms:
                    found.append((due_ms, seq))
        return found

    def teardown(self):
        self.pass_ms(6_000)
        told = [(kind, seq) for _, kind, seq in self.told]
        assert [(at_ms, seq) for at_ms, kind, seq in self.told if kind == event.NOT_OPENED] == self.not_opened()
        openings = self.openings()
        assert [pair for pair in told if pair[0] in (event.DOOR_OPENED, event.DOOR_FORCED)] == [
            (event.DOOR_FORCED if is_forced else event.DOOR_OPENED, seq) for _, _, seq, is_forced in openings
        ]
        closed = [seq for _, closed_ms, seq, _ in openings if closed_ms is not None]
        assert [seq for kind, seq in told if kind == event.DOOR_CLOSED] == closed
        # Nobody both came in and stayed outside.
        came = {seq for _, _, seq, _ in openings if seq is not None}
        assert not came & {seq for _, seq in self.not_opened()}


PresenceMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, database=None, derandomize=True
)
TestPresence = PresenceMachine.TestCase
