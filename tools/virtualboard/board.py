"""One virtual board: an ESP32 that runs the real firmware, with its chips, its power and its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from virtualboard.ble import VirtualBluetooth
from virtualboard.chip.pn532 import Pn532
from virtualboard.chip.wiegand import Wiegand
from virtualboard.circuit import Circuit
from virtualboard.clock import Clock
from virtualboard.cpu import Cpu
from virtualboard.filesystem import Files, board_files
from virtualboard.flash import Flash
from virtualboard.line import SerialLine
from virtualboard.mpy import make_rom, module_folder
from virtualboard.pins import Write
from virtualboard.process import Program
from virtualboard.pump import Predicate, Pump
from virtualboard.terminal import Terminal
from virtualboard.wiring import Wiring
from virtualboard.wlan import AccessPoint

# What a board has with Wi-Fi up; what the modules that stand in for its hardware take of the same heap; and what the
# same lock takes more here, with words of 8 bytes, than on a chip with words of 4: 1.5 times as much. How that was
# measured: docs/architecture.md, "Memory".
FIRMWARE_KIB = 148
SHADOWS_KIB = 48
WIDE_WORDS_KIB = 74
HEAP = f"{FIRMWARE_KIB + SHADOWS_KIB + WIDE_WORDS_KIB}k"

PACES = ("fast", "real")
PLACES = ("folders", "littlefs")
_REPO = Path(__file__).resolve().parents[2]
_PUMP_PAUSE_S = 0.001


class VirtualBoard:
    """The board lives in `state_dir`: its file system in vfs/, its flash chip in flash.bin. Nothing else survives.

    `root` is the folder with boot.py, main.py, firmware/ and lib/. At the pace "fast" time passes only inside `run_for`
    and `run_until`, as fast as the firmware computes, and the same calls give the same run; at "real" it is the
    machine's.

    `heap` is the interpreter's, on a 64-bit machine: objects there are twice as large as on an ESP32. The modules come
    from source; with `use_mpy` compiled, as files; if `is_frozen` compiled, from ROM, as in an image of one's own.
    With `files` "littlefs" the board starts from a real littlefs on its flash chip (`files`), which at first gets what
    `root` has; only sys.path and the heap's share for paths differ from "folders".
    `argv_prefix` goes before the interpreter's command (["valgrind", ...]). A firmware that computes for
    `stall_s` seconds without looking at the clock or a pin counts as hung, and time goes on without it.
    `begin_us` is what boot.py and main.py take each before their first statement, when Ctrl-C already counts.
    """

    def __init__(
        self,
        state_dir: str | Path,
        *,
        root: str | Path = _REPO,
        pace: str = "fast",
        heap: str = HEAP,
        use_mpy: bool = False,
        is_frozen: bool = False,
        files: str = PLACES[0],
        wiring: Wiring | None = None,
        argv_prefix: Sequence[str] = (),
        env: dict[str, str] | None = None,
        seed: int = 1,
        stall_s: float = 10.0,
        begin_us: int = 0,
    ) -> None:
        self.vfs = Path(state_dir).resolve() / "vfs"
        self.vfs.mkdir(parents=True, exist_ok=True)
        self.flash = Flash(self.vfs.parent / "flash.bin")
        self.clock = Clock()
        self.wiring = wiring or Wiring()
        root = Path(root).resolve()
        rom = self.vfs.parent / "rom.bin"
        make_rom(rom, root, is_frozen)
        modules = module_folder(root, use_mpy)
        settings = {"VIRTUALBOARD_CHIP": self.wiring.chip, "VIRTUALBOARD_BEGIN_US": str(begin_us)}
        env = {**settings, **(env or {})}
        if files not in PLACES:
            raise ValueError(f"files are one of {', '.join(PLACES)}")
        is_flash = files == PLACES[1]
        self.files = Files(self.flash)
        if is_flash and not self.files.is_formatted:
            self.files.fill(board_files(root, modules))
        program = Program(root, rom, modules, self.vfs, is_flash, self.flash.path, heap, argv_prefix, env)
        self.cpu = Cpu(program, self.clock, self.flash, seed)
        self._pump = Pump(self.cpu, stall_s)
        self._thread: threading.Thread | None = None
        self._is_pumping = False
        self._terminal: Terminal | None = None
        self.pins = self.cpu.pins
        self.circuit = Circuit(self.clock, self.pins, self.cpu.serial, self.cpu.buses, seed)
        self.lock = self.circuit.lock
        self.ble = self.cpu.ble = VirtualBluetooth(self.cpu, self.lock, self.wiring.chip, seed)
        self.line = SerialLine(self.cpu.line, self.lock, self.run_until)
        self.keypad = self.wiring.keypad
        self.camera = self.wiring.camera
        self.strike = self.wiring.strike
        self.contact = self.wiring.contact
        self.exit_button = self.wiring.exit_button
        self.led = self.wiring.led
        self.buzzer = self.wiring.buzzer
        for chip in self.wiring.chips():
            chip.attach(self.circuit)
        self.set_pace(pace)

    def __enter__(self) -> VirtualBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Power off, and give back what the board held open."""
        self.close_pty()
        self.ble.close()
        self.stop_pump()
        with self.lock:
            self.cpu.power_off()
            self.flash.close()

    # Power.

    def power_on(self) -> None:
        """The firmware starts; at the fast pace it computes with the next `run_for` or `run_until`."""
        with self.lock:
            if not self.is_powered:
                self.cpu.power_on()

    def power_off(self) -> None:
        """RAM is gone, outputs float at once, flash and files stay."""
        with self.lock:
            self.cpu.power_off()

    def load_files(self, tree: str | Path) -> None:
        """Formats the board's littlefs and fills it with boot.py, main.py, firmware/ and lib/ of `tree`."""
        self.files.fill(board_files(Path(tree), Path(tree)))

    def load_partition(self, label: str, data: bytes) -> None:
        """Puts a ready image into a partition, while the board is off. Raises KeyError, ValueError."""
        self.flash.load(label, data)

    def hang_cpu(self) -> None:
        """The CPU stops where it is. Peripherals, chips and the watchdog go on."""
        with self.lock:
            if self.cpu.process:
                self.cpu.process.stop()

    def resume_cpu(self) -> None:
        with self.lock:
            if self.cpu.process and self.cpu.process.is_stopped:
                self.cpu.process.go_on()
                self.cpu.flush()
                self.cpu.wake()

    @property
    def pid(self) -> int | None:
        """The process that runs the firmware, None without power. A reset makes it another one."""
        process = self.cpu.process
        return process.pid if process else None

    @property
    def is_powered(self) -> bool:
        return self.cpu.process is not None

    @property
    def reset_causes(self) -> list[int]:
        """machine.reset_cause() of every start so far: 1 power, 2 reset or panic, 3 watchdog, 5 soft reset."""
        return list(self.cpu.causes)

    @property
    def reset_count(self) -> int:
        """How often it started again without having been without power."""
        return sum(cause != 1 for cause in self.cpu.causes)

    # Time.

    @property
    def now_us(self) -> int:
        """Microseconds since this object was made. They go on through resets and power cuts."""
        return self.clock.now_us

    @property
    def now_ms(self) -> int:
        return self.clock.now_us // 1000

    @property
    def pace(self) -> str:
        return PACES[0] if self.clock.is_fast else PACES[1]

    def set_pace(self, pace: str) -> None:
        """Goes on at another pace from the present moment. Raises ValueError."""
        if pace not in PACES:
            raise ValueError(f"a pace is one of {', '.join(PACES)}")
        with self.lock:
            if pace == self.pace:
                return
            if pace == "fast" and self._thread:
                raise ValueError("stop the pump first: it is for the real pace")
            self._pump.settle()
            self.clock.set_fast(pace == "fast")
            self.pins.epoch += 1
            self.cpu.send_pace()
            self._pump.settle()

    def run_for(self, ms: float) -> None:
        """Lets `ms` milliseconds pass."""
        self._run(ms, None)

    def run_until(self, predicate: Predicate, limit_ms: float) -> bool:
        """Lets time pass until `predicate()` is true, but no longer than `limit_ms`; returns whether it was true.

        It is asked whenever something has happened, and once a second. What the firmware still does without looking
        at the clock is done before this returns.
        """
        return self._run(limit_ms, predicate)

    def _run(self, ms: float, predicate: Predicate | None) -> bool:
        if self._thread and threading.current_thread() is not self._thread:
            return self._watch(ms, predicate)
        with self.lock:
            return self._pump.run(self.now_us + int(ms * 1000), predicate)

    def _watch(self, ms: float, predicate: Predicate | None) -> bool:
        """`_run` while the pump runs in its thread."""
        end = time.monotonic() + ms / 1000
        while True:
            with self.lock:
                if predicate and predicate():
                    return True
            if time.monotonic() >= end:
                return False
            time.sleep(_PUMP_PAUSE_S * 2)

    def at(self, delay_ms: float, action: Callable[[], object]) -> None:
        """Calls `action` in `delay_ms` milliseconds of board time."""
        self.circuit.at(delay_ms, action)

    def start_pump(self) -> None:
        """Lets time pass in a thread of its own from now on, at the real pace. Raises ValueError at the fast one."""
        if self.clock.is_fast:
            raise ValueError("the pump is for the real pace")
        if not self._thread:
            self._is_pumping = True
            self._thread = threading.Thread(target=self._pump_on, name="virtualboard", daemon=True)
            self._thread.start()

    def stop_pump(self) -> None:
        self._is_pumping = False
        thread, self._thread = self._thread, None
        if thread:
            thread.join()

    def _pump_on(self) -> None:
        while self._is_pumping:
            with self.lock:
                self._pump.step_real(self.now_us)
            # Outside of the lock, so that others get their turn.
            self._pump.pause(_PUMP_PAUSE_S)

    @property
    def holds_ms(self) -> list[tuple[float, float]]:
        """When another thread than the main one held the interpreter, and for how long."""
        return [(start_us / 1000, us / 1000) for start_us, us in self.cpu.holds]

    # What the board shows and hears.

    @property
    def pin_writes(self) -> Sequence[Write]:
        """Every level the firmware gave to a pin, oldest first, but for the keypad's rows."""
        return self.pins.writes

    @property
    def console(self) -> list[str]:
        """The lines printed so far. `console_times_ms` has the time of each."""
        return self.cpu.console.lines

    @property
    def console_times_ms(self) -> list[int]:
        return self.cpu.console.times_ms

    def on_console(self, listener: Callable[[str], None] | None) -> None:
        """Calls `listener` with every line from now on."""
        self.cpu.console.on_line = listener

    def send(self, data: bytes) -> None:
        """Types into the board's serial line. More of it is behind `line`."""
        self.line.write(data)

    def open_pty(self) -> str:
        """Returns the path of a pseudo-terminal that is the board's serial line from now on, and starts the pump.

        It stays when programs close it and open it again. Raises ValueError at the fast pace.
        """
        self.start_pump()
        if not self._terminal:
            self._terminal = Terminal(self.cpu.line, self.lock)
        return self._terminal.path

    def close_pty(self) -> None:
        """Takes the cable out: who has the pseudo-terminal open finds it gone. The next one has another path."""
        terminal, self._terminal = self._terminal, None
        if terminal:
            terminal.close()

    def set_idf_heap(self, rows: Sequence[tuple[int, int, int, int]]) -> None:
        """What esp32.idf_heap_info() shows from now on: size, free, largest free, least free so far of each heap."""
        self.cpu.idf_heap = list(rows)

    @property
    def at_repl(self) -> bool:
        """Whether the program ended, so that a board would show its prompt."""
        return self.cpu.at_repl

    @property
    def nfc(self) -> Pn532:
        """The card reader. Raises ValueError for a board without one."""
        if self.wiring.nfc is None:
            raise ValueError("no card reader is fitted")
        return self.wiring.nfc

    @property
    def wiegand(self) -> Wiegand:
        """The Wiegand keypad. Raises ValueError for a board without one."""
        if self.wiring.wiegand is None:
            raise ValueError("no Wiegand keypad is fitted")
        return self.wiring.wiegand

    @property
    def wlan(self) -> AccessPoint:
        return self.cpu.wlan
