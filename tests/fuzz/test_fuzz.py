"""A slice of `make fuzz`, and what it would say of parsers that are wrong."""

import shutil
from pathlib import Path

import pytest

from fuzz.batch import make_inputs, run_batch
from fuzz.corpus import corpora

ROOT = Path(__file__).resolve().parents[2]
# Of each parser; mistakes that are planted show within more of them.
SLICE = 1_500
INPUTS = 2_000


@pytest.mark.parametrize("target", list(corpora()))
def test_slice(target):
    assert not run_batch(target, make_inputs(target, 2, 0, SLICE))


def test_same_seed_same_inputs():
    assert make_inputs("claims", 1, 0, 500) == make_inputs("claims", 1, 0, 500)
    assert make_inputs("claims", 1, 0, 500) != make_inputs("claims", 1, 1, 500)
    assert make_inputs("claims", 1, 0, 500) != make_inputs("claims", 2, 0, 500)


def test_most_inputs_differ():
    for target in corpora():
        inputs = make_inputs(target, 1, 0, INPUTS)
        assert len(inputs) == INPUTS and len(set(inputs)) > INPUTS * 0.7, target


@pytest.fixture
def plant(tmp_path):
    """`plant(file, right, wrong)` returns a copy of lib/ with a mistake in it."""

    def change(name, right, wrong):
        lib = tmp_path / "lib"
        shutil.copytree(ROOT / "lib", lib, ignore=shutil.ignore_patterns("__pycache__"))
        text = (lib / name).read_text("utf-8")
        assert text.count(right) == 1
        (lib / name).write_text(text.replace(right, wrong), "utf-8")
        return lib

    return change


@pytest.mark.parametrize(
    ("target", "file", "right", "wrong", "said"),
    [
        ("ndef", "ndef.py", "type_at > len(message):", "type_at > len(message) + 1:", "IndexError"),
        ("tlv", "ndef.py", "if at + 2 > area:", "if at + 1 > area:", "IndexError"),
        ("type2", "type2.py", "if len(data) != _PIECE_BYTES:", "if not data:", "IndexError"),
        ("phone", "isodep.py", "    if size < 0 or", "    if", "IndexError"),
        ("cbor", "cbor.py", "if head <= last:", "if False:", "another encoding"),
        ("cbor", "cbor.py", "    _check_utf8(raw)\n", "", "UnicodeError"),
        ("pn532 find", "pn532.py", "except IndexError:", "except KeyError:", "IndexError"),
        # Two interpreters that disagree: only one of them has `maketrans`.
        ("ndef", "ndef.py", "if found is not None:", "if found and hasattr(b'', 'maketrans'):", "ok "),
        # A heap that grows.
        ("wiegand", "wiegand.py", "parity = 0", "parity = 0; _KEYS.append(0)", "grew"),
    ],
)
def test_mistakes_are_found(plant, target, file, right, wrong, said):
    lib = plant(file, right, wrong)
    if wrong.endswith("_KEYS.append(0)"):
        text = (lib / file).read_text("utf-8").replace('_KEYS = const("0123456789*#")', '_KEYS = list("0123456789*#")')
        (lib / file).write_text(text, "utf-8")
    problems = run_batch(target, make_inputs(target, 1, 0, INPUTS), lib)
    assert problems and said in problems[0]
