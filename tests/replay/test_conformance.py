"""The conformance suite finds what is planted, and nothing in the policies that are here."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_commands import refused, run
from tests.policies.test_userfile import SOURCE
from tmemlab.errors import InvalidInputError
from tmemlab.policies.catalogue import parse_policies
from tmemlab.policies.registry import built_in
from tmemlab.policies.template import template, write_template
from tmemlab.replay.conformance import check as conformance
from tmemlab.replay.conformance.check import BROKEN, RULES, UNTRIED, Conformance, check

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "writing-a-policy.md"
GUIDE = "".join(re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL))

PLANTED = [
    ("a register that does not exist", "    push_tail(w, 0, page)\n    return ACC",
     "    w.own.ages[8] = 1\n    push_tail(w, 0, page)\n    return ACC", "runs", "w.own.ages[8]: there are 8"),
    ("a page below zero", "        if victim < 0:\n            return REJECT\n", "        w.pages[-1].mark = 1\n",
     "runs", "w.pages[-1]"),
    ("a mark of more than a byte", "    push_tail(w, 0, page)\n    return ACC",
     "    w.pages[page].mark = w.host.now\n    push_tail(w, 0, page)\n    return ACC", "runs", "OverflowError"),
    ("a division by zero", "    push_tail(w, 0, page)\n    return ACC",
     "    w.own.evicted = 1 // w.own.ages[1]\n    push_tail(w, 0, page)\n    return ACC",
     "runs", "ZeroDivisionError"),
    ("an answer that means nothing", "return ACCEPT", "return 17", "answers", "17"),
    ("a loop without an end", "    push_tail(w, 0, page)\n    return ACC",
     "    while w.host.pool_pages >= 0:\n        w.own.evicted += 1\n    return ACC", "ends", "mine.py:2"),
    ("a page on a list twice", "    push_tail(w, 0, page)\n    return KEEP",
     "    push_tail(w, 0, page)\n    push_tail(w, 1, page)\n    return KEEP", "lists", "do not point at"),
    ("a page kept on a list that was not taken", "            return REJECT\n",
     "            return REJECT\n        if w.host.now % 3 == 0:\n            push_tail(w, 0, page)\n"
     "            return REJECT\n", "lists", "is on a list"),
    ("a length changed in the pool", "    unlink(w, page)\n", "    w.pages[page].clen = 7\n    unlink(w, page)\n",
     "pool", "clen"),
    ("a place written by hand", "    unlink(w, page)\n", "    w.pages[page].place = 3\n    unlink(w, page)\n",
     "places", "pool holds"),
    ("a timer in the past", "@register(\"FAMILY.lru\")\n@dataclass(frozen=True)\nclass Mine(LimitedPool):",
     "@hook\ndef wake(w, page):\n    return 0\n\n\n@register(\"FAMILY.lru\")\n@dataclass(frozen=True)\n"
     "class Mine(LimitedPool):\n    wake = wake\n    def first_wake(self):\n        return 5\n",
     "timer", "has passed"),
    ("a number that wraps around when compiled", "    unlink(w, page)\n",
     "    w.own.evicted = 1\n    for _ in range(80):\n"
     "        w.own.evicted = (w.own.evicted * 3) // 2 + (1 << 40)\n"
     "    unlink(w, page)\n", "runs", "OverflowError"),
    ("a parameter that nothing reads", 'param(-1, "pool limit in pages", low=-1)',
     'param(-1, "pool limit in pages", low=-1)\n    idle: int = param(3, "nothing", low=0, high=9)',
     "parameters act", "idle"),
    ("a parameter that cannot have its largest value", 'param(-1, "pool limit in pages", low=-1)',
     'param(-1, "pool limit in pages", low=-1)\n    every: int = param(1, "divisor", low=0, high=3)',
     "parameters run", "every=0"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TMEMLAB_CHECK_PATIENCE", "5")
    yield


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter traces: what is planted shows at once."""
    monkeypatch.setattr(conformance, "EVENTS", 400)


