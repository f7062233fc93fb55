"""Where the host finds the code it shares with the lock: the repository's root and its lib/.

One definition on both sides: the host imports `firmware.core` and lib's codecs from the same files that lie on the
board.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED_CODECS = ("cbor", "constant", "cose", "hkdf", "ndef")


def open_path() -> None:
    """Makes `firmware.core` and lib's codecs importable.

    lib/ goes to the END of sys.path because lib/typing.py, made for the board, would hide the standard module.
    Raises ImportError when another distribution hides one of the codecs, rather than verify with strange code.
    """
    for folder in (str(ROOT), str(ROOT / "lib")):
        if folder not in sys.path:
            sys.path.append(folder)
    for name in SHARED_CODECS:
        spec = find_spec(name)
        if spec is None or spec.origin is None or Path(spec.origin).resolve().parent != ROOT / "lib":
            found = "nowhere" if spec is None else spec.origin
            raise ImportError(f"{name} must come from {ROOT / 'lib'}, but is found at {found}")
