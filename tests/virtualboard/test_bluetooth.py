"""Bluetooth: small programs with MicroPython's `bluetooth` on the board, and phones of an independent stack."""

import asyncio
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError
from bumble import att

from virtualboard import Wiring
from virtualboard.ble import bleak_backend
from virtualboard.ble.phone import PhoneError

# A service with a characteristic to write and one that tells. `show` prints an event, `names` its number.
SERVICE = """
import bluetooth, time
SERVICE = bluetooth.UUID("f0bb0001-4c4f-4242-594c-4f434b000000")
INBOX = bluetooth.UUID("f0bb0002-4c4f-4242-594c-4f434b000000")
OUTBOX = bluetooth.UUID("f0bb0003-4c4f-4242-594c-4f434b000000")
ble = bluetooth.BLE()
ble.active(True)
((inbox, outbox),) = ble.gatts_register_services(
    ((SERVICE, ((INBOX, bluetooth.FLAG_WRITE | bluetooth.FLAG_WRITE_NO_RESPONSE),
                (OUTBOX, bluetooth.FLAG_READ | bluetooth.FLAG_NOTIFY | bluetooth.FLAG_INDICATE))),)
)

def advertise():
    try:
        ble.gap_advertise(250_000, b"\\x02\\x01\\x06", resp_data=b"\\x04\\x09abc")
    except OSError as error:
        print("advertise", error.errno)

def show(event, data):
    print(event, *[bytes(item) if isinstance(item, memoryview) else item for item in data])
"""
SERVICE_UUID = "f0bb0001-4c4f-4242-594c-4f434b000000"
INBOX = "f0bb0002-4c4f-4242-594c-4f434b000000"
OUTBOX = "f0bb0003-4c4f-4242-594c-4f434b000000"
FOREVER = """
while True:
    time.sleep(10)
"""


@pytest.fixture
def make_peripheral(make_board):
    def make(program: str, **options):
        board = make_board(SERVICE + textwrap.dedent(program) + FOREVER, **options)
        board.run_for(100)
        return board

    return make


def play(board, script, limit_ms: float = 60_000):
    """Lets a phone's script run to its end, and returns its result."""
    task = board.ble.start(script)
    assert board.run_until(task.done, limit_ms), board.console
    assert not board.ble.loop.failures
    return task.result()


ECHO = """
def take(event, data):
    if event == 3:
        ble.gatts_notify(data[0], outbox, ble.gatts_read(inbox))
    elif event in (1, 2):
        advertise()
ble.irq(take)
ble.gatts_set_buffer(inbox, 600)
advertise()
"""


def test_a_phone_finds_writes_and_is_told(make_peripheral):
    board = make_peripheral("ble.irq(show)\nadvertise()")
    phone = board.ble.phone("anna")

    async def deliver():
        heard = await phone.scan(600)
        await phone.connect()
        await phone.mtu(185)
        await phone.write(b"hello")
        await phone.disconnect()
        return heard

    (advertisement,) = play(board, deliver())
    assert advertisement.address == "24:0A:C4:10:20:32/P"
    assert advertisement.data == b"\x02\x01\x06" and advertisement.response == b"\x04\x09abc"
    assert advertisement.parts(0x09) == [b"abc"] and advertisement.is_connectable
    board.run_for(100)
    peer = bytes.fromhex(phone.address.replace(":", ""))
    # Connected, MTU agreed on, written, disconnected: numbers of MicroPython's documentation.
    assert board.console == [f"1 1 1 {peer!r}", "21 1 185", "3 1 16", f"2 1 1 {peer!r}"]
    # Advertising ended with the connection and does not begin again by itself.
    assert not board.ble.is_advertising and board.ble.connection_count == 0


def test_a_packet_takes_a_connection_interval_each_way_and_a_relay_more(make_peripheral):
    board = make_peripheral(ECHO)
    phone = board.ble.phone("anna")
    took_ms = []

    async def measure():
        await phone.connect()
        await phone.subscribe(OUTBOX)
        for delay_ms in (0, 100):
            phone.delay_ms = delay_ms
            begin_ms = board.now_ms
            await phone.write(b"ping", with_response=False)
            assert await phone.next_notification() == b"ping"
            took_ms.append(board.now_ms - begin_ms)

    play(board, measure())
    assert took_ms == [60, 260]
    board.ble.air.interval_s = 0.0075
    phone.delay_ms = 0
    play(board, measure_again(phone, board, took_ms))
    assert took_ms[2] == 15


