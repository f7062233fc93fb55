"""Pins, interrupts, timers, and the parts that hang on them."""

import pytest

from virtualboard import Wiring

WATCH_KEYS = """
    import asyncio, time
    from machine import Pin
    rows = [Pin(n, Pin.OUT, value=1) for n in (16, 17, 18, 19)]
    columns = [Pin(n, Pin.IN, Pin.PULL_UP) for n in (21, 22, 23)]

    def scan():
        down = ""
        for row, keys in zip(rows, ("123", "456", "789", "*0#")):
            row.value(0)
            for column, key in zip(columns, keys):
                if not column.value():
                    down += key
            row.value(1)
        return down

    last = ""
    while True:
        down = scan()
        if down != last:
            print(time.ticks_ms(), down or "-")
            last = down
        time.sleep_ms({every_ms})
    """


def keys_seen(board) -> list[str]:
    return [line.split()[1] for line in board.console]


def test_outputs_reach_the_parts_and_float_back_to_rest(make_board):
    board = make_board(
        """
        import time
        from machine import Pin
        strike = Pin(26, Pin.OUT, value=0)
        led = Pin(13, Pin.OUT)
        time.sleep_ms(10)
        strike.on()
        led(1)
        time.sleep_ms(20)
        strike.value(0)
        time.sleep_ms(5)
        strike(1)
        print(strike.value(), strike)
        led.toggle()
        time.sleep(100)
        """
    )
    board.run_for(50)
    assert board.strike.is_released and not board.led.is_on
    board.power_off()
    assert not board.strike.is_released
    times = [(round(at_ms), level) for at_ms, level in board.strike.history]
    assert times == [(10, 1), (30, 0), (35, 1), (50, 0)]
    assert board.strike.pulses == [
        (pytest.approx(10, abs=0.1), pytest.approx(30, abs=0.1)),
        (pytest.approx(35, abs=0.1), 50),
    ]
    assert board.led.flashes() == [pytest.approx(25, abs=0.1)]
    assert (board.pin_writes[0].pin, board.pin_writes[0].level) == (26, 0)
    assert board.console == ["1 Pin(26)"]


def test_a_pin_keeps_its_level_when_it_is_named_again_and_lets_go_as_an_input(make_board):
    board = make_board(
        """
        from machine import Pin
        Pin(26, Pin.OUT, value=1)
        Pin(26)
        print("on")
        import time
        time.sleep_ms(10)
        Pin(26, Pin.IN)
        time.sleep_ms(10)
        Pin(26, Pin.OPEN_DRAIN, value=1)
        for bad in (40, 24, 6, -1, "X"):
            try:
                Pin(bad)
            except ValueError:
                pass
            else:
                print("accepted", bad)
        try:
            Pin(34, Pin.OUT)
        except ValueError as error:
            print(error)
        """
    )
    board.run_until(lambda: board.at_repl, 1_000)
    assert board.console == ["on", "pin can only be input"]
    assert [level for _, level in board.strike.history] == [1, 0]


def test_typed_keys_arrive_in_order_and_bounce(make_board):
    board = make_board(WATCH_KEYS.format(every_ms=1))
    board.run_for(100)
    assert board.keypad.type("1#", key_ms=80, gap_ms=60) == 220
    board.run_for(300)
    seen = keys_seen(board)
    assert seen[0] == "1" and seen[-1] == "-" and "#" in seen
    # Scanned every millisecond, some press or release shows more than one edge.
    assert len(seen) > 4
    times = [int(line.split()[0]) for line in board.console]
    assert all(100 <= at < 109 or 180 <= at < 190 or 240 <= at < 250 or 320 <= at < 330 for at in times)


def test_slow_scans_see_each_key_once(make_board):
    board = make_board(WATCH_KEYS.format(every_ms=20))
    board.run_for(100)
    board.keypad.type("123456789*0#", key_ms=80, gap_ms=60)
    board.run_for(2_000)
    assert "".join(keys_seen(board)[::2]) == "123456789*0#"


def test_several_keys_a_phantom_key_and_a_stuck_one(make_board):
    board = make_board(WATCH_KEYS.format(every_ms=20))
    board.run_for(100)
    board.keypad.press("15", hold_ms=100)
    board.run_for(300)
    assert "15" in keys_seen(board) and keys_seen(board)[-1] == "-"
    # Without diodes the fourth corner of a rectangle conducts as well.
    board.keypad.press("124", hold_ms=100)
    board.run_for(300)
    assert "1245" in keys_seen(board) and keys_seen(board)[-1] == "-"
    board.keypad.stick("9")
    board.keypad.release("9")
    board.run_for(60_000)
    assert keys_seen(board)[-1] == "9"
    board.keypad.loosen("9")
    board.run_for(100)
    assert keys_seen(board)[-1] == "-"
    with pytest.raises(ValueError):
        board.keypad.type("A")


def test_open_drain_rows_and_an_interrupt_wake_a_sleeping_scanner(make_board):
    board = make_board(
        """
        import asyncio, time
        from machine import Pin
        rows = [Pin(n, Pin.OPEN_DRAIN, value=0) for n in (16, 17, 18, 19)]
        column = Pin(22, Pin.IN, Pin.PULL_UP)
        flag = asyncio.ThreadSafeFlag()

        def wake(pin):
            pin.irq(None)
            flag.set()

        column.irq(wake, Pin.IRQ_FALLING)

        async def main():
            await flag.wait()
            print(time.ticks_ms(), column.value())

        asyncio.run(main())
        """
    )
    board.run_for(5_000)
    board.keypad.press("8", hold_ms=50)
    board.run_for(100)
    assert board.console == ["5000 0"]


