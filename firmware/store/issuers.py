"""The issuers that a door trusts, ready to check signatures."""

import ed25519
from micropython import const

from firmware.store import tables

_FOLDER = const("tables")
# The base point, whose table all keys share, in the form of a public key.
_BASE = b"\x58" + b"\x66" * 31


class Issuer:
    """One key of an issuer; several may have the same name while one key follows another."""

    def __init__(self, name: str, public: bytes, base, folder: str) -> None:
        self.name = name
        self._public = public
        table = base and tables.open_table(public, folder)
        self._prepared = ed25519.Prepared(public, table, base) if table else None

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the issuer signed `message`. A table that cannot be read makes it slower, not wrong."""
        if self._prepared:
            try:
                return self._prepared.verify(message, signature)
            except OSError:
                self._prepared = None
        return ed25519.verify(self._public, message, signature)


def load(keys: list, folder: str = _FOLDER) -> dict:
    """Returns kid -> Issuer for (kid, name, public key) triples, as in the settings; `folder` is for their tables."""
    tables.tidy([_BASE] + [public for _, _, public in keys], folder)
    base = tables.open_table(_BASE, folder) if keys else None
    return {kid: Issuer(name, public, base, folder) for kid, name, public in keys}
