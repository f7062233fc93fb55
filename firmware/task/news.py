"""What the lock knows from its issuers beyond its settings: what is revoked, and the time by a token.

A phone, the broker or the serial line brings it; what takes it in is loaded for that moment (store/intake.py).
"""

import os
from typing import TYPE_CHECKING

from constant import const

from firmware.core import event
from firmware.store import ledger, revoked

if TYPE_CHECKING:
    from typing import Any

_NONCE_MS = const(1_190_000)
# A clock that may be further off would like to be told the time.
_GOOD_S = const(60)
_LABEL = const(b"lobbylock time nonce key 1")
_LOADED = const(("store.asking", "store.intake", "core.bulletin"))


class News:
    """`known` are the loaded issuers by kid, or None; `forget(names)` has modules loaded no longer.

    The list in force: `file` is open, with `count` ids from byte `at` on, and `floor` is its version. Without a file
    it is lost, or there never was one, and then `floor` is 0. `coming` is the one that is being brought.
    """

    def __init__(self, config, known, kept, trail, clock, timekeeping, uptime, boot: int, forget) -> None:
        self.config = config
        self.known = known
        self.ledger = kept
        self.trail = trail
        self.clock = clock
        self.timekeeping = timekeeping
        self.uptime = uptime
        self._boot = boot
        self._forget = forget
        self._is_loaded = False
        self.file: Any = None
        self.floor = self.at = self.count = 0
        self.coming: Any = None
        # What was refused last (a checksum), and when; a nonce that nobody has answered, when and how many there were.
        self.refused = self.refused_ms = 0
        self.asked: bytes | None = None
        self.nonce_ms = self._nonces = self.ignore_until_ms = 0
        self.open()

    @property
    def version(self) -> int:
        """The version of the list in force, 0 if there is none."""
        return self.floor if self.file else 0

    def wants(self, version: int) -> bool:
        """Whether a list of this version would be news; that of the present one is if it is lost."""
        return version > self.floor or (0 < version == self.floor and not self.file)

    def open(self) -> None:
        """Opens the list that the ledger knows of. Raises FlashError."""
        from firmware.store import intake

        self._is_loaded = True
        intake.open_list(self)
        self.rest()

    def is_revoked(self, key: bytes) -> int:
        """Returns event.REVOKED if `key` is on the list, NO_LIST if that is lost, else 0.

        `key` is the id of a credential or code, 8 bytes. Raises FlashError when a loss cannot be written down.
        """
        for _ in range(2):
            if not self.file:
                return event.NO_LIST if self.floor else event.GRANTED
            try:
                return event.REVOKED if revoked.is_listed(self.file, self.at, self.count, key) else event.GRANTED
            except OSError:
                # Perhaps it can be read again; else that it is lost is recorded.
                self.open()
        return event.NO_LIST

    async def collect(self, session, source: str = "phone") -> None:
        """Takes the list that a visitor or the broker brings; what does not come whole stays for the next one.

        Raises nothing of the phone's; what else `session.fetch` raises goes through.
        """
        if self.wants(session.list_version):
            from firmware.store import asking

            self._is_loaded = True
            try:
                await asking.collect(self, session, source)
            finally:
                self.rest()
        elif self._is_loaded:
            self.rest()

    def nonce(self):
        """Returns what a time token has to answer, 16 bytes, or None while the time is well known."""
        now_ms = self.uptime.now_ms()
        if self.clock.now_s(now_ms) is not None and self.clock.uncertainty_s(now_ms) <= _GOOD_S:
            self.asked = None
        elif self.asked is None or now_ms - self.nonce_ms >= _NONCE_MS:
            from firmware.core.nonces import Nonces

            seed = self.ledger.get(ledger.IDENTITY)
            self.asked = Nonces(seed, self._boot, os.urandom, _LABEL, self._nonces).next()
            self._nonces += 1
            self.nonce_ms = now_ms
        return self.asked

    def take_token(self, data: bytes) -> bool:
        """Returns whether the clock goes by the time token `data` now; what it needs stays loaded until `rest`."""
        if self.asked is None:
            return False
        from firmware.store import asking

        self._is_loaded = True
        return asking.take_token(self, data)

    def rest(self, more: tuple = ()) -> None:
        """Lets go of what was loaded, unless somebody still brings something, and of the modules `more`."""
        if not self.coming:
            more += _LOADED
            self._is_loaded = False
        if more:
            self._forget(more)
