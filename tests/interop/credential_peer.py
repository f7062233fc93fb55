"""Runs on MicroPython: reads credentials as hex, one a line, and writes the lock's verdict on each.

first line: KID NAME PUBLIC, one issuer          -> nothing
CREDENTIAL                                       -> its reason, or its subject and id
"""

import sys
from binascii import unhexlify

import ed25519

from firmware.core import credential


class Issuer:
    def __init__(self, name: str, public: bytes) -> None:
        self.name = name
        self._public = public

    def verify(self, message: bytes, signature: bytes) -> bool:
        return ed25519.verify(self._public, message, signature)


def main() -> None:
    kid, name, public = sys.stdin.readline().split()
    issuers = {unhexlify(kid): Issuer(name, unhexlify(public))}
    for line in sys.stdin:
        try:
            found = credential.read(unhexlify(line.strip()), issuers)
            print(found.subject.encode().hex(), found.id.hex())
        except credential.CredentialError as error:
            print(error.args[0])


main()
