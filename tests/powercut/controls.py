"""Controls: one flush, one ordering or one erase is taken away, and the sweep has to find that out.

Each changes classes of the lock in its own process, so a process plays one of them and nothing behind it.
"""

import cases
import deliveries
from deliveries import Door
from norflash import NorFlash

from firmware.store import entry, ledger
from firmware.store.journal import Journal
from firmware.store.ledger import Ledger
from firmware.task.access import Access
from firmware.task.timekeeping import Timekeeping


class LateFlash(NorFlash):
    """Holds every write back until the next operation comes, as a cache would that nobody flushes."""

    def __init__(self, sectors: int) -> None:
        super().__init__(sectors)
        self._held = None

    def readblocks(self, block: int, buffer, offset: int = 0) -> None:
        super().readblocks(block, buffer, offset)
        if self._held and self._held[0] == block:
            _, data, start = self._held
            for at in range(max(start, offset), min(start + len(data), offset + len(buffer))):
                buffer[at - offset] &= data[at - start]

    def writeblocks(self, block: int, buffer, offset: int = 0) -> None:
        self._flush()
        self._held = block, bytes(buffer), offset

    def ioctl(self, operation: int, argument: int) -> int:
        if operation == 6:
            self._flush()
        return super().ioctl(operation, argument)

    def _flush(self) -> None:
        if self._held:
            block, data, offset = self._held
            self._held = None
            super().writeblocks(block, data, offset)


class StuckFlash(NorFlash):
    """Erases nothing."""

    def ioctl(self, operation: int, argument: int) -> int:
        return 0 if operation == 6 else super().ioctl(operation, argument)


class LateThrottle(Door.make_throttle):
    """Counts a wrong code only once it was found to be wrong."""

    def charge(self) -> None:
        pass

    def refund(self) -> None:
        pass

    def settle(self, uptime_ms: int) -> bool:
        super().charge()
        return super().settle(uptime_ms)


class LateAccess(Access):
    """Counts a use only once the strike was released."""

    async def act(self, decision, exposure=None, revoked=None):
        spend = decision.spend
        _replace(decision, "spend", _do_nothing)
        after = await super().act(decision, exposure, revoked)
        spend(self._ledger)
        return after


class LateThrottleDoor(Door):
    make_throttle = LateThrottle


class LateAccessDoor(Door):
    make_access = LateAccess


def _replace(owner, name: str, function) -> None:
    setattr(owner, name, function)


def _do_nothing(*arguments) -> None:
    pass


def hold_writes_back(share: int, shares: int, size: int):
    """A flush left out."""
    return cases.cut_events(share, shares, size, LateFlash(cases.SECTORS))


def wipe_key_first(share: int, shares: int, size: int):
    """An ordering: the key is wiped before the entry with the next one is written."""
    write = Journal._write

    def write_late(journal, record) -> None:
        journal._wipe(journal._sector, journal._key_at, len(entry.field(bytes(32))))
        write(journal, record)

    _replace(Journal, "_write", write_late)
    return cases.cut_events(share, shares, size)


def keep_epoch_never(share: int, shares: int, size: int):
    """A write left out: the ledger is not told of a new sector, so that a journal without it passes for whole."""
    _replace(Ledger, "put_integer", _keep_all_but(ledger.JOURNAL_EPOCH, Ledger.put_integer))
    return cases.cut_lost_journal(share, shares, size)


def _keep_all_but(number: int, put_integer):
    def put(kept, key: int, value: int) -> None:
        if key != number:
            put_integer(kept, key, value)

    return put


def charge_late(share: int, shares: int, size: int):
    """An ordering: a wrong code is counted after the verdict."""
    return deliveries.cut_guesses(share, shares, size, LateThrottleDoor)


def spend_late(share: int, shares: int, size: int):
    """An ordering: a use is counted after the door has opened."""
    return deliveries.cut_uses(share, shares, size, LateAccessDoor)


def keep_floor_never(share: int, shares: int, size: int):
    """A write left out: the clock floor stays in memory."""
    _replace(Timekeeping, "keep_floor", _do_nothing)
    return deliveries.cut_clock(share, shares, size)


def wipe_never(share: int, shares: int, size: int):
    """An erase left out: used keys stay where they are."""
    _replace(Journal, "_wipe", _do_nothing)
    return cases.cut_events(share, shares, size)


def wipe_not_at_start(share: int, shares: int, size: int):
    """An erase left out: a start does not finish what a power cut kept from being wiped."""
    _replace(Journal, "_wipe_again", _do_nothing)
    return cases.cut_events(share, shares, size)


def erase_never(share: int, shares: int, size: int):
    """An erase left out: the ring comes round to sectors that are full."""
    return cases.cut_events(share, shares, size, StuckFlash(cases.SECTORS))


CONTROLS = {
    "a write is held back": hold_writes_back,
    "key wiped before the entry": wipe_key_first,
    "wrong code counted after the verdict": charge_late,
    "use counted after the strike": spend_late,
    "clock floor not kept": keep_floor_never,
    "newest sector not kept": keep_epoch_never,
    "used keys not wiped": wipe_never,
    "cut wiping not finished": wipe_not_at_start,
    "full sectors not erased": erase_never,
}
