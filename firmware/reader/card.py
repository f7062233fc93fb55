"""Cards and phones in the reader's field to Presentations: each of them once, however long it is held."""

from hashlib import sha256

from constant import const
from isodep import StatusError
from ndef import TagError
from pn532 import CardLost

from firmware.core import event
from firmware.reader import badge
from firmware.reader.phone import PhoneSession
from firmware.reader.presentation import BADGE, NOTHING, PHONE, Presentation

# A card is shown anew when it was away for longer than this.
_SAME_MS = const(2_000)
# Keys of two cards that take turns, of both of them at once, and the hash of a phone that changes its UID.
_MOST_KEYS = const(5)
# A phone may ask for more time below this level; this is how long a chip is waited for in all.
_EXCHANGE_MS = const(1_500)

_TWO = const(b"")
_LOST = const(b"\x00")
_STRANGE = const(b"\x01")


class Recent:
    """Remembers what was in the field a moment ago, by keys that are bytes."""

    def __init__(self) -> None:
        # (key, when it was last seen), the latest behind.
        self._seen = []

    def is_known(self, key: bytes, now_ms: int) -> bool:
        """Whether `key` was seen in the last 2 s; then it counts as seen now."""
        for item in self._seen:
            if item[0] == key and now_ms - item[1] < _SAME_MS:
                self.note(key, now_ms)
                return True
        return False

    def has_any(self, now_ms: int) -> bool:
        """Whether anything was seen in the last 2 s."""
        return bool(self._seen) and now_ms - self._seen[-1][1] < _SAME_MS

    def note(self, key: bytes, now_ms: int) -> None:
        self._seen = [item for item in self._seen if item[0] != key][1 - _MOST_KEYS :]
        self._seen.append((key, now_ms))

    def keep(self, since_ms: int, now_ms: int) -> None:
        """What was seen from `since_ms` on counts as seen now."""
        self._seen = [(key, now_ms if seen_ms >= since_ms else seen_ms) for key, seen_ms in self._seen]

    def forget(self, all_but: bytes) -> None:
        self._seen = [item for item in self._seen if item[0] == all_but]


class CardReader:
    """Reads what `pn532` finds; `uptime` has now_ms()."""

    def __init__(self, pn532, uptime) -> None:
        self._pn532 = pn532
        self._uptime = uptime
        self._recent = Recent()
        self._since_ms = 0

    def keep(self) -> None:
        """Says that the card was served until now: nobody looked whether it was there, and it counts as held."""
        self._recent.keep(self._since_ms, self._uptime.now_ms())

    def lose(self) -> bool:
        """Lets the card that was shown be shown again at once: it went away before it was served.

        Returns whether that is news; a card that fails again and again is one.
        """
        now_ms = self._uptime.now_ms()
        is_news = not self._recent.is_known(_LOST, now_ms)
        self._recent.note(_LOST, now_ms)
        self._recent.forget(_LOST)
        return is_news

    async def show(self, targets):
        """Returns what `targets` (one or more) show, or None if that was shown already. Raises pn532.ReaderError.

        A card that is lost half way is not remembered, so that it is read when it is back; but the loss is shown once.
        """
        now_ms = self._since_ms = self._uptime.now_ms()
        if len(targets) > 1:
            # Those that were shown before are still here.
            for target in targets:
                self._recent.is_known(target.uid, now_ms)
            return self._once(_TWO, _nothing(event.TWO_CARDS))
        uid = targets[0].uid
        if self._recent.is_known(uid, now_ms):
            return None
        try:
            shown = await self._read(targets[0])
        except TagError:
            shown = _nothing(event.UNREADABLE)
            if targets[0].is_isodep:
                # Another phone, most likely, whose UID is a new one at each look.
                return self._once(_STRANGE, shown)
        except CardLost:
            # Somebody who was served a moment ago has taken the phone away while it was looked at once more.
            if self._recent.has_any(self._uptime.now_ms()):
                return None
            return self._once(_LOST, _nothing(event.CARD_LOST))
        self._recent.note(uid, self._uptime.now_ms())
        # Phones have a new UID whenever they feel like it.
        return self._once(sha256(shown.credential).digest(), shown) if shown.session else shown

    def _once(self, key: bytes, shown: Presentation):
        now_ms = self._uptime.now_ms()
        if self._recent.is_known(key, now_ms):
            return None
        self._recent.note(key, now_ms)
        return shown

    async def _read(self, target) -> Presentation:
        """An ISO-DEP card is first asked for our application; if it has none it may be a Type 4 tag."""

        def exchange(data):
            return self._pn532.exchange(target, data, _EXCHANGE_MS)

        if target.is_isodep:
            session = PhoneSession(exchange)
            try:
                return Presentation(PHONE, via=event.PHONE, credential=await session.credential(), session=session)
            except StatusError:
                pass
        elif target.sak:
            # Type 2 tags have none set; others would take our READ for something else.
            raise TagError("not a tag we can read")
        return Presentation(BADGE, via=event.BADGE, credential=await badge.read(exchange, target.is_isodep))


def _nothing(reason: int) -> Presentation:
    return Presentation(NOTHING, via=event.BADGE, reason=reason)
