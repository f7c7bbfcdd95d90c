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
from .cases import cases, digest, stack_of

RULES = {
    "runs": "no hook raises, leaves an array, or overflows a field",
    "answers": "hooks answer what the interface has",
    "ends": "every hook returns",
    "timer": "wake sets a later time, or NEVER",
    "places": "at every event each page is in one place, and the pool counts those that it holds",
    "pool": "the pool's bytes and pages are those of its objects, never negative",
    "lists": "lists are closed and counted; pool pages on lists, others on ghosts",
    "twin": "plain Python and compiled code give the same result",
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


@dataclass(frozen=True)
class Finding:
    """One rule, and what broke it."""

    rule: str
    detail: str


@dataclass(frozen=True)
class Conformance:
    """What the suite found for one policy."""

    name: str
    replays: int
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Whether every rule holds."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """An element of ``policies`` in ``tmemlab.conformance/1``."""
        broken: dict[str, list[str]] = {}
        for finding in self.findings:
            broken.setdefault(finding.rule, []).append(finding.detail)
        return {
            "name": self.name,
            "ok": self.ok,
            "replays": self.replays,
            "rules": [
                {"rule": rule, "about": about, "ok": rule not in broken, "details": broken.get(rule, [])}
                for rule, about in RULES.items()
            ],
        }


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


def _interpreted(texts: Sequence[str], events: int) -> list[dict[str, Any]]:
    """Rows of :func:`.interpreted.answer`, from a process where nothing is compiled."""
    done = subprocess.run(
        [sys.executable, "-m", "tmemlab.replay.conformance.interpreted"],
        input=json.dumps({"policies": list(texts), "events": events}),
        capture_output=True, text=True, check=False, env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    if done.returncode:
        raise TmemlabError(f"the plain Python replay failed: {(done.stderr.splitlines() or ['no message'])[-1]}")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


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


def _twins(policy: Policy, source: str) -> tuple[list[Finding], int]:
    """Plain Python at the defaults and at both ends of every parameter; compiled where that was in order."""
    variants = [(policy, "")]
    for param in type(policy).params():
        variants += [
            (replace(policy, **{param.name: end}), f" ({param.name}={end})")
            for end in ends(param) if end != param.default
        ]  # fmt: skip
    findings: list[Finding] = []
    rows = _interpreted([spelled(variant, source) for variant, _ in variants], EVENTS // 2)
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
    return findings, 2 * len(rows)


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
    """Run the suite on a policy; ``source`` is its name, or FILE::NAME, for the process that interprets it."""
    on_step("plain Python against compiled code")
    findings, replays = _twins(policy, source)
    if not findings:  # whatever comes next runs compiled code, which looks at nothing
        on_step("repeating")
        found, made = _repeats(policy)
        findings, replays = findings + found, replays + made
        on_step("parameters")
        found, made = _act(policy, type(policy).params())
        findings, replays = findings + found, replays + made
    return Conformance(policy.name, replays, findings)
