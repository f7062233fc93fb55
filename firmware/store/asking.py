"""Asks somebody who brings news for it: a list of revoked credentials piece by piece, a time token at once.

A session is whoever can be asked: a phone, or the broker (task/pieces.py). Loaded for that moment.
"""

from constant import const

from firmware.core import bulletin, clock, event
from firmware.core.errors import FlashError, PhoneGone
from firmware.store import intake

# What is asked for, in pieces of so many bytes; and how often at most, should they be shorter.
_LIST = const(1)
_PIECE_BYTES = const(240)
_REMOTE_PIECE_BYTES = const(480)
_MOST_PIECES = const(80)

# Above 1,196 s a clock told by it would be too uncertain to be used.
_NONCE_MS = const(1_190_000)
# After a forged token none is looked at for a while: a signature takes long.
_IGNORE_MS = const(5_000)


async def collect(news, session, source: str) -> None:
    """Takes the list that `session` brings, as far as it comes. Raises what the session does, but PhoneGone."""
    coming = intake.enter(news)
    try:
        # What somebody else had begun may prove to be torn: then all of it is asked for. Or somebody takes over.
        for _ in range(2):
            start = bytearray()
            try:
                if not await _find_head(news, session, source, start) or await _fetch(coming, session, source, start):
                    break
            except (bulletin.BulletinError, OSError) as error:
                reason = intake.reason_of(error)
                intake.note_refusal(news, reason, source, start)
                if reason != event.TORN:
                    break
    except (PhoneGone, FlashError):
        # It may be brought again; what is in force stays.
        pass
    finally:
        intake.leave(news, session)


async def _find_head(news, session, source: str, start: bytearray) -> bool:
    """Asks for the beginning of the session's list, into `start`; returns whether the list is begun."""
    most = _REMOTE_PIECE_BYTES if session.is_remote else _PIECE_BYTES
    is_phone = source == "phone"
    have = 0
    for _ in range(_MOST_PIECES):
        # While somebody else has his turn a phone is kept talking.
        at = 0 if have else len(start)
        piece = await session.fetch(_LIST, at, 1 if have else bulletin.MAX_HEAD_BYTES - at if at else most)
        if not piece:
            break
        if not news.wants(session.list_version):
            # Somebody else has brought it.
            break
        if not have:
            start.extend(piece)
        have = news.coming.begin(start, session, is_phone)
        if have > 0:
            return True
        if have and not is_phone:
            break
    return False


async def _fetch(coming: intake.Incoming, session, source: str, start) -> bool:
    """Asks for the rest of the list that begins with `start`, and puts it in force; False if somebody took over."""
    most = _REMOTE_PIECE_BYTES if session.is_remote else _PIECE_BYTES
    at = len(coming.head or b"")
    have = coming.take(session, at, start[at : coming.size])
    for _ in range(_MOST_PIECES):
        size = coming.size
        if not 0 <= have < size:
            break
        at = have
        piece = await session.fetch(_LIST, at, min(most, size - at))
        if not piece:
            return True
        have = coming.take(session, at, piece)
    coming.commit(session, source)
    return have >= 0


def take_token(news, data) -> bool:
    """Takes a time token; returns whether the clock goes by it now."""
    now_ms = news.uptime.now_ms()
    elapsed_ms = now_ms - news.nonce_ms
    if not news.asked or elapsed_ms >= _NONCE_MS or now_ms < news.ignore_until_ms:
        return False
    try:
        told_s = bulletin.read_time(
            bytes(data), news.config.full_name, news.asked, lambda *message: intake.verify(news, *message)
        )
    except bulletin.BulletinError as error:
        if error.args[0] == event.FORGED:
            news.ignore_until_ms = news.uptime.now_ms() + _IGNORE_MS
        return False
    news.asked = None
    # It was signed at some time between.
    elapsed_s = (elapsed_ms + 999) // 1_000
    uncertainty_s = (elapsed_s + 1) // 2 + 2
    if news.clock.now_s(now_ms) is not None and news.clock.uncertainty_s(now_ms) <= uncertainty_s:
        return False
    return news.timekeeping.tell(told_s + elapsed_s // 2, uncertainty_s, 0, "token") != clock.REFUSED
