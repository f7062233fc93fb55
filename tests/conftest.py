"""How tests are run: tests/unit on MicroPython, and what may be missing where.

A file tests/unit/test_*.py holds plain functions `test_*()`, also `async` ones, and runs on MicroPython's unix port in
a heap of the board's size, one process for each function. With the line `# runs on: micropython cpython` near its top
it runs on both.
"""

import ast
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
import structlog

pytest_plugins = ("database_case",)

ROOT = Path(__file__).resolve().parents[1]
UNIT = ROOT / "tests" / "unit"
MICROPYTHON = Path(sys.executable).with_name("micropython")
HEAP = "148k"
# Below pytest's own time-out, so that what the test printed until then is shown.
TIMEOUT_S = 100
# Folders of tests that wait more than they compute, and how long the longest of their files take: s on an idle machine.
WAITING = ("uplink", "soak", "install", "demo", "e2e", "homeassistant")
LONGEST_S = {
    "test_uplink": 140,
    "test_demo": 140,
    "test_street": 60,
    "test_people": 50,
    "test_site": 45,
    "test_bad_brokers": 40,
    "test_news_broker": 35,
    "test_lock": 30,
    "test_ha_whole": 25,
}
USUAL_S = 10
SYSTEM_PROGRAMS = ("mosquitto", "valgrind", "chromium")

# How long an example takes says how busy the machine is, nothing of what is tested.
hypothesis.settings.register_profile(
    "any machine",
    hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any machine")

_RUNS_ON = re.compile(r"^# runs on: micropython cpython$", re.MULTILINE)
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def pytest_configure(config):
    """Under CI a missing part fails the run: a skipped test there would look like a passed one."""
    # Debian keeps mosquitto where only root looks.
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    missing = [name for name in SYSTEM_PROGRAMS if not shutil.which(name)]
    if missing and is_ci():
        raise pytest.UsageError(f"not installed: {', '.join(missing)}")


# After the slow ones have been taken out: it counts.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Has every worker begin with some of what waits: one after the other at the end they would be waited for."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    waiting = [path for path in files if path.parent.name in WAITING]
    waiting.sort(key=lambda path: LONGEST_S.get(path.stem, USUAL_S), reverse=True)
    heads: list[tuple[int, int, list[pytest.Item]]] = [(0, worker, []) for worker in range(_worker_count())]
    for path in waiting:
        seconds, worker, head = min(heads, key=lambda row: row[:2])
        heads[worker] = (seconds + LONGEST_S.get(path.stem, USUAL_S), worker, head + files.pop(path))
    rest = [item for found in files.values() for item in found]
    ordered: list[pytest.Item] = []
    for _, worker, head in heads:
        # As xdist deals them out: in order, an equal share of what is left to each.
        share = (len(items) - len(ordered)) // (len(heads) - worker)
        count = max(0, share - len(head))
        ordered += head + rest[:count]
        rest = rest[count:]
    items[:] = ordered + rest


def _worker_count() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def is_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true")


def _refuse_skip(report) -> None:
    if is_ci() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    report = yield
    _refuse_skip(report)
    return report


@pytest.fixture
def log_settings():
    """Puts back how this process logs, which what `serve` sets up would leave on a stream that ends with its test."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def pytest_pycollect_makemodule(module_path, parent):
    if module_path.parent == UNIT:
        return BoardFile.from_parent(parent, path=module_path)
    return None


class BoardFile(pytest.File):
    """A file of tests for MicroPython: read, never imported, since CPython lacks what it imports."""

    def collect(self):
        text = self.path.read_text("utf-8")
        names = _test_names(text, self.path)
        is_shared = _RUNS_ON.search(text, 0, 1000)
        for name in names:
            yield BoardTest.from_parent(self, name=name, interpreter="micropython")
            if is_shared:
                yield BoardTest.from_parent(self, name=f"{name}[cpython]", interpreter="cpython")


def _test_names(text: str, path: Path) -> list[str]:
    """Returns the names of the tests in order. Raises CollectError for tests that would never run."""
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise pytest.Collector.CollectError(f"{path}:{error.lineno}: {error.msg}") from None
    names = [node.name for node in body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    names = [name for name in names if name.startswith("test")]
    if not names or len(set(names)) < len(names):
        raise pytest.Collector.CollectError(f"{path}: no tests, or two of one name")
    if any(isinstance(node, ast.ClassDef) and node.name.startswith("Test") for node in body):
        raise pytest.Collector.CollectError(f"{path}: tests for MicroPython are plain functions")
    return names


class BoardFailure(Exception):
    """What a test in another process left behind."""


class BoardTest(pytest.Item):
    """One function, run by tests/runner.py in a process of its own."""

    def __init__(self, *, interpreter: str, **options) -> None:
        super().__init__(**options)
        self.interpreter = interpreter
        self.function = self.name.partition("[")[0]

    def runtest(self) -> None:
        command, environment = _on_micropython() if self.interpreter == "micropython" else _on_cpython()
        command += [str(ROOT / "tests" / "runner.py"), self.path.stem, self.function]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=TIMEOUT_S, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise BoardFailure(_text(error.stdout) + f"still running after {TIMEOUT_S} s") from None
        printed = _text(done.stdout)
        if done.returncode or not printed.endswith(f"passed {self.function}\n"):
            output = _with_source(printed + _text(done.stderr))
            raise BoardFailure(f"{output}\nexit code {done.returncode}".replace(f"{ROOT}/", ""))

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, BoardFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, None, f"{self.interpreter}: {self.function}"


def _text(output: bytes | None) -> str:
    return (output or b"").decode("utf-8", "replace")


def _on_micropython() -> tuple[list[str], dict[str, str]]:
    folders = (UNIT, ROOT, ROOT / "lib", ROOT / "build" / "micropython-lib")
    path = ":".join([*map(str, folders), ".frozen"])
    return [str(MICROPYTHON), "-X", f"heapsize={HEAP}"], {**os.environ, "MICROPYPATH": path}


def _on_cpython() -> tuple[list[str], dict[str, str]]:
    return [sys.executable], {**os.environ, "PYTHONPATH": os.pathsep.join((str(UNIT), str(ROOT)))}


def _with_source(output: str) -> str:
    """Adds the line that failed to MicroPython's traceback, which only gives its number."""
    frames = _FRAME.findall(output)
    if not frames:
        return output
    path, number = frames[-1]
    try:
        line = Path(path).read_text("utf-8").splitlines()[int(number) - 1]
    except (OSError, IndexError, UnicodeDecodeError):
        return output
    return f"{output.rstrip()}\n    {Path(path).name}:{number}: {line.strip()}"
