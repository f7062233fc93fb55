"""What a collector believes of an `events` message: lobbylock.verify alone, without store or network."""

import hmac
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_door import ACCESS, BOOT, SEAL, ScriptedDoor, encode

from lobbylock import verify
from lobbylock.journalkey import JournalKey, KeyLine
from lobbylock.verify import Gap, Known, Refusal, check_batch, parse_batch


def history(*, seals: int = 3, name: str = "maple-12/front", seed: bytes = b"\1" * 32) -> ScriptedDoor:
    """Three events and a seal, `seals` times over: seqs 4, 8, 12 are seals."""
    lock = ScriptedDoor(name, seed)
    for _ in range(seals):
        for _ in range(3):
            lock.add(ACCESS, {1: 1, 2: 1})
        lock.seal()
    return lock


def known_of(lock: ScriptedDoor, *ranges: Iterable[int], gaps: tuple[Gap, ...] = ()) -> Known:
    """What a store has that holds these seqs."""
    seqs = [seq for one in ranges for seq in one]
    heads = {gap.last_seq: gap.head for gap in gaps} | {seq: lock.heads[seq] for seq in seqs}
    records = {seq: lock.records[seq - 1] for seq in seqs}
    return Known(max(seqs, default=0), records, heads, list(gaps), {seq: lock.tags[seq - 1] for seq in seqs})


def check(lock: ScriptedDoor, payload: bytes, known: Known | None = None) -> verify.Verdict:
    keys = KeyLine(JournalKey(1, lock.keys[0]))
    return check_batch(parse_batch(payload), lock.name, lock.public_key, known or Known(), keys)


def reason(lock: ScriptedDoor, payload: bytes, known: Known | None = None) -> str:
    with pytest.raises(Refusal) as caught:
        check(lock, payload, known)
    return caught.value.reason


def test_whole_history():
    lock = history()
    verdict = check(lock, lock.batch())
    assert verdict.new_seqs == list(range(1, 13))
    assert verdict.heads == lock.heads[1:]
    assert verdict.gaps == []


def test_next_batch():
    lock = history()
    verdict = check(lock, lock.batch(5, 8), known_of(lock, range(1, 5)))
    assert verdict.new_seqs == [5, 6, 7, 8]


def test_duplicate():
    lock = history()
    verdict = check(lock, lock.batch(1, 8), known_of(lock, range(1, 9)))
    assert verdict.new_seqs == []
    assert verdict.heads[-1] == lock.heads[8]


def test_overlap():
    lock = history()
    verdict = check(lock, lock.batch(3, 8), known_of(lock, range(1, 5)))
    assert verdict.new_seqs == [5, 6, 7, 8]


def test_seal_as_first_record():
    lock = ScriptedDoor()
    lock.seal()
    assert check(lock, lock.batch()).new_seqs == [1]


def test_gap_at_the_start():
    lock = history()
    verdict = check(lock, lock.batch(9))
    assert verdict.gaps == [Gap(1, 8, lock.heads[8])]
    assert verdict.new_seqs == [9, 10, 11, 12]


def test_gap_is_filled():
    lock = history()
    gap = Gap(1, 8, lock.heads[8])
    assert check(lock, lock.batch(1, 8), known_of(lock, range(9, 13), gaps=(gap,))).gaps == []


def test_gap_is_filled_from_its_start():
    lock = history()
    gap = Gap(1, 8, lock.heads[8])
    assert check(lock, lock.batch(1, 4), known_of(lock, range(9, 13), gaps=(gap,))).gaps == [Gap(5, 8, lock.heads[8])]


def test_gap_is_parted():
    lock = history(seals=4)
    gap = Gap(1, 12, lock.heads[12])
    verdict = check(lock, lock.batch(5, 8), known_of(lock, range(13, 17), gaps=(gap,)))
    assert verdict.gaps == [Gap(1, 4, lock.heads[4]), Gap(9, 12, lock.heads[12])]


def test_second_gap():
    lock = history(seals=4)
    gap = Gap(1, 4, lock.heads[4])
    verdict = check(lock, lock.batch(13), known_of(lock, range(5, 9), gaps=(gap,)))
    assert verdict.gaps == [gap, Gap(9, 12, lock.heads[12])]


@given(st.permutations(range(6)))
def test_any_order_ends_whole(order):
    lock = history(seals=6)
    have: set[int] = set()
    gaps: list[Gap] = []
    for one in order:
        known = known_of(lock, sorted(have), gaps=tuple(gaps))
        verdict = check(lock, lock.batch(4 * one + 1, 4 * one + 4), known)
        have.update(verdict.new_seqs)
        gaps = verdict.gaps
        missing = {seq for gap in gaps for seq in range(gap.first_seq, gap.last_seq + 1)}
        assert missing == set(range(1, max(have))) - have
        assert all(gap.head == lock.heads[gap.last_seq] for gap in gaps)
    assert gaps == [] and have == set(range(1, 25))


def test_two_histories_in_a_record():
    lock, other = history(), ScriptedDoor()
    for _ in range(3):
        other.add(ACCESS, {1: 0, 2: 1})
    other.seal()
    assert reason(lock, other.batch(), known_of(lock, range(1, 13))) == verify.TWO_HISTORIES


