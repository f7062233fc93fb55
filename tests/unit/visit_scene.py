"""A Visit whose neighbours are scripted: what happens goes into `log`, in order."""

import asyncio

from firmware.core import event, proof
from firmware.core.decision import Decision
from firmware.core.errors import FlashError, LedgerFull, StrikeError
from firmware.task.access import Access
from firmware.task.visit import Visit

GOOD = proof.pack(b"\x01" * 64)
DOOR = "maple-12/front"
PROVING_MS = 60


class Claim:
    """A credential that was judged already; `left` is how many uses it has."""

    is_resident = False
    parent = None
    key = b"claimkey"

    def __init__(self, scene, holder, left=100):
        self._scene = scene
        self.holder = holder
        self.left = left

    def details(self):
        return {event.KID: b"kid1", event.CREDENTIAL_ID: b"delivery"}

    def is_spent(self, ledger):
        return not self.left

    def spend(self, ledger):
        if self._scene.broken == "full":
            raise LedgerFull()
        self._scene.do("spend")
        self.left -= 1


class Gate:
    """Says `reason` of every credential; `later` is what it says of it when it is about to open."""

    door = DOOR

    def __init__(self, scene, reason, claim):
        self._scene = scene
        self.reason = reason
        self.later = 0
        self.claim = claim

    def judge(self, data, via):
        self._scene.do("judge")
        return Decision(self.reason, self.claim, via)

    def revoked(self, claim):
        return self.later


class Session:
    """A phone of version 1 that says `said` to a challenge, or fails with `error`."""

    is_remote = False
    version = 1
    channel = b""
    wants_receipt = has_token = False
    list_version = 0

    def __init__(self, scene=None, said=GOOD, error=None):
        self.scene = scene
        self.said = said
        self.error = error
        self.fails = ""
        self.results = []
        self.receipts = []

    def _step(self, name):
        if name == self.fails:
            raise self.error
        self.scene.do(name)

    async def prove(self, challenge):
        self.scene.do("challenge")
        self.challenge = challenge
        await asyncio.sleep_ms(PROVING_MS)
        self._step("proof")
        return self.said

    async def tell(self, result):
        self._step("tell")
        self.results.append(result)

    async def give(self, receipt):
        self._step("give")
        self.receipts.append(receipt)

    async def fetch(self, what, offset, most):
        self._step("fetch %d" % what)
        assert (offset, most) == (0, 200)
        return b"token"


class Phone2(Session):
    """One of version 2, that wants a receipt and brings news."""

    version = 2
    wants_receipt = has_token = True
    list_version = 7


class Remote(Phone2):
    """One that is not held to the reader."""

    is_remote = True
    channel = b"c" * 32

    def __init__(self, scene=None, said=GOOD, error=None, echoes=(40,), took_ms=100, act_ms=500):
        super().__init__(scene, said, error)
        self._echoes = list(echoes)
        self.took_ms = took_ms
        self._act_ms = act_ms
        self.act_ms = None
        self.echoed = []

    async def echo(self, data):
        self._step("echo")
        self.echoed.append(data)
        return self._echoes.pop(0)

    async def prove(self, challenge):
        said = await super().prove(challenge)
        self.act_ms = self._act_ms
        return said


class News:
    """Wants the time while `wish` is set; what it takes makes the gate say `then`."""

    version = 3

    def __init__(self, scene):
        self._scene = scene
        self.wish = None
        self.then = None

    def nonce(self):
        return self.wish

    def take_token(self, data):
        self._scene.do("token " + data.decode())
        return True

    def rest(self):
        self._scene.do("rest")

    async def collect(self, session):
        self._scene.do("collect")
        if self.then is not None:
            self._scene.gate.reason = self.then


class Scene:
    """A Visit and its neighbours. `broken` names what fails."""

    is_required = False

    def __init__(self, broken="", reason=event.GRANTED, holder=bytes(64), left=100):
        self.log = []
        self.broken = broken
        self.recorded = []
        self.held = []
        self.counter = 0
        self.last = b""
        self.signed = None
        self.has_key = True
        self.gate = Gate(self, reason, Claim(self, holder, left))
        self.news = News(self)
        self.access = Access(self, self, self, self.release, self.Lamp())
        self.visit = self.make_visit()

    def make_visit(self):
        return Visit(self.gate, self, self.prepare, self.verify, self.access, self, self.news, self.forget)

    class Lamp:
        def show(self, pattern):
            pass

    def do(self, what):
        if self.broken == what:
            raise FlashError(what)
        self.log.append(what)

    # The check of signatures.
    def prepare(self, holder):
        self.do("prepare")
        return b"prepared" if self.has_key else None

    def verify(self, prepared, message, signature):
        assert prepared == b"prepared"
        self.signed = message
        return signature == b"\x01" * 64

    # Nonces, the camera, the trail, the strike, what is let go.
    def next(self):
        self.counter += 1
        return bytes((self.counter,)) * 16

    async def shoot(self, is_grant):
        self.do("shoot")
        return 1

    def hold(self, is_held):
        self.held.append(is_held)

    def record(self, kind, details):
        self.do("event %d" % kind)
        self.recorded.append((kind, dict(details)))
        self.last = event.Event(len(self.recorded), kind, 1, 10, 1_789_992_000, details).encode()
        return len(self.recorded)

    def sign(self, message):
        self.do("sign")
        return b"\x02" * 64

    def release(self, access_seq):
        if self.broken == "strike":
            raise StrikeError()
        self.do("release")

    def forget(self, names):
        pass

    @property
    def reasons(self):
        """The reasons of the access events."""
        return [details[event.REASON] for kind, details in self.recorded if kind == event.ACCESS]

    def serve(self, session, via=event.PHONE, **named):
        """Serves one; returns the log."""
        if session:
            session.scene = self
        self.decision = asyncio.run(self.visit.serve(session, b"credential", via, **named))
        return self.log
