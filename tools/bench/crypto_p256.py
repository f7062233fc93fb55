"""What an ECDSA verification with P-256 costs on the stock interpreter, ours and, in the same run, other people's.

Those are starkbank-ecdsa (P-256) and embit (secp256k1, whose a = 0 makes it a little cheaper), as released on PyPI and
pinned in requirements-bench.txt. They are written for CPython; copies under build/ are changed as far as they need to
run at all, by _PATCHES. None of it touches how they compute.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bench.figure import Figure
from lobbylock.house import ROOT

_BOARD = Path(__file__).with_name("crypto_p256_board.py")
_MICROPYTHON = Path(sys.executable).with_name("micropython")
_REQUIREMENTS = ROOT / "requirements-bench.txt"
_PACKAGES = ROOT / "build" / "bench-packages"
_MODULES = ("p256", "p256_point", "p256_table", "p256_field", "inverse", "workspace", "constant")
_MESSAGE = "nonce and door"
_SECRET = 0x10BB710C
_TIMEOUT_S = 600

# File, what stands there, what takes its place.
_PATCHES = (
    # Imports of what MicroPython lacks and verification does not use; the packages' own lists of modules.
    ("ellipticcurve/__init__.py", None, ""),
    ("embit/__init__.py", None, ""),
    ("embit/util/__init__.py", None, ""),
    ("ellipticcurve/ecdsa.py", "from .signature import Signature\n", ""),
    ("ellipticcurve/ecdsa.py", "from .utils.integer import RandomInteger\n", ""),
    ("ellipticcurve/utils/binary.py", "from base64 import b64encode, b64decode\n", ""),
    ("embit/util/key.py", "import hmac\n", ""),
    # sys.version_info has no names there, int no bit_length, and pow(x, -1, n) is 0, not the inverse.
    ("ellipticcurve/utils/compatibility.py", "pyVersion.major", "pyVersion[0]"),
    ("ellipticcurve/curve.py", "N.bit_length()", "256"),
    ("ellipticcurve/math.py", "return pow(x, -1, n)", "raise TypeError"),
)


def costs() -> list[Figure]:
    """Instructions are the difference of two runs of the modules as .mpy, which is what lies on a board."""
    others = _install()
    with tempfile.TemporaryDirectory() as name:
        modules = Path(name)
        for module in _MODULES:
            source, target = ROOT / "lib" / f"{module}.py", modules / f"{module}.mpy"
            _call([_MICROPYTHON.with_name("mpy-cross"), "-march=x64", source, "-o", target])
        path = f"{modules}:{others}:.frozen"
        ours = _sample(ec.SECP256R1())
        count = _instructions(path, "p256", 2, 12, ours)
        late = _instructions(path, "prepared", 2, 12, ours)
        starkbank = _instructions(path, "starkbank", 1, 3, ours)
        embit = _instructions(path, "embit", 1, 3, _sample(ec.SECP256K1(), is_der=True))
        return [
            Figure("P-256 verify, key seen first", count / 1e6, "M instructions", 16.5),
            Figure("  of which with the signature", late / 1e6, "M instructions", 8.5),
            Figure("  fewer than starkbank-ecdsa", starkbank / count, "times"),
            Figure("  fewer than embit (secp256k1)", embit / count, "times"),
            Figure("P-256 garbage of a verification", _garbage(path, ours) / 1024, "KB", 12),
            Figure("P-256 import and verify in a heap of", _small_heap(path, ours), "KB", 48),
        ]


def _install() -> Path:
    """Returns the folder with the patched packages, installed if they are not or if other versions are wanted."""
    stamp = _PACKAGES / "ready"
    wanted = _REQUIREMENTS.read_text() + repr(_PATCHES)
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(_PACKAGES, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "install", "--no-input", "--no-deps"]
        _call([*pip, "--target", _PACKAGES, "-r", _REQUIREMENTS])
        for name, old, new in _PATCHES:
            path = _PACKAGES / name
            text = path.read_text()
            if old is not None and old not in text:
                raise RuntimeError(f"{name} has no {old!r} to patch")
            path.write_text(new if old is None else text.replace(old, new))
        stamp.write_text(wanted)
    return _PACKAGES


def _sample(curve: ec.EllipticCurve, is_der: bool = False) -> list[str]:
    """Returns a public key, a message and a signature, as the board's script takes them; the same ones each time."""
    key = ec.derive_private_key(_SECRET, curve)
    numbers = key.public_key().public_numbers()
    signature = key.sign(_MESSAGE.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    if not is_der:
        signature = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))
    public = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    return [public.hex(), _MESSAGE, signature.hex()]


def _call(command: list, path: str = "") -> subprocess.CompletedProcess:
    done = subprocess.run(
        command,
        env={"MICROPYPATH": path, "PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0"} if path else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} ends with {done.returncode}: {(done.stdout + done.stderr)[-500:]}")
    return done


def _instructions(path: str, what: str, few: int, many: int, sample: list[str]) -> float:
    """Returns the instructions of one verification."""
    prefix = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    counts = []
    for times in (few, many):
        done = _call([*prefix, _MICROPYTHON, "-X", "heapsize=1m", _BOARD, what, str(times), *sample], path)
        found = re.search(r"Collected : (\d+)", done.stderr)
        if not found:
            raise RuntimeError("callgrind counts nothing: " + done.stderr[-200:])
        counts.append(int(found[1]))
    return (counts[1] - counts[0]) / (many - few)


def _garbage(path: str, sample: list[str]) -> int:
    done = _call([_MICROPYTHON, "-X", "heapsize=1m", _BOARD, "garbage", "1", *sample], path)
    return int(done.stdout.split()[1])


def _small_heap(path: str, sample: list[str]) -> int:
    """Returns the smallest heap, in steps of 4 KB, in which the modules are loaded and verify."""
    for heap_kb in range(16, 96, 4):
        try:
            _call([_MICROPYTHON, "-X", f"heapsize={heap_kb}k", _BOARD, "p256", "3", *sample], path)
        except RuntimeError:
            continue
        return heap_kb
    raise RuntimeError("no heap is large enough")
