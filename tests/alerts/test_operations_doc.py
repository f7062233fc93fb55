"""What docs/operations.md tells people to type is there: commands, options, figures, kinds."""

import re
import shlex
from pathlib import Path

import pytest
import typer

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
