"""An update from its first piece to its trial: functions for tests/runner.py, on MicroPython."""

import os

import ed25519
from fake_package import (
    FILES,
    Console,
    begin,
    manifest,
    mount,
    package,
    read,
    run_slot,
    send,
    sign,
    tree,
    write,
)

from firmware.console import update
from firmware.console.request import Refusal
from firmware.core import event
from firmware.store import ledger, slots


async def refused(word, data, console=None, piece_bytes=120):
    """Sends `data`, which is refused with `word`, and nothing has changed."""
    console = console or Console()
    before = tree()
    try:
        await send(console, data, piece_bytes)
    except Refusal as refusal:
        assert refusal.args[0] == word, refusal.args
        assert refusal.args[1].endswith(".")
    else:
        raise AssertionError("taken")
    assert tree() == before and not console.records and slots.state()[0] == ""


def files_with(path, data=b"x"):
    """Returns files in order, with one more."""
    return tuple(sorted(FILES[:-1] + ((path, data),))) + FILES[-1:]


async def test_a_package_goes_into_the_other_slot_and_on_trial():
    mount()
    write("settings.json", b"{}")
    for slot, folder, other in (("a", "b/", "b"), ("b", "", "a")):
        run_slot(slot)
        for piece_bytes in (120, 9, 4096):
            console = Console()
            data = package()
            await send(console, data, piece_bytes)
            for path, content in FILES:
                assert read(folder + path) == content, path
            console.kept.put(ledger.STARTS, b"\x01\x02\x00")
            assert await update.commit(console, {}) == {"version": "0.2.0", "slot": other}
            assert console.records == [(event.UPDATE_PROPOSED, {event.VERSION: "0.2.0", event.KID: b"installer"})]
            assert read("slot") == other.encode() + b"?3 60 0.2.0" and console.ending == "restart"
            assert slots.state() == (slots.TRIAL, "0.2.0", "")
            assert not console.kept.get(ledger.STARTS)
            assert read("settings.json") == b"{}"
            os.remove("slot")
            os.remove("update")
    run_slot("a")


async def test_what_is_refused_leaves_everything_as_it_was():
    mount()
    write("b/firmware/build.mpy", b"the one that worked")
    write("settings.json", b"{}")
    other = ed25519.Signer(b"x" * 32)
    await refused("release_key", sign(manifest(), signer=other))
    data = bytearray(package())
    data[60] ^= 1
    await refused("release_key", bytes(data))
    data = bytearray(package())
    data[len(manifest()) + 9 + 2 + 5] ^= 1
    await refused("release_key", bytes(data))
    await refused("board", package(board="esp32-c3-devkitm-1"))
    await refused("arch", package(arch="xtensawin"))
    await refused("older", package("0.0.9"))
    await refused("older", package("0.0.255"))
    await refused("already", package("0.1.0"))
    floor = Console()
    floor.kept.put_integer(ledger.RELEASE_FLOOR, slots.number("0.3.0"))
    await refused("older", package("0.2.9"), floor)
    await refused("package", b"PK\x03\x04" + bytes(200))
    await refused("package", bytes(4096))
    await refused("package", package() + b"x")
    await refused("package", package()[:-1])
    await refused("package", package(form=2))
    for version in ("0.2", "0.2.0.0", "0.2.256", "0.02.0", "v0.2.0", "0.2.-1", ""):
        await refused("package", package(version))


