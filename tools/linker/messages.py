"""Puts numbers in the place of what errors say that only a traceback shows; `explain` puts the texts back.

A text that MicroPython does not intern takes some 50 bytes of the heap, for an error that hardly ever is.
"""

from __future__ import annotations

import ast

# Where names.json has the texts.
MESSAGES = "messages"

# Errors of which no code looks at what they say, nor shows it to anybody.
_UNREAD = frozenset(
    (
        "cbor:CborError",
        "cose:CoseError",
        "ndef:NdefError",
        "ndef:TagError",
        "pn532:BadFrame",
        "pn532:NoReader",
        "pn532:ReaderError",
        "vc0706:CameraError",
        "firmware.core.errors:FlashError",
        "firmware.core.errors:StrikeError",
        "firmware.core.errors:LedgerFull",
    )
)


def number(bodies: dict[str, list[ast.stmt]]) -> dict[str, str]:
    """Replaces the texts, and returns them by their numbers."""
    found: list[ast.Call] = [
        node
        for name in sorted(bodies)
        for outer in bodies[name]
        for node in ast.walk(outer)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _UNREAD and _text(node)
    ]
    texts = sorted({_text(node) for node in found})
    numbers = {text: at for at, text in enumerate(texts, 1)}
    for node in found:
        node.args = [ast.Constant(numbers[_text(node)])]
    return {str(at): text for text, at in numbers.items()}


def _text(node: ast.Call) -> str:
    """Returns what the error says, if that is a text and nothing else."""
    if len(node.args) == 1 and not node.keywords and isinstance(node.args[0], ast.Constant):
        return node.args[0].value if isinstance(node.args[0].value, str) else ""
    return ""
