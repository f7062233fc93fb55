import gc

from fake_flash import WAYS, FakeFlash, PowerCut

from firmware.core.credential import Credential
from firmware.core.errors import FlashError, LedgerFull
from firmware.store import ledger
from firmware.store.ledger import Ledger

NOW_S = 1_789_992_000
DAY_S = 86_400


def key(number):
    return b"key " + number.to_bytes(4, "big")


def full(flash):
    """Returns a ledger with 128 credentials used once, number n expiring n + 1 days from now."""
    kept = Ledger(flash)
    for number in range(128):
        kept.use(key(number), NOW_S + (number + 1) * DAY_S, NOW_S)
    return kept


def is_refused(kept, *arguments):
    try:
        kept.use(*arguments)
    except LedgerFull:
        return True
    return False


def test_uses_are_counted_and_outlast_a_remount():
    flash = FakeFlash(3)
    kept = Ledger(flash)
    assert kept.uses_of(key(1)) == 0
    for count in range(1, 4):
        kept.use(key(1), NOW_S + DAY_S, NOW_S)
        assert kept.uses_of(key(1)) == Ledger(flash).uses_of(key(1)) == count
    assert kept.uses_of(key(2)) == 0 and kept.uses_of(b"key \xff\0\0\1") == 0


def test_255_uses_stay_255():
    kept = Ledger(FakeFlash(3))
    for _ in range(260):
        kept.use(key(1), NOW_S + DAY_S, NOW_S)
    assert kept.uses_of(key(1)) == 255


def test_128_live_ones_fit_and_no_more():
    flash = FakeFlash(3)
    kept = full(flash)
    before = [bytes(data) for data in flash.data]
    assert is_refused(kept, key(128), NOW_S + 999 * DAY_S, NOW_S)
    assert [bytes(data) for data in flash.data] == before and kept.uses_of(key(128)) == 0
    # Those that are there go on being counted.
    kept.use(key(127), NOW_S + 128 * DAY_S, NOW_S)
    for again in (kept, Ledger(flash)):
        assert [again.uses_of(key(number)) for number in range(129)] == [1] * 127 + [2, 0]


def test_a_visitor_s_use_counts_only_if_there_is_room_for_the_resident_s_as_well():
    flash = FakeFlash(3)
    kept = full(flash)
    # One is over, and two are wanted.
    later_s = NOW_S + DAY_S
    claims = {1: "Anna", 2: "Vera", 3: "maple-12", 4: NOW_S + 9 * DAY_S, 7: b"visitor1", -70001: 1, -70002: ["lobby"]}
    claims[-70003] = 3
    parent = Credential(b"kid1", dict(claims))
    claims.update({7: b"visitor2", 8: {1: {1: 2, -1: 1, -2: b"v" * 32, -3: b"w" * 32}}, -70001: 4})
    child = Credential(b"kid1", claims, parent)
    parent.judged_s = child.judged_s = later_s
    before = [bytes(data) for data in flash.data]
    for _ in range(2):
        try:
            child.spend(kept)
            raise AssertionError("there was room")
        except LedgerFull:
            pass
    assert [bytes(data) for data in flash.data] == before and kept.uses_of(child.key) == 0
    # For the resident alone there is; then the visitor has no place, and with a second one that is over he has.
    parent.spend(kept)
    assert kept.uses_of(parent.key) == 1
    try:
        child.spend(kept)
        raise AssertionError("there was room")
    except LedgerFull:
        pass
    assert kept.uses_of(parent.key) == 1
    parent.judged_s = child.judged_s = NOW_S + 2 * DAY_S
    child.spend(kept)
    for again in (kept, Ledger(flash)):
        assert (again.uses_of(child.key), again.uses_of(parent.key)) == (1, 2)
    # Two rows at once: the third and the fourth are over.
    late_s = NOW_S + 4 * DAY_S
    assert kept._uses.has_room((b"12345678", b"23456789"), late_s)
    assert not kept._uses.has_room((b"12345678", b"23456789"), late_s - 1)


def test_expired_ones_drop_out():
    flash = FakeFlash(3)
    kept = full(flash)
    # Numbers 0 and 1 have expired, number 2 has not; who replaced them outlasts a power cut, and so does the time.
    later_s = NOW_S + 2 * DAY_S
    kept.use(key(200), later_s + DAY_S, later_s)
    assert Ledger(flash).integer(ledger.CLOCK_FLOOR) == later_s
    kept.use(key(201), later_s + 2 * DAY_S, later_s)
    assert is_refused(kept, key(202), later_s + DAY_S, later_s)
    for again in (kept, Ledger(flash)):
        assert again.uses_of(key(200)) == again.uses_of(key(201)) == 1
        assert [again.uses_of(key(number)) for number in range(128)] == [0, 0] + [1] * 126


def test_a_place_is_only_given_away_once_the_time_is_durable():
    flash = FakeFlash(3)
    full(flash)
    later_s = NOW_S + 2 * DAY_S
    before = flash.operations
    for cut_at in (before, before + 1):
        copy = FakeFlash(3)
        copy.data = [bytearray(data) for data in flash.data]
        kept = Ledger(copy)
        copy.cut_at, copy.how = copy.operations + cut_at - before, "prefix"
        try:
            kept.use(key(200), later_s + DAY_S, later_s)
            raise AssertionError("not cut")
        except PowerCut:
            pass
        again = Ledger(copy)
        assert again.uses_of(key(0)) == 1 and again.uses_of(key(200)) == 0
        assert again.integer(ledger.CLOCK_FLOOR) == (0 if cut_at == before else later_s)


