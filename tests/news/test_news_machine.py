"""Lists by phones, broker and serial line at once: in any order, repeated, cut, crossed, of several versions, forged.

Whatever comes, the list in force is a whole one that the issuer has signed, and its version never goes back.
"""

import os
import tempfile
from hashlib import sha256

import hypothesis.strategies as st
from fake_issuer import KID, FakeIssuer
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from news_case import BUILDING, Case, bring, make_list

from firmware.console import news as console_news
from firmware.console.request import Refusal
from firmware.core import event
from firmware.core.errors import PhoneGone

_STRANGER = FakeIssuer(secret=b"thief")
_VERSIONS = range(1, 6)


def ids_of(version: int) -> list[bytes]:
    """Returns what list `version` holds: some ids of the version before, and some of its own; 45 to 225 ids."""
    return sorted(sha256(b"%d" % number).digest()[:8] for number in range(40 * version, 85 * version))


LISTS = {version: make_list(version, ids_of(version)) for version in _VERSIONS}
WRONG = {
    "forged": lambda v: make_list(v, ids_of(v), issuer=_STRANGER),
    "unknown": lambda v: make_list(v, ids_of(v), kid=b"\x99" * 4),
    "elsewhere": lambda v: make_list(v, ids_of(v), building="oak-1"),
    "half": lambda v: LISTS[v][: len(LISTS[v]) // 2],
    "spoiled": lambda v: LISTS[v][:300] + bytes([LISTS[v][300] ^ 1]) + LISTS[v][301:],
    "crossed": lambda v: LISTS[v][:250] + LISTS[v % 5 + 1][250:],
    "descending": lambda v: make_list(v, ids_of(v)[::-1]),
    "twice": lambda v: make_list(v, sorted(ids_of(v) + ids_of(v)[:1])),
    "more": lambda v: make_list(v, ids_of(v), count=1001),
    "fewer": lambda v: make_list(v, ids_of(v), count=7),
    "behind": lambda v: LISTS[v] + b"more",
    "noise": lambda v: bytes(300),
}


class _Pause:
    def __await__(self):
        yield


class Session:
    """A phone or the broker, that waits before each answer. `is_gone` it when it is."""

    def __init__(self, news, data: bytes, version: int, is_remote: bool, piece: int, source: str) -> None:
        self.data = data
        self.list_version = version
        self.is_remote = is_remote
        self.piece = piece
        self.is_gone = False
        self.running = news.collect(self, source)
        self.is_over = False

    async def fetch(self, what: int, offset: int, most: int) -> bytes:
        assert what == 1 and 1 <= most <= 480
        await _Pause()
        if self.is_gone:
            raise PhoneGone()
        return self.data[offset : offset + min(most, self.piece)]

    def step(self) -> None:
        try:
            self.running.send(None)
        except StopIteration:
            self.is_over = True


class Console:
    """As much of the console as an upload asks for."""

    def __init__(self, news) -> None:
        self.news = news
        self.line = self

    async def give_way(self, quiet_ms: int, limit_ms: int) -> bool:
        return True


class NewsMachine(RuleBasedStateMachine):
    """A lock, and those who bring it news."""

    def __init__(self) -> None:
        super().__init__()
        self._home = os.getcwd()
        self._folder = tempfile.TemporaryDirectory()
        os.chdir(self._folder.name)
        self.case = Case()
        self.newest = 0
        self.is_lost = False
        self.sessions: list[Session] = []
        self.uploads: list = []

    def teardown(self) -> None:
        # Whatever has happened, one good visitor brings the newest list.
        self._drop_everybody()
        self.case.uptime.ms += 60_000
        bring(self.case.news, LISTS[5], 5)
        self.is_lost = False
        self.the_list_in_force_is_whole()
        assert self.case.news.version == 5
        if self.case.news.file:
            self.case.news.file.close()
        os.chdir(self._home)
        self._folder.cleanup()

    def _drop_everybody(self) -> None:
        for session in self.sessions:
            session.is_gone = True
            while not session.is_over:
                session.step()
        for upload, _ in self.uploads:
            upload.close()
        self.sessions, self.uploads = [], []
        assert self.case.news.coming is None

    @initialize(version=st.sampled_from([0, 1, 2]))
    def begin(self, version: int) -> None:
        if version:
            bring(self.case.news, LISTS[version], version)
            assert self.case.news.version == version

    @precondition(lambda self: len(self.sessions) < 4)
    @rule(
        version=st.sampled_from(_VERSIONS),
        wrong=st.sampled_from([None, None, *WRONG]),
        is_remote=st.booleans(),
        piece=st.sampled_from([60, 240, 480]),
        source=st.sampled_from(["phone", "mqtt"]),
        steps=st.integers(1, 6),
    )
    def somebody_comes(self, version, wrong, is_remote, piece, source, steps) -> None:
        data = WRONG[wrong](version) if wrong else LISTS[version]
        self.sessions.append(Session(self.case.news, data, version, is_remote, piece, source))
        self._step(self.sessions[-1], steps)

    def _step(self, session: Session, steps: int) -> None:
        for _ in range(steps):
            if not session.is_over:
                session.step()
        self.sessions = [each for each in self.sessions if not each.is_over]

    @precondition(lambda self: self.sessions)
    @rule(which=st.integers(0, 3), steps=st.integers(1, 8))
    def somebody_goes_on(self, which: int, steps: int) -> None:
        self._step(self.sessions[which % len(self.sessions)], steps)

    @precondition(lambda self: self.sessions)
    @rule(which=st.integers(0, 3))
    def somebody_leaves(self, which: int) -> None:
        session = self.sessions[which % len(self.sessions)]
        session.is_gone = True
        self._step(session, 3)

    @precondition(lambda self: len(self.uploads) < 2)
    @rule(version=st.sampled_from(_VERSIONS), wrong=st.sampled_from([None, None, *WRONG]))
    def serial_begins(self, version, wrong) -> None:
        data = WRONG[wrong](version) if wrong else LISTS[version]
        self.uploads.append((console_news.begin(Console(self.case.news), len(data)), data))

    @precondition(lambda self: self.uploads)
    @rule(which=st.integers(0, 1), pieces=st.integers(1, 25), back=st.integers(-1, 2))
    def serial_sends(self, which: int, pieces: int, back: int) -> None:
        upload, data = self.uploads[which % len(self.uploads)]
        for _ in range(pieces):
            # As it should be, one that was there already, or one too far.
            at = max(0, upload.have - 60 * back)
            try:
                _finish(upload.take(at, data[at : at + 120]))
            except Refusal:
                break

    @precondition(lambda self: self.uploads)
    @rule(which=st.integers(0, 1), is_committed=st.booleans())
    def serial_ends(self, which: int, is_committed: bool) -> None:
        upload, _ = self.uploads.pop(which % len(self.uploads))
        try:
            if is_committed:
                _finish(upload.commit())
        except Refusal:
            pass
        upload.close()

    @rule(wait_s=st.sampled_from([1, 10, 31, 61]))
    def time_passes(self, wait_s: int) -> None:
        self.case.uptime.ms += 1_000 * wait_s

    @rule()
    def the_lock_restarts(self) -> None:
        self._drop_everybody()
        if self.case.news.file:
            self.case.news.file.close()
        self.case.start()

    @precondition(lambda self: self.case.news.file)
    @rule(is_damaged=st.booleans())
    def the_file_is_lost(self, is_damaged: bool) -> None:
        self._drop_everybody()
        if not self.case.news.file:
            return
        self.case.news.file.close()
        if is_damaged:
            with open("revoked", "r+b") as file:
                file.seek(200)
                file.write(b"damage")
        else:
            os.remove("revoked")
        self.case.start()
        self.is_lost = self.case.news.version == 0
        assert self.is_lost

    @invariant()
    def the_list_in_force_is_whole(self) -> None:
        news = self.case.news
        if news.version:
            self.is_lost = False
        assert news.version >= self.newest or self.is_lost
        self.newest = max(self.newest, news.version)
        assert news.floor == self.newest
        if not news.version:
            expected = event.NO_LIST if self.is_lost else event.GRANTED
            assert news.is_revoked(bytes(8)) == expected
            return
        with open("revoked", "rb") as file:
            assert file.read() == LISTS[news.version]
        ids = ids_of(news.version)
        assert all(news.is_revoked(ids[at]) == event.REVOKED for at in (0, len(ids) // 2, -1))
        assert all(news.is_revoked(bytes([at]) * 8) == event.GRANTED for at in (0, 128, 255))

    @invariant()
    def nothing_else_is_recorded(self) -> None:
        assert set(self.case.kinds()) <= {event.LIST_TAKEN, event.LIST_REFUSED, event.LIST_LOST}


def _finish(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("it waits")


TestNews = NewsMachine.TestCase
TestNews.settings = settings(
    max_examples=int(os.environ.get("NEWS_EXAMPLES", "25")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_what_is_wrong_is_wrong():
    assert BUILDING == "maple-12" and KID
    for name, make in WRONG.items():
        assert make(2) != LISTS[2], name
