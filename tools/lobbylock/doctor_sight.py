"""A doctor's findings about what is at the other end of the line, without any key."""

from lobbylock.console import probe
from lobbylock.console.probe import Sight
from lobbylock.doctor_finding import Finding
from lobbylock.names import NO_DOOR

_SENTENCES = {
    probe.PROMPT: (
        "MicroPython's prompt answers at {port}: there is no LobbyLock on this board.",
        "Put it there: `make flash PORT={port} FIRMWARE=...`, or `make deploy PORT={port}` from a working tree.",
    ),
    probe.DEVELOPER: (
        "MicroPython's prompt answers at {port}, with LobbyLock's files on the board: its program was ended.",
        "Press the board's reset button: it then starts the lock. A board at its prompt is no lock; if it stays there,"
        " write its files anew (`make deploy`).",
    ),
    probe.BLANK: (
        "The chip at {port} has no program it could start: its flash is empty or damaged.",
        "Write the image: `make flash PORT={port} FIRMWARE=...`.",
    ),
    probe.LOADER: (
        "The chip at {port} waits for a download instead of starting: its BOOT pin (GPIO 0, on a C3 GPIO 9) is held.",
        "Let the BOOT button go and press reset; look for a wire on that pin.",
    ),
    probe.POWER: (
        "The board's supply breaks down: its brown-out detector resets it.",
        "Use a stronger supply and a short, thick cable; give strike and camera a supply of their own.",
    ),
    probe.NOISE: (
        "What comes from {port} cannot be read.",
        "It may be another device than a lock, or a bad adapter; try another cable.",
    ),
    probe.SILENT: (
        "Nothing answers at {port}.",
        "Is this the board's port? Is the board on? Press its reset button, and try another cable: some only charge.",
    ),
}


def explain_sight(sight: Sight, port: str) -> Finding:
    """Returns the finding about a line where no lock answers."""
    if sight.kind == probe.LOOP:
        why = f": {sight.exception}" if sight.exception else ""
        return Finding(
            "boot_loop",
            f"The board starts again and again{why}.",
            "Power it from a good supply with strike and camera unplugged; if that changes nothing, write its image"
            " anew (`make flash`). People get out meanwhile.",
        )
    if sight.kind == probe.STARTING:
        return _explain_start(sight, port)
    say, do = _SENTENCES[sight.kind]
    return Finding(sight.kind, say.format(port=port), do.format(port=port))


def _explain_start(sight: Sight, port: str) -> Finding:
    if sight.exception:
        return Finding(
            "start_failed",
            f"The board at {port} could not start its lock: {sight.exception}.",
            "It lets people out and tries again; after three failed starts it leaves the part out that fails, and"
            " answers here. Wait two minutes and run this again.",
        )
    if sight.start_line:
        return Finding(
            "starting",
            f"The board at {port} has started and does not answer yet.",
            "New keys of issuers take it up to a minute; wait, and run this again.",
        )
    return Finding(
        "foreign",
        f"Something writes at {port}, but no lock answers.",
        "Is this the board's port? Press its reset button and run this again.",
    )


def findings_of_hello(sight: Sight) -> list[Finding]:
    """Returns what a lock tells of its state to everybody: in `hello` and in its first line."""
    found = []
    hello = sight.hello or {}
    start = sight.start_line or {}
    if hello.get("claimed") is not True:
        found.append(
            Finding("unclaimed", "The board has no owner yet.", "`lobbylock install` claims it and makes it a door.")
        )
    refused = start.get("settings_refused")
    if refused and hello.get("door") == NO_DOOR:
        found.append(explain_refused(str(refused), hello.get("claimed") is True))
    elif hello.get("door") == NO_DOOR and hello.get("claimed") is True:
        found.append(Finding("unconfigured", "The board has no settings yet.", "Run `lobbylock install` to the end."))
    return found


def explain_refused(field: str, is_claimed: bool = True) -> Finding:
    """Returns the finding about settings whose `field` the lock refuses."""
    if field == "file":
        text = "no settings that can be read" if is_claimed else "no settings yet"
        return Finding("settings", f"The board has {text}: nobody is let in.", "Run `lobbylock install`.")
    return Finding(
        "settings",
        f"The board refuses its settings because of the field `{field[:40]}`: nobody is let in.",
        "Correct it in the building's file and run `lobbylock install`.",
    )
