"""Phones by Bluetooth: up to three at once, each served by a task of its own; the radio, on and advertised.

docs/protocol.md, section 15. A radio that fails is reported and tried again; the rest of the lock goes on without it.
"""

import asyncio

from constant import const
from hkdf import Hmac

from firmware.core import event, indication
from firmware.core.errors import FlashError, PhoneGone

_HELLO_MS = const(5_000)
# Between two HELLOs that are answered; and while strangers come, since each may have a signature checked as well.
_GREETINGS_MS = const(200)
_WARY_MS = const(500)
_ROUND_MS = const(10_000)
# While the channel's half waits to be replaced.
_LOOK_MS = const(1_000)
_SALT_MS = const(900_000)
# A connection is over once the phone has acknowledged it; at the latest after the longest supervision time-out, 32 s.
_PARTING_TURNS = const(3)
_PARTING_MS = const(15)
_OVER_TURNS = const(2_200)
_SALT_BYTES = const(4)
_NONCE_BYTES = const(16)
# A half that is in use is replaced once nobody is there; after so long in any case.
_HALF_MS = const(600_000)
# Twice that is how long a radio that failed is left alone; every wait in a task comes round at least so often.
_RETRY_MS = const(15_000)

# As with cards: signatures cannot be guessed, but whoever is refused fills the journal. So it is refusals that wait to
# be written and told, and nobody else waits for them.
_REFUSALS = const(5)
_REST_MS = const(5_000)
_FORGOTTEN_MS = const(60_000)

# Flags: discoverable, no classic Bluetooth. Then data of the service, 16 + 8 bytes, whose UUID goes backwards.
_ADVERTISED = const(b"\x02\x01\x06\x19\x21\x00\x00\x00\x4b\x43\x4f\x4c\x59\x42\x42\x4f\x4c\x01\x00\xbb\xf0")


