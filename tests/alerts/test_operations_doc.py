"""What docs/operations.md tells people to type is there: commands, options, figures, kinds."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from visitcase import House

from lobbylock import command
from lobbylock.alert_rules import GROUPS, KINDS
from lobbylock.database import Database
from lobbylock.metrics import Metrics

TEXT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")


def calls():
    """Returns the words of each `lobbylock` command in the document, up to a pipe or another command."""
    joined = TEXT.replace("\\\n", " ")
    lines = re.findall(r"^ {4,}(?:[^\n#]*?[ /])?(lobbylock (?!lobbylock)[a-z][^\n]*)$", joined, re.MULTILINE)
    lines += re.findall(r"`(lobbylock [a-z][^`]*)`", re.sub(r"\n *", " ", joined))
    found = set()
    for line in lines:
        words = re.split(r"\s#|[;|>]|\s\.\.\.|:$", line)[0]
        found.add(words.replace("...", "").strip())
    return sorted(found)


@pytest.mark.parametrize("name", ["README.md", "docs/page.md", "docs/operations.md"])
def test_a_shell_finds_the_command_before_it_is_typed(name):
    text = (Path(__file__).parents[2] / name).read_text("utf-8")
    first = re.search(r"^ {4}lobbylock ", text, re.MULTILINE)
    assert first and 'export PATH="$PWD/.venv/bin:$PATH"' in text[: first.start()]
    # sudo searches elsewhere.
    assert not re.search(r"sudo [^\n]* lobbylock [a-z]+ [a-z]", text)


@pytest.fixture(scope="module")
def root():
    return typer.main.get_command(command.app)


def test_the_commands_in_the_document_exist(root):
    assert len(calls()) > 30
    for call in calls():
        words = shlex.split(call)[1:]
        context = typer.Context(root)
        found = root
        while hasattr(found, "get_command") and words and not words[0].startswith("-"):
            name = words.pop(0)
            found = found.get_command(context, name)
            assert found is not None, f"there is no {name!r} in {call!r}"
        options = {name for option in found.params for name in (*option.opts, *option.secondary_opts)}
        for word in words:
            name = word.partition("=")[0]
            if re.fullmatch(r"--[a-z-]+", name):
                assert name in options, f"{name} is no option of {call!r}"


def test_the_figures_in_the_document_exist(tmp_path):
    metrics = Metrics()
    with Database.open(tmp_path / "collector.db") as database:

        class Watch:
            findings = alterations = ()
            checked_s = 0.0

        text = metrics.text(database, dict, Watch(), 1.0).decode()
    there = set(re.findall(r"^# TYPE (lobbylock_\w+)", text, re.MULTILINE))
    named = set(re.findall(r"lobbylock_[a-z_]+", TEXT))
    assert named and named <= there
    # Those that Prometheus' library adds by itself are nobody's to know.
    assert {name for name in there if not name.endswith("_created")} <= named


def test_the_kinds_in_the_document_are_all_there_are():
    table = TEXT.partition("| kind | when |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert named == set(KINDS)
    assert all(f"`{name}`" in TEXT for name in GROUPS)


def commands(heading, folder):
    """Returns what a section has to be typed by the user of the service, with the folders of a test."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?:^ {4}.*\n)+", section, re.MULTILINE)
    lines = "".join(block for block in blocks if "/etc/" not in block)
    assert lines.count("sudo -u lobbylock -s\n") == 1
    # The test is that user, and there is nobody to encrypt for.
    changes = {"    sudo -u lobbylock -s\n": "", "age -r RECIPIENT": "cat", "age -d -i IDENTITY": "cat"}
    changes |= {"/var/lib/lobbylock": f"{folder}/home", "/backup": f"{folder}/backup"}
    changes |= {"/opt/lobbylock/.venv/bin": str(Path(sys.executable).parent)}
    for words, others in changes.items():
        assert words in lines or words not in section, words
        lines = lines.replace(words, others)
    # The example was made on that day; and a test may run past midnight.
    return 'date() { command date -d 2026-09-21 "$@"; }\n' + lines


def run(script):
    """Has a shell run it, which knows of no folder and no store but by the script."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("LOBBYLOCK_")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=known, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def test_what_is_to_be_typed_for_backups_and_postgresql_works(tmp_path, postgresql):
    """As it is written: a backup, a restore, a trial, and the move to PostgreSQL, of a house where people came."""
    (tmp_path / "backup").mkdir()
    with Database.open(tmp_path / "home" / "collector.db") as database:
        house = House(database, tmp_path / "home")
        house.enrol()
        house.come("Dora")
        house.collect()
    # As after a move to PostgreSQL: no pictures belong among the keys.
    (tmp_path / "home" / "pictures").mkdir()
    (tmp_path / "home" / "pictures" / "somebody.jpg").write_bytes(b"")
    done = run(commands("Backup and restore", tmp_path))
    assert done.stderr.count("Restored 7 events of 1 boards") == 2, done.stderr
    (keys,) = (tmp_path / "backup").glob("keys-*.age")
    names = subprocess.run(["tar", "-tzf", keys], capture_output=True, text=True, check=True).stdout
    assert "./issuer.json" in names and "pictures" not in names and "collector.db" not in names
    assert {each.stat().st_mode & 0o077 for each in (tmp_path / "backup").iterdir() if each.is_file()} == {0}
    url = postgresql.empty()
    script = commands("From SQLite to PostgreSQL", tmp_path).replace(
        "postgresql://lobbylock@db.example.com/lobbylock", url
    )
    assert "Copied 7 events of 1 boards" in run(script).stderr
    assert len(list((tmp_path / "home" / "pictures").rglob("*.jpg"))) == 1
