"""What `bluetooth` does once: UUIDs from text, and the table of the services. Loaded for a moment only."""

import _virtual
import bluetooth
from micropython import const

# MP_BLUETOOTH_DEFAULT_ATTR_LEN
_VALUE_BYTES = const(20)


def parse(text) -> bytes:
    digits = (text if isinstance(text, str) else bytes(text).decode()).replace("-", "")
    if len(digits) != 32:
        raise ValueError("UUID too long" if len(digits) > 32 else "UUID too short")
    try:
        return bytes([int(digits[at : at + 2], 16) for at in range(30, -2, -2)])
    except ValueError:
        raise ValueError("invalid char in UUID")


def _row(kind: int, uuid, flags: int) -> bytes:
    if not isinstance(uuid, bluetooth.UUID):
        raise ValueError("invalid UUID")
    data = bytes(uuid)
    return bytes((kind, flags & 255, flags >> 8 & 255, len(data))) + data


def table(services) -> bytes:
    """Returns the rows that the host makes services of."""
    rows = b""
    for uuid, characteristics in services:
        rows += _row(0, uuid, 0)
        for entry in characteristics:
            if not 2 <= len(entry) <= 3:
                raise ValueError("invalid characteristic tuple")
            rows += _row(1, entry[0], entry[1])
            for descriptor in entry[2] if len(entry) == 3 else ():
                rows += _row(2, descriptor[0], descriptor[1])
    return rows


def number(services) -> tuple:
    """Returns the handles that the host gave, a tuple for each service, and an empty value for each of them."""
    told = list(memoryview(bytes(_virtual.payload)))
    values = {}
    found = []
    for _, characteristics in services:
        handles = []
        for _ in range(sum([1 + (len(entry[2]) if len(entry) == 3 else 0) for entry in characteristics])):
            handle = told.pop(0) | told.pop(0) << 8
            handles.append(handle)
            values[handle] = [bytearray(_VALUE_BYTES), 0, False]
        found.append(tuple(handles))
    return tuple(found), values
