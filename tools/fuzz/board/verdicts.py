"""Runs on MicroPython and on CPython: TARGET FILE -> a line of verdict for each input in FILE, then the heap's growth.

In FILE, two bytes of length are in front of each input. A verdict is `no` and why, or `ok` and a checksum of what was
understood; it begins with `!!` where an exception came out that nobody declared.
"""

import gc
import io
import sys

# Inputs after which everything is loaded that ever is.
_WARM = 300


def _load(name: str):
    """Returns the target's function, input -> verdict."""
    if name.startswith("pn532"):
        from fuzz_reader import TARGETS
    elif name.startswith("console"):
        from fuzz_console import TARGETS
    elif name.startswith("record"):
        from fuzz_channel import TARGETS
    elif name == "news list":
        from fuzz_list import TARGETS
    elif name.startswith("news"):
        from fuzz_news import TARGETS
    elif name == "ble":
        from fuzz_ble import TARGETS
    elif name in ("type2", "type4", "phone"):
        from fuzz_cards import TARGETS
    else:
        from fuzz_formats import TARGETS
    return TARGETS[name]()


def _judge(check, data: bytes) -> str:
    try:
        return check(data)
    except Exception as error:  # noqa: BLE001 - whatever nobody declared is what is looked for
        text = io.StringIO()
        if sys.implementation.name == "micropython":
            sys.print_exception(error, text)
        else:
            text.write("%r" % error)
        return "!! " + text.getvalue().replace("\n", " | ")


def _heap(check) -> int:
    """Returns how much of the heap is taken, once the last input cannot lie about on the stack any more."""
    for number in range(256):
        # MicroPython makes a name of each character that is looked at by itself, and now and then room for 640 more.
        chr(number)[0]
    _judge(check, b"")
    gc.collect()
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0


def main(name: str, path: str) -> None:
    check = _load(name)
    before = after = count = 0
    with open(path, "rb") as file:
        while True:
            head = file.read(2)
            if len(head) < 2:
                break
            verdict = _judge(check, file.read(head[0] << 8 | head[1]))
            print(verdict)
            count += 1
            if count == _WARM:
                before = _heap(check)
    if before:
        after = _heap(check)
    print("heap", after - before)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