async def measure_again(phone, board, took_ms):
    begin_ms = board.now_ms
    await phone.write(b"ping", with_response=False)
    await phone.next_notification()
    took_ms.append(board.now_ms - begin_ms)


def test_the_same_calls_give_the_same_run(make_peripheral):
    runs = []
    for _ in range(2):
        board = make_peripheral(ECHO)
        phones = [board.ble.phone(name) for name in ("anna", "bert", "carl")]
        log = []

        async def talk(phone, log=log, board=board):
            await phone.connect()
            await phone.subscribe(OUTBOX)
            for word in (b"one", b"two"):
                await phone.write(word)
                log.append((phone.name, await phone.next_notification(), board.now_us))

        tasks = [board.ble.start(talk(phone)) for phone in phones]
        assert board.run_until(lambda tasks=tasks: all(task.done() for task in tasks), 20_000)
        assert sorted(log)[0][:2] == ("anna", b"one") and len(log) == 6
        runs.append(log)
    assert runs[0] == runs[1]


def test_a_value_is_cut_to_its_buffer_and_belongs_to_no_connection(make_peripheral):
    board = make_peripheral(
        """
        def take(event, data):
            if event == 3:
                print(ble.gatts_read(inbox))
            if event == 1:
                advertise()
        ble.irq(take)
        advertise()
        """
    )
    anna, bert = board.ble.phone("anna"), board.ble.phone("bert")

    async def write():
        await anna.connect()
        await bert.connect()
        await anna.mtu(200)
        await anna.write(bytes(range(30)))
        await bert.write(b"b")

    play(board, write())
    assert board.console == [repr(bytes(range(20))), "b'b'"]


def test_larger_buffers_appended_writes_and_what_the_program_writes(make_peripheral):
    board = make_peripheral(
        """
        ble.gatts_set_buffer(inbox, 8, True)
        print(ble.gatts_write(outbox, bytes(30)), len(ble.gatts_read(outbox)), ble.gatts_read(999))
        try:
            ble.gatts_write(999, b"")
        except OSError as error:
            print(error.errno)
        advertise()
        time.sleep(5)
        print(ble.gatts_read(inbox), ble.gatts_read(inbox))
        """
    )
    phone = board.ble.phone("anna")

    async def write():
        await phone.connect()
        for word in (b"abc", b"def", b"ghi"):
            await phone.write(word, with_response=False)
        await phone.mtu(100)
        return await phone.read(OUTBOX)

    assert play(board, write()) == bytes(30)
    board.run_for(6_000)
    assert board.console == ["30 30 b''", "22", "b'abcdefgh' b''"]


def test_reads_ask_the_handler_and_flags_forbid(make_peripheral):
    board = make_peripheral(
        """
        ble.gatts_write(outbox, b"before")
        answers = [None, 0x05, True]
        def take(event, data):
            if event == 4:
                ble.gatts_write(outbox, b"at the moment")
                return answers.pop(0)
        ble.irq(take)
        advertise()
        """
    )
    phone = board.ble.phone("anna")

    async def read():
        await phone.connect()
        await phone.mtu(100)
        assert await phone.read(OUTBOX) == b"at the moment"
        codes = []
        for work in (phone.read(OUTBOX), phone.read(OUTBOX), phone.read(INBOX), phone.write(b"x", uuid=OUTBOX)):
            with pytest.raises(att.ATT_Error) as refused:
                await work
            codes.append(int(refused.value.error_code))
        return codes

    assert play(board, read()) == [5, 1, 2, 3]


