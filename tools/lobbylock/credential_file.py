"""Credentials as people hand them over: bytes in a file, hex, base64url, or a badge's NDEF message."""

import base64
import binascii
import re
import sys
from pathlib import Path

import ndef

from firmware.core import proof
from lobbylock.errors import UserError

# More than any form of a credential takes; a file that is longer is something else.
_MAX_BYTES = 4_096


def read_credential(text: str) -> bytes:
    """Returns the bytes of the credential that `text` is, or that the file `text` holds; - is standard input.

    Raises UserError. Whether they are a credential is not looked at.
    """
    if not text:
        raise UserError("No credential was given: name a file, give hex or base64url, or - for standard input.")
    if text == "-":
        return _decode(sys.stdin.buffer.read(_MAX_BYTES + 1))
    as_text = _from_text(text)
    if as_text is not None and not _is_file(text):
        return as_text
    try:
        with open(Path(text).expanduser(), "rb") as file:
            return _decode(file.read(_MAX_BYTES + 1))
    except (FileNotFoundError, ValueError):
        raise UserError(f"{text[:40]!r} is neither a file nor a credential in hex or base64url.") from None


def _is_file(text: str) -> bool:
    try:
        return Path(text).expanduser().is_file()
    except (OSError, ValueError):
        # Too long for a name.
        return False


def _decode(data: bytes) -> bytes:
    if not 0 < len(data) <= _MAX_BYTES:
        raise UserError("That is empty, or longer than any credential.")
    try:
        found = ndef.find(data, proof.MEDIA_TYPE)
    except ndef.NdefError:
        found = None
    if found:
        return bytes(found)
    try:
        return _from_text(data.decode("ascii").strip()) or data
    except UnicodeDecodeError:
        return data


def _from_text(text: str) -> bytes | None:
    """Returns the bytes that hex or base64url writes, None if `text` is neither."""
    if len(text) >= 64 and re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
        return bytes.fromhex(text)
    if len(text) >= 64 and re.fullmatch(r"[A-Za-z0-9_-]+=*", text):
        try:
            return base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
        except (ValueError, binascii.Error):
            return None
    return None
