"""Ten thousand forgeries by a thief who holds the lock: none is taken for what the door recorded."""

import random
from collections import Counter
from pathlib import Path

import pytest
from forger import FORGERIES, World, forge_export, view
from scripted_door import NOW_S

from lobbylock import audit
from lobbylock.export import read_export, write_export
from lobbylock.journalkey import KeyLine

SEED = 20_260_921


@pytest.fixture
def world(tmp_path, monkeypatch):
    # Whose key made a wrong tag is looked for among fewer, which changes what is said of it and not whether.
    monkeypatch.setattr(audit, "_LOOK_AHEAD", 64)
    monkeypatch.setattr("lobbylock.verify._LOOK_AHEAD", 64)
    return World(tmp_path)


def forge(world: World, count: int, seed: int) -> tuple[Counter, list[str]]:
    """Returns how many forgeries of each kind were named, or changed nothing, and which ones were neither."""
    counts: Counter = Counter()
    undetected = []
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        forgery = FORGERIES[number % len(FORGERIES)]
        with world.open() as store:
            forgery(world, store, rng)
            if world.audit(store):
                counts[forgery.__name__, "named"] += 1
            elif is_harmless(world, store):
                counts[forgery.__name__, "harmless"] += 1
            else:
                undetected.append(f"{forgery.__name__} {number}")
    return counts, undetected


def is_harmless(world: World, store) -> bool:
    """Whether everything from before the theft is there as it was; what the thief recorded later is his."""
    before, after = world.honest, view(store)
    if [chain[:2] for chain in before] != [chain[:2] for chain in after]:
        return False
    for old, new in zip(before, after, strict=True):
        if old[3:] != new[3:] or new[2][: len(old[2])] != old[2]:
            return False
        for seq, _, _, record in new[2][len(old[2]) :]:
            if seq <= world.lock.last_seq and record != world.lock.records[seq - 1]:
                return False
    return True


def show(counts: Counter, undetected: list[str]) -> None:
    for forgery in FORGERIES:
        name = forgery.__name__
        print(f"{name:32} named {counts[name, 'named']:5}  changed nothing {counts[name, 'harmless']:5}")
    print(f"{sum(counts.values()) + len(undetected)} forgeries, {len(undetected)} undetected")


def test_forgeries(world):
    counts, undetected = forge(world, 800, SEED)
    assert undetected == []
    # Every kind of forgery was one: it is not that nothing was ever changed.
    assert all(counts[forgery.__name__, "named"] > 8 for forgery in FORGERIES if forgery.__name__ != "send")


def test_forged_exports(world, tmp_path):
    count = forge_exports(world, tmp_path, 120)
    print(f"{count} forged exports, 0 undetected")


def forge_exports(world: World, folder: Path, count: int) -> int:
    """Returns how many forged exports were named; all of them must be that are not what they were."""
    path = folder / "export"
    with world.open() as store:
        write_export(store, path, world.doors, world.signer, NOW_S, only=None, with_keys=False)
    honest = path.read_bytes()
    named = 0
    for number in range(count):
        forged = forge_export(honest.splitlines(keepends=True), random.Random(f"export {SEED} {number}"))
        path.write_bytes(forged)
        opened, findings = read_export(path, world.signer.public_key)
        opened.close()
        assert findings or forged == honest, number
        named += bool(findings)
    assert named > count * 0.9
    return named


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_forgeries(world, tmp_path):
    counts, undetected = forge(world, 10_000, SEED + 1)
    show(counts, undetected)
    print(f"{forge_exports(world, tmp_path, 2_000)} forged exports, 0 undetected")
    assert undetected == []


def test_without_the_tags_they_pass(world, monkeypatch):
    """The same, with an audit that does not look at tags: a sweep that cannot fail would prove nothing."""
    monkeypatch.setattr(KeyLine, "fits", lambda *_: True)
    _, undetected = forge(world, 400, SEED)
    assert len(undetected) > 5 and {name.split()[0] for name in undetected} >= {"sign_as_the_collector", "send"}


def test_without_the_receipts_they_pass(world, monkeypatch):
    monkeypatch.setattr(audit._Audit, "_check_account", lambda *_: None)
    _, undetected = forge(world, 400, SEED)
    assert {name.split()[0] for name in undetected} >= {"truncate"}