def suite(path: Path) -> Conformance:
    (policy,) = parse_policies(str(path))
    return check(policy, str(path))


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(("old", "new", "rule", "word"), [p[1:] for p in PLANTED], ids=[p[0] for p in PLANTED])
def test_what_is_planted_is_found(
    old: str, new: str, rule: str, word: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = SOURCE.partition('\n\n@register("FAMILY.again")')[0]
    assert source.count(old) == 1
    family = "planted" + "".join(re.findall("[a-z]", request.node.callspec.id))
    source = source.replace(old, new).replace("FAMILY", family)
    if "every" in new:
        source = source.replace(
            "    unlink(w, page)\n", "    w.own.evicted = 5 // w.p.every\n    unlink(w, page)\n"
        )
    (tmp_path / "mine.py").write_text(source)
    found = suite(tmp_path / "mine.py").findings
    assert rule in {finding.rule for finding in found}
    assert any(word in finding.detail for finding in found if finding.rule == rule), found


@pytest.mark.usefixtures("brief")
def test_an_answer_that_depends_on_the_compiler_is_found(tmp_path: Path) -> None:
    # Numba freezes globals when it compiles; the interpreter reads them. Only the twin can tell.
    source = SOURCE.partition('\n\n@register("FAMILY.again")')[0].replace("FAMILY", "frozen")
    source = source.replace("    return ACCEPT", "    w.host.limit_hits += EXTRA\n    return ACCEPT")
    extra = "import os\nEXTRA = int('NUMBA_DISABLE_JIT' in os.environ)\n\n@njit"
    source = source.replace("@njit", extra)
    (tmp_path / "mine.py").write_text(source)
    (first, *_) = suite(tmp_path / "mine.py").findings
    assert (first.rule, first.detail.split()[0]) == ("twin", "limit_hits")


UNREACHED = [
    ("a line for a pool of a million pages", "    push_tail(w, 0, page)\n    return ACC",
     "    if w.host.pool_pages > 1000000:\n        w.own.evicted = 0\n    push_tail(w, 0, page)\n    return ACC",
     "no small trace reaches line"),
    ("a hook that is asked after a day",
     "@register(\"FAMILY.lru\")\n@dataclass(frozen=True)\nclass Mine(LimitedPool):",
     "@hook\ndef wake(w, page):\n    while True:\n        w.own.evicted += 1\n\n\n@register(\"FAMILY.lru\")\n"
     "@dataclass(frozen=True)\nclass Mine(LimitedPool):\n    wake = wake\n"
     "    def first_wake(self):\n        return 86400 * 10**9\n", "no small trace asks wake"),
]  # fmt: skip


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(("old", "new", "word"), [u[1:] for u in UNREACHED], ids=[u[0] for u in UNREACHED])
def test_what_never_ran_is_not_called_kept(old: str, new: str, word: str, tmp_path: Path) -> None:
    source = SOURCE.partition('\n\n@register("FAMILY.again")')[0]
    assert source.count(old) == 1
    family = "unreached" + "abc"[len(new) % 3]
    (tmp_path / "mine.py").write_text(source.replace(old, new).replace("FAMILY", family))
    result = suite(tmp_path / "mine.py")
    assert result.findings == []
    assert result.verdict("ends") == UNTRIED
    assert any(word in finding.detail for finding in result.untried)
    command = ["policies", "check", str(tmp_path / "mine.py")]
    assert run(*command).returncode == 0
    strict = run(*command, "--strict")
    assert strict.returncode == 1
    assert "were not exercised" in strict.stderr


@pytest.mark.usefixtures("brief")
def test_chance_is_found_where_no_result_shows_it(tmp_path: Path) -> None:
    source = SOURCE.partition('\n\n@register("FAMILY.again")')[0].replace("FAMILY", "chance")
    unseen = "    w.pages[page].mark = int(np.random.random() * 0.5)\n    return KEEP"
    source = source.replace("    return KEEP", unseen)
    (tmp_path / "mine.py").write_text("import numpy as np\n" + source)
    result = suite(tmp_path / "mine.py")
    assert result.verdict("determinism") == BROKEN
    assert any("uses numpy.random" in finding.detail for finding in result.findings)


@pytest.mark.usefixtures("brief")
def test_compiled_code_that_does_not_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter, told not to compile, leaves the loop; compiled code never does."""
    monkeypatch.setenv("TMEMLAB_CHECK_PATIENCE", "2")
    monkeypatch.setattr("tmemlab.replay.conformance.child.patience", lambda: 10)
    source = SOURCE.partition('\n\n@register("FAMILY.again")')[0].replace("FAMILY", "endless")
    loop = "    while ENDLESS and w.host.now >= 0:\n        w.own.evicted += 1\n    return ACCEPT"
    source = source.replace("    return ACCEPT", loop)
    extra = "import os\nENDLESS = int('NUMBA_DISABLE_JIT' not in os.environ)\n\n@njit"
    (tmp_path / "mine.py").write_text(source.replace("@njit", extra))
    result = suite(tmp_path / "mine.py")
    assert result.verdict("ends") == BROKEN
    assert "still running" in result.findings[0].detail
    assert result.verdict("twin") == UNTRIED


NOT_WHOLLY_REACHED = {
    "bounds.clairvoyant": {"_drop_stale", "_remember", "store"},
    "order.arc": {"arrive"},
    "proactive.cold_age": {"_percentile"},
    "proactive.senpai": {"wake"},
    "tmem.xen_selfshrink": {"_floor"},
    "tmem.zcache2": {"pressure"},
    "vm.pressure": {"store", "ordered_store", "ordered_pressure"},
    "zram.basic": {"store"},
    "zram.recompress": {"wake"},
    "zram.writeback": {"_write", "_write_back_all"},
    "zswap.v3_11": {"store"},
}
"""Functions with a line that the small traces do not reach: docs/limitations.md has them too."""


@pytest.mark.parametrize("name", built_in())  # on whole traces: shorter ones reach fewer lines
def test_every_policy_here_conforms(name: str) -> None:
    (policy,) = parse_policies(name)
    result = check(policy, name)
    assert result.findings == []
    assert result.replays >= 10
    said = {finding.detail.partition(": no small trace reaches")[0] for finding in result.untried}
    inert = {f"{name} is said to move no small result: {reason}" for name, reason in policy.inert.items()}
    assert said - inert == NOT_WHOLLY_REACHED.get(name, set())


def test_parameters_said_to_be_inert_have_a_reason() -> None:
    for kind in built_in().values():
        names = {param.name for param in kind.params()}
        assert set(kind.inert) <= names
        assert all(len(reason) > 20 for reason in kind.inert.values())


def test_the_template_conforms_and_is_not_overwritten(tmp_path: Path) -> None:
    path = write_template("mine.second_try", tmp_path / "second_try.py")
    assert suite(path).findings == []
    with pytest.raises(InvalidInputError, match="exists"):
        write_template("mine.other", path)
    assert "mine.second_try" in path.read_text()


@pytest.mark.parametrize(("name", "word"), [("zswap.v6_18", "already"), ("Mine", "form"), ("a.b.c", "form")])
def test_a_name_that_cannot_be_is_refused(name: str, word: str) -> None:
    with pytest.raises(InvalidInputError, match=word):
        template(name)


def test_the_guides_policy_conforms_and_is_as_long_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "earned_chance.py"
    path.write_text(GUIDE)
    result = suite(path)
    assert result.findings == []
    hooks = GUIDE[GUIDE.index("@hook") : GUIDE.index("@register")]
    assert len([line for line in hooks.splitlines() if line]) <= 21
    printed = re.search(r"mine\.earned_chance  (\d+) small replays", DOCUMENT.read_text())
    assert printed
    assert int(printed[1]) == result.replays
    for rule, about in RULES.items():
        assert f"{rule}: {about}" in DOCUMENT.read_text()


def test_the_commands(tmp_path: Path) -> None:
    path = tmp_path / "third.py"
    made = run("policies", "new", "mine.third", "--output", path)
    assert made.returncode == 0
    refused(run("policies", "new", "mine.third", "--output", path), 2, "exists")
    done = run("policies", "check", path, "--json", "-")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "tmemlab.conformance/1"
    assert (document["ok"], document["complete"]) == (True, True)
    assert {row["verdict"] for row in document["policies"][0]["rules"]} == {"kept"}
    assert [row["rule"] for row in document["policies"][0]["rules"]] == list(RULES)
    assert "kept           twin" in run("policies", "check", f"{path}::mine.third").stdout
    path.write_text(path.read_text().replace("return KEEP", "return 5"))
    broken = run("policies", "check", path)
    assert broken.returncode == 1
    assert "broken         answers" in broken.stdout
    assert "not exercised  determinism" in broken.stdout
    assert broken.stderr == "tmemlab: mine.third breaks the rules 'answers'\n"
    refused(run("policies", "check", tmp_path / "none.py"), 2, "No such file")
    refused(run("policies", "check", "no.such"), 2, "no policy called")
    assert "mine.third" in run("policies", "show", path).stdout


def test_the_plain_replay_can_be_started_by_hand(tmp_path: Path) -> None:
    path = write_template("mine.by_hand", tmp_path / "by_hand.py")
    done = subprocess.run(
        [sys.executable, "-m", "tmemlab.replay.conformance.interpreted", str(path)],
        capture_output=True, text=True, check=True, env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert done.stdout.count(": ok") == 7
    assert conformance.EVENTS == 600
