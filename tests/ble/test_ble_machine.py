"""Three phones and somebody in between, who passes on, repeats, swallows, cuts, changes and crosses what they write."""

from __future__ import annotations

from typing import Any

import pytest
from ble_lock_case import Claim, End, LockCase
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from firmware.core import event
from lobbylock.phone import Phone, holder, new_key

# Two of them are copies of one.
OF = (0, 1, 1)
USES = 2
MAX_ACT_MS = 10_000
_KEYS = [new_key() for _ in set(OF)]
_who = st.integers(0, len(OF) - 1)


class Witnessed(Phone):
    """Says behind which message it made its proof."""

    end: End
    proved_after: int | None = None

    def prove(self, challenge: bytes, channel: bytes = b"", act_ms: int | None = None) -> bytes | None:
        self.proved_after = self.end.messages
        return super().prove(challenge, channel, act_ms)


class Person:
    """One phone, and all that becomes of it."""

    def __init__(self, number: int, claim: Claim) -> None:
        self.credential = b"credential %d, which is as long as one is " % number * 8
        self.key = _KEYS[number]
        self.claim = claim
        self.phone: Witnessed | None = None
        self.end: End | None = None
        self.task: Any = None
        self.is_pressed = False
        # What of that which the phone wrote came through, in order.
        self.passed: list[bytes] = []

    @property
    def is_here(self) -> bool:
        return self.end is not None and not self.end.is_lost

    @property
    def is_sound(self) -> bool:
        """Whether a whole exchange has come through up to the proof, and nothing else."""
        if not self.end or not self.phone or self.phone.proved_after is None or not self.is_pressed:
            return False
        count = sum(bool(chunk[0] & 0x40) for chunk in self.passed)
        return count > self.phone.proved_after and self.end.sent[: len(self.passed)] == self.passed