class Phones:
    """`ble` is the radio, a `firmware.board.ble.Ble`; `visit` serves who shows a credential.

    `public` is the door's public key, `random(n)` gives n bytes; `forget(names)` has modules loaded no longer. `trail`
    also signs with the door's key.
    """

    def __init__(self, ble, visit, public: bytes, random, trail, indicator, attention, uptime, forget) -> None:
        self._ble = ble
        self._visit = visit
        self._public = public
        self._random = random
        self._trail = trail
        self._indicator = indicator
        self._attention = attention
        self._uptime = uptime
        self._forget = forget
        self._half = None
        # When the half was used first, None if it was not.
        self._used_ms = None
        self._greeted_ms = -_GREETINGS_MS
        self._refusals = 0
        self._refused_ms = 0
        # Those who wait to be refused, in the order in which they came.
        self._refused = []
        self.is_faulty = False

    async def run(self) -> None:
        while True:
            try:
                if not self._ble.is_on:
                    self._ble.start()
                await self._serve()
            except OSError:
                self._ble.stop()
            self._note_fault(True)
            for _ in range(2):
                await asyncio.sleep_ms(_RETRY_MS)

    def _note_fault(self, is_faulty: bool) -> None:
        """Says once that the radio is out of order, and once that it works again."""
        if is_faulty == self.is_faulty:
            return
        self.is_faulty = is_faulty
        try:
            kind = event.RADIO_FAULT if is_faulty else event.RADIO_RECOVERED
            self._trail.record(kind, {event.REASON: event.NO_ANSWER} if is_faulty else {})
        except FlashError:
            self._indicator.show(indication.FAULT)

    async def _serve(self) -> None:
        """Advertises while there is a place for one more, and starts on whoever has connected. Raises OSError."""
        # A connection ends the advertising: it begins anew whenever somebody came or went.
        advertised_ms = None
        while True:
            if self._ble.error:
                raise self._ble.error
            now_ms = self._uptime.now_ms()
            served = 0
            for link in self._ble.links:
                if link.handle is not None and not link.is_served:
                    link.is_served = True
                    asyncio.create_task(self._attend(link))
                served += link.is_served
            self._prepare(now_ms, served)
            if served < len(self._ble.links):
                if advertised_ms is None or now_ms - advertised_ms >= _SALT_MS:
                    try:
                        self._ble.advertise(self._beacon())
                        advertised_ms = now_ms
                        self._note_fault(False)
                    except OSError:
                        # Who is being served may take the memory that one more would need: later.
                        if not served:
                            raise
            if await self._ble.changed.wait(_ROUND_MS if self._used_ms is None else _LOOK_MS):
                advertised_ms = None

    def _beacon(self) -> bytes:
        """Returns what is advertised: a new salt, and what whoever knows the door recognises it by."""
        salt = self._random(_SALT_BYTES)
        return _ADVERTISED + salt + Hmac(self._public).digest(b"lobbylock beacon 1" + salt)[:_SALT_BYTES]

    def _prepare(self, now_ms: int, served: int) -> None:
        """Makes the channel's half, anew once it was used and nobody is there: the old secret is gone then."""
        if self._half and (
            self._used_ms is None
            or ((served or not self._attention.is_quiet(now_ms)) and now_ms - self._used_ms < _HALF_MS)
        ):
            return
        self._half = self._used_ms = None
        try:
            self._half = self._make_half()
        except MemoryError:
            # Whoever comes tries again, and the next round.
            self._used_ms = now_ms
        if not served:
            # All of them, since they go by one another's exceptions.
            self._forget(("core.agreement", "core.channel", "reader.ble"))

    def _load(self) -> None:
        from firmware.core import agreement  # noqa: F401 - only loaded

    def _make_half(self):
        from firmware.core import agreement

        return agreement.prepare(self._random, self._trail.sign, self._public)

    def _agree(self, half, hello: bytes, nonce: bytes):
        from cryptolib import aes

        from firmware.core import agreement

        return agreement.open_channel(half, hello, nonce, aes)

    # One phone.

    async def _attend(self, link) -> None:
        """Serves one phone to its end. Whatever it does, the others are served."""
        try:
            await self._converse(link)
        except FlashError:
            self._indicator.show(indication.FAULT)
        except (PhoneGone, MemoryError, OSError):
            # Without memory nobody is let in; the next one may find some.
            pass
        except Exception as error:  # noqa: BLE001 - a task of its own would end without a word
            self._ble.error = error
        self._ble.hang_up(link)
        for turn in range(_OVER_TURNS):
            # Whoever still waits for the phone finds that it is gone, before the place is another one's.
            await asyncio.sleep_ms(_PARTING_MS)
            # Until then the controller has no room for one more.
            if turn >= _PARTING_TURNS and link.handle < 0:
                break
        self._ble.free(link)
        self._ble.changed.ring()

    async def _converse(self, link) -> None:
        """Raises PhoneGone, FlashError."""
        from firmware.reader.ble import BlePhone

        # While the phone looks for our service.
        self._load()
        phone = BlePhone(self._ble, link, self._uptime)
        await self._greet(phone, await phone.receive(_HELLO_MS))
        shown = await phone.credential()
        self._attention.touch(self._uptime.now_ms())
        decision = await self._visit.serve(phone, shown, event.BLE, not self._refusals, None, self._rest)
        if decision.is_granted:
            self._refusals = 0

    async def _greet(self, phone, hello: bytes) -> None:
        """Agrees with `phone` on a channel; not more often than the door has time for."""
        from firmware.core.channel import ChannelError

        now_ms = self._uptime.now_ms()
        if now_ms - self._refused_ms >= _FORGOTTEN_MS:
            self._refusals = 0
        # In the order in which they came.
        self._greeted_ms = max(now_ms, self._greeted_ms + (_GREETINGS_MS if self._refusals < _REFUSALS else _WARY_MS))
        await asyncio.sleep_ms(self._greeted_ms - now_ms)
        if self._used_ms is None:
            self._used_ms = now_ms
        if self._half is None:
            self._half = self._make_half()
        half = self._half
        nonce = self._random(_NONCE_BYTES)
        try:
            channel = self._agree(half, hello, nonce)
        except ChannelError:
            raise PhoneGone
        await phone.send(half[0] + nonce)
        # Not both at once: what agrees, and what serves. While the phone says who it is.
        self._forget(("core.agreement",))
        self._visit.open()
        phone.use(channel)

    async def _rest(self, phone) -> None:
        """Waits until `phone` may be refused: while there are many refusals, one after the other.

        Raises PhoneGone: who has gone keeps no place, and nobody else waiting.
        """
        link = phone.link
        self._refused.append(link)
        try:
            while self._refusals >= _REFUSALS:
                wait_ms = self._refused_ms + _REST_MS - self._uptime.now_ms()
                if wait_ms <= 0 and self._refused[0] is link:
                    break
                if link.is_gone:
                    raise PhoneGone
                await link.changed.wait(max(wait_ms, _PARTING_MS))
        finally:
            self._refused.remove(link)
        self._refusals += 1
        self._refused_ms = self._uptime.now_ms()
