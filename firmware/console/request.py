"""What a request holds, taken out with its type and range, and the way to say no."""

from binascii import unhexlify

from firmware.core import event


class Refusal(Exception):
    """The request is refused: (word for programs, sentence for people)."""


def number(request: dict, name: str, low: int, high: int, default=None) -> int:
    """Returns an integer of the request. Raises Refusal."""
    value = request.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Refusal("value", "%s is a number from %d to %d." % (name, low, high))
    return value


def text(request: dict, name: str) -> str:
    """Returns a text of the request. Raises Refusal."""
    value = request.get(name)
    if not isinstance(value, str):
        raise Refusal("value", "%s is a text." % name)
    return value


def hexadecimal(request: dict, name: str, size: int) -> bytes:
    """Returns the `size` bytes that a text of the request writes in hex. Raises Refusal."""
    value = text(request, name)
    try:
        data = unhexlify(value) if len(value) == 2 * size else b""
    except ValueError:
        data = b""
    if len(data) != size:
        raise Refusal("value", "%s has %d hex digits." % (name, 2 * size))
    return data


def note(console, kind: int, details: dict) -> int:
    """Records what whoever has the session does. Raises FlashError, and then it is not to be done."""
    details[event.KID] = console.session.kid
    return console.trail.record(kind, details)
