"""Issuers check signatures with tables on the file system, and without them when those fail."""

import os
from binascii import hexlify
from hashlib import sha256

import ed25519

from firmware.store import issuers, tables

SIGNER = ed25519.Signer(b"\x07" * 32)
SIGNED = SIGNER.sign(b"what the issuer says")
KEYS = [(b"\x01\x02", "acme", SIGNER.public)]


# Tests of this file may run at the same time.
FOLDER = "/tmp/lobbylock-test-tables-" + hexlify(os.urandom(8)).decode()
PATH = FOLDER + "/" + hexlify(sha256(SIGNER.public).digest()[:8]).decode() + ".bin"


def _clear():
    for name in os.listdir(FOLDER):
        os.remove(FOLDER + "/" + name)
    os.rmdir(FOLDER)


def _digest():
    digest = sha256()
    with open(PATH, "rb") as file:
        piece = file.read(1024)
        while piece:
            digest.update(piece)
            piece = file.read(1024)
    return digest.digest()


def _holds(known):
    issuer = known[b"\x01\x02"]
    assert issuer.name == "acme"
    assert issuer.verify(b"what the issuer says", SIGNED)
    assert not issuer.verify(b"what nobody says", SIGNED)


def test_tables_are_made_once_and_checked_after_that():
    _holds(issuers.load(KEYS, FOLDER))
    assert len(os.listdir(FOLDER)) == 2
    assert os.stat(PATH)[6] == 128 * 120 + 32
    made = _digest()
    # Altered, torn, and emptied: made again each time.
    for mode, at, what in (("r+b", 700, b"\x00\x01"), ("wb", 0, b"torn"), ("wb", 0, b"")):
        with open(PATH, mode) as file:
            file.seek(at)
            file.write(what)
        assert _digest() != made
        _holds(issuers.load(KEYS, FOLDER))
        assert _digest() == made
    _clear()


def test_tables_of_keys_that_went_are_removed():
    issuers.load(KEYS, FOLDER)
    other = ed25519.public_key(b"\x09" * 32)
    issuers.load([(b"\x03", "next", other)], FOLDER)
    assert len(os.listdir(FOLDER)) == 2 and PATH[len(FOLDER) + 1 :] not in os.listdir(FOLDER)
    _clear()


def test_a_table_that_cannot_be_read_any_more_costs_time_only():
    known = issuers.load(KEYS, FOLDER)
    with open(PATH, "wb") as file:
        file.write(b"short")
    _holds(known)
    _clear()


def test_without_a_place_for_tables_signatures_are_checked_all_the_same():
    kept = tables._make
    tables._make = _full
    try:
        _holds(issuers.load(KEYS, FOLDER))
    finally:
        tables._make = kept


def _full(path, public):
    raise OSError(28)


def test_a_key_that_is_no_key_signs_nothing():
    known = issuers.load([(b"\x04", "nobody", bytes(32))], FOLDER)
    assert not known[b"\x04"].verify(b"", bytes(64))
    _clear()
