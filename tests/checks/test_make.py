"""What make says on a machine that lacks something: one sentence, and what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ("Makefile", "pyproject.toml", "constraints.txt", *(path.name for path in ROOT.glob("requirements*.txt")))


@pytest.fixture
def make(tmp_path):
    """`make(*arguments, **environment)` runs make in a fresh copy of the house, without a .venv."""
    for name in HOUSE:
        shutil.copy(ROOT / name, tmp_path)

    def make(*arguments, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
        return subprocess.run(
            ["make", *arguments], cwd=tmp_path, env={**kept, **environment}, capture_output=True, text=True
        )

    return make


@pytest.fixture
def fake_python(tmp_path):
    """`fake_python(script)` makes an interpreter that runs the shell `script` with the code it is given in $2."""

    def write(script):
        path = tmp_path / "fake-python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return f"PYTHON={path}"

    return write


def test_bare_make_explains_every_target(make):
    done = make()
    assert done.returncode == 0
    shown = {line.split()[1] for line in done.stdout.splitlines()}
    phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    assert shown == set(phony.split()[1:])
    assert {"help", "setup", "check", "fmt", "test", "demo", "bench", "clean"} <= shown


def test_old_python_is_refused_in_a_sentence(make, fake_python):
    done = make("setup", fake_python("exit 1"))
    assert done.returncode != 0
    assert "is not Python 3.10 or newer: name one with make PYTHON=..." in done.stderr


def test_absent_python_is_refused_in_a_sentence(make):
    done = make("setup", "PYTHON=")
    assert done.returncode != 0
    assert "No Python 3.10 or newer found" in done.stderr


def test_missing_venv_module_is_refused_in_a_sentence(make, fake_python):
    done = make("setup", fake_python('case "$2" in *ensurepip*) exit 1;; esac'))
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr


def test_missing_network_is_told_in_a_sentence_and_tried_again(make, tmp_path):
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    for _ in range(2):
        done = make("setup", f"PYTHON={sys.executable}", "PIP_RETRIES=0", **offline, PIP_NO_CACHE_DIR="1")
        assert done.returncode != 0
        assert "is there a network?" in done.stderr
        assert "ERROR:" in done.stderr
        assert not (tmp_path / ".venv" / "ready").exists()


def test_newest_working_python_is_chosen(make, tmp_path):
    """A command that exists but does not run, as version managers leave behind, is passed over."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in (("python3.14", "exit 127"), ("python3.13", "exit 0"), ("python3.12", "exit 0")):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    done = make("--eval=which: ; @echo $(PYTHON)", "which", PATH=f"{folder}:{os.environ['PATH']}")
    assert done.stdout.strip() == "python3.13"


def test_ci_runs_check_and_test_and_fails_with_them(tmp_path):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    makefile = tmp_path / "Makefile"
    for code in (0, 3):
        makefile.write_text(f"check:\n\t@echo checked\ntest:\n\t@echo tested; exit {code}\n")
        done = subprocess.run(
            ["bash", ".ci/run"], cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.stdout == "checked\ntested\n"
        assert bool(done.returncode) == bool(code)
    makefile.write_text("check:\n\t@exit 1\ntest:\n\t@echo tested\n")
    done = subprocess.run(["bash", ".ci/run"], cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode
    assert "tested" not in done.stdout


@pytest.fixture
def install(tmp_path):
    """`install(user_id, apt_get)` runs system_packages.sh on such a machine for one program it has and one it lacks."""
    (tmp_path / "build").mkdir()

    def install(user_id, apt_get):
        for name, script in (("id", f"echo {user_id}"), ("apt-get", apt_get)):
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        done = subprocess.run(
            ["sh", str(ROOT / "tools" / "system_packages.sh"), "sh", "no-such-program"],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0
        return done.stdout

    return install


def test_missing_program_is_installed_by_root(install, tmp_path):
    assert install(0, f'echo "$@" >>{tmp_path}/asked') == "Installing no-such-program\n"
    update, fetch = (tmp_path / "asked").read_text().splitlines()
    assert update.split()[-1] == "update"
    assert fetch.split()[-1] == "no-such-program"
    assert "sh" not in fetch.split()


def test_missing_program_is_named_where_nothing_may_be_installed(install, tmp_path):
    assert install(1000, f"touch {tmp_path}/asked") == "Left out, since not installed: no-such-program\n"
    assert not (tmp_path / "asked").exists()


def test_failed_install_is_told(install):
    shown = install(0, "echo E: no such package; exit 100").splitlines()
    assert shown[-1] == "Left out, since apt-get could not install it: no-such-program"