def test_other_values_stay_beside_them():
    flash = FakeFlash(3)
    kept = Ledger(flash)
    kept.put(ledger.IDENTITY, b"s" * 32)
    for number in range(600):
        kept.use(key(number % 100), NOW_S + DAY_S, NOW_S)
        kept.put_integer(ledger.BOOT_COUNT, number)
    again = Ledger(flash)
    assert again.get(ledger.IDENTITY) == b"s" * 32 and again.integer(ledger.BOOT_COUNT) == 599
    assert [again.uses_of(key(number)) for number in range(100)] == [6] * 100
    assert flash.erases >= 4


def test_power_cut_at_every_operation_loses_no_use_that_was_acknowledged():
    def play(kept, done):
        for number in range(300):
            # A floor that cuts, so that rows are replaced as well.
            now_s = NOW_S + number * DAY_S
            if number % 50 == 0:
                kept.put_integer(ledger.CLOCK_FLOOR, now_s)
            kept.use(key(number // 2), now_s + 150 * DAY_S, now_s)
            done.append(number)

    reference = FakeFlash(3)
    play(Ledger(reference), [])
    assert reference.erases >= 2
    cuts = 0
    for cut_at in range(0, reference.operations, 7):
        flash = FakeFlash(3)
        flash.cut_at, flash.how = cut_at, WAYS[cut_at % len(WAYS)]
        done = []
        try:
            play(Ledger(flash), done)
        except PowerCut:
            cuts += 1
        again = Ledger(flash)
        number = len(done)
        # The one that was cut may count or not; the two uses of each before it do.
        assert again.uses_of(key(number // 2)) - number % 2 in (0, 1), cut_at
        for before in range(max(0, number // 2 - 70), number // 2):
            assert again.uses_of(key(before)) == 2, (cut_at, before)
    assert cuts == len(range(0, reference.operations, 7))


def test_every_way_to_cut_a_move():
    flash = FakeFlash(3)
    kept = full(flash)
    erases = flash.erases
    # Up to the use that needs a new sector.
    while flash.erases == erases:
        copies = [bytearray(data) for data in flash.data]
        before = kept.uses_of(key(5))
        start = flash.operations
        kept.use(key(5), NOW_S + 6 * DAY_S, NOW_S)
    operations = flash.operations - start
    assert operations > 8
    del kept
    for cut_at in range(operations):
        for how in WAYS:
            flash.data = [bytearray(data) for data in copies]
            flash.cut_at = None
            kept = Ledger(flash)
            flash.cut_at, flash.how = flash.operations + cut_at, how
            try:
                kept.use(key(5), NOW_S + 6 * DAY_S, NOW_S)
            except PowerCut:
                pass
            flash.cut_at = None
            again = Ledger(flash)
            assert again.uses_of(key(5)) in (before, before + 1), (cut_at, how)
            assert [again.uses_of(key(number)) for number in range(128) if number != 5] == [1] * 127
            again.use(key(5), NOW_S + 6 * DAY_S, NOW_S)
            assert Ledger(flash).uses_of(key(5)) == again.uses_of(key(5))


def test_broken_flash_counts_nothing():
    flash = FakeFlash(3)
    kept = Ledger(flash)
    kept.use(key(1), NOW_S + DAY_S, NOW_S)
    flash.is_broken = True
    for _ in range(3):
        try:
            kept.use(key(1), NOW_S + DAY_S, NOW_S)
            raise AssertionError("no error")
        except FlashError:
            pass
    assert kept.uses_of(key(1)) == 1
    flash.is_broken = False
    kept.use(key(1), NOW_S + DAY_S, NOW_S)
    assert kept.uses_of(key(1)) == Ledger(flash).uses_of(key(1)) == 2


def test_what_a_use_costs_the_flash():
    flash = FakeFlash(6)
    kept = full(flash)
    operations, erases = flash.operations, flash.erases
    for number in range(1_000):
        # Each one expires as the next comes: the table stays full and every use is of a new credential.
        now_s = NOW_S + (number + 1) * DAY_S
        kept.use(key(number + 200), now_s + 128 * DAY_S, now_s)
    per_use = (flash.operations - operations) / 1_000
    # One for the use, one for the floor that lets a row go, and the moves.
    assert per_use <= 2.25, per_use
    # The usual: no row has to be given away, or the floor that health keeps every ten minutes has passed it.
    flash = FakeFlash(6)
    kept = Ledger(flash)
    operations, erases = flash.operations, flash.erases
    for number in range(1_000):
        kept.use(key(number % 128), NOW_S + DAY_S, NOW_S)
    per_use = (flash.operations - operations) / 1_000
    assert per_use <= 1.25 and (flash.erases - erases) / 1_000 <= 0.012


def memory_of(flash):
    """Returns what a ledger mounted on `flash` keeps on the heap."""
    gc.collect()
    before = gc.mem_alloc()
    kept = Ledger(flash)
    gc.collect()
    return gc.mem_alloc() - before, kept


def test_memory_of_a_full_table():
    empty, kept = memory_of(FakeFlash(3))
    del kept
    flash = FakeFlash(3)
    full(flash)
    taken, kept = memory_of(flash)
    assert kept.uses_of(key(127)) == 1
    assert 1_664 <= taken - empty <= 2_560, (taken, empty)
