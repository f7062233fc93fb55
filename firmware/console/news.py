"""Lists of revoked credentials and the time over the serial line, signed by an issuer: docs/protocol.md, section 16.

This stays loaded for as long as a session, and what takes news in may be let go and loaded anew meanwhile: so it is
imported where it is used, or two of it would meet.
"""

from binascii import unhexlify

import cose
from micropython import const

from firmware.console.request import Refusal, hexadecimal, number, text
from firmware.core import event

_SOURCE = const("serial")
# A signature takes a tenth of a second to check: not while somebody is at the door.
_QUIET_MS = const(2_500)
_PATIENCE_MS = const(3_000)
_FIRST_S = 1_704_067_200
_LAST_S = 2_840_140_800
_KID_DIGITS = const(16)


def begin(console, size: int):
    """Returns the Upload of a list of `size` bytes. Raises Refusal."""
    if not console.news:
        raise Refusal("absent", "A lock without settings knows no issuers.")
    return Upload(console, size)


class Upload:
    """A list of `size` bytes, of which `have` are there: more than were sent, if somebody else has brought some."""

    def __init__(self, console, size: int) -> None:
        self.have = 0
        self._console = console
        self._size = size
        self._start = b""
        self._is_begun = False
        from firmware.store import intake

        self._coming = intake.enter(console.news)

    async def take(self, at: int, data: bytes) -> int:
        """Takes a piece; returns `have`. Raises Refusal."""
        if at > self.have or at + len(data) > self._size:
            raise Refusal("order", "The next piece begins at %d." % self.have)
        if at + len(data) <= self.have:
            return self.have
        from firmware.core import bulletin

        if not self._is_begun:
            await _give_way(self._console)
        try:
            self._put(at, data)
        except (bulletin.BulletinError, OSError) as error:
            raise _refused(self._console, error, self._start)
        if self.have < 0:
            self.have = 0
            raise Refusal("order", "Another list is coming in: begin again in a moment.")
        return self.have

    def _put(self, at: int, data: bytes) -> None:
        coming = self._coming
        if self._is_begun:
            self.have = coming.take(self, at, data)
            return
        self._start += data[self.have - at :]
        have = coming.begin(self._start, self, False)
        if have > 0:
            if coming.size != self._size:
                raise Refusal("value", "The list has %d bytes." % coming.size)
            self._is_begun = True
            head_bytes = len(coming.head or b"")
            have = coming.take(self, head_bytes, self._start[head_bytes:])
        self.have = have or len(self._start)

    async def commit(self) -> None:
        """Puts the list in force. Raises Refusal."""
        if self.have < self._size:
            raise Refusal("incomplete", "The list is not there yet.")
        await _give_way(self._console)
        from firmware.core import bulletin

        try:
            # Somebody else may have brought it too and put it in force.
            self._coming.commit(self, _SOURCE)
        except bulletin.BulletinError as error:
            raise _refused(self._console, error, self._start)

    def close(self) -> None:
        news = self._console.news
        if self._coming:
            from firmware.store import intake

            self._coming = None
            intake.leave(news, self)
            news.rest()


async def _give_way(console) -> None:
    if not await console.line.give_way(_QUIET_MS, _PATIENCE_MS):
        raise Refusal("busy", "Somebody is at the door: again in a moment.")


def _refused(console, error, start) -> Exception:
    from firmware.store import intake

    reason = intake.reason_of(error)
    intake.note_refusal(console.news, reason, _SOURCE, start)
    if not reason:
        return error
    if reason == event.NO_ROOM:
        return Refusal("flash", "There is no room for the list.")
    if reason == event.OLDER:
        return Refusal("older", "The lock has that list, or a newer one.")
    if reason == event.OTHER_BUILDING:
        return Refusal("list", "The list is another building's.")
    if reason in (event.UNKNOWN_ISSUER, event.FORGED):
        return Refusal("list", "No issuer in the lock's settings has signed that.")
    return Refusal("list", "The list is damaged, or is none.")


async def _list(console, request: dict) -> dict:
    upload = console.session.upload
    if not isinstance(upload, Upload):
        raise Refusal("order", "No list is coming in: begin comes first.")
    await upload.commit()
    upload.close()
    console.session.upload = None
    return {"version": console.news.version, "count": console.news.count}


async def _time_nonce(console, request: dict) -> dict:
    nonce = console.news and console.news.nonce()
    return {"nonce": nonce.hex() if nonce else None}


async def _time_token(console, request: dict) -> dict:
    time_s = number(request, "unix_s", _FIRST_S, _LAST_S)
    signature = hexadecimal(request, "sig", 64)
    written = text(request, "kid")
    try:
        kid = unhexlify(written) if len(written) <= _KID_DIGITS else b""
    except ValueError:
        kid = b""
    news = console.news
    if not kid or not news or not news.asked:
        raise Refusal("nonce", "The lock has asked for no time: time_nonce comes first.")
    await _give_way(console)
    from firmware.core import bulletin

    # The rest of the token is what the lock knows.
    payload = bulletin.time_payload(console.door, news.asked, time_s)
    if not news.take_token(cose.pack(payload, signature, bulletin.protected(kid))):
        raise Refusal("time", "The token is too old, not an issuer's, or behind what the lock knows.")
    news.rest()
    return {"unix_s": console.clock.now_s(console.uptime.now_ms())}


WORDS = {"list": _list, "time_nonce": _time_nonce, "time_token": _time_token}