def test_two_histories_in_a_head():
    lock, other = history(), ScriptedDoor()
    other.add(BOOT)
    other.add(BOOT)
    other.add(BOOT)
    other.seal()
    other.add(ACCESS)
    other.seal()
    assert reason(lock, other.batch(5), known_of(lock, range(1, 5))) == verify.TWO_HISTORIES


def test_two_histories_behind_a_gap():
    lock, other = history(), ScriptedDoor()
    for _ in range(7):
        other.add(BOOT)
    other.seal()
    known = known_of(lock, range(9, 13), gaps=(Gap(1, 8, lock.heads[8]),))
    assert reason(lock, other.batch(), known) == verify.TWO_HISTORIES


def test_wrong_genesis():
    lock = history()
    assert reason(lock, encode([2, 1, bytes(32), lock.entries])) == verify.TWO_HISTORIES


@pytest.mark.parametrize("other", [history(seed=b"\7" * 32), history(name="maple-12/back")])
def test_another_signer(other):
    lock = history()
    head = lock.heads[4]
    # From the fifth event on, where the collector has to take the head on trust of the seal.
    assert reason(lock, encode([2, 5, head, other.entries[4:8]])) == verify.BAD_SEAL


def test_head_of_a_gap_is_sealed():
    lock = history()
    assert reason(lock, encode([2, 5, bytes(32), lock.entries[4:8]])) == verify.BAD_SEAL


def test_record_is_sealed():
    lock = history()
    entries = list(lock.entries)
    entries[1] = encode([2, ACCESS, 1, 500, 1, {1: 0}]) + lock.tags[1]
    assert reason(lock, encode([2, 1, lock.heads[0], entries])) == verify.BAD_SEAL


def test_inner_seal_is_checked():
    lock = ScriptedDoor()
    lock.add(BOOT)
    lock.add(SEAL, {9: bytes(64)})
    lock.seal()
    assert reason(lock, lock.batch()) == verify.BAD_SEAL


@pytest.mark.parametrize("signature", [None, b"", bytes(63), bytes(65), "text", 5])
def test_signature_of_another_shape(signature):
    lock = ScriptedDoor()
    lock.add(SEAL, {} if signature is None else {9: signature})
    assert reason(lock, lock.batch()) == verify.BAD_SEAL


def test_seal_says_nothing_else():
    lock = ScriptedDoor()
    lock.seal()
    signature = lock.records[0][-64:]
    entry = encode([1, SEAL, 1, 250, None, {9: signature, 13: "x"}]) + bytes(16)
    assert reason(lock, encode([2, 1, lock.heads[0], [entry]])) == verify.BAD_SEAL


def test_last_record_is_a_seal():
    lock = history()
    assert reason(lock, lock.batch(1, 11)) == verify.BAD_SEAL


def test_seqs_are_consecutive():
    lock = history()
    swapped = [lock.entries[1], lock.entries[0], *lock.entries[2:4]]
    assert reason(lock, encode([2, 1, lock.heads[0], swapped])) == verify.OUT_OF_ORDER
    assert reason(lock, encode([2, 2, lock.heads[1], lock.entries[:4]])) == verify.OUT_OF_ORDER
    assert reason(lock, encode([2, 1, lock.heads[0], lock.entries[:2] + lock.entries[3:4]])) == verify.OUT_OF_ORDER


HEAD = bytes(32)
TAG = bytes(16)
SEALED = encode([1, SEAL, 1, 1, None, {9: bytes(64)}]) + TAG


@pytest.mark.parametrize(
    "fields",
    [
        None,
        5,
        "text",
        {},
        [],
        [2, 1, HEAD],
        [1, 1, HEAD, [SEALED]],
        [True, 1, HEAD, [SEALED]],
        [2, 0, HEAD, [SEALED]],
        [2, -1, HEAD, [SEALED]],
        [2, "1", HEAD, [SEALED]],
        [2, 1 << 63, HEAD, [SEALED]],
        [2, 1, HEAD[:31], [SEALED]],
        [2, 1, "head", [SEALED]],
        [2, 1, HEAD, []],
        [2, 1, HEAD, [SEALED] * 49],
        [2, 1, HEAD, {1: SEALED}],
        [2, 1, HEAD, [[1, SEAL, 1, 1, None, {}]]],
        [2, 1, HEAD, [b""]],
        [2, 1, HEAD, [TAG]],
        [2, 1, HEAD, [encode([1, SEAL, 1, 1, None]) + TAG]],
        [2, 1, HEAD, [encode([1, SEAL, 1, 1, None, []]) + TAG]],
        [2, 1, HEAD, [encode([1, 1 << 63, 1, 1, None, {}]) + TAG]],
        [2, 1, HEAD, [encode([1, SEAL, 1, 1, 1 << 63, {}]) + TAG]],
        [2, 1, HEAD, [encode([1, SEAL, 1, 1, None, {13: "x" * 300}]) + TAG]],
    ],
)
def test_form(fields):
    assert reason(history(), encode(fields)) == verify.MALFORMED


