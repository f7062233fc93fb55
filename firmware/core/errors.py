"""The exceptions that somebody catches; whatever else is raised ends the task and resets the board."""


class FlashError(Exception):
    """The flash did not take a write or gave back something else: the caller must not act as if it were kept."""


class SettingsError(Exception):
    """The settings are refused; the first argument names the field."""


class StrikeError(Exception):
    """The strike's driver did not take the pulse."""


class LedgerFull(Exception):
    """No room for another used credential until some of those kept have expired; nothing was written."""


class PhoneGone(Exception):
    """The phone went, took too long or says no; the first argument is the reason of `core.event`, if it is another."""


class PhoneStrange(PhoneGone):
    """The phone speaks otherwise than docs/protocol.md, section 10, says."""