def test_a_board_agrees_to_an_mtu_of_256(make_peripheral):
    board = make_peripheral(
        """
        ble.gatts_set_buffer(inbox, 600)
        ble.irq(lambda event, data: print(event, len(ble.gatts_read(inbox))) if event == 3 else None)
        advertise()
        """
    )
    phone = board.ble.phone("anna")

    async def write():
        await phone.connect()
        await phone.mtu(517)
        # A board's own limit is 256 unless it says otherwise.
        assert phone.att_mtu == 256
        await phone.write(bytes(253), with_response=False)
        with pytest.raises(PhoneError):
            await phone.write(bytes(254), with_response=False)
        # A long write: prepared in two parts, one event when it is carried out.
        await phone.write(bytes(400))

    play(board, write())
    board.run_for(100)
    assert board.console == ["3 253", "3 400"]


def test_indications_are_confirmed_and_a_subscriber_hears_of_a_change(make_peripheral):
    board = make_peripheral(
        """
        def take(event, data):
            show(event, data)
            if event == 3:
                ble.gatts_indicate(data[0], outbox, b"sure?")
                ble.gatts_write(outbox, b"changed", True)
        ble.irq(take)
        advertise()
        """
    )
    phone = board.ble.phone("anna")

    async def talk():
        await phone.connect()
        await phone.subscribe(OUTBOX, indications=True)
        await phone.write(b"go")
        told = [await phone.next_notification(), await phone.next_notification()]
        await asyncio.sleep(0.2)
        await phone.write(b"go", with_response=False)
        await asyncio.sleep(0.04)
        phone.lose()
        await asyncio.sleep(10)
        return told

    assert play(board, talk()) == [b"sure?", b"changed"]
    # Both confirmed; then those that never were, with NimBLE's number for a connection that is gone.
    ends = [line for line in board.console if line.startswith("20 ")]
    assert [line[-1] for line in ends] == ["0", "0", "7", "7"]


def test_notifying_fails_when_the_buffers_are_full_and_when_nobody_is_there(make_peripheral):
    board = make_peripheral(
        """
        def flood(connection, size):
            sent = 0
            try:
                while True:
                    ble.gatts_notify(connection, outbox, bytes(size))
                    sent += 1
            except OSError as error:
                return sent, error.errno

        def take(event, data):
            if event == 3:
                print(flood(data[0], 20))
                time.sleep_ms(100)
                print(flood(data[0], 240))
        ble.irq(take)
        advertise()
        try:
            ble.gatts_notify(7, outbox, b"x")
        except OSError as error:
            print(error.errno)
        """
    )
    phone = board.ble.phone("anna")

    async def talk():
        await phone.connect()
        await phone.mtu(256)
        await phone.write(b"go", with_response=False)
        await asyncio.sleep(2)
        return phone.notifications.qsize()

    # Nobody subscribed, yet it is sent, as MicroPython's documentation says; bumble's phone does not hand it on.
    assert play(board, talk()) == 0
    # newlib's ENOTCONN; 12 blocks of ESP-IDF's pool, ENOMEM.
    assert board.console == ["128", "(12, 12)", "(6, 12)"]


def test_a_phone_out_of_range_keeps_the_buffers_until_it_is_given_up(make_peripheral):
    board = make_peripheral(
        """
        peers = []
        def take(event, data):
            print(event, time.ticks_ms() // 1000)
            if event == 1:
                peers.append(data[0])
        ble.irq(take)
        advertise()
        while not peers:
            time.sleep_ms(10)
        time.sleep(1)
        sent = 0
        try:
            while True:
                ble.gatts_notify(peers[0], outbox, b"x")
                sent += 1
        except OSError as error:
            print(sent, error.errno)
        time.sleep(1)
        try:
            ble.gatts_notify(peers[0], outbox, b"x")
        except OSError as error:
            print(error.errno)
        """
    )
    phone = board.ble.phone("anna")

    async def go():
        await phone.connect()
        phone.lose()

    play(board, go())
    board.run_for(10_000)
    assert board.console[1:] == ["12 12", "12", f"2 {int(board.console[0].split(' ')[1]) + 5}"]
    # CONNECTION TIMEOUT of the Core specification, vol 1 part F.
    assert phone.disconnections == [0x08]


