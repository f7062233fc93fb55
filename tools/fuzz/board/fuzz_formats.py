"""Targets that take one byte string: codecs, credentials, codes, settings, Wiegand. For verdicts.py."""

from binascii import crc32
from hashlib import sha256

SECRET = b"fuzz"


def ok(*parts) -> str:
    """Returns the verdict for something understood as `parts`: integers, byte strings, texts, None."""
    data = b""
    for part in parts:
        data += part if isinstance(part, bytes) else str(part).encode()
        data += b"|"
    return "ok %08x" % (crc32(data) & 0xFFFFFFFF)


class Issuer:
    """Signs by a hash under a secret, which costs little; `is_credulous` believes every signature."""

    name = "maple-office"

    def __init__(self, is_credulous: bool) -> None:
        self._is_credulous = is_credulous

    def verify(self, message: bytes, signature: bytes) -> bool:
        return self._is_credulous or signature == sha256(SECRET + message).digest() * 2


def _cbor():
    import cbor

    def check(data):
        try:
            value = cbor.decode(data)
        except cbor.CborError:
            return "no"
        # A value has one encoding.
        if cbor.encode(value) != data:
            return "!! another encoding"
        return ok(type(value).__name__)

    return check


def _cose():
    import cose

    def check(data):
        try:
            protected, alg, kid, payload, signature = cose.parse(data)
        except cose.CoseError:
            return "no"
        return ok(protected, alg, kid, payload, signature)

    return check


def _credential(is_credulous: bool):
    from firmware.core import credential

    issuers = {b"\x0a\x0b\x0c\x0d": Issuer(is_credulous)}

    def check(data):
        try:
            found = credential.read(data, issuers)
        except credential.CredentialError as error:
            return "no %d" % error.args[0]
        numbers = (found.role, found.issued_s, found.not_before_s, found.expires_s, found.uses, found.hours)
        return ok(found.id, found.kid, found.issuer, found.subject, found.building, found.holder, found.areas, *numbers)

    return check


def _chain(is_credulous: bool):
    from firmware.core import chain, credential

    issuer = Issuer(is_credulous)
    issuers = {b"\x0a\x0b\x0c\x0d": issuer}

    def verify(holder, message, signature):
        return len(holder) == 64 and issuer.verify(message, signature)

    def check(data):
        try:
            found = chain.read(data, issuers, verify)
        except credential.CredentialError as error:
            return "no %d" % error.args[0]
        parent = found.parent
        if not (parent.is_resident and parent.holder and found.role == 4 and chain.is_within(found, parent)):
            return "!! taken"
        # Texts as they are: each interpreter has its own way to write them inside of something else.
        numbers = (found.role, found.not_before_s, found.expires_s, found.uses, found.hours, found.issued_s)
        return ok(found.subject, found.id, found.kid, found.key, found.holder, found.areas, parent.id, *numbers)

    return check


def _ndef():
    import ndef

    from firmware.core.proof import MEDIA_TYPE

    def check(data):
        try:
            return ok(ndef.find(data, MEDIA_TYPE))
        except ndef.NdefError:
            return "no"

    return check


def _tlv():
    import ndef

    def check(data):
        # The first byte says how much of the area has been read.
        known = data[1:] if not data or data[0] & 1 else data[1 : 1 + data[0] * 8]
        try:
            place = ndef.locate(known, max(len(data) - 1, 0))
        except ndef.NdefError:
            return "no"
        return ok(*place) if place else "ok more"

    return check


def _proof():
    from firmware.core import proof

    challenge = proof.challenge("maple-12/front", bytes(range(16)))

    def verify(holder, message, signature):
        return signature == sha256(SECRET + holder + message).digest() * 2

    def check(data):
        is_right = proof.holds(b"h" * 64, b"credential", challenge, data, verify)
        signature = proof.read(data)
        return "no" if signature is None else ok(signature, is_right)

    return check


def _keycode():
    from firmware.core import keycode

    # Wrong codes cost two HMACs for each window of reach; how far it goes changes nothing here.
    keycode.REACH = 2
    checker = keycode.Checker(bytes(range(32)), 3)

    def check(data):
        # One character for each byte, the last of them from far away.
        text = "".join([chr(byte if byte < 0xF0 else byte << 4) for byte in data])
        claim = checker.check(text, 1_789_992_000)
        return (
            ("no %d" % claim.outcome)
            if claim.is_guess
            else ok(claim.outcome, claim.slot, claim.code_class, claim.window)
        )

    return check


def _settings():
    import io

    from firmware.core.errors import SettingsError
    from firmware.store import settings

    text = b""
    # No file is written for each input: the module's own names for it lead here.
    settings.stat = lambda path: (0,) * 6 + (len(text),)
    settings.open = lambda path: io.StringIO(str(text, "utf-8"))

    def check(data):
        nonlocal text
        text = data
        try:
            found = settings.load()
        except SettingsError:
            # Which of several wrong fields is named depends on how an interpreter orders sets.
            return "no"
        names = [found.building, found.door, found.areas, found.issuers, found.revoked, found.mqtt, found.ntp]
        return ok(found.tag, found.code_key, found.collector_key, len(str(names)) > 0)

    return check


def _wiegand():
    import wiegand

    def check(data):
        collector = wiegand.Collector(lambda later, earlier: later - earlier)
        now_ms = 1000
        out = []
        for byte in data:
            # Most bits follow each other closely.
            now_ms += byte >> 1 & 63 if byte < 128 else 1
            collector.edge(byte & 1, now_ms)
            if byte == 127:
                out.append(collector.take(now_ms))
        now_ms += 100
        for _ in range(300):
            frame = collector.take(now_ms)
            out.append(frame)
            if frame is None:
                return ok(*out)
        return "!! frames without an end"

    return check


TARGETS = {
    "cbor": _cbor,
    "cose": _cose,
    "credential": lambda: _credential(False),
    "claims": lambda: _credential(True),
    "chain": lambda: _chain(False),
    "chain claims": lambda: _chain(True),
    "ndef": _ndef,
    "tlv": _tlv,
    "proof": _proof,
    "keycode": _keycode,
    "wiegand": _wiegand,
    "settings": _settings,
    "settings text": _settings,
}
