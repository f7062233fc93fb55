"""Events on their way into the journal: none of them may end up where no seal covers it."""

from fake_flash import FakeFlash
from journal_case import begin, mount

from firmware.core import event
from firmware.core.clock import Clock
from firmware.store.trail import Trail


class Uptime:
    def now_ms(self):
        return 0


def trail_on(journal, boot):
    return Trail(journal, "maple-12/front", boot, Uptime(), Clock(0), lambda message: bytes(64))


def test_starts_that_were_cut_before_their_first_seal_can_all_be_sent():
    flash = FakeFlash(8)
    journal = begin(flash)
    for boot in range(1, 121):
        trail_on(journal, boot).record(event.BOOT, {event.CAUSE: 1, event.VERSION: "0.1.0"})
        journal = mount(flash, journal.acked_seq)
    trail_on(journal, 121).seal()
    sent = 0
    while journal.acked_seq < journal.seq:
        first_seq, _, entries, _ = journal.batch(48, 7_680)
        assert first_seq == sent + 1
        sent += len(entries)
        journal.release(sent)
    assert sent == journal.seq > 121


def test_records_of_the_largest_size_still_fit_one_message():
    journal = begin(FakeFlash(8))
    trail = trail_on(journal, 1)
    for _ in range(90):
        trail.record(event.TASK_FAILED, {event.NAME: "x" * 170})
    first_seq, _, entries, _ = journal.batch(48, 7_680)
    assert first_seq == 1 and event.kind_of(entries[-1]) == event.SEAL