def test_a_phone_that_comes_back_in_time_goes_on(make_peripheral):
    board = make_peripheral(ECHO)
    phone = board.ble.phone("anna")

    async def go():
        await phone.connect()
        await phone.subscribe(OUTBOX)
        phone.lose()
        await phone.write(b"late", with_response=False)
        await asyncio.sleep(3)
        phone.return_near()
        return await phone.next_notification()

    assert play(board, go()) == b"late"
    assert phone.is_connected


def test_no_more_connections_than_the_chip_has_room_for(make_peripheral):
    program = """
        def take(event, data):
            if event == 1:
                advertise()
        ble.irq(take)
        advertise()
        """
    for chip, limit in (("esp32", 3), ("esp32c3", 4)):
        board = make_peripheral(program, wiring=Wiring(chip=chip))
        phones = [board.ble.phone(str(number)) for number in range(5)]

        async def connect_all(phones=phones):
            connected = 0
            for phone in phones:
                try:
                    await phone.connect(timeout_s=2)
                    connected += 1
                except PhoneError:
                    pass
            return connected

        assert play(board, connect_all()) == limit
        assert board.console == ["advertise 5"] and board.ble.connection_count == limit


def test_two_phones_at_one_advertisement_one_of_them_waits(make_peripheral):
    board = make_peripheral("ble.irq(show)\nadvertise()")
    anna, bert = board.ble.phone("anna"), board.ble.phone("bert")
    tasks = [board.ble.start(phone.connect(timeout_s=3)) for phone in (anna, bert)]
    assert board.run_until(lambda: all(task.done() for task in tasks), 10_000)
    assert [anna.is_connected, bert.is_connected] == [True, False]
    with pytest.raises(PhoneError):
        tasks[1].result()
    assert len(board.console) == 1


def test_what_a_handler_is_given_does_not_outlive_it(make_peripheral):
    board = make_peripheral(
        """
        kept = []
        def take(event, data):
            if event == 1:
                kept.append((data[2], bytes(data[2])))
        ble.irq(take)
        advertise()
        time.sleep(2)
        print(bytes(kept[0][0]) == kept[0][1], len(kept[0][1]))
        """
    )
    play(board, board.ble.phone("anna").connect())
    board.run_for(3_000)
    assert board.console == ["False 6"]


def test_a_handler_that_raises_is_switched_off(make_peripheral):
    board = make_peripheral("ble.irq(lambda event, data: 1 // 0)\nble.gatts_set_buffer(inbox, 50)\nadvertise()")
    phone = board.ble.phone("anna")

    async def go():
        await phone.connect()
        await phone.write(b"still written")

    play(board, go())
    assert board.console[0] == "Unhandled exception in IRQ callback handler"
    assert board.console[-1] == "ZeroDivisionError: divide by zero"
    assert sum("Unhandled" in line for line in board.console) == 1


def test_events_come_between_two_steps_of_a_busy_program_and_may_allocate(make_peripheral):
    board = make_peripheral(
        """
        import micropython
        seen = []
        def take(event, data):
            seen.append(bytes(300)[:1] + b"%d" % event)
        ble.irq(take)
        advertise()
        steps = 0
        while len(seen) < 3:
            time.ticks_ms()
            steps += 1
        print(seen, steps > 100)
        """
    )
    phone = board.ble.phone("anna")

    async def go():
        await phone.connect()
        await phone.write(b"x")
        await phone.disconnect()

    play(board, go())
    board.run_for(100)
    assert board.console == [r"[b'\x001', b'\x003', b'\x002'] True"]


def test_the_program_ends_connections_and_the_advertising(make_peripheral):
    board = make_peripheral(
        """
        def take(event, data):
            if event == 3:
                print(ble.gap_disconnect(data[0]), ble.gap_disconnect(99))
        ble.irq(take)
        advertise()
        """
    )
    phone = board.ble.phone("anna")

    async def go():
        await phone.connect()
        await phone.write(b"x", with_response=False)
        with pytest.raises(PhoneError):
            await phone.next_notification()

    play(board, go())
    assert phone.disconnections == [0x13] and board.console == ["True False"]
    silent = make_peripheral("advertise()\nble.gap_advertise(None)")
    assert play(silent, silent.ble.phone("bert").scan(2_000)) == []


