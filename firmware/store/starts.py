"""How many starts in a row came to nothing, and what the next one therefore leaves out.

    whole --3 failed--> safe --3 failed more--> held
    whole <----1 h----- safe <-------1 h------- held        and one more failed start leads back at once

A start has failed when its run was over before it counted as good: by a reset of whatever kind, while a power cut says
little. A supply that gives way under the load looks like power cuts, hence a much larger number of those leads to
the safe mode too. The start is counted in flash before anything else is done, so there is none that does not count.

Kept under `ledger.STARTS`: whether a start is not good yet | failed starts | power cuts | name of what failed last.
"""

from micropython import const

from firmware.store import ledger

_SAFE_STARTS = const(3)
_HELD_STARTS = const(6)
_POWER_CUTS = const(250)


def begin(kept, is_power_on: bool) -> tuple:
    """Counts this start; returns (whether it is held, whether it is safe, failed starts before it, what failed last).

    `kept` is the ledger. What failed last is the name of a task, empty if unknown. Raises FlashError.
    """
    is_open, count, power_cuts, name = _read(kept)
    if is_open and is_power_on:
        power_cuts = min(power_cuts + 1, _POWER_CUTS)
    elif is_open:
        count = min(count + 1, _HELD_STARTS)
    _keep(kept, 1, count, power_cuts, name)
    return count >= _HELD_STARTS, _is_safe(count, power_cuts), count, name


def fail(kept, name: str) -> None:
    """Keeps the name of what ended the run. Raises FlashError."""
    is_open, count, power_cuts, _ = _read(kept)
    if is_open:
        _keep(kept, 1, count, power_cuts, name)


def settle(kept) -> None:
    """This start was a good one: forgets those before it, or keeps the lock in the safe mode. Raises FlashError."""
    _, count, power_cuts, name = _read(kept)
    if _is_safe(count, power_cuts):
        _keep(kept, 0, min(count, _SAFE_STARTS), power_cuts, name)
    else:
        _keep(kept, 0, 0, 0, "")


def excuse(kept) -> None:
    """This start ends because somebody wants it to: it counts neither as good nor as failed. Raises FlashError."""
    _, count, power_cuts, name = _read(kept)
    _keep(kept, 0, count, power_cuts, name)


def relent(kept) -> None:
    """Has the next start try more than this one did. Raises FlashError."""
    _, count, _, name = _read(kept)
    _keep(kept, 0, (_HELD_STARTS if count >= _HELD_STARTS else _SAFE_STARTS) - 1, 0, name)


def _is_safe(count: int, power_cuts: int) -> bool:
    return count >= _SAFE_STARTS or power_cuts >= _POWER_CUTS


def _read(kept) -> tuple:
    value = kept.get(ledger.STARTS) or bytes(3)
    return value[0], value[1], value[2], value[3:].decode()


def _keep(kept, is_open: int, count: int, power_cuts: int, name: str) -> None:
    kept.put(ledger.STARTS, bytes([is_open, count, power_cuts]) + name.encode())