async def test_only_modules_of_firmware_and_lib_in_order_are_taken():
    mount()
    for path in (
        ("settings.json", "/boot.mpy", "main.mpy", "../firmware/x.mpy", "firmware/../main.mpy", "firmware/x.py")
        + ("lib/a/b.mpy", "lib/.mpy", "lib/x.mpy/", "firmware//x.mpy", "firmware/X.mpy", "firmware/a/b/c/d.mpy")
        + ("firmware/x.mpy.mpy", "b/firmware/x.mpy", "slot", "firmware", "lib/" + "x" * 60 + ".mpy", "firmware/x .mpy")
    ):
        await refused("package", package(files=files_with(path)))
    await refused("package", package(files=FILES[:-1]))
    await refused("package", package(files=FILES + (("lib/x.mpy", b"x"),)))
    await refused("package", package(files=(FILES[1], FILES[0]) + FILES[2:]))
    await refused("package", package(files=FILES[:1] + FILES))
    await refused("package", package(files=files_with("lib/x.mpy", b"")))
    await refused("package", package(files=()))
    await refused("package", package(files=files_with("lib/x.mpy", bytes(70_000))), None, 4096)
    many = [("lib/m%03d.mpy" % number, b"x") for number in range(90)]
    await refused("package", package(files=tuple(many) + FILES[-1:]))


async def test_what_does_not_fit_is_refused_before_anything_is_touched():
    mount()
    write("b/firmware/parts.mpy", bytes(40_000))
    big = tuple([("lib/m%d.mpy" % number, bytes(30_000)) for number in range(6)])
    await refused("room", package(files=big + FILES[-1:]), None, 4096)
    # What is in its place now makes room.
    await send(Console(), package(files=big[:3] + FILES[-1:]), 4096)
    await send(Console(), package("0.3.0", files=big[:3] + FILES[-1:]), 4096)
    assert read("b/lib/m2.mpy") == bytes(30_000)


async def test_what_was_in_the_slot_goes_and_what_is_somebody_elses_stays():
    mount()
    run_slot("b")
    others = {"settings.json": b"{}", "lib/umqtt/simple.mpy": b"umqtt", "main.py": b"main", "b/lib/x.mpy": b"b"}
    for path in others:
        write(path, others[path])
    for path in ("firmware/build.py", "firmware/core/door.py", "firmware/old/deep/x.mpy", "lib/x.py", "lib/cbor.mpy"):
        write(path, b"old")
    await send(Console(), package())
    found = tree()
    del found["update"], found["slot"]
    expected = dict(FILES)
    expected.update(others)
    assert found == expected, sorted(found)
    assert "old" not in os.listdir("firmware")
    # Whatever had been chosen before: the slot that is written to is none that would start.
    assert read("slot") == b"b"
    run_slot("a")


async def test_a_transfer_goes_on_where_it_was_cut_also_after_a_restart():
    mount()
    data = package()
    head = len(data) - sum([len(content) for _, content in FILES])
    assert await send(Console(), data, until=head - 1) == 0
    assert tree() == {}
    # Another console is what a restart leaves. Of the file that was being written there is no trace.
    assert await send(Console(), data, until=head + 2 + 1200 + 5000) == 0
    assert await send(Console(), data, until=head + 2 + 1200 + 5120 + 1) == head + 2 + 1200
    assert await begin(Console(), data) == head + 2 + 1200 + 5120
    write("b/firmware/core/door.mpy", b"damaged")
    assert await begin(Console(), data) == head + 2
    console = Console()
    assert await send(console, data) == head + 2
    await update.commit(console, {})
    os.remove("slot")
    # All is there: nothing is sent again.
    assert await begin(Console(), data) == len(data)
    # Another package begins at the beginning, and only once its head was looked at the first one is gone.
    other = package("0.2.1")
    assert await send(Console(), other, until=head - 1) == 0
    assert await begin(Console(), data) == len(data)
    assert await send(Console(), other, until=head) == 0
    assert await begin(Console(), data) == 0
    assert sorted(tree()) == ["update"]


async def test_pieces_may_come_twice_and_out_of_order():
    mount()
    data = package()
    console = Console()
    have = await begin(console, data)
    upload = console.session.upload
    assert await upload.take(300, data[300:420]) == 0
    while have < len(data):
        before = have
        have = await upload.take(before, data[before : before + 120])
        assert have == min(before + 120, len(data))
        assert await upload.take(before, data[before:have]) == have
        # What reaches over what is there adds the rest, what lies ahead nothing.
        ahead = data[have + 1 : have + 9]
        assert not ahead or await upload.take(have + 1, ahead) == have
        again = max(0, have - 50)
        reached = min(have + 5, len(data))
        assert await upload.take(again, data[again:reached]) == reached
        have = reached
    assert upload.is_whole
    try:
        await upload.take(len(data) - 1, b"xx")
    except Refusal:
        pass
    else:
        raise AssertionError("taken")
    for path, content in FILES:
        assert read("b/" + path) == content