class Street(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.case = LockCase()
        self.claims = [Claim(holder(key), USES) for key in _KEYS]
        self.people = [Person(number, self.claims[number]) for number in OF]
        for person in self.people:
            self.case.gate.known[person.credential] = person.claim
        self.sound_ends: list[set[int]] = [set() for _ in self.claims]
        self.ends: list[End] = []

    # What phones do.

    @rule(who=_who, mtu=st.sampled_from((23, 185, 247)), pressed_ms=st.sampled_from((0, 0, 2_000, 11_000, None)))
    def connect(self, who: int, mtu: int, pressed_ms: int | None) -> None:
        person = self.people[who]
        if person.is_here:
            return
        phone = Witnessed(person.credential, person.key, wants_receipt=True)
        made = self.case.connect(phone, mtu, pressed_ms)
        if made:
            person.passed = []
            person.phone = phone
            person.end, person.task = made
            phone.end = person.end
            # So that no other one gets its id.
            self.ends.append(person.end)
            # A press too long ago is none for a phone either: it says how long ago it was.
            person.is_pressed = pressed_ms is not None and pressed_ms <= MAX_ACT_MS
        self.case.run_for(20)

    @rule(who=_who, count=st.integers(1, 9))
    def pass_some(self, who: int, count: int) -> None:
        for _ in range(count):
            if not self._pass(self.people[who]):
                break
        self.case.run_for(40)

    @rule(who=_who)
    def pass_all(self, who: int) -> None:
        self._pass_all(self.people[who], 40)

    def _pass(self, person: Person) -> bool:
        end = person.end
        if not end or not end.pending or end.is_lost:
            return False
        chunk = end.pending.popleft()
        end.put(chunk)
        person.passed.append(chunk)
        if person.is_sound:
            self.sound_ends[self.claims.index(person.claim)].add(id(end))
        return True

    def _pass_all(self, person: Person, rounds: int) -> None:
        for _ in range(rounds):
            while self._pass(person):
                pass
            self.case.run_for(35)
            if not person.is_here:
                break

    @rule(who=_who)
    def hang_up(self, who: int) -> None:
        end = self.people[who].end
        if end:
            end.hang_up()
        self.case.run_for(20)

    @rule(ms=st.sampled_from((5, 60, 240, 1_000, 3_100, 6_000)))
    def wait(self, ms: int) -> None:
        self.case.run_for(ms)

    # What somebody in between does.

    def _put(self, person: Person, *chunks: bytes) -> None:
        for chunk in chunks:
            if person.end and not person.end.is_lost:
                person.end.put(chunk)
        self.case.run_for(20)

    def _touch(self, who: int, how: str, number: int) -> None:
        person = self.people[who]
        end = person.end
        if not end or end.is_lost:
            return
        pending = end.pending
        others = [one.end for one in self.people if one is not person and one.end]
        if how == "repeat" and person.passed:
            self._put(person, person.passed[-1 - number % len(person.passed)])
        elif how == "repeat all":
            self._put(person, *person.passed)
        elif how == "make up":
            self._put(person, bytes([number & 255]) * (number % 50))
        elif how == "begin anew":
            self._put(person, b"\xc0\x01" + bytes([number & 255]) * 32)
        elif how == "cross" and others:
            other = others[number % len(others)]
            self._put(person, *(list(other.pending) or other.sent[-1:]))
        elif how == "swallow" and pending:
            del pending[number % len(pending)]
        elif how == "swap" and len(pending) > 1:
            pending.rotate(1 + number % (len(pending) - 1))
            self._put(person, pending.popleft())
        elif how == "change" and pending:
            chunk = bytearray(pending.popleft())
            chunk[number % len(chunk)] ^= 1 << number % 8
            self._put(person, bytes(chunk))
        elif how == "cut" and pending:
            chunk = pending.popleft()
            self._put(person, chunk[: number % len(chunk)])

    _hows = st.sampled_from(
        ("repeat", "repeat all", "make up", "begin anew", "cross", "swallow", "swap", "change", "cut")
    )

    @rule(who=_who, how=_hows, number=st.integers(0, 2_000))
    def touch(self, who: int, how: str, number: int) -> None:
        self._touch(who, how, number)

    @rule(who=_who, mtu=st.sampled_from((23, 247)), how=_hows, number=st.integers(0, 2_000), after=st.integers(0, 90))
    def visit_disturbed(self, who: int, mtu: int, how: str, number: int, after: int) -> None:
        """A visit in which one thing happens, and everything else comes through."""
        self.hang_up(who)
        self.connect(who, mtu, 0)
        person = self.people[who]
        for _ in range(120):
            while len(person.passed) < after and self._pass(person):
                pass
            if len(person.passed) >= after and person.end and person.end.pending:
                self._touch(who, how, number)
                break
            self.case.run_for(35)
            if not person.is_here:
                break
        self._pass_all(person, 40)

    @rule(who=_who, pressed_ms=st.sampled_from((0, 0, 9_000, 10_500, None)))
    def visit_undisturbed(self, who: int, pressed_ms: int | None) -> None:
        """A phone that nobody disturbs is served, whatever was before."""
        for one in range(len(self.people)):
            self.hang_up(one)
        self.case.run_for(1_500)
        person = self.people[who]
        left = person.claim.left
        self.connect(who, 247, pressed_ms)
        # A rest after refusals is the longest that it may take.
        for _ in range(600):
            self._pass_all(person, 1)
            if person.task.done():
                break
        assert person.phone is not None
        if not left:
            assert person.task.result() == event.ALREADY_USED
        elif pressed_ms == 0:
            assert person.task.result() == event.GRANTED and len(person.phone.receipts) == 1
            assert person.claim.left == left - 1
        elif not person.is_pressed:
            assert person.claim.left == left

    # What holds whatever they do.

    @invariant()
    def nothing_opens_without_a_whole_exchange(self) -> None:
        if not hasattr(self, "case"):
            return
        granted = [at + 1 for at, (kind, details) in enumerate(self.case.trail.events) if _is_grant(kind, details)]
        # Each grant opened once, each opening has its event.
        assert self.case.released == granted
        assert len(granted) == sum(USES - claim.left for claim in self.claims)
        receipts = [details[event.ACCESS_SEQ] for kind, details in self.case.trail.events if kind == event.RECEIPT]
        assert len(set(receipts)) == len(receipts) and set(receipts) <= set(granted)
        for claim, ends in zip(self.claims, self.sound_ends, strict=True):
            assert USES - claim.left <= len(ends)


def _is_grant(kind: int, details: dict[int, Any]) -> bool:
    return kind == event.ACCESS and details[event.REASON] == event.GRANTED


def _options(examples: int, is_random: bool) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        derandomize=not is_random,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )


class TestStreet(Street.TestCase):
    settings = _options(15, is_random=False)


@pytest.mark.slow
@pytest.mark.timeout(3_000)
class TestLongStreet(Street.TestCase):
    settings = _options(2_000, is_random=True)
