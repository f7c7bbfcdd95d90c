"""Does a policy keep the rules? The suite behind ``tmemlab policies check``.

The plain Python functions of the hooks are run first, with every index, number and answer looked at
(:mod:`.interpreted`), on small traces made to reach them (:mod:`.cases`). Only then are the compiled ones, which
look at nothing, run on the same traces, and everything a replay reports must be equal. At last every parameter is
taken to its ends.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from threading import Thread
from typing import Any

from ...errors import TmemlabError
from ...policies.interface import Param, Policy
from ..inputs.columns import next_loads
from ..scores.score import Score, score
from .bound import beyond
from .cases import cases, digest, stack_of
from .child import StillRunningError, in_child
from .coverage import spans
from .findings import Finding
from .purity import impure

RULES = {
    "runs": "no hook raises, leaves an array, or overflows a field",
    "answers": "hooks answer what the interface has",
    "ends": "every hook returns",
    "timer": "wake sets a later time, or NEVER",
    "places": "at every event each page is in one place, and the pool counts those that it holds",
    "pool": "the pool's bytes and pages are those of its objects, never negative",
    "lists": "lists are closed and counted; pool pages on lists, others on ghosts",
    "twin": "plain Python and compiled code give the same result",
    "bound": "the pool serves no more loads than clairvoyance would with as much memory",
    "determinism": "the same result again, and beside another replay",
    "parameters run": "every parameter runs at both ends of its range",
    "parameters act": "every parameter moves some result",
}
"""What is checked, in the order in which it is reported."""

EVENTS = 600
"""Of the traces on which parameters are to act; those for plain Python are half as long."""
_PAIRS = 20
"""Pairs of other parameters that are tried before one is said to move nothing."""
_LARGE = 1 << 16
"""Where a parameter's range has no end, this stands for it."""


KEPT, BROKEN, UNTRIED = "kept", "broken", "not exercised"
"""What can be said of a rule."""


@dataclass(frozen=True)
class Conformance:
    """What the suite found for one policy."""

    name: str
    replays: int
    findings: list[Finding]
    """Rules that are broken, and what broke them."""
    untried: list[Finding]
    """Rules of which nothing can be said, or not of all code, and why."""

    @property
    def ok(self) -> bool:
        """Whether no rule is broken."""
        return not self.findings

    @property
    def complete(self) -> bool:
        """Whether every rule was exercised."""
        return not self.untried

    def verdict(self, rule: str) -> str:
        """KEPT, BROKEN or UNTRIED."""
        if any(finding.rule == rule for finding in self.findings):
            return BROKEN
        return UNTRIED if any(finding.rule == rule for finding in self.untried) else KEPT

    def as_json(self) -> dict[str, Any]:
        """An element of ``policies`` in ``tmemlab.conformance/1``."""
        rows = []
        for rule, about in RULES.items():
            verdict = self.verdict(rule)
            said = self.findings if verdict == BROKEN else self.untried
            details = [finding.detail for finding in said if finding.rule == rule]
            rows.append({"rule": rule, "about": about, "verdict": verdict, "details": details})
        return {
            "name": self.name, "ok": self.ok, "complete": self.complete, "replays": self.replays, "rules": rows,
        }  # fmt: skip


def ends(param: Param) -> list[Any]:
    """The values at both ends of a parameter's range; all of its choices."""
    if param.choices:
        return list(param.choices)
    low = 0 if param.low is None else param.low
    high = _LARGE if param.high is None else param.high
    return [type(param.default)(low), type(param.default)(high)]


def probes(param: Param) -> list[Any]:
    """The ends, the default and some values between: where a parameter may be seen to act."""
    if param.choices:
        return list(param.choices)
    low, high = ends(param)
    between = [low + (high - low) * share for share in (1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5)]
    small = [value for value in (1, 3, 10, 40, 200, 1000) if low < value < high]
    values = [low, high, param.default, *(type(param.default)(value) for value in (*between, *small))]
    return sorted(set(values))


