"""The board's end of the link to the host process, and the numbers that every shadow module reads.

Board time is one count of microseconds that the host owns and that goes on across resets. At the "fast" pace it
moves only here: by a cost per call, or to the deadline of a wait. The host grants a horizon with every reply; up to
it nothing can happen on the board, so time moves and pins are read without asking. At the "real" pace it is the
machine's monotonic clock plus `offset`.

Only the main thread asks the host anything. Other threads read the numbers kept here; `tell` is safe from any.

An ESP32 runs one thread at a time. Here they run side by side, so what one of them computes in C without letting go of
the interpreter has to be told by `hold`: then the main thread stands still until so much board time is over.
"""

import _thread
import array
import builtins
import sys

import _frames
import uctypes
import uselect
import utime
from micropython import const

# What the host says besides replies (0).
_IRQ = const(1)
_WAKE = const(2)
_PACE = const(3)
_WLAN = const(4)
_BLE_EVENT = const(5)

FOREVER = const(1 << 60)

# At the fast pace an hour takes no time, in which another thread hardly gets a turn. So the main one waits for a sign
# of it so often (us), so long (real ms) at most.
_TURN_US = const(240000000)
_TURN_MS = const(10000)

now = 0
horizon = 0
fast = True
offset = 0
boot = 0
rtc = 0
cause = 0
raw = 0
inputs = 0
outputs = 0
matrix = 0
timers = []
handlers = {}
irqs_off = 0
wlan = [-1, None, None]
# Bluetooth: what takes an event, and those that wait for it.
on_ble = None
_events = []
arg = 0
payload = None

_starved = False
_epoch = 0
_memo = {}
_pending = []
_running = False
_looked = 0
_held_us = 0
_seen = 0
main_thread = _thread.get_ident()
_lock = _thread.allocate_lock()
_tx = array.array("q", [0, 0, 0, 0])
# In halves: an array of "q" gives every number as an object in the heap, and so does all that is computed from it.
_rx = array.array("I", [0] * 10)
_rest = bytearray(64)
_in = None
_out = None
_poller = None
_print = builtins.print


def connect(read_fd: int, write_fd: int) -> None:
    """Opens the link, says hello and learns why the board started and at what time."""
    global _in, _out, _poller, boot, rtc, cause, matrix, outputs, raw
    _in = open(read_fd, "rb")
    _out = open(write_fd, "wb")
    _poller = poller()
    ask(_frames.HELLO)
    cause, boot, rtc, matrix, outputs, raw = array.array("q", payload)


def poller():
    """Returns a built-in poll object that watches the link as well."""
    made = uselect.poll()
    made.register(_in, uselect.POLLIN)
    return made


def is_link(stream) -> bool:
    return stream is _in


def tell(op: int, number: int = 0, value: int = 0, data=None) -> None:
    """Sends one frame that needs no reply."""
    global horizon
    size = len(data) if data else 0
    with _lock:
        _tx[0] = op | number << 8 | size << 16
        _tx[1] = now if fast else utime.ticks_us() + offset
        _tx[2] = value
        _tx[3] = outputs
        _out.write(_tx)
        if size:
            _out.write(data)
    # The chips may answer sooner than the horizon we were given: ask before time moves again.
    horizon = 0


def ask(op: int, number: int = 0, value: int = 0, data=None) -> int:
    """Sends one frame, waits for its reply and returns the reply's value; its payload is in `payload`."""
    if _thread.get_ident() != main_thread:
        raise RuntimeError("only the main thread may use this part of the virtual board")
    global arg, payload, _starved
    if _held_us:
        _stand_still()
    tell(op, number, value, data)
    while _receive():
        pass
    # A handler may ask something itself.
    value = _number(8)
    told_arg = arg
    told = payload
    run()
    arg = told_arg
    payload = told
    if _starved:
        _starved = False
        raise MemoryError
    return value


def _number(at: int) -> int:
    """Returns the number whose halves are at `at` and behind it."""
    high = _rx[at + 1]
    return _rx[at] | (high if high < 1 << 31 else high - (1 << 32)) << 32


def _receive() -> int:
    """Takes one frame from the host and returns its kind, 0 for a reply."""
    global now, horizon, inputs, _epoch, payload, arg, fast, offset
    if _in.readinto(_rx) != 40:
        _die()
    word = _rx[0]
    kind = word & 255
    arg = word >> 8 & 255
    told = _number(2)
    if fast and told > now:
        now = told
    horizon = _number(4)
    inputs = _number(6)
    if _rx[1] != _epoch:
        _epoch = _rx[1]
        _memo.clear()
    size = word >> 16 & 0xFFFF
    payload = _take(size) if size else None
    if kind == _IRQ:
        # One that is pending is not pending twice.
        if arg not in _pending:
            _pending.append(arg)
    elif kind == _PACE:
        fast = arg == 0
        offset = _number(8)
        if fast and told > now:
            now = told
    elif kind == _WLAN:
        _set_wlan(_number(8))
    elif kind == _BLE_EVENT:
        _events.append((arg, _number(8), payload))
    return kind


def _take(size: int):
    """Returns `size` bytes, or None if there is no room for them; the link stays in step either way."""
    global _starved
    try:
        data = bytearray(size)
    except MemoryError:
        _starved = True
        while size > 0:
            _in.readinto(_rest, min(size, len(_rest)))
            size -= len(_rest)
        return None
    _in.readinto(data)
    return data


