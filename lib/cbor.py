"""CBOR, RFC 8949: deterministic encoding (section 4.2.1) and a bounded decoder.

Covers what the lock's protocol and CWT use: integers of up to 64 bits, byte and text strings, arrays, maps,
`False`, `True` and `None`. Floats, tags, other simple values and indefinite lengths are refused both ways, and the
decoder refuses whatever the encoder would not have written, so a value has one encoding only.

Runs on MicroPython and CPython; both must give the same verdict on every input.
"""

from constant import const

_UINT = const(0)
_NEGATIVE = const(1)
_BYTES = const(2)
_TEXT = const(3)
_ARRAY = const(4)
_MAP = const(5)

# Nesting that a document may have. A board's stack ends at about 50 Python calls, so this is far inside it.
MAX_DEPTH = 8


class CborError(Exception):
    """The bytes are not one deterministic CBOR value inside the bounds, or the value has no such encoding."""


def encode(value) -> bytes:
    """Returns the deterministic encoding of `value`.

    >>> encode([1, {2: b"\\xff"}]).hex()
    '8201a10241ff'
    """
    out = bytearray()
    _encode(value, out, MAX_DEPTH)
    return bytes(out)


def _head(major: int, argument: int, out: bytearray) -> None:
    if argument < 24:
        out.append(major << 5 | argument)
        return
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * size):
            out.append(major << 5 | info)
            out.extend(argument.to_bytes(size, "big"))
            return
    raise CborError("integer over 64 bits")


def _encode(value, out: bytearray, depth: int) -> None:
    if value is None:
        out.append(0xF6)
    elif value is True:
        out.append(0xF5)
    elif value is False:
        out.append(0xF4)
    elif isinstance(value, int):
        _head(_UINT, value, out) if value >= 0 else _head(_NEGATIVE, -1 - value, out)
    elif isinstance(value, str):
        data = value.encode()
        _head(_TEXT, len(data), out)
        out.extend(data)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _head(_BYTES, len(value), out)
        out.extend(value)
    elif not depth:
        raise CborError("nested too deep")
    elif isinstance(value, (list, tuple)):
        _head(_ARRAY, len(value), out)
        for item in value:
            _encode(item, out, depth - 1)
    elif isinstance(value, dict):
        _encode_map(value, out, depth - 1)
    else:
        raise CborError("no encoding for this type")


def _encode_map(value: dict, out: bytearray, depth: int) -> None:
    pairs = []
    for key in value:
        if key is None or isinstance(key, bool):
            raise CborError("map key is not a number or string")
        head = bytearray()
        _encode(key, head, depth)
        pairs.append((bytes(head), value[key]))
    # Bytewise order of the encoded keys, RFC 8949 section 4.2.1.
    pairs.sort(key=lambda pair: pair[0])
    _head(_MAP, len(pairs), out)
    for head, item in pairs:
        out.extend(head)
        _encode(item, out, depth)


def decode(data, max_bytes: int = 8192):
    """Returns the value that `data` encodes; byte strings are copies.

    Raises CborError for anything but exactly one deterministic encoding of at most `max_bytes` bytes. Nothing is
    allocated on the word of a declared length: a string or array longer than what is left is refused first.
    """
    if len(data) > max_bytes:
        raise CborError("too long")
    value, end = _decode(memoryview(data), 0, MAX_DEPTH)
    if end != len(data):
        raise CborError("bytes left over")
    return value


def _argument(data: memoryview, at: int) -> tuple:
    """Returns (major type, argument, offset behind the head)."""
    if at >= len(data):
        raise CborError("cut short")
    first = data[at]
    info = first & 31
    at += 1
    if info < 24:
        return first >> 5, info, at
    if info > 27:
        raise CborError("indefinite or reserved length")
    size = 1 << (info - 24)
    if at + size > len(data):
        raise CborError("cut short")
    argument = int.from_bytes(bytes(data[at : at + size]), "big")
    # The shortest form only: one byte must not fit the five bits of the head, and so on.
    if argument < (24 if size == 1 else 1 << (4 * size)):
        raise CborError("integer not in its shortest form")
    return first >> 5, argument, at + size


def _decode(data: memoryview, at: int, depth: int) -> tuple:
    start = at
    major, argument, at = _argument(data, at)
    if major == _UINT:
        return argument, at
    if major == _NEGATIVE:
        return -1 - argument, at
    if major == _BYTES or major == _TEXT:
        if argument > len(data) - at:
            raise CborError("cut short")
        end = at + argument
        return _string(major, bytes(data[at:end])), end
    if major == _ARRAY or major == _MAP:
        if not depth:
            raise CborError("nested too deep")
        # Every item takes at least one byte, every pair two.
        if argument * (major - 3) > len(data) - at:
            raise CborError("cut short")
        if major == _ARRAY:
            return _decode_array(data, at, argument, depth - 1)
        return _decode_map(data, at, argument, depth - 1)
    simple = data[start]
    if simple == 0xF6:
        return None, at
    if simple == 0xF5:
        return True, at
    if simple == 0xF4:
        return False, at
    raise CborError("tag, float or unknown simple value")


def _string(major: int, raw: bytes):
    if major == _BYTES:
        return raw
    _check_utf8(raw)
    return raw.decode()


def _check_utf8(raw: bytes) -> None:
    """Raises CborError unless `raw` is UTF-8 by RFC 3629.

    MicroPython's own check accepts overlong forms and surrogates that CPython refuses; both must agree.
    """
    at = 0
    while at < len(raw):
        lead = raw[at]
        if lead < 0x80:
            at += 1
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            low = 0xA0 if lead == 0xE0 else 0x80
            high = 0x9F if lead == 0xED else 0xBF
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            low = 0x90 if lead == 0xF0 else 0x80
            high = 0x8F if lead == 0xF4 else 0xBF
        else:
            raise CborError("text is not UTF-8")
        if at + more >= len(raw) or not low <= raw[at + 1] <= high:
            raise CborError("text is not UTF-8")
        for follow in range(at + 2, at + more + 1):
            if not 0x80 <= raw[follow] <= 0xBF:
                raise CborError("text is not UTF-8")
        at += more + 1


def _decode_array(data: memoryview, at: int, count: int, depth: int) -> tuple:
    items = []
    for _ in range(count):
        item, at = _decode(data, at, depth)
        items.append(item)
    return items, at


def _decode_map(data: memoryview, at: int, count: int, depth: int) -> tuple:
    items = {}
    last = b""
    for _ in range(count):
        start = at
        key, at = _decode(data, at, 0)
        # True would be the same key as 1 once it is in a dict.
        if key is None or isinstance(key, bool):
            raise CborError("map key is not a number or string")
        head = bytes(data[start:at])
        # Ascending order refuses duplicates too.
        if head <= last:
            raise CborError("map keys out of order")
        last = head
        items[key], at = _decode(data, at, depth)
    return items, at