def test_advertising_data_that_is_left_out_stays(make_peripheral):
    board = make_peripheral(
        """
        advertise()
        time.sleep(2)
        ble.gap_advertise(100_000, connectable=False)
        time.sleep(2)
        ble.gap_advertise(100_000, b"", resp_data=b"")
        """
    )
    phone = board.ble.phone("anna")
    (first,) = play(board, phone.scan(500))
    board.run_for(1_600)
    (second,) = play(board, phone.scan(500))
    board.run_for(1_600)
    (third,) = play(board, phone.scan(500))
    assert first.data == second.data == b"\x02\x01\x06" and first.response == second.response == b"\x04\x09abc"
    assert [first.is_connectable, second.is_connectable] == [True, False]
    assert (third.data, third.response) == (b"", b"")


def test_the_radio_fails_and_recovers(make_board):
    board = make_board(
        """
        import bluetooth, time
        ble = bluetooth.BLE()
        print(ble is bluetooth.BLE(), ble.active())
        for _ in range(3):
            try:
                print(ble.active(True))
            except OSError as error:
                print(error.errno, ble.active())
            time.sleep(1)
        for work in (lambda: ble.active(False), lambda: ble.gap_advertise(100_000), lambda: ble.config("mac"),
                     lambda: ble.gatts_register_services(()), lambda: ble.gatts_notify(1, 1)):
            try:
                print(work())
            except OSError as error:
                print(error.errno)
        """,
        is_on=False,
    )
    board.ble.errno = 5
    board.power_on()
    board.run_for(500)
    board.ble.errno = 116
    board.run_for(1_000)
    board.ble.errno = 0
    assert board.run_until(lambda: board.at_repl, 10_000)
    assert board.console == ["True False", "5 False", "116 False", "True", "False", "19", "19", "19", "19"]


@pytest.mark.parametrize("how", ["off", "reset", "soft", "inactive"])
def test_phones_notice_that_the_board_is_gone(make_peripheral, how):
    board = make_peripheral(
        """
        import machine
        def take(event, data):
            if event == 3:
                what = bytes(ble.gatts_read(inbox))
                todo.append(what)
        todo = []
        ble.irq(take)
        if machine.reset_cause() == 1:
            advertise()
        while True:
            time.sleep_ms(10)
            for what in todo:
                todo.remove(what)
                if what == b"reset":
                    machine.reset()
                if what == b"soft":
                    machine.soft_reset()
                if what == b"inactive":
                    ble.active(False)
        """
    )
    phone = board.ble.phone("anna")
    play(board, phone.connect())
    begin_ms = board.now_ms
    if how == "off":
        board.power_off()
    else:
        play(board, phone.write(how.encode(), with_response=False))
    assert board.run_until(lambda: not phone.is_connected, 20_000)
    took_ms = board.now_ms - begin_ms
    # A stack that is switched off says so; one that has no power any more falls silent.
    assert (took_ms < 1_500) == (how in ("soft", "inactive"))
    assert phone.disconnections == ([0x13] if how in ("soft", "inactive") else [0x08])


def test_settings_and_roles_as_on_an_esp32(run):
    assert run(
        """
        import bluetooth
        ble = bluetooth.BLE()
        print(ble.config("gap_name"))
        ble.active(True)
        ble.config(gap_name="door", mtu=185, bond=True, mitm=False, io=3, le_secure=True)
        print(ble.config("gap_name"), ble.config("mtu"), ble.config("mac"))
        for mode in (1, 3, 0):
            ble.config(addr_mode=mode)
            kind, address = ble.config("mac")
            print(kind, address[0] >> 6)
        for work in (lambda: ble.config(rxbuf=500), lambda: ble.config("rxbuf"), lambda: ble.config(),
                     lambda: ble.gap_scan(1000), lambda: ble.gattc_read(1, 2), lambda: ble.l2cap_listen(1, 2),
                     lambda: ble.irq(3), lambda: ble.gap_nothing, lambda: ble.config(mtu=20)):
            try:
                print(work())
            except Exception as error:
                print(type(error).__name__)
        """
    ) == [
        "b'MPY ESP32'",
        r"b'door' 185 (0, b'$\n\xc4\x10 2')",
        "1 3",
        "1 0",
        "0 0",
        "ValueError",
        "ValueError",
        "TypeError",
        "NotImplementedError",
        "NotImplementedError",
        "NotImplementedError",
        "ValueError",
        "NotImplementedError",
        "OSError",
    ]