async def test_a_file_whose_bytes_are_others_is_not_taken_and_can_come_again():
    mount()
    data = package()
    wrong = bytearray(data)
    wrong[-100] ^= 1
    console = Console()
    have = await begin(console, data)
    upload = console.session.upload
    caught = 0
    while have < len(data):
        source = wrong if caught == 0 else data
        try:
            have = await upload.take(have, bytes(source[have : have + 120]))
        except Refusal as refusal:
            assert refusal.args[0] == "sha256"
            caught += 1
            have = upload.have
    assert caught == 1 and upload.is_whole
    assert tree()["b/lib/cbor.mpy"] == dict(FILES)["lib/cbor.mpy"]


async def test_flash_that_gives_back_something_else_is_noticed():
    chip = mount()
    data = package()
    console = Console()
    head = len(data) - sum([len(content) for _, content in FILES])
    have = await send(console, data, until=head + 2)
    have = head + 2
    upload = console.session.upload
    while have < head + 2 + 1190:
        have = await upload.take(have, data[have : have + 119])
    chip.spoil(b"doordoor", b"d\0ordoor")
    try:
        await upload.take(have, data[have : head + 2 + 1200])
    except Refusal as refusal:
        assert refusal.args[0] == "sha256"
    else:
        raise AssertionError("not noticed")
    assert upload.have == head + 2


async def test_one_trial_at_a_time():
    mount()
    console = Console()
    data = package()
    try:
        await update.commit(console, {})
    except Refusal as refusal:
        assert refusal.args[0] == "incomplete"
    await send(console, data, until=len(data) - 1)
    try:
        await update.commit(console, {})
    except Refusal as refusal:
        assert refusal.args[0] == "incomplete"
    else:
        raise AssertionError("taken")
    await send(console, data)
    write("settings.new.json", b"{}")
    try:
        await update.commit(console, {})
    except Refusal as refusal:
        assert refusal.args[0] == "trial"
    else:
        raise AssertionError("taken")
    assert not console.records and read("slot") is None
    os.remove("settings.new.json")
    await update.commit(console, {})
    # The other slot is what the lock would go back to.
    run_slot("b")
    before = tree()
    try:
        await begin(console, package("0.3.0"))
    except Refusal as refusal:
        assert refusal.args[0] == "trial"
    else:
        raise AssertionError("taken")
    assert tree() == before
    run_slot("a")


async def test_a_version_that_failed_may_be_tried_again():
    mount()
    data = package()
    console = Console()
    await send(console, data)
    await update.commit(console, {})
    write("slot", b"a-0.2.0 starts")
    console = Console()
    assert await begin(console, data) == len(data)
    await update.commit(console, {})
    assert read("slot") == b"b?3 60 0.2.0"
    # Once it is in force it is there already, and the one before it is no more.
    run_slot("b")
    write("slot", b"b")
    console = Console()
    console.version = "0.2.0"
    console.kept.put_integer(ledger.RELEASE_FLOOR, slots.number("0.2.0"))
    await refused("already", data, console)
    await refused("older", package("0.1.9"), console)
    run_slot("a")


async def test_a_manifest_may_be_as_long_as_the_protocol_says():
    mount(blocks=128)
    count = 1
    while True:
        files = tuple([("lib/module_%03d.mpy" % number, b"x" * 30) for number in range(count)]) + FILES[-1:]
        if len(manifest(files=files)) > 4096:
            break
        count += 1
    files = files[1:]
    assert 4000 < len(manifest(files=files)) <= 4096
    console = Console()
    data = package(files=files)
    await send(console, data)
    assert console.session.upload.is_whole and len(os.listdir("b/lib")) == len(files) - 1
    assert read("b/lib/module_001.mpy") == b"x" * 30
