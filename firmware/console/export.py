"""The journal over the serial line: records with their tags, as far back as the ring still has them."""

from binascii import b2a_base64

from micropython import const

from firmware.console.request import note, number
from firmware.core import event

# So many records, then the line is somebody else's for a moment.
_MOST_RECORDS = const(32)
_LAST_SEQ = const((1 << 30) - 1)


async def _export(console, request: dict) -> dict:
    first = number(request, "from", 1, _LAST_SEQ)
    session, journal = console.session, console.journal
    if first != session.exported:
        # One event for a whole export, not one for each of its requests: it would never come to its end.
        note(console, event.EXPORTED, {event.FIRST_SEQ: first, event.COUNT: max(0, journal.seq + 1 - first)})
    last_seq = journal.seq
    count = 0
    start = start_head = None
    for seq, head, record, tag in journal._events_from(first):
        if seq > last_seq or count == _MOST_RECORDS or start is not None and seq != start + count:
            break
        if start is None:
            start, start_head = seq, head
        count += 1
        said = {"seq": seq, "record": _base64(record), "tag": _base64(tag)}
        await console.line.say({"id": request["id"], "event": said})
    following = start + count if start is not None else None
    session.exported = following
    return {
        "first": start,
        "head": start_head.hex() if start_head else None,
        "next": following if following is not None and following <= last_seq else None,
        "seq": last_seq,
        "acked": journal.acked_seq,
        "public_key": console.public.hex(),
        "door": console.door,
    }


def _base64(data: bytes) -> str:
    return b2a_base64(data)[:-1].decode()


WORDS = {"export": _export}