def _set_wlan(since_us: int) -> None:
    # The flag goes last: another thread must not see a new access point with the old name.
    wlan[0] = -1
    wlan[1:3] = bytes(payload).decode().split("\0") if payload else (None, None)
    wlan[0] = since_us


def _die() -> None:
    # The host is gone. No exception, since the firmware may catch all of them: reading address 0 ends the process.
    uctypes.bytearray_at(0, 1)[0]


def clock(cost_us: int = 0) -> int:
    """Returns board time in microseconds after the caller spent `cost_us` (fast pace; nothing at the real one)."""
    global now, _seen
    if _thread.get_ident() != main_thread:
        _seen = now
        return now if fast else utime.ticks_us() + offset
    if fast:
        now += cost_us
        if now >= horizon:
            wait(now)
    else:
        now = utime.ticks_us() + offset
        # A loop that only looks at the clock still gets its interrupts.
        if now - _looked > 1000:
            _drain()
            if _held_us:
                _stand_still()
            run()
    return now


def hold(us: int) -> None:
    """Computes for `us` of board time without letting go of the interpreter. From any thread."""
    global _held_us
    _held_us = us
    if _thread.get_ident() == main_thread:
        _stand_still()
        return
    # The main thread may be waiting: the host wakes it.
    tell(_frames.HOLD)
    while _held_us:
        utime.sleep_ms(1)


def _stand_still() -> None:
    """Lets time pass without handlers and timers, which are due afterwards."""
    global _held_us, now
    tell(_frames.HOLD, 0, _held_us)
    until = (now if fast else utime.ticks_us() + offset) + _held_us
    while True:
        if not fast:
            now = utime.ticks_us() + offset
        if now >= until:
            break
        if fast:
            tell(_frames.WAIT, 0, until)
            while _receive():
                pass
        else:
            _poller.poll((until - now + 999) // 1000)
            _drain()
    _held_us = 0


def _give_turn() -> None:
    """Waits until another thread that was there has looked at the clock."""
    global _seen
    before = _seen
    for _ in range(_TURN_MS):
        utime.sleep_ms(1)
        if _seen != before:
            # It has looked; now it may do something.
            utime.sleep_ms(5)
            return
    # Gone, or stuck.
    _seen = 0


def wait(until: int, watch=None) -> None:
    """Lets time pass up to `until`, less when something came in or a timer is due; never more.

    `watch` is a poll object of `poller()`, whose streams also end the wait at the real pace. Main thread only.
    """
    global now
    for timer in timers:
        if timer.due < until:
            until = timer.due
    if fast:
        if until < horizon:
            if until > now:
                now = until
        else:
            if _seen and now - _seen > _TURN_US:
                _give_turn()
            ask(_frames.WAIT, 0, until)
    else:
        left = until - utime.ticks_us() - offset
        if left > 0:
            if left < 1000 and watch is None:
                utime.sleep_us(left)
            else:
                # Rounded up for a poll, which would otherwise spin through its last millisecond.
                left = min(left, 1000000000)
                (watch or _poller).poll(left // 1000 if watch is None else (left + 999) // 1000)
        now = utime.ticks_us() + offset
        _drain()
    if _held_us:
        _stand_still()
    run()


def _drain() -> None:
    global _looked
    for _ in _poller.ipoll(0):
        _receive()
    _looked = now


def run() -> None:
    """Calls the interrupt handlers and timers that are due, never one inside another."""
    global _running
    if _running or irqs_off or not (_pending or timers or _events):
        return
    _running = True
    try:
        while _events:
            on_ble(*_events.pop(0))
        while _pending:
            entry = handlers.get(_pending.pop(0))
            if entry:
                _call(entry[1], entry[0])
        at = now if fast else utime.ticks_us() + offset
        for timer in list(timers):
            if timer.due <= at and timer in timers:
                timer.fire(at)
                _call(timer.callback, timer)
    finally:
        _running = False


def _call(handler, source) -> None:
    # What a handler raises is shown and goes no further.
    try:
        if handler:
            handler(source)
    except Exception as error:
        sys.print_exception(error)


def read(gpio: int) -> int:
    """Returns the level of a pin. At the fast pace only the first look since the last change asks the host."""
    global now
    levels = None
    if fast and _thread.get_ident() == main_thread:
        now += 1
        if horizon:
            if now >= horizon:
                wait(now)
            levels = _memo.get(outputs & matrix)
    if levels is None:
        ask(_frames.READ)
        levels = _memo[outputs & matrix] = inputs
    return levels >> gpio & 1


def write(gpio: int, level) -> None:
    """Sets the level of an output. Rows of a matrix only matter to who reads a column: the next frame tells."""
    global outputs
    bit = 1 << gpio
    outputs = outputs | bit if level else outputs & ~bit
    if not (fast and matrix & bit):
        tell(_frames.PIN_SET, gpio, 1 if level else 0)


def halt(op: int, number: int, value: int = 0) -> None:
    """Sends a last frame and does nothing more until the host ends the process."""
    tell(op, number, value)
    while True:
        if _thread.get_ident() != main_thread:
            utime.sleep(1)
        elif not _in.read(1):
            _die()


def say(*items, **options) -> None:
    """`print` that also makes the host look at the console before time goes on."""
    _print(*items, **options)
    look()


def look() -> None:
    """Makes the host look at the console before time goes on."""
    global horizon
    if _thread.get_ident() == main_thread:
        horizon = 0
