"""Which port the board is at: the one that was named, or the only one where a board answers."""

from lobbylock.console import probe
from lobbylock.console.line import Port, SerialPort
from lobbylock.doctor_sight import explain_sight
from lobbylock.errors import UserError
from lobbylock.install_dialog import Dialog

_PATIENCE_MS = 10_000


def choose_port(name: str | None, dialog: Dialog) -> Port:
    """Returns the port where a lock answers. Raises UserError for none, for several, and for what else answers."""
    if name is not None:
        port = SerialPort(name)
        _require_lock(name, probe.probe(port, _PATIENCE_MS))
        return port
    names = probe.port_names()
    if not names:
        raise UserError(
            "There is no serial port on this machine: is the cable in, and does it carry data? Some only charge."
        )
    found: dict[str, str] = {}
    others = []
    for each in names:
        dialog.say(f"Asking {each} ...")
        try:
            sight = probe.probe(SerialPort(each), _PATIENCE_MS)
        except UserError as error:
            others.append(str(error))
            continue
        if sight.kind == probe.LOCK and sight.hello:
            found[each] = f"{sight.hello.get('board')} ({sight.hello.get('door')})"
            dialog.say(f"{each}: {found[each]}")
        else:
            others.append(explain_sight(sight, each).say)
    if len(found) > 1:
        listed = ", ".join(f"{each} is {what}" for each, what in found.items())
        raise UserError(f"There are several boards: {listed}. Choose one with --port.")
    if not found:
        raise UserError(f"No board answers. {' '.join(others)}")
    return SerialPort(next(iter(found)))


def _require_lock(name: str, sight: probe.Sight) -> None:
    if sight.kind != probe.LOCK:
        finding = explain_sight(sight, name)
        raise UserError(f"{finding.say} {finding.do}")
