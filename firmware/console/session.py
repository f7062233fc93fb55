"""Who has proved to be the owner or an installer, and until when that holds."""

from micropython import const

from firmware.core import event
from firmware.core.errors import FlashError

IDLE_S = 300
LIMIT_S = 3_600
_S = const(1_000)


class Session:
    """`kid` names the key that opened it, `rights` is event.OWNER or event.INSTALLER, `count` is that of its requests.

    `upload` is what comes in in pieces, with close(); `sent` tells of settings (path, size, SHA-256); `picture` is the
    last test picture; `exported` the seq that an export would go on from.
    """

    def __init__(self, kid: bytes, rights: int, now_ms: int) -> None:
        self.kid = kid
        self.rights = rights
        self.count = 0
        self.upload = self.sent = None
        self.picture = None
        self.exported = 0
        self._opened_ms = self._used_ms = now_ms

    def use(self, now_ms: int) -> None:
        self._used_ms = now_ms
        self.count += 1

    def is_over(self, now_ms: int) -> bool:
        return now_ms - self._used_ms >= IDLE_S * _S or now_ms - self._opened_ms >= LIMIT_S * _S

    def end(self, console) -> None:
        """Ends it, whether or not that can be written down."""
        console.session = console.last = None
        upload = self.upload
        self.upload = None
        try:
            console.trail.record(event.SESSION_CLOSED, {event.KID: self.kid, event.COUNT: self.count})
            if upload:
                upload.close()
        except (FlashError, OSError):
            pass


async def _close(console, request: dict) -> dict:
    console.session.end(console)
    return {}


async def _restart(console, request: dict) -> dict:
    console.ending = "restart"
    return {}


WORDS = {"close": _close, "restart": _restart}
