"""Every command that prints has --json, and its document has the keys that are declared for it."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from tests.cli.test_commands import run
from tests.cli.test_numbers import commands
from tmemlab.cli import cli
from tmemlab.commands.documents import DOCUMENTS

ONE = "redis-frontswap"
COMMANDS = {
    "replay": ["replay", ONE, "-p", "bounds.none", "--storms", "0"],
    "size": ["size", ONE, "--storms", "0"],
    "advise": ["advise", ONE, "--storms", "5", "--trials", "12"],
    "curve": ["curve", ONE],
    "validate": ["validate", ONE],
    "policies": ["policies", "list"],
    "policy": ["policies", "show", "zram.basic"],
    "family": ["policies", "show", "zswap"],
    "new": ["policies", "new", "mine.idea", "-o", "{tmp}/idea.py"],
    "conformance": ["policies", "check", "bounds.none"],
    "rank": ["policies", "rank", "bounds.none", "--only", "--trace", ONE, "--storms", "0"],
    "doctor": ["doctor"],
    "cache": ["cache", "info"],
    "cleared": ["cache", "clear"],
    "info": ["datasets", "info", ONE],
    "verify": ["datasets", "verify", ONE],
    "list": ["datasets", "list"],
    "stats": ["datasets", "stats", ONE],
    "diff": ["datasets", "diff", ONE, ONE],
    "card": ["datasets", "card", ONE],
    "slice": ["datasets", "slice", ONE, "{tmp}/s", "--from", "1s"],
    "merge": ["datasets", "merge", ONE, ONE, "{tmp}/m"],
    "anonymize": ["datasets", "anonymize", ONE, "{tmp}/a"],
    "pack": ["datasets", "pack", ONE, "{tmp}/p.tar"],
    "unpack": ["datasets", "unpack", "{tmp}/p.tar", "{tmp}/u"],
    "sample": ["datasets", "sample", ONE, "{tmp}/sa", "--share", "10%"],
    "synth": ["datasets", "synth", "{tmp}/sy", "-c", "loop:pages=10", "--events", "1000"],
    "export": ["datasets", "export", "{tmp}/sy", "{tmp}/e.csv", "--format", "csv"],
    "import": ["datasets", "import", "{tmp}/e.csv", "{tmp}/i", "--format", "csv"],
    "push": ["datasets", "push", "{tmp}/sy", "{tmp}/pushed", "--as-recorded"],
    "pull": ["datasets", "pull", "{tmp}/pushed", "{tmp}/pulled"],
}
RECORDING = {"collect", "collect-window", "recover"}
"""Their documents are looked at where recordings are made: tests/live."""


@cache
def names_of(words: tuple[str, ...]) -> frozenset[str]:
    """Every name that a command prints where there is room for all."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COLUMNS", "2000")
        return frozenset(re.findall(r"[a-z][a-z0-9]*(?:[-_.][a-z0-9_]+)+", run(*words).stdout))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documents")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_document_has_the_declared_keys(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "cleared":
        monkeypatch.setenv("TMEMLAB_CACHE", str(folder / "cache"))  # not the one that the tests run from
    done = run(*(word.format(tmp=folder) for word in COMMANDS[name]), "--json")
    assert done.returncode in (0, 3, 4) if name == "doctor" else done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document.pop("schema") == f"tmemlab.{name}/1"
    assert list(document) == list(DOCUMENTS[name].keys)


def test_a_file_gets_the_document_and_people_the_table(folder: Path) -> None:
    done = run("policies", "list", "--json", folder / "list.json")
    assert "bounds.none" in done.stdout
    assert json.loads((folder / "list.json").read_text())["schema"] == "tmemlab.policies/1"
    taken = run("replay", "--json", folder)
    assert taken.returncode == 2
    assert "is a directory: put --json last" in taken.stderr


def test_every_command_has_the_option_and_every_document_a_command() -> None:
    for path, command in commands(cli):
        options = [option.opts for option in command.params]
        assert ["--json"] in options, path
    assert set(DOCUMENTS) == set(COMMANDS) | RECORDING
    paths = {" ".join(path) for path, _ in commands(cli)}
    said = {re.sub(r" [A-Z]+$", "", document.command).removeprefix("tmemlab ") for document in DOCUMENTS.values()}
    assert said == paths


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize(
    "command",
    [
        ["policies", "list"], ["policies", "show", "zswap.v6_18"], ["policies", "show", "zswap"],
        ["datasets", "list"], ["datasets", "info", ONE], ["datasets", "stats", ONE],
        ["datasets", "diff", ONE, ONE],
        ["replay", ONE, "--storms", "0", "-p", "zswap.v6_18:max_pool_percent=3,worker_late_us=10"],
        ["validate", ONE],
        ["size", ONE, "--storms", "0"],
        ["policies", "rank", "zswap", "vm.need", "--only", "--trace", ONE, "--storms", "0"],
        ["advise", ONE, "--storms", "5", "--trials", "12"],
    ],
    ids=lambda words: " ".join(words[:3]),
)  # fmt: skip
def test_no_name_is_broken(command: list[str], columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name that the widest table has is whole in the narrow one."""
    names = names_of(tuple(command))
    monkeypatch.setenv("COLUMNS", str(columns))
    narrow = run(*command).stdout
    assert names
    missing = [name for name in names if name not in narrow and len(name) <= columns]
    assert missing == []
