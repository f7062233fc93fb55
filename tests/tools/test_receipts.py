"""`lobbylock receipt verify` and `lobbylock audit receipts`: receipts made with another library, and all that can be
wrong with them."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_door import ACCESS, BOOT, EDDSA, LOCKED, NOW_S, UNLOCKED, ScriptedDoor, encode
from storeedit import edit

from firmware.core import receipt as lock_receipt
from lobbylock.visit_receipt import MAX_RECEIPT_BYTES, read_visit_receipt

RECEIPT = 43
KEYPAD, PHONE, BLE = 1, 3, 5
KID = bytes.fromhex("b62e867f")
ID = bytes(range(8))


def make_receipt(lock: ScriptedDoor, access: int, door: str | None = None, **changed) -> bytes:
    """The receipt of event `access` by the key of `lock`; `changed` are fields that say another thing."""
    said = {"seq": access, "digest": sha256(lock.records[access - 1]).digest(), "time_s": lock.now_s}
    said = {**said, "kid": KID, "id": ID, **changed}
    payload = encode(["lobbylock receipt 1", door or lock.name, *said.values()])
    return encode([EDDSA, {}, payload, lock.sign(payload)])


def enter(lock: ScriptedDoor, via: int = BLE, reason: int = 0, is_given: bool = True) -> tuple[int, bytes]:
    """Somebody comes with a phone. Returns the seq of the access, and its receipt, handed out if `is_given`."""
    access = lock.add(ACCESS, {1: reason, 2: via, 18: "Anna", 19: ID, 20: 1, 21: KID})
    receipt = make_receipt(lock, access)
    if reason == 0:
        lock.add(UNLOCKED, {10: 1, 15: access})
        if is_given:
            lock.add(RECEIPT, {15: access, 7: sha256(receipt).digest()})
        lock.add(LOCKED)
    lock.seal()
    return access, receipt


@pytest.fixture
def audit(run, collector, store, tmp_path):
    """`audit(locks, receipts, *options)` -> (exit code, JSON), after all of the locks' events have been collected;
    `audit.judge(receipts, *options)` collects nothing."""

    class Audit:
        def __call__(self, locks: list[ScriptedDoor], receipts: list[bytes], *options: str) -> tuple[int, dict]:
            for lock in locks:
                assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch())
            return self.judge(receipts, *options)

        def judge(self, receipts: list[bytes], *options: str) -> tuple[int, dict]:
            files = []
            for number, data in enumerate(receipts):
                files.append(tmp_path / f"{number}.receipt")
                files[-1].write_bytes(data)
            code, text, _ = run("audit", "receipts", "--json", *options, *map(str, files))
            plain_code, plain, _ = run("audit", "receipts", *options, *map(str, files))
            found = json.loads(text)
            assert code == plain_code
            for finding in found["findings"]:
                assert finding["what"] in plain, "the two ways of saying it differ"
            return code, found

    return Audit()


def whats(found: dict) -> list[str]:
    return [finding["what"] for finding in found["findings"]]


# Offline, with the door's public key alone.


def test_receipt_holds_offline(run, lock, tmp_path):
    access, receipt = enter(lock)
    file = tmp_path / "a.receipt"
    file.write_bytes(receipt)
    code, text, _ = run("receipt", "verify", str(file), "--door-key", lock.public_key.hex(), "--json")
    said = json.loads(text)
    assert (code, said["ok"], said["door"], said["seq"], said["time_s"]) == (0, True, lock.name, access, NOW_S)
    assert said["credential_id"] == ID.hex() and said["kid"] == KID.hex()
    code, text, _ = run("receipt", "verify", str(file))
    assert code == 0 and text.startswith(f"It holds: {lock.name} let in")


def test_key_of_another_board(run, lock, tmp_path):
    file = tmp_path / "a.receipt"
    file.write_bytes(enter(lock)[1])
    other = ScriptedDoor(seed=b"\2" * 32)
    code, text, _ = run("receipt", "verify", str(file), "--door-key", other.public_key.hex(), "--json")
    assert code == 1 and json.loads(text)["ok"] is False
    assert run("receipt", "verify", str(file), "--door", "maple-12/back")[0] == 1
    assert run("receipt", "verify", str(file), "--door-key", "00")[0] == 2
    assert run("receipt", "verify", str(tmp_path / "none"))[0] == 2


def test_the_lock_and_the_host_mean_the_same(lock):
    access = lock.add(ACCESS, {1: 0, 2: 5, 18: "Anna", 19: ID, 20: 1, 21: KID})
    made = lock_receipt.make(lock.name, lock.records[access - 1], lock.key.sign)
    assert made == make_receipt(lock, access)
    assert read_visit_receipt(made, lock.public_key) is not None


RECEIPT_BYTES = (lambda lock: (lock.public_key, enter(lock)[1]))(ScriptedDoor())


@given(st.integers(0, len(RECEIPT_BYTES[1]) * 8 - 1))
def test_no_bit_can_be_changed(bit):
    public_key, receipt = RECEIPT_BYTES
    altered = bytearray(receipt)
    altered[bit // 8] ^= 1 << bit % 8
    assert read_visit_receipt(bytes(altered), public_key) is None


@given(st.binary(max_size=300) | st.integers(0, 240).map(lambda end: RECEIPT_BYTES[1][:end]))
def test_what_is_no_receipt_is_none(data):
    if data != RECEIPT_BYTES[1]:
        assert read_visit_receipt(data, RECEIPT_BYTES[0]) is None


@given(
    st.fixed_dictionaries(
        {
            "door": st.sampled_from(["maple-12", "/", "Maple/front", "a/b/c", 5, None]),
            "seq": st.sampled_from([0, -1, True, "1", None, 1 << 63]),
            "digest": st.sampled_from([b"", bytes(31), bytes(33), "x" * 32]),
            "time_s": st.sampled_from([-1, "now", b"", True]),
            "kid": st.sampled_from([b"", bytes(9), 1]),
            "id": st.sampled_from([b"", bytes(17), None]),
        }
    ),
    st.sampled_from(["door", "seq", "digest", "time_s", "kid", "id"]),
)
def test_fields_out_of_range(wrong, which):
    lock = ScriptedDoor()
    good = {"door": lock.name, "seq": 1, "digest": bytes(32), "time_s": None, "kid": KID, "id": ID}
    payload = encode(["lobbylock receipt 1", *{**good, which: wrong[which]}.values()])
    assert read_visit_receipt(encode([EDDSA, {}, payload, lock.sign(payload)]), lock.public_key) is None
    payload = encode(["lobbylock receipt 1", *good.values()])
    assert read_visit_receipt(encode([EDDSA, {}, payload, lock.sign(payload)]), lock.public_key) is not None


# Against the record.


def test_receipts_and_events_fit(audit, lock):
    receipts = [enter(lock)[1] for _ in range(3)] + [enter(lock, via=PHONE)[1]]
    code, found = audit([lock], receipts, "--all")
    assert (code, found["ok"], found["findings"], found["without_receipt"]) == (0, True, [], [])
    assert [each["seq"] for each in found["receipts"]] == [1, 6, 11, 16]


def test_receipt_without_its_file_and_entry_without_a_receipt(audit, lock):
    first, receipt = enter(lock)
    second, _ = enter(lock)
    third, _ = enter(lock, is_given=False)
    enter(lock, reason=27)
    lock.deliver()
    code, found = audit([lock], [receipt], "--all")
    assert code == 1 and whats(found) == ["its receipt is not here"]
    assert found["findings"][0]["seq"] == second
    assert [(each["seq"], each["what"]) for each in found["without_receipt"]] == [(third, "no receipt was given")]
    # Not all of them: nothing is missing.
    code, found = audit.judge([receipt])
    assert code == 0 and found["receipts"][0]["seq"] == first


def test_altered_receipt(audit, lock):
    _, receipt = enter(lock)
    at = receipt.index(b"maple-12/front")
    renamed = receipt[:at] + b"maple-12/bront" + receipt[at + 14 :]
    code, found = audit([lock], [receipt[:-1] + bytes([receipt[-1] ^ 1]), b"not one", renamed])
    assert code == 1
    assert whats(found) == ["not signed by the door", "not a receipt", "unknown door"]


def test_receipt_of_another_door(audit, lock, enrol):
    other = enrol(ScriptedDoor("maple-12/back", b"\2" * 32))
    _, receipt = enter(lock)
    enter(other)
    swapped = make_receipt(other, 1, door=lock.name)
    code, found = audit([lock, other], [receipt, swapped])
    assert code == 1 and whats(found) == ["receipt of another door"]
    assert "maple-12/back" in found["findings"][0]["detail"]
    assert [each["seq"] for each in found["receipts"]] == [1]
    # Whichever door is asked about.
    assert audit.judge([receipt], "--door", other.name)[0] == 0


def test_receipt_of_another_board(audit, lock, enrol):
    _, receipt = enter(lock)
    stranger = ScriptedDoor(seed=b"\3" * 32)
    _, strange = enter(stranger)
    code, found = audit([lock], [strange])
    assert code == 1 and whats(found) == ["not signed by the door"]
    # The board was changed; nothing of the new one has come yet, what the old one gave still counts.
    enrol(stranger, may_replace=True)
    code, found = audit.judge([receipt, strange])
    assert code == 1 and whats(found) == ["receipt of another board"]
    assert len(found["receipts"]) == 1


def test_receipt_of_an_event_in_a_gap(audit, lock, collector):
    _, receipt = enter(lock)
    first = lock.last_seq + 1
    _, later = enter(lock)
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(first))
    code, found = audit.judge([receipt, later])
    assert code == 1 and whats(found) == ["its event is in a gap"]
    assert [each["seq"] for each in found["receipts"]] == [6]


def test_receipt_whose_handing_out_is_in_a_gap(audit, lock, collector):
    access = lock.add(ACCESS, {1: 0, 2: BLE, 18: "Anna", 19: ID, 20: 1, 21: KID})
    receipt = make_receipt(lock, access)
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(1, lock.seal()))
    lock.add(RECEIPT, {15: access, 7: sha256(receipt).digest()})
    lock.seal()
    third, _ = enter(lock, is_given=False)
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(third))
    code, found = audit.judge([receipt], "--all")
    assert code == 1 and whats(found) == ["its event is in a gap"]
    # Whether one was given there nobody knows; the third one's entry is whole.
    assert [each["seq"] for each in found["without_receipt"]] == [third]


def test_a_gap_behind_the_next_start_excuses_nothing(audit, lock, collector):
    _, receipt = enter(lock, is_given=False)
    lock.add(BOOT)
    end = lock.seal()
    enter(lock)
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(1, end))
    first = lock.last_seq + 1
    enter(lock)
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(first))
    code, found = audit.judge([receipt])
    assert code == 1 and whats(found) == ["no event says that it was given"]


def test_receipt_event_of_an_entry_in_a_gap(audit, lock, collector):
    enter(lock)
    access = lock.add(ACCESS, {1: 0, 2: BLE, 18: "Anna", 19: ID, 20: 1, 21: KID})
    receipt = make_receipt(lock, access)
    first = lock.add(RECEIPT, {15: access, 7: sha256(receipt).digest()})
    lock.seal()
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(first))
    assert audit.judge([])[1]["findings"] == []


def test_entries_by_either_carrier_without_a_receipt(audit, lock):
    seqs = [enter(lock, via=via, is_given=False)[0] for via in (PHONE, BLE, KEYPAD)]
    _, found = audit([lock], [])
    assert [each["seq"] for each in found["without_receipt"]] == seqs[:2]


def test_receipt_of_what_is_not_collected_yet(audit, lock, collector):
    _, receipt = enter(lock)
    end = lock.last_seq
    _, later = enter(lock)
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(1, end))
    code, found = audit.judge([receipt, later])
    assert code == 1 and whats(found) == ["its event is not here"]
    assert f"ends at #{end}" in found["findings"][0]["detail"]


@pytest.mark.parametrize(
    "changed",
    [{"digest": bytes(32)}, {"time_s": NOW_S + 1}, {"kid": b"\1"}, {"id": bytes(8)}, {"seq": 2}, {"time_s": None}],
)
def test_receipt_that_tells_of_another_event(audit, lock, changed):
    access, _ = enter(lock)
    code, found = audit([lock], [make_receipt(lock, access, **changed)])
    assert code == 1 and whats(found) == ["its event is another"]


def test_receipt_of_a_refusal(audit, lock):
    _, receipt = enter(lock, reason=3)
    code, found = audit([lock], [receipt])
    assert code == 1 and whats(found) == ["its event is another"]


def test_receipt_that_no_event_knows(audit, lock):
    access, receipt = enter(lock, is_given=False)
    code, found = audit([lock], [receipt])
    assert code == 1 and whats(found) == ["no event says that it was given"]
    assert found["without_receipt"][0]["seq"] == access


def test_another_receipt_was_given(audit, lock):
    access = lock.add(ACCESS, {1: 0, 2: BLE, 18: "Anna", 19: ID, 20: 1, 21: KID})
    lock.add(RECEIPT, {15: access, 7: bytes(32)})
    lock.seal()
    code, found = audit([lock], [make_receipt(lock, access)], "--all")
    assert code == 1 and whats(found) == ["another receipt was given", "its receipt is not here"]


def test_receipt_event_without_an_entry(audit, lock):
    access, _ = enter(lock, reason=3)
    lock.add(RECEIPT, {15: access, 7: bytes(32)})
    lock.add(RECEIPT, {15: 99, 7: bytes(32)})
    lock.seal()
    code, found = audit([lock], [])
    assert code == 1 and whats(found) == ["a receipt was given for no entry"] * 2


def test_a_broken_record_says_nothing_of_receipts(run, audit, lock, store_address, tmp_path):
    _, receipt = enter(lock)
    assert audit([lock], [receipt])[0] == 0
    edit(store_address, "UPDATE event SET time_s = 5 WHERE seq = 2")
    file = tmp_path / "0.receipt"
    code, text, error = run("audit", "receipts", "--json", str(file))
    assert (code, text) == (1, "") and "edited" in error
    assert run("audit", "receipts", "--json", "--unverified", str(file))[0] == 0


def test_longest_receipt():
    lock = ScriptedDoor(f"{'m' * 32}/{'f' * 32}")
    lock.now_s = (1 << 32) - 1
    access = lock.add(ACCESS, {1: 0, 2: 5, 18: "A" * 32, 19: bytes(16), 20: 1, 21: bytes(8)})
    receipt = make_receipt(lock, access, kid=bytes(8), id=bytes(16), seq=(1 << 32) - 1)
    assert len(receipt) <= MAX_RECEIPT_BYTES
    said = read_visit_receipt(receipt, lock.public_key)
    assert said is not None and said.seq == (1 << 32) - 1


# Stories, and for whose eyes.


def test_stories_of_the_verified_record(run, collector, lock, tmp_path):
    access, receipt = enter(lock)
    lock.add(5, {15: access})
    lock.add(6, {11: 4, 15: access})
    resident = lock.add(ACCESS, {1: 0, 2: BLE, 18: "Bea", 19: bytes(8), 20: 2, 21: KID})
    lock.add(44, {15: resident})
    lock.seal()
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch())
    code, text, _ = run("audit", "stories", "--json")
    first, second = (json.loads(line) for line in text.splitlines())
    assert code == 0
    assert (first["who"], first["via"], first["role"], first["outcome"]) == ("Anna", "ble", "driver", "opened")
    assert (first["open_for_s"], first["receipt"]) == (4, sha256(receipt).hexdigest())
    assert (second["who"], second["role"], second["outcome"]) == ("Bea", "resident", "not_opened")
    code, text, _ = run("audit", "stories", "--day", "2026-09-21")
    assert code == 0 and "Anna by ble" in text and "not opened" in text
    assert run("audit", "stories", "--json", "--day", "2026-09-22")[1] == ""


def test_stories_for_a_resident(run, collector, lock):
    enter(lock)
    for number, name in enumerate(("Bea", "Cem")):
        lock.add(ACCESS, {1: 0, 2: BLE, 18: name, 19: bytes([number]) * 8, 20: 2, 21: KID})
    lock.seal()
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch())

    def who(*command: str) -> list[str]:
        rows = [json.loads(line) for line in run("audit", *command, "--json")[1].splitlines()]
        return [row.get("who") or row["details"]["subject"] for row in rows]

    assert who("stories") == who("list") == ["Anna", "Bea", "Cem"]
    assert who("stories", "--for", "resident:Bea") == who("list", "--for", "resident:Bea") == ["Anna", "Bea"]
    assert run("audit", "stories", "--for", "resident")[0] == 2
    assert run("audit", "list", "--for", "queen")[0] == 2
