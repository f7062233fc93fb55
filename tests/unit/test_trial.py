import gc
import json
import os

import test_settings
import vfs
from fake_flash import WAYS, _partly

from firmware.core import event
from firmware.core.errors import SettingsError
from firmware.store import ledger, trial

FOLDER = "/lobbylock-trial"
OFFERS = {"nfc": ("uart", "spi"), "keypad": ("matrix", "wiegand"), "camera": True, "ble": True}
BLOCKS = 16


class Cut(Exception):
    """The power went."""


class Chip:
    """A flash chip for littlefs, in memory; with `cut_at` n, operation n (from 0) is done as far as `how` says."""

    def __init__(self):
        self.data = [b"\xff" * 4096] * BLOCKS
        self.operations = 0
        self.cut_at = None
        self.how = "none"

    def readblocks(self, block, buffer, offset=0):
        memoryview(buffer)[:] = memoryview(self.data[block])[offset : offset + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        # In one piece: memory is short here.
        new = bytearray(self.data[block])
        memoryview(new)[offset : offset + len(buffer)] = buffer
        self._apply(block, new)

    def ioctl(self, operation, argument):
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return 4096
        if operation == 6:
            self._apply(argument, b"\xff" * 4096)
        return 0

    def _apply(self, block, new):
        if self.cut_at is not None and self.operations > self.cut_at:
            # Without power nothing is written; littlefs may still try.
            raise OSError(5)
        is_cut = self.operations == self.cut_at
        self.operations += 1
        self.data[block] = bytes(_partly(self.data[block], new, self.how)) if is_cut else new
        if is_cut:
            raise OSError(5)


class Kept:
    def __init__(self):
        self.values = {}

    def get(self, number):
        return self.values.get(number)

    def put(self, number, value):
        self.values[number] = value


class Trail:
    def __init__(self):
        self.records = []

    def record(self, kind, details):
        self.records.append((kind, details))


def text(tag):
    return json.dumps(test_settings.changed(tag=tag))


def write(name, content):
    with open(name, "w") as file:
        file.write(content)


def read(name):
    try:
        with open(name) as file:
            return file.read()
    except OSError:
        return None


def in_folder(chip=None):
    """Mounts littlefs on `chip`, or on a fresh one, and goes there."""
    try:
        os.chdir("/")
        vfs.umount(FOLDER)
    except OSError:
        pass
    if chip is None:
        chip = Chip()
        vfs.VfsLfs2.mkfs(chip, progsize=32, readsize=32)
    vfs.mount(vfs.VfsLfs2(chip, progsize=32, readsize=32), FOLDER)
    os.chdir(FOLDER)
    return chip


def test_what_is_proposed_is_checked_and_whole():
    in_folder()
    trial.propose(text(4), OFFERS)
    assert read("settings.new.json") == text(4)
    for wrong, field in ((text(10), "tag"), (text(4)[:-1], "file"), ("", "file"), (text(4) + " " * 8192, "file")):
        # The chip of this test makes a block of 4 KB anew for each operation.
        gc.collect()
        try:
            trial.propose(wrong, OFFERS)
        except SettingsError as error:
            assert error.args[0] == field
        else:
            raise AssertionError("taken")
        assert sorted(os.listdir()) == ["settings.new.json"]
        assert read("settings.new.json") == text(4)


def test_a_trial_from_the_first_start_to_the_last():
    in_folder()
    write("settings.json", text(3))
    kept, trail = Kept(), Trail()
    config, wrong, reverted, is_trial, is_accepted = trial.open_settings(kept, False, OFFERS)
    assert (config.tag, wrong, reverted, is_trial, is_accepted) == (3, "", "", False, False)
    assert not kept.values
    trial.propose(text(4), OFFERS)
    for tries in (1, 2, 3):
        config, wrong, reverted, is_trial, is_accepted = trial.open_settings(kept, False, OFFERS)
        assert (config.tag, wrong, reverted, is_trial, is_accepted) == (4, "", "", True, False)
        assert kept.get(ledger.TRIAL)[0] == tries
    trial.accept(kept, trail)
    assert trail.records == [(event.SETTINGS_ACCEPTED, {})]
    assert read("settings.json") == text(4) and read("settings.new.json") is None
    assert trial.open_settings(kept, False, OFFERS)[0].tag == 4 and not kept.get(ledger.TRIAL)


def test_the_fourth_start_has_the_old_ones_and_another_candidate_starts_anew():
    in_folder()
    write("settings.json", text(3))
    kept, trail = Kept(), Trail()
    trial.propose(text(4), OFFERS)
    for _ in range(2):
        trial.open_settings(kept, False, OFFERS)
    trial.propose(text(5), OFFERS)
    for _ in range(3):
        assert trial.open_settings(kept, False, OFFERS)[0].tag == 5
    config, wrong, reverted, is_trial, _ = trial.open_settings(kept, False, OFFERS)
    assert (config.tag, wrong, reverted, is_trial) == (3, "", "starts", False)
    trial.revert(kept, trail, reverted)
    assert trail.records == [(event.SETTINGS_REVERTED, {event.NAME: "starts"})]
    assert read("settings.new.json") is None and read("settings.json") == text(3)


def test_a_candidate_is_counted_before_it_is_read():
    in_folder()
    write("settings.json", text(3))
    write("settings.new.json", "{")

    class Refusing(Kept):
        def put(self, number, value):
            raise Cut

    try:
        trial.open_settings(Refusing(), False, OFFERS)
    except Cut:
        pass
    else:
        raise AssertionError("read")
    config, wrong, reverted, is_trial, _ = trial.open_settings(Kept(), False, OFFERS)
    assert (config.tag, wrong, reverted, is_trial) == (3, "", "file", False)


def test_an_acceptance_that_was_not_written_down_is_made_up_for():
    in_folder()
    write("settings.json", text(3))
    kept, trail = Kept(), Trail()
    trial.propose(text(4), OFFERS)
    trial.open_settings(kept, False, OFFERS)
    os.rename("settings.new.json", "settings.json")
    config, _, _, is_trial, is_accepted = trial.open_settings(kept, False, OFFERS)
    assert (config.tag, is_trial, is_accepted) == (4, False, True)
    trial.note_accepted(kept, trail)
    assert not trial.open_settings(kept, False, OFFERS)[4]


def test_without_any_settings_there_is_a_reason():
    in_folder()
    assert trial.open_settings(Kept(), False, OFFERS) == (None, "file", "", False, False)


def test_what_the_board_lacks_is_wrong_in_a_proposal_and_at_the_start():
    in_folder()
    blind = {"nfc": (), "keypad": ("matrix",), "camera": False}
    write("settings.json", json.dumps(test_settings.changed(camera="off")))
    try:
        trial.propose(text(4), blind)
        raise AssertionError("taken")
    except SettingsError as error:
        assert error.args[0] == "camera"
    assert read("settings.new.json") is None and trial.open_settings(Kept(), False, blind)[0]
    # On another board than it was made for.
    write("settings.new.json", text(4))
    config, wrong, reverted, is_trial, _ = trial.open_settings(Kept(), False, blind)
    assert config and not wrong and reverted == "camera" and not is_trial
    write("settings.json", text(3))
    assert trial.open_settings(Kept(), False, blind)[:3] == (None, "camera", "camera")


def cut_everywhere(prepare, act):
    """Calls `act` after `prepare`, cut at each operation in each way; yields after each what is there then."""
    chip = in_folder()
    prepare()
    before = list(chip.data)
    for how in WAYS:
        at = 0
        while True:
            chip = Chip()
            chip.data = list(before)
            in_folder(chip)
            chip.operations, chip.cut_at, chip.how = 0, at, how
            try:
                act()
            except OSError:
                pass
            is_over = chip.operations <= at
            chip.cut_at = None
            in_folder(chip)
            yield is_over
            if is_over:
                break
            at += 1


def test_littlefs_keeps_the_old_or_the_new_at_every_cut_of_a_proposal():
    def prepare():
        write("settings.json", text(3))
        write("settings.new.json", text(4))

    cuts = old = new = 0
    for is_over in cut_everywhere(prepare, lambda: trial.propose(text(5), OFFERS)):
        found = read("settings.new.json")
        assert found in (text(4), text(5)) and read("settings.json") == text(3)
        assert found == text(5) or not is_over
        cuts += not is_over
        old += found == text(4)
        new += found == text(5)
    assert cuts > 20 and old > len(WAYS) and new >= len(WAYS)


def test_littlefs_keeps_the_old_or_the_new_at_every_cut_of_an_acceptance():
    counted = Kept()

    def prepare():
        write("settings.json", text(3))
        trial.propose(text(4), OFFERS)
        trial.open_settings(counted, False, OFFERS)

    def act():
        kept = Kept()
        kept.put(ledger.TRIAL, counted.get(ledger.TRIAL))
        trial.accept(kept, Trail())

    cuts = old = 0
    for is_over in cut_everywhere(prepare, act):
        found = read("settings.json")
        assert found in (text(3), text(4))
        assert read("settings.new.json") == (text(4) if found == text(3) else None)
        assert found == text(4) or not is_over
        cuts += not is_over
        old += found == text(3)
    assert cuts >= len(WAYS) and old
