"""That a test on MicroPython can fail: what tests/conftest.py does with tests of every kind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tree):
    """`run({path: text}, *options, **environment)` -> (exit code, what pytest printed) for a project of those files."""

    def run(files, *options, **environment):
        root = tree({"lib/typing.py": "TYPE_CHECKING = False\n", **files})
        for name in ("conftest.py", "runner.py"):
            shutil.copy(ROOT / "tests" / name, root / "tests" / name)
        # Its fixtures are for none of these tests, and what they import takes longer than they do.
        (root / "tests" / "database_case.py").write_text("")
        shutil.copy(ROOT / "pyproject.toml", root)
        kept = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST")}
        # Of the plugins only the one that pyproject.toml has settings for: loading all takes longer than the tests.
        kept["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-v", "-p", "pytest_timeout", *options],
            cwd=root,
            env={**kept, **environment},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def _count(output):
    """Returns the summary's counts, `1 failed, 2 passed`."""
    return output.strip().splitlines()[-1].strip("= ").rpartition(" in ")[0]


def test_passing_and_failing_are_told_apart(run):
    text = (
        "import sys\n\n\ndef test_a():\n    assert sys.implementation.name == 'micropython'\n\n\n"
        "def test_b():\n    n = 2\n    assert n == 3\n"
    )
    code, output = run({"tests/unit/test_x.py": text})
    assert (code, _count(output)) == (1, "1 failed, 1 passed")
    assert 'File "tests/unit/test_x.py", line 10, in test_b' in output
    assert "AssertionError" in output
    assert "test_x.py:10: assert n == 3" in output


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    import sys\n    sys.exit(0)\n", "exit code 0"),
        ("    return True\n", "a test returns nothing"),
        ("    x = []\n    while True:\n        x.append(bytes(1000))\n", "MemoryError"),
        ("    import nowhere\n", "no module named 'nowhere'"),
        ("    print('passed test_a')\n    raise ValueError(7)\n", "ValueError: 7"),
        ("    import os\n    os.system('kill -9 $PPID')\n", "exit code -9"),
    ],
)
def test_what_is_no_pass_is_a_failure(run, body, words):
    code, output = run({"tests/unit/test_x.py": "def test_a():\n" + body})
    assert (code, _count(output)) == (1, "1 failed")
    assert words in output


def test_failure_after_an_await_is_a_failure(run):
    text = "import asyncio\n\n\nasync def test_a():\n    await asyncio.sleep(0)\n    assert 0, 'late'\n"
    code, output = run({"tests/unit/test_x.py": text})
    assert (code, _count(output)) == (1, "1 failed")
    assert "late" in output


def test_endless_test_is_ended(run):
    code, output = run({"tests/unit/test_x.py": "def test_a():\n    while True:\n        pass\n"}, "--timeout=2")
    assert code == 1
    assert "Timeout (>2.0s)" in output


def test_shared_file_runs_on_both(run):
    text = (
        "# runs on: micropython cpython\nimport sys\nfrom typing import TYPE_CHECKING\n\nimport thing\n\n\n"
        "def test_a():\n    assert thing.N == 1 and not TYPE_CHECKING\n\n\n"
        "def test_b():\n    import typing\n\n    assert hasattr(typing, 'Protocol')\n"
    )
    code, output = run({"lib/thing.py": "N = 1\n", "tests/unit/test_x.py": text})
    assert (code, _count(output)) == (1, "1 failed, 3 passed")
    assert "test_b PASSED" not in output
    assert "test_b[cpython] PASSED" in output


@pytest.mark.parametrize(
    "text",
    [
        "def check():\n    pass\n",
        "def test_a():\n    pass\n\n\ndef test_a():\n    pass\n",
        "class TestA:\n    def test_a(self):\n        pass\n\n\ndef test_b():\n    pass\n",
        "def test_a(:\n",
    ],
)
def test_file_with_tests_that_would_not_run_is_an_error(run, text):
    code, output = run({"tests/unit/test_x.py": text})
    assert code == 2
    assert "1 error" in _count(output)


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\n\n\ndef test_a():\n    pytest.skip('no broker')\n",
        "import pytest\n\npytest.importorskip('nowhere')\n",
    ],
)
def test_skip_is_a_failure_under_ci(run, text):
    files = {"tests/tools/test_x.py": text, "tests/tools/test_y.py": "def test_b():\n    pass\n"}
    code, output = run(files)
    assert (code, _count(output)) == (0, "1 passed, 1 skipped")
    code, output = run(files, CI="true")
    assert code != 0
    assert "skipped, which CI does not allow" in output


def test_missing_program_is_a_failure_under_ci(run, tmp_path):
    # What is on the path but cannot be executed is not there.
    files = {"tests/tools/test_y.py": "def test_b():\n    pass\n", "bin/valgrind": ""}
    code, output = run(files, PATH=str(tmp_path / "bin"))
    assert (code, _count(output)) == (0, "1 passed")
    code, output = run(files, PATH=str(tmp_path / "bin"), CI="true")
    assert code == 4
    assert "not installed: " in output and "valgrind" in output
