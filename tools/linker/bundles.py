"""Which modules make one file on the board: those that are always loaded together.

A file has the name of one of its modules, its root. `firmware.build` stays a file of its own with what a start needs
before it is counted; what can fail comes later. What a door may lack, and what is loaded for a moment and let go again,
each has its own. A module that stands nowhere here is a file by itself.
"""

BUNDLES = {
    # What a lock needs to count its start, and to let people out if that fails.
    "firmware.build": (
        "bell",
        "cbor",
        "constant",
        "typing",
        "firmware.board.chip",
        "firmware.board.flash",
        "firmware.board.inputs",
        "firmware.board.pins",
        "firmware.board.strike",
        "firmware.core.attention",
        "firmware.core.door",
        "firmware.core.errors",
        "firmware.core.event",
        "firmware.core.uptime",
        "firmware.store.ledger",
        "firmware.store.sector",
        "firmware.store.uses",
        "firmware.task.doorway",
        "firmware.task.supervise",
        "firmware.version",
    ),
    # What is remembered and signed; needed before the tables of keys are made.
    "firmware.store.journal": (
        "comb25519",
        "cose",
        "ed25519",
        "edwards25519",
        "field25519",
        "hkdf",
        "inverse",
        "number25519",
        "sha512",
        "workspace",
        "firmware.board.radio",
        "firmware.core.clock",
        "firmware.core.config",
        "firmware.core.name",
        "firmware.core.ratchet",
        "firmware.core.zone",
        "firmware.store.entry",
        "firmware.store.trail",
        "firmware.task.timekeeping",
    ),
    # The tasks that every lock has.
    "firmware.task.access": (
        "firmware.board.lamp",
        "firmware.core.decision",
        "firmware.core.indication",
        "firmware.core.nonces",
        "firmware.reader.presentation",
        "firmware.store.photos",
        "firmware.keyway",
        "firmware.task.console",
        "firmware.task.health",
        "firmware.task.indicate",
        "firmware.task.sealing",
    ),
    # What serves keys is loaded at the first one (`firmware.keyway`).
    "firmware.task.entry": ("firmware.core.keycode", "firmware.core.throttle", "firmware.reader.keypad"),
    # What a phone by Bluetooth needs for a moment.
    "firmware.core.agreement": ("x25519",),
    "firmware.task.ble": ("firmware.board.ble",),
    # What a door may lack.
    "firmware.board.keypad": ("keypad_matrix",),
    "firmware.board.wiegand": ("wiegand", "firmware.reader.wiegand"),
    "firmware.task.photographer": ("jpeg", "vc0706", "firmware.board.camera"),
    "firmware.store.issuers": ("firmware.store.tables",),
    # Viper code, which stays once it was loaded.
    "p256_field": ("p256_table",),
    # What is loaded when a visitor comes, and let go again (`firmware.lobby`).
    "firmware.task.visit": (
        "p256",
        "p256_point",
        "firmware.core.credential",
        "firmware.core.proof",
        "firmware.task.gate",
    ),
    "firmware.task.news": ("firmware.store.revoked",),
    "firmware.task.tap": ("pn532", "pn532_target"),
    "firmware.reader.card": ("isodep", "ndef", "type2", "firmware.reader.badge", "firmware.reader.phone"),
    "firmware.task.uplink": ("firmware.task.courier",),
    # What only a start needs.
    "firmware.store.opening": ("firmware.store.mounting",),
    "firmware.store.trial": ("firmware.core.tz_string", "firmware.store.settings"),
    # What the serial line needs as long as somebody talks to it.
    "firmware.console.desk": ("firmware.console.line", "firmware.console.request", "firmware.console.session"),
    "firmware.console.diff": ("firmware.console.fields",),
}


def root_of(module: str) -> str:
    """Returns the root of the file that a module lies in."""
    return _ROOTS.get(module, module)


_ROOTS = {module: root for root, modules in BUNDLES.items() for module in (root, *modules)}
