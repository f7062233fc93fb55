"""The table of rooms: what lives where, and what each room may import. docs and checks both mean this one."""

from typing import NamedTuple

# The parts of lib/ that only compute. Both sides use them, so they keep to what both interpreters have.
PURE_LIB = frozenset(
    ("cbor", "comb25519", "constant", "cose", "ed25519", "edwards25519", "field25519", "hkdf", "ndef", "number25519")
    + ("inverse", "p256", "p256_field", "p256_point", "p256_table", "sha512", "table25519", "typing", "workspace")
    + ("x25519",)
)

HARDWARE = frozenset(("bluetooth", "esp32", "machine", "network"))
PURE = frozenset(("array", "binascii", "collections", "errno", "hashlib", "json", "math", "re", "struct"))
# The rest of what MicroPython's ESP32 images have built in or frozen and the lock has a use for.
BUILT_IN = PURE | frozenset(
    ("_thread", "asyncio", "cryptolib", "deflate", "gc", "heapq", "io", "micropython", "os", "platform", "random")
    + ("select", "socket", "ssl", "sys", "time", "tls", "uctypes", "vfs")
)


class Room(NamedTuple):
    """`may` names rooms and single modules of ours; `outside` the top-level names from elsewhere, None for any."""

    may: tuple[str, ...]
    outside: frozenset[str] | None


ROOMS = {
    "pure lib": Room(("pure lib",), PURE | {"micropython"}),
    "lib": Room(("pure lib", "lib"), BUILT_IN),
    "core": Room(("core", "pure lib"), PURE),
    "store": Room(("store", "core", "pure lib", "lib"), BUILT_IN),
    "reader": Room(("reader", "core", "pure lib", "lib"), BUILT_IN),
    # Not "task": a task is given what it needs from another one by build.py. The MQTT client and its TLS are no tasks.
    # Nor is what the serial line loads for who asks.
    "task": Room(
        (
            "firmware.task.mqtt",
            "firmware.task.handshake",
            "firmware.task.pieces",
            "console",
            "core",
            "store",
            "reader",
            "pure lib",
            "lib",
        ),
        BUILT_IN | {"umqtt"},
    ),
    "console": Room(("console", "core", "store", "pure lib", "lib", "firmware.version"), BUILT_IN),
    # A port and the exceptions that go with it are what a part of the board promises to the rest.
    "board": Room(("board", "firmware.core.ports", "firmware.core.errors", "pure lib", "lib"), BUILT_IN | HARDWARE),
    # One composition root in three files: the later ones are loaded once the start is counted, and let go.
    "build": Room(
        ("parts", "firmware.version", "core", "store", "reader", "task", "board", "pure lib", "lib"), BUILT_IN
    ),
    "parts": Room(
        ("crew", "firmware.version", "core", "store", "reader", "task", "board", "pure lib", "lib"), BUILT_IN
    ),
    "crew": Room(("lobby", "keyway", "core", "store", "reader", "task", "board", "pure lib", "lib"), BUILT_IN),
    # What the crew leaves behind, to have parts of it made later.
    "lobby": Room(("core", "store", "reader", "task", "pure lib", "lib"), BUILT_IN),
    "keyway": Room(("core", "task", "pure lib", "lib"), BUILT_IN),
    "firmware": Room((), frozenset()),
    "boot": Room((), frozenset(("machine", "micropython", "time"))),
    # How the heap is swept has to be said before anything is loaded into it; and whatever fails, there is no prompt.
    # It chooses between versions, so it can rely on nothing that is in them.
    "main": Room(("build",), frozenset(("gc", "machine", "micropython", "os", "sys", "time"))),
    "lobbylock": Room(("lobbylock", "virtualboard", "linker", "core", "pure lib"), None),
    # Stands in for the hardware and starts the firmware, but knows nothing of what is inside.
    "virtualboard": Room(("virtualboard", "linker", "boot", "main", "pure lib"), None),
    # Reads the lock's sources, imports none of them.
    "linker": Room(("linker",), None),
}
# Only these name the hardware; on the host the virtual board is what answers to those names.
TOUCHING = frozenset(("board", "boot", "main", "virtualboard"))
# Its `machine` loads a file for each kind of peripheral when that is first asked for.
MAY_MAKE_UP_NAMES = frozenset(("virtualboard",))

_FIRMWARE = frozenset(
    ("core", "store", "reader", "task", "console", "board", "build", "parts", "crew", "lobby", "keyway")
)
_OWN_NAMES = frozenset(("boot", "main", "linker", "lobbylock", "virtualboard"))


def room_of(name: str, lib: frozenset[str]) -> str | None:
    """Returns the room of the module called `name`, None for one from elsewhere. `lib` holds lib's module names."""
    first, _, rest = name.partition(".")
    if first == "firmware":
        second = rest.partition(".")[0]
        return second if second in _FIRMWARE else "firmware"
    if first in _OWN_NAMES:
        return first
    if first in lib:
        return "pure lib" if first in PURE_LIB else "lib"
    return None
