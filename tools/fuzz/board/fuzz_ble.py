"""A phone by Bluetooth that writes whatever it likes, over a channel that hides nothing; MicroPython only."""

from fuzz_cards import answers_in, finish
from fuzz_formats import ok

from firmware.core.errors import PhoneGone, PhoneStrange
from firmware.reader.ble import BlePhone

_ECHO = b"01234567"
_MOST_BYTES = 1_200


class _Link:
    """Gone once everything was read."""

    mtu = 23
    arrived = 0

    def __init__(self, data: bytes) -> None:
        self.chunks = list(answers_in(data))

    @property
    def is_gone(self) -> bool:
        return not self.chunks


class _Radio:
    def take(self, link):
        return link.chunks.pop(0) if link.chunks else None

    def send(self, link, chunk: bytes) -> bool:
        if len(chunk) > link.mtu - 3:
            raise ValueError("chunk too long")
        return True


class _Uptime:
    def now_ms(self) -> int:
        return 0


class _Plain:
    hash = bytes(32)

    def seal(self, data: bytes) -> bytes:
        return data

    def open(self, record) -> bytes:
        return bytes(record)


async def _visit(phone) -> str:
    hello = await phone.receive(1)
    phone.use(_Plain())
    shown = await phone.credential()
    await phone.echo(_ECHO)
    said = await phone.prove(b"challenge")
    await phone.tell(b"result")
    await phone.give(b"receipt")
    # No comprehension: MicroPython awaits nothing in one.
    pieces = (await phone.fetch(1, 0, 40), await phone.fetch(1, 40, 40))
    if max(len(part) for part in (hello, shown, said)) > _MOST_BYTES or len(said) != 73:
        return "!! too long"
    if not pieces[0] or max(map(len, pieces)) > 40 or not 0 <= phone.act_ms < 1 << 16:
        return "!! piece or act"
    return ok(hello, shown, said, phone.act_ms, phone.list_version, *pieces)


def _ble():
    def check(data):
        try:
            return finish(_visit(BlePhone(_Radio(), _Link(data), _Uptime())))
        except PhoneStrange:
            return "no strange"
        except PhoneGone:
            return "no gone"

    return check


TARGETS = {"ble": _ble}
