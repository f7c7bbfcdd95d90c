"""How sure advice is: storms with other dice, each half of the traces judged on the other, the kernel itself."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from ...datasets.derive.slice import slice_trace
from ...errors import TmemlabError
from ...policies.interface import Policy
from ..scores.row import StormPlan
from ..validate import validate
from .bench import Bench
from .cases import LEAST_LOADS, Case, open_case
from .limits import Limits, choose
from .trials import Trial, front

CONFIRMED = 4
"""So many times as many storms confirm a recommendation as were used to search."""
REFUTED = 6
"""Recommendations that other storms may refute, one after the other."""
JUDGED = 10
"""Settings that the halves choose from at most: the front, evenly spaced, besides what is recommended."""


@dataclass(frozen=True)
class Half:
    """The advice that one half of the traces gives, held against the other half."""

    name: str
    """``first`` or ``second``: the half that gave it."""
    chosen: Policy | None
    """None: nothing in this half met the limits."""
    label: str
    hit_rate: float | None
    """Of what it chose, in the other half."""
    oom_p: float | None
    recommended_hit_rate: float
    """Of what the whole traces recommend, in the other half."""
    recommended_oom_p: float | None

    def as_json(self) -> dict[str, Any]:
        """An element of ``halves`` in ``tmemlab.advise/1``."""
        chosen = self.chosen
        return {
            "from": self.name,
            "policy": chosen.name if chosen else None,
            "params": asdict(chosen) if chosen else None,
            "on_the_other": {"hit_rate": self.hit_rate, "p_oom": self.oom_p},
            "recommended_there": {"hit_rate": self.recommended_hit_rate, "p_oom": self.recommended_oom_p},
        }


@dataclass(frozen=True)
class Validated:
    """What a replay under the recorded settings says, and what the kernel did."""

    trace: str
    measured: float | None
    predicted: float | None
    """Hit rates."""
    agreement: float | None


@dataclass
class Confidence:
    """What was found; what could not be judged is a sentence in ``unknown``."""

    recommended: Trial | None = None
    seed: int | None = None
    refuted: list[Trial] = field(default_factory=list)
    """What would have been recommended, had storms with the other seed not broken a limit."""
    recommended_again: Trial | None = None
    """The same setting in storms with another seed."""
    now_again: Trial | None = None
    halves: list[Half] = field(default_factory=list)
    validated: list[Validated] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def changes(self, recommended: Policy) -> bool:
        """Whether a half of the traces gives other advice than the whole."""
        return any(half.chosen != recommended for half in self.halves)

    def as_json(self, recommended: Policy | None) -> dict[str, Any]:
        """``confidence`` of ``tmemlab.advise/1``."""
        again = self.recommended_again
        return {
            "other_seed": None
            if again is None
            else {"seed": self.seed, "storms": again.storms, "p_oom": again.oom_p},
            "refuted": [trial.label for trial in self.refuted],
            "halves": [half.as_json() for half in self.halves],
            "advice_changes": self.changes(recommended) if recommended and self.halves else None,
            "validated": [asdict(one) for one in self.validated],
            "unknown": self.unknown,
        }


@dataclass(frozen=True)
class Question:
    """What was asked and found, as far as it has to be asked again of other traces."""

    cases: Sequence[Case]
    plan: StormPlan
    limits: Limits
    goal: str
    tried: Sequence[Trial]
    now: Trial | None
    ram_bytes: int | None
    disk: str
    threads: int | None
    stop_at: float | None


def judge(
    question: Question, recommended: Trial, on_part: Callable[[str], object] = lambda _: None
) -> tuple[Trial, Confidence]:
    """Ask again, in three ways, until the time is over; Ctrl-C ends it with what is known so far.

    Returns what is recommended then, too: where other storms break a limit that the first kept, the next best.
    """
    found = Confidence(recommended)
    parts = {
        "other storms": _confirm,
        "the trace's own validation": _validate,
        "the halves of the trace": _halves,
    }
    for number, (what, part) in enumerate(parts.items()):
        if part is not _confirm and question.stop_at is not None and monotonic() >= question.stop_at:
            found.unknown.append(f"{', '.join(list(parts)[number:])}: not judged, the time was over (--time).")
            break
        on_part(what)
        try:
            part(question, found)
        except KeyboardInterrupt:
            found.unknown.append(f"{', '.join(list(parts)[number:])}: not judged, interrupted.")
            break
    return found.recommended or recommended, found


def _confirm(question: Question, found: Confidence) -> None:
    """A limit has to hold in other storms as well: what breaks it is passed over, and what survives no more.

    It takes the time that it needs: advice that other storms refute is none.
    """
    best = found.recommended
    if best is None or best.oom_p is None:
        found.unknown.append("P(OOM) is not known: a trace has no samples of its host's memory.")
        return
    storms, seed, now = CONFIRMED * question.plan.storms, question.plan.seed + 1, question.now
    found.seed, left = seed, list(question.tried)
    plan = replace(question.plan, storms=storms, seed=seed)
    with Bench(question.cases, plan, threads=question.threads) as bench:
        bench.run([best.policy, *([now.policy] if now is not None else [])])
        found.now_again = bench.trials.get(now.policy) if now is not None else None
        while (again := bench.run([best.policy])) and question.limits.broken(again[0]):
            reached = best.survives or 0.0
            left = [trial for trial in left if (trial.survives or 0.0) > reached]
            following = choose(left, question.limits, question.goal, now)
            if following is None or len(found.refuted) == REFUTED:
                found.unknown.append("Other storms break a limit here as well, and nothing better is known.")
                break
            found.refuted.append(best)
            best = following
    found.recommended, found.recommended_again = best, again[0] if again else None
    if not again:
        raise KeyboardInterrupt


def _validate(question: Question, found: Confidence) -> None:
    for case in question.cases:
        try:
            result = validate(case.trace.path)
        except TmemlabError as error:
            found.unknown.append(f"{case.name} cannot be validated: {error}")
            continue
        found.validated.append(
            Validated(
                str(case.trace.path),
                result.measured["hit_rate"],
                result.predicted["hit_rate"],
                result.agreement,
            )
        )


def _halves(question: Question, found: Confidence) -> None:
    """Cut every trace in the middle of its time; the first halves are one question, the second another."""
    recommended = found.recommended
    if recommended is None:
        return
    with TemporaryDirectory(prefix="tmemlab-halves-") as folder:
        try:
            halves = [_cut(question, Path(folder), second) for second in (False, True)]
        except TmemlabError:  # of its own file names, which are nobody's
            found.unknown.append("The halves are not judged: one of them alone has too little to replay.")
            return
        for name, cases in zip(("first", "second"), halves, strict=True):
            if any(case.columns.loads < LEAST_LOADS or not case.columns.stores for case in cases):
                found.unknown.append(
                    f"The halves are not judged: the {name} half has too few loads, or no stores."
                )
                return
        trials = [_run(question, recommended, cases) for cases in halves]
        if any(recommended.policy not in half for half in trials):
            found.unknown.append("The halves are not judged: the time was over (--time).")
            return
        for name, mine, other in zip(("first", "second"), trials, reversed(trials), strict=True):
            found.halves.append(_half(question, recommended.policy, name, mine, other))


def _cut(question: Question, folder: Path, second: bool) -> list[Case]:
    cut = []
    for number, case in enumerate(question.cases):
        middle, out = int(case.columns.t[-1]) // 2, folder / f"{number}-{int(second)}"
        slice_trace(case.trace, out, start_ns=middle if second else 0, stop_ns=None if second else middle)
        cut.append(open_case(out, case.weight, ram_bytes=question.ram_bytes, disk=question.disk, keep=False))
    return cut


def _run(question: Question, recommended: Trial, cases: Sequence[Case]) -> dict[Policy, Trial]:
    """What the halves choose from, on one of them; the recommended setting first."""
    best = front(question.tried)
    asked = [recommended, *best[:: max(-(-len(best) // JUDGED), 1)]]
    policies = [trial.policy for trial in asked]
    if question.now is not None and question.now.policy.name.partition(".")[0] in {"zswap", "zram", "bounds"}:
        policies.insert(1, question.now.policy)
    with Bench(cases, question.plan, threads=question.threads) as bench, suppress(TmemlabError):
        bench.stop_at = question.stop_at
        bench.run(policies)
    return bench.trials


def _half(
    question: Question, recommended: Policy, name: str, mine: dict[Policy, Trial], other: dict[Policy, Trial]
) -> Half:
    now = question.now.policy if question.now else None
    both = [trial for policy, trial in mine.items() if policy in other]
    chosen = choose(both, question.limits, question.goal, mine.get(now) if now else None)
    there = other[recommended]
    judged = other[chosen.policy] if chosen else None
    return Half(
        name,
        chosen.policy if chosen else None,
        chosen.label if chosen else "",
        judged.hit_rate if judged else None,
        judged.oom_p if judged else None,
        there.hit_rate,
        there.oom_p,
    )
