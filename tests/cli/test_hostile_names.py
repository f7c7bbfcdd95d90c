"""No name reaches a terminal as it is: from a trace, an import, a file; in a table, a card, an error, a page.

Issue: let no one in, 5.
"""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_commands import run
from tests.factory import make_trace
from tmemlab.datasets.trace.manifest import ClenMethod, Kernel, ProbeSet

PACKAGE = Path(__file__).resolve().parent.parent.parent / "tmemlab"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066evil\u200f\r\x7f"
FORBIDDEN = set(HOSTILE) - set("0;owned[2J31mevil]")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    events = [(i * 10**6, ("store", "load")[turn], int(page), 900) for i, (page, turn) in enumerate(
        (page, turn) for page in rng.permutation(40) for turn in (0, 1, 0, 1)
    )]  # fmt: skip
    pages: dict[int, int] = {}
    events = [(t, op, pages.setdefault(page, len(pages)), clen) for t, op, page, clen in events]
    name = tmp_path_factory.mktemp("hostile") / HOSTILE.replace("/", "")
    manifest = {
        "kernel": Kernel(f"6.18{HOSTILE}", HOSTILE), "tool": HOSTILE, "license": HOSTILE,
        "clen": ClenMethod("measured", HOSTILE, 1, HOSTILE), "probe_set": ProbeSet(HOSTILE, HOSTILE, [HOSTILE]),
        "provenance": {"how": HOSTILE, "workload": HOSTILE},
    }  # fmt: skip
    return make_trace(name, events, tasks=[(1, HOSTILE, 0)], cgroups=[(f"/{HOSTILE}", None)], manifest=manifest)


COMMANDS = [
    ["replay", "{trace}", "--storms", "5", "--html", "{tmp}/page.html"], ["curve", "{trace}"],
    ["size", "{trace}", "--storms", "5"],
    ["validate", "{trace}"], ["datasets", "card", "{trace}"], ["datasets", "info", "{trace}"],
    ["datasets", "stats", "{trace}"], ["datasets", "diff", "{trace}", "{trace}"],
    ["datasets", "verify", "{trace}"], ["datasets", "slice", "{trace}", "{tmp}/s" + HOSTILE, "--from", "0s"],
    ["size", "{tmp}/missing" + HOSTILE], ["size", "--windows", HOSTILE],
    ["replay", "{tmp}/missing" + HOSTILE], ["replay", "-p", "x." + HOSTILE], ["replay", "--ram", HOSTILE],
    ["replay", "-p", "{tmp}/" + HOSTILE + ".py"], [HOSTILE], ["datasets", "import", "{tmp}/bad", "{tmp}/i"],
    ["datasets", "import", "{tmp}/bad", "{tmp}/i", "--format", "csv"],
    ["datasets", "import", "{tmp}/bad", "{tmp}/i", "--format", "perf"], ["policies", "show", HOSTILE],
    ["datasets", "pull", "file:///" + HOSTILE, "{tmp}/p"], ["datasets", "unpack", "{tmp}/bad", "{tmp}/u"],
]  # fmt: skip


@pytest.mark.parametrize(
    "words", COMMANDS, ids=lambda words: " ".join(words)[:24].encode("ascii", "replace").decode()
)
def test_what_a_command_prints_moves_nothing(words: list[str], trace: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text(f"t,op,page\n1,{HOSTILE},{HOSTILE}\n{HOSTILE}")
    (tmp_path / f"{HOSTILE}.py").write_text(f"raise ValueError({HOSTILE!r})\n")
    done = run(*(word.format(trace=trace, tmp=tmp_path) for word in words))
    printed = done.stdout + done.stderr
    assert printed and not FORBIDDEN & set(printed), ascii(printed)
    for page in tmp_path.glob("*.html"):
        assert not FORBIDDEN & set(page.read_text()), page


@pytest.mark.parametrize("words", COMMANDS[:8], ids=lambda words: " ".join(words[:2]))
def test_json_says_the_names_as_they_are(words: list[str], trace: Path, tmp_path: Path) -> None:
    done = run(*(word.format(trace=trace, tmp=tmp_path) for word in words), "--json")
    assert not FORBIDDEN & set(done.stdout)
    assert "evil" in json.dumps(json.loads(done.stdout))


def test_nothing_prints_but_one_module() -> None:
    """click.echo, print and writing to the streams are for printing.py; rich for tables.py, which asks it."""
    for path in PACKAGE.rglob("*.py"):
        if path.name in ("printing.py", "interpreted.py"):  # the other one is a program that answers in JSON
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                forbidden = "print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"
                assert called not in forbidden, (path, node.lineno)