def test_random_addresses_are_new_ones_and_phones_see_them(make_board):
    board = make_board(
        """
        import bluetooth, time
        ble = bluetooth.BLE()
        seen = []
        for mode in (1, 1, 3, 3):
            ble.active(True)
            ble.config(addr_mode=mode)
            seen.append(ble.config("mac")[1])
            ble.gap_advertise(100_000, b"")
            time.sleep(1)
        print(len(set(seen)), [":".join(["%02X" % byte for byte in address]) for address in seen])
        """
    )
    heard = [play(board, board.ble.phone("anna").scan(900))]
    for _ in range(3):
        board.run_for(100)
        heard.append(play(board, board.ble.phone("anna").scan(900)))
    assert board.run_until(lambda: board.at_repl, 10_000)
    assert board.console == [f"4 {[entry.address for (entry,) in heard]}"]


def test_uuids_are_buffers_without_a_length(run):
    assert run(
        """
        from bluetooth import UUID
        short, long = UUID(0x180F), UUID("6E400001-B5A3-F393-E0A9-E50E24DCCA9E")
        print(short, long, bytes(short), len(bytes(long)), bytes(long)[:2])
        print(UUID(0x180F) == short, {long: 1}[UUID(bytes(long))], short == long, memoryview(short)[0])
        tail = "-B5A3-F393-E0A9-E50E24DCCA9"
        for wrong in (65536, "6E400001", "6E400001" + tail + "G", "6E400001" + tail + "E00"):
            try:
                UUID(wrong)
            except ValueError as error:
                print(error)
        try:
            len(short)
        except TypeError:
            print("no len")
        """
    ) == [
        "UUID(0x180f) UUID('6e400001-b5a3-f393-e0a9-e50e24dcca9e') b'\\x0f\\x18' 16 b'\\x9e\\xca'",
        "True 1 False 15",
        "invalid UUID",
        "UUID too short",
        "invalid char in UUID",
        "UUID too long",
        "no len",
    ]


def test_services_with_descriptors_register_only_while_nobody_is_connected(make_board):
    board = make_board(
        """
        import bluetooth
        ble = bluetooth.BLE()
        ble.active(True)
        U = bluetooth.UUID
        services = ((U(0x1800 + 10), ((U(0x2A29), 2), (U(0x2A24), 2 | 16, ((U(0x2901), 2),)))), (U(0xFFF0), ()))
        first = ble.gatts_register_services(services)
        print([len(handles) for handles in first], first == ble.gatts_register_services(services))
        ble.gatts_write(first[0][2], b"a name")
        ble.gap_advertise(100_000)
        try:
            ble.gatts_register_services(services)
        except OSError as error:
            print(error.errno)
        while True:
            pass
        """.replace("pass", "__import__('time').sleep(1)")
    )
    board.run_for(100)
    phone = board.ble.phone("anna")

    async def look():
        await phone.connect()
        return sorted(await phone.discover())

    assert {"2a00", "2a24", "2a29"} <= set(play(board, look()))
    assert board.console == ["[3, 0] True", "16"]


def test_a_day_of_advertising_is_nothing_to_do_while_nobody_listens(make_peripheral, monkeypatch):
    board = make_peripheral("ble.gap_advertise(20_000, b'\\x02\\x01\\x06')\n")
    sent = []
    monkeypatch.setattr(board.ble.air, "send_advertising_pdu", lambda sender, pdu: sent.append(pdu))
    board.run_for(24 * 3_600_000)
    assert not sent and board.ble.is_advertising
    monkeypatch.undo()
    phone = board.ble.phone("anna")
    times = []

    async def listen():
        await phone.listen(lambda entry: times.append(entry.at_ms))
        await asyncio.sleep(0.1)
        await phone.stop_listening()

    play(board, listen())
    # Both packets of each interval, at the moments of an advertiser that never paused.
    assert len(times) == 10 and {times[at + 2] - times[at] for at in range(8)} == {20}