def test_interrupts_fire_on_their_edge_only_and_can_be_held_off(make_board):
    board = make_board(
        """
        import machine, time
        from machine import Pin
        button = Pin(14, Pin.IN, Pin.PULL_UP)
        seen = []
        button.irq(lambda pin: seen.append((time.ticks_ms(), pin.value())), Pin.IRQ_FALLING)
        time.sleep_ms(1000)
        print(seen)
        seen.clear()
        state = machine.disable_irq()
        time.sleep_ms(1000)
        print(seen)
        machine.enable_irq(state)
        print(len(seen))
        button.irq(lambda pin: seen.append(pin.value()))
        seen.clear()
        time.sleep_ms(1000)
        print(seen)
        button.irq(None)
        time.sleep_ms(1000)
        print(len(seen))
        """
    )
    board.exit_button.bounce_us = 0
    for _ in range(4):
        board.run_for(500)
        board.exit_button.press(100)
        board.run_for(500)
    board.run_for(10)
    assert board.console == ["[(500, 0)]", "[]", "1", "[0, 1]", "2"]


def test_the_door_contact_is_closed_at_first_and_bounces(make_board):
    board = make_board(
        """
        import time
        from machine import Pin
        contact = Pin(27, Pin.IN, Pin.PULL_UP)
        last = None
        while True:
            if contact() != last:
                last = contact()
                print(time.ticks_ms(), last)
            time.sleep_us(200)
        """
    )
    board.run_for(100)
    for _ in range(5):
        board.contact.open()
        board.run_for(50)
        board.contact.close()
        board.run_for(50)
    edges = [tuple(map(int, line.split())) for line in board.console]
    assert edges[0] == (0, 0)
    assert len(edges) > 11
    assert edges[-1][1] == 0
    assert all((at - 100) % 50 < 9 for at, _ in edges[1:])


def test_a_glitch_is_as_long_as_it_is_told(make_board):
    board = make_board("import time\ntime.sleep(9)", is_on=False)
    edges = []
    board.pins.watch(14, lambda at_us, level: edges.append((at_us, level)))
    board.pins.pull(14, 1)
    board.power_on()
    board.run_for(10)
    board.exit_button.glitch(700)
    board.run_for(10)
    assert edges == [(0, 1), (10_000, 0), (10_700, 1)]


def test_timers_fire_on_time_once_or_again_and_again(run):
    lines = run(
        """
        import time
        from machine import Timer
        fired = []
        once, often = Timer(0), Timer(-1)
        once.init(mode=Timer.ONE_SHOT, period=250, callback=lambda timer: fired.append(("once", time.ticks_ms())))
        often.init(freq=10, callback=lambda timer: fired.append(("often", time.ticks_ms())))
        time.sleep_ms(320)
        often.deinit()
        time.sleep_ms(1000)
        print(fired)
        """
    )
    assert lines == ["[('often', 100), ('often', 200), ('once', 250), ('often', 300)]"]


def test_a_timer_runs_while_the_program_waits_in_asyncio(run):
    lines = run(
        """
        import asyncio, time
        from machine import Timer
        flag = asyncio.ThreadSafeFlag()
        Timer(1, period=40, callback=lambda timer: flag.set())

        async def main():
            for _ in range(3):
                await flag.wait()
                print(time.ticks_ms())

        asyncio.run(main())
        """
    )
    assert lines == ["40", "80", "120"]


class Adder:
    """On SPI it answers each byte plus one; on I2C it keeps what is written and reads it back."""

    def __init__(self):
        self.kept = b""

    def attach(self, circuit):
        circuit.buses.wire_spi(1, 5, self)
        circuit.buses.wire_i2c(0, 0x48, self.Memory(self))

    def transfer(self, data: bytes) -> bytes:
        return bytes((byte + 1) & 255 for byte in data)

    class Memory:
        def __init__(self, owner):
            self._owner = owner

        def transfer(self, data: bytes, size: int) -> bytes:
            if data:
                self._owner.kept = data
            return self._owner.kept[:size].ljust(size, b"\0")


def test_buses_reach_the_chip_that_is_wired_and_selected(make_board):
    chip = Adder()
    board = make_board(
        """
        from machine import I2C, SPI, Pin
        select = Pin(5, Pin.OUT, value=1)
        spi = SPI(1, baudrate=1_000_000)
        answer = bytearray(3)
        spi.write_readinto(b"abc", answer)
        print(answer)
        select(0)
        spi.write_readinto(b"abc", answer)
        print(answer, spi.read(2, 0x10))
        i2c = I2C(0, scl=Pin(22), sda=Pin(21))
        print(i2c.scan(), i2c.writeto(0x48, b"xyz"), i2c.readfrom(0x48, 4))
        i2c.writeto_mem(0x48, 7, b"!")
        print(i2c.readfrom_mem(0x48, 9, 1))
        try:
            i2c.readfrom(0x50, 1)
        except OSError as error:
            print(error)
        """,
        wiring=Wiring(more=[chip]),
    )
    assert board.run_until(lambda: board.at_repl, 1_000)
    assert board.console == [
        "bytearray(b'\\xff\\xff\\xff')",
        "bytearray(b'bcd') b'\\x11\\x11'",
        "[72] 3 b'xyz\\x00'",
        "b'\\t'",
        "[Errno 19] ENODEV",
    ]


def test_a_key_is_seen_after_an_idle_hour_of_keypad_scanning(make_board):
    # Some seconds of computing without a word to the host, more on a busy machine.
    board = make_board(WATCH_KEYS.format(every_ms=20), stall_s=120)
    board.run_for(100)
    board.run_for(3_600_000)
    board.keypad.type("5")
    board.run_for(200)
    assert keys_seen(board) == ["5", "-"]
