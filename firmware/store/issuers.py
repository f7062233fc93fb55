"""The issuers that a door trusts, ready to check signatures."""

import ed25519


class Issuer:
    """One key of an issuer; several may have the same name while one key follows another."""

    def __init__(self, name: str, public: bytes) -> None:
        self.name = name
        self._public = public

    def verify(self, message: bytes, signature: bytes) -> bool:
        return ed25519.verify(self._public, message, signature)


def load(keys: list) -> dict:
    """Returns kid -> Issuer for (kid, name, public key) triples, as in the settings."""
    return {kid: Issuer(name, public) for kid, name, public in keys}