def test_size():
    assert reason(history(), bytes(8193)) == verify.TOO_LONG
    assert reason(history(), bytes(1 << 20)) == verify.TOO_LONG


def test_unknown_kinds_and_details_are_kept():
    lock = ScriptedDoor()
    lock.add(99, {50: [1, {2: b"x"}], 51: "y"})
    lock.seal()
    assert check(lock, lock.batch()).new_seqs == [1, 2]


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(payload):
    with pytest.raises(Refusal):
        parse_batch(payload)


@settings(deadline=None)
@given(st.data())
def test_any_damage_is_refused(draws):
    lock = history(seals=1)
    payload = bytearray(lock.batch())
    at = draws.draw(st.integers(0, len(payload) - 1))
    payload[at] ^= 1 << draws.draw(st.integers(0, 7))
    with pytest.raises(Refusal):
        check(lock, bytes(payload))


def taken(lock: ScriptedDoor, behind: int) -> ScriptedDoor:
    """The lock in other hands: with its seed, and the key of the event behind its last one for all that follow."""
    thief = ScriptedDoor()
    for record in lock.records[:behind]:
        thief.append_record(record)
    thief.keys = [lock.keys[-1]]
    for _ in range(3):
        thief.add(ACCESS, {1: 0, 2: 1})
    thief.seal()
    return thief


def test_tag_is_checked():
    lock = history()
    for at in range(4):
        entries = list(lock.entries)[:4]
        entries[at] = entries[at][:-1] + bytes([entries[at][-1] ^ 1])
        assert reason(lock, encode([2, 1, lock.heads[0], entries])) == verify.BAD_TAG


def test_later_key_is_named():
    lock = history()
    forged = taken(lock, 4)
    with pytest.raises(Refusal, match="event 5 has one by the key of event 13") as caught:
        check(lock, forged.batch(5), known_of(lock, range(1, 5)))
    assert caught.value.reason == verify.BAD_TAG and caught.value.conflict_seq is None


def test_other_tag_of_a_stored_record():
    lock = history()
    entries = [lock.entries[0][:-16] + bytes(16), *lock.entries[1:4]]
    with pytest.raises(Refusal) as caught:
        check(lock, encode([2, 1, lock.heads[0], entries]), known_of(lock, range(1, 13)))
    assert (caught.value.reason, caught.value.conflict_seq) == (verify.TWO_HISTORIES, 1)


def test_second_history_is_evidence_only_under_the_doors_seal():
    lock = history()
    forged = taken(lock, 4)
    entries = forged.entries[4:]
    stranger = [*entries[:-1], entries[-1][:-20] + bytes(4) + entries[-1][-16:]]
    for sent, conflict_seq in ((entries, 5), (stranger, None)):
        with pytest.raises(Refusal) as caught:
            check(lock, encode([2, 5, lock.heads[4], sent]), known_of(lock, range(1, 13)))
        assert (caught.value.reason, caught.value.conflict_seq) == (verify.TWO_HISTORIES, conflict_seq)


def test_tags_from_before_the_enrolment_are_not_checked():
    lock = history()
    batch = parse_batch(encode([2, 1, lock.heads[0], [lock.records[0] + bytes(16), *lock.entries[1:4]]]))
    for enrolled_seq in (1, 2):
        keys = KeyLine(JournalKey(enrolled_seq, lock.keys[enrolled_seq - 1]))
        if enrolled_seq == 2:
            assert check_batch(batch, lock.name, lock.public_key, Known(), keys).new_seqs == [1, 2, 3, 4]
        else:
            with pytest.raises(Refusal):
                check_batch(batch, lock.name, lock.public_key, Known(), keys)


def test_no_number_keeps_it_busy():
    lock = ScriptedDoor()
    lock.records, lock.tags = [], []
    entry = encode([1 << 60, SEAL, 1, 1, None, {9: bytes(64)}]) + TAG
    assert reason(lock, encode([2, 1 << 60, HEAD, [entry]])) == verify.TOO_FAR


def test_keys_follow_each_other_from_any_place():
    lock = ScriptedDoor()
    for _ in range(3000):
        lock.keys.append(hmac.digest(lock.keys[-1], b"lobbylock journal key 1", "sha256"))
    line = KeyLine(JournalKey(1, lock.keys[0]))
    for seq in (1, 2, 2999, 3, 1024, 1025, 1026, 3001, 2049, 2048, 1):
        assert line.key(seq) == lock.keys[seq - 1]
    later = KeyLine(JournalKey(2000, lock.keys[1999]))
    assert not later.covers(1999) and later.covers(2000) and later.key(3000) == lock.keys[2999]
    assert JournalKey(1, lock.keys[0]).leads_to(JournalKey(3000, lock.keys[2999]))
    assert not JournalKey(1, lock.keys[0]).leads_to(JournalKey(3000, lock.keys[2998]))
    assert not JournalKey(2, lock.keys[1]).leads_to(JournalKey(1, lock.keys[0]))
    assert not JournalKey(1, lock.keys[0]).leads_to(JournalKey(1 << 62, bytes(32)))