async def shout(scanner, client) -> list:
    """What a program does that knows bleak alone: finds the service, writes, hears the answer, sees the end."""
    ends, heard = [], asyncio.Queue()
    device = await BleakScanner.find_device_by_filter(
        lambda _, data: SERVICE_UUID in data.service_data, 60, backend=scanner
    )
    assert device
    async with BleakClient(device, lambda _: ends.append("gone"), backend=client) as lock:
        outbox = lock.services.get_characteristic(OUTBOX)
        assert outbox
        await lock.start_notify(outbox, lambda _, data: heard.put_nowait(bytes(data)))
        await lock.write_gatt_char(INBOX, b"hello", response=False)
        told = [await asyncio.wait_for(heard.get(), 60)]
        await lock.write_gatt_char(INBOX, b"again", response=True)
        told.append(await asyncio.wait_for(heard.get(), 60))
        told.append(bytes(await lock.read_gatt_char(outbox)))
        told += [lock.mtu_size, lock.is_connected, sorted(outbox.properties), device.name]
    return [*told, lock.is_connected, ends]


SHOUTED = [b"hello", b"again", b"", 256, True, ["indicate", "notify", "read"], "abc", False, ["gone"]]
BEACON = """
def take(event, data):
    if event == 3:
        ble.gatts_notify(data[0], outbox, ble.gatts_read(inbox))
    elif event == 2:
        show_up()

def show_up():
    ble.gap_advertise(100_000, b"\\x02\\x01\\x06\\x13\\x21" + bytes(SERVICE) + b"ab", resp_data=b"\\x04\\x09abc")

ble.irq(take)
show_up()
"""


def test_a_program_that_uses_bleak_meets_the_board_in_virtual_time(make_peripheral):
    board = make_peripheral(BEACON)
    assert play(board, shout(*bleak_backend.local(board.ble, "anna"))) == SHOUTED
    # A second visit finds nothing left of the first.
    assert play(board, shout(*bleak_backend.local(board.ble, "anna"))) == SHOUTED


def test_bleak_says_that_nobody_is_there_and_that_the_lock_is_lost(make_peripheral):
    board = make_peripheral(BEACON)
    scanner, client = bleak_backend.local(board.ble, "anna")
    ends = []

    async def go():
        with pytest.raises(BleakError):
            await BleakClient("C0:00:00:00:00:01", backend=client, timeout=3).connect()
        (device,) = await BleakScanner.discover(1, backend=scanner)
        lock = BleakClient(device, lambda _: ends.append(board.now_ms), backend=client)
        await lock.connect()
        board.ble.phone("anna").lose()
        begin_ms = board.now_ms
        with pytest.raises(BleakError):
            await lock.write_gatt_char(INBOX, b"x", response=True)
        return begin_ms

    begin_ms = play(board, go())
    assert [end_ms - begin_ms for end_ms in ends] == [5_000]


def test_at_the_real_pace_a_thread_with_a_loop_of_its_own_uses_bleak(make_peripheral):
    board = make_peripheral(BEACON, pace="real")
    board.start_pump()
    results = []

    def elsewhere():
        results.append(asyncio.run(asyncio.wait_for(shout(*bleak_backend.local(board.ble, "anna")), 100)))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(110)
    assert results == [SHOUTED]


def test_at_the_real_pace_another_process_uses_bleak(make_peripheral):
    board = make_peripheral(BEACON, pace="real")
    board.start_pump()
    code = "import asyncio, test_bluetooth as t; from virtualboard.ble import bleak_backend; import sys; "
    code += "print(asyncio.run(t.shout(*bleak_backend.remote(sys.argv[1], 'anna'))) == t.SHOUTED)"
    command = [sys.executable, "-c", code, board.ble.lend()]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=100)
    assert done.stdout == "True\n", done.stderr