def spelled(policy: Policy, source: str) -> str:
    """``source:key=value,...``: the policy as text, for another process."""
    settings = ",".join(f"{key}={value}" for key, value in asdict(policy).items())
    return f"{source}:{settings}" if settings else source


def _compiled(policy: Policy, events: int) -> dict[str, Score]:
    """Every small replay, compiled."""
    results = {}
    for accesses in (False, True)[: 1 + policy.takes_accesses]:
        for case in cases(accesses, events):
            c = case.columns
            future = next_loads(c.op, c.page, c.pages) if policy.needs_future else None
            stack = None if accesses else stack_of(policy)
            results[case.name] = score(
                c, case.host, policy, case.plan, future, keep_found=True, stack=stack
            )  # fmt: skip
    return results


def _interpreted(texts: Sequence[str], events: int) -> dict[str, Any]:
    """What :func:`.interpreted.answer` says, from a process where nothing is compiled."""
    done = subprocess.run(
        [sys.executable, "-m", "tmemlab.replay.conformance.interpreted"],
        input=json.dumps({"policies": list(texts), "events": events}),
        capture_output=True, text=True, check=False, env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    if done.returncode:
        raise TmemlabError(f"the plain Python replay failed: {(done.stderr.splitlines() or ['no message'])[-1]}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _differs(plain: Any, compiled: Any, path: str = "") -> str:
    """Where two digests differ first, in words; empty if they do not."""
    if isinstance(plain, dict):
        return next(filter(None, (_differs(plain[k], compiled[k], f"{path} {k}".strip()) for k in plain)), "")
    if isinstance(plain, list) and len(plain) == len(compiled):
        pairs = enumerate(zip(plain, compiled, strict=True))
        return next(filter(None, (_differs(a, b, f"{path}[{i}]") for i, (a, b) in pairs)), "")
    return "" if plain == compiled else f"{path} is {plain} in plain Python and {compiled} compiled"


def _outcome(policy: Policy) -> str:
    return json.dumps([digest(row) for row in _compiled(policy, EVENTS).values()])


def acts(policy: Policy, param: Param, others: Sequence[Param]) -> tuple[bool, int]:
    """Whether the parameter moves some result, with at most two other parameters changed; replays made.

    Many parameters are asleep until another one is set: the age of what a mode writes back, say.
    """
    made = 0

    def moves(base: Policy) -> bool:
        nonlocal made
        seen = None
        for value in probes(param):
            made += 1
            outcome = _outcome(replace(base, **{param.name: value}))
            if seen not in (None, outcome):
                return True
            seen = outcome
        return False

    hint = type(policy).awake.get(param.name)
    if (hint and moves(replace(policy, **hint))) or moves(policy):
        return True, made
    rest = [other for other in others if other.name != param.name]
    singles = [{other.name: value} for other in rest for value in probes(other) if value != other.default]
    ended = [{other.name: value} for other in rest for value in ends(other) if value != other.default]
    pairs = [a | b for a, b in product(ended, ended) if next(iter(a)) < next(iter(b))]
    for changes in [*singles, *pairs[:_PAIRS]]:
        if moves(replace(policy, **changes)):
            return True, made
    return False, made


def _act(policy: Policy, parameters: Sequence[Param]) -> tuple[list[Finding], int]:
    findings, replays = [], 0
    for param in parameters:
        if param.name in type(policy).inert:
            continue
        moved, made = acts(policy, param, parameters)
        replays += made
        if not moved:
            findings.append(Finding("parameters act", f"{param.name} moves no result, whatever else is set"))
    return findings, replays


def _twins(policy: Policy, source: str) -> tuple[list[Finding], int, list[Finding]]:
    """Plain Python at the defaults and at both ends of every parameter; compiled where that was in order.

    What is broken, replays made, and what was never tried.
    """
    variants = [(policy, "")]
    for param in type(policy).params():
        variants += [
            (replace(policy, **{param.name: end}), f" ({param.name}={end})")
            for end in ends(param) if end != param.default
        ]  # fmt: skip
    findings: list[Finding] = []
    said = _interpreted([spelled(variant, source) for variant, _ in variants], EVENTS // 2)
    rows = said["rows"]
    by_policy: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_policy.setdefault(row["policy"], []).append(row)
    for variant, about in variants:
        plain = by_policy.get(spelled(variant, source), [])
        broken = [row for row in plain if "rule" in row]
        for row in broken[:1]:
            rule = "parameters run" if about and row["rule"] == "runs" else row["rule"]
            findings.append(Finding(rule, f"{row['detail']}, in the trace {row['case']!r}{about}"))
        if broken or not plain:  # a variant after one that does not end was not run
            continue  # compiled code would go on in another's memory, or for ever
        compiled = _compiled(variant, EVENTS // 2)
        for row in plain:
            mine = json.loads(json.dumps(digest(compiled[row["case"]])))
            difference = _differs(row["digest"], mine)
            if difference:
                findings.append(Finding("twin", f"{difference}, in the trace {row['case']!r}{about}"))
    return findings, 2 * len(rows), _untried(policy, said)


OF_CODE = ("runs", "answers", "ends", "twin")
"""Rules that a line can break by running."""


def _untried(policy: Policy, said: dict[str, Any]) -> list[Finding]:
    """Hooks that no small trace asked, and lines that none reached."""
    reasons: list[Finding] = []
    for name in ("store", "load", "wake", "pressure"):
        own = getattr(type(policy), name).function.__module__ != Policy.__module__
        if own and name not in said["asked"]:
            rules = (*OF_CODE, "timer") if name == "wake" else OF_CODE
            reasons += [Finding(rule, f"no small trace asks {name}") for rule in rules]
    for function, lines in said["missing"].items():
        reasons += [Finding(rule, f"{function}: no small trace reaches line {spans(lines)}") for rule in OF_CODE]
    return reasons


def _repeats(policy: Policy) -> tuple[list[Finding], int]:
    first = _outcome(policy)
    beside: list[str] = []
    threads = [Thread(target=lambda: beside.append(_outcome(policy))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if any(other != first for other in [_outcome(policy), *beside]):
        return [Finding("determinism", "two replays of the same trace differ: state outside w?")], 4
    return [], 4


def check(policy: Policy, source: str, on_step: Callable[[str], None] = lambda _: None) -> Conformance:
    """Run the suite on a policy; ``source`` is its name, or FILE::NAME, for the process that interprets it.

    Compiled code runs in a process of its own, which is ended where it takes longer than PATIENCE_S.
    """
    findings = impure(policy)
    on_step("plain Python against compiled code")
    try:
        found, replays, untried = in_child(lambda: _twins(policy, source))
        findings += found
        if findings:  # whatever comes next runs compiled code, which looks at nothing
            untried += [Finding(rule, "not tried: another rule is broken") for rule in LATER]
        else:
            on_step("repeating, and taking parameters to their ends")
            found, made = in_child(lambda: _later(policy))
            findings, replays = findings + found, replays + made
    except StillRunningError as error:
        findings, replays, untried = [*findings, Finding("ends", str(error))], 0, []
        untried += [Finding(rule, "not tried: compiled code does not end") for rule in ("twin", *LATER)]
    untried += [
        Finding("parameters act", f"{name} is said to move no small result: {reason}")
        for name, reason in type(policy).inert.items()
    ]
    return Conformance(policy.name, replays, findings, untried)


LATER = ("bound", "determinism", "parameters run", "parameters act")
"""Rules that are tried once the others hold."""


def _later(policy: Policy) -> tuple[list[Finding], int]:
    found, replays = beyond(policy, EVENTS)
    for part in (_repeats(policy), _act(policy, type(policy).params())):
        found, replays = found + part[0], replays + part[1]
    return found, replays
