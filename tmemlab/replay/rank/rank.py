"""Rank policies over traces, sizes of RAM, disks and storms."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

from ...errors import InvalidInputError
from ...policies.interface import Policy
from ...policies.registry import built_in
from ..scores.row import StormPlan
from .case import STEP, Case, Subject
from .marks import CRITERIA, Marks, measure
from .standings import RESAMPLES, Standing, standings

FRACTIONS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of RAM that storms lock; room is that for the largest which the host survives without a pool."""
STORMS = 28
"""A replay: fewer than a single trace deserves, but there are many, and all of these are run."""
HITS = 0.99
RECORDED, FITTING = "recorded", "fitting"
"""Sizes of RAM by name: as recorded; what cannot be reclaimed, and twice the peak of need."""


@dataclass(frozen=True)
class Entrant:
    """One policy of a ranking."""

    policy: Policy
    label: str
    marks: list[Marks]
    """A case."""
    standing: Standing

    def as_json(self) -> dict[str, Any]:
        """One element of ``policies`` in ``tmemlab.rank/1``."""
        standing = self.standing
        return {
            "name": self.policy.name,
            "label": self.label,
            "params": asdict(self.policy),
            "rank": standing.rank.as_json(),
            **{key: mean.as_json() for key, mean in standing.criteria.items()},
            "pool_bytes": standing.pool_bytes.as_json(),
            "cases": [mark.as_json() for mark in self.marks],
        }


@dataclass(frozen=True)
class Ranking:
    """All of them, the best first."""

    cases: list[Case]
    plan: StormPlan
    fractions: tuple[float, ...]
    hits: float
    entrants: list[Entrant]

    @property
    def traces(self) -> list[Subject]:
        """The traces, each once."""
        return list({case.subject.name: case.subject for case in self.cases}.values())

    def over(self, names: Sequence[str]) -> "Ranking":
        """The same over some of the traces alone, ranked anew from what was measured."""
        kept = [at for at, case in enumerate(self.cases) if case.subject.name in names]
        marks = [[entrant.marks[at] for at in kept] for entrant in self.entrants]
        cases = [self.cases[at] for at in kept]
        entered = [(entrant.policy, entrant.label) for entrant in self.entrants]
        return Ranking(
            cases, self.plan, self.fractions, self.hits, _ordered(entered, marks, cases, self.plan.seed)
        )

    def as_json(self) -> dict[str, Any]:
        """The document ``tmemlab.rank/1``."""
        return {
            "schema": "tmemlab.rank/1",
            "traces": [
                {"name": each.name, "path": str(each.trace.path), "loads": each.columns.loads}
                for each in self.traces
            ],
            "cases": [case.as_json() for case in self.cases],
            "config": {
                "hits": self.hits,
                "storms": self.plan.storms,
                "storm_fractions": list(self.fractions),
                "seed": self.plan.seed,
                "resamples": RESAMPLES,
            },
            "criteria": {each.key: each.meaning for each in CRITERIA},
            "policies": [entrant.as_json() for entrant in self.entrants],
        }


def everyone() -> list[Policy]:
    """Every built-in policy with its defaults."""
    return [kind() for kind in built_in().values()]


def parts(traces: int, rams: int, disks: int, policies: int) -> int:
    """Pieces of work in a ranking over so many of each."""
    return traces * (1 + rams * disks * (1 + policies))


def rank(
    traces: Mapping[str, Path],
    policies: Sequence[Policy] | None = None,
    *,
    rams: Sequence[int | str] = (RECORDED, FITTING),
    disks: Sequence[str] = ("ssd",),
    fractions: Sequence[float] = FRACTIONS,
    storms: int = STORMS,
    seed: int = 1,
    hits: float = HITS,
    threads: int | None = None,
    on_done: Callable[[object], object] = lambda _: None,
) -> Ranking:
    """Replay every policy over every trace, on hosts with each size of RAM and each disk.

    policies: :func:`everyone` where none is given. rams: bytes, or :data:`RECORDED` or
    :data:`FITTING`. fractions: of RAM that storms lock, in steps of 5 %. storms: a replay; 0 leaves P(OOM) out.
    seed: of the storms' moments and the bootstrap. hits: the share of all loads that need is measured for.
    on_done is called when one of :func:`parts` is done. The numbers do not depend on ``threads``.

    InvalidInputError for no trace, for page accesses, and for a fraction between two steps; TraceError for an
    incomplete trace.
    """
    if not traces:
        raise InvalidInputError("there is no trace to rank policies over")
    shares = tuple(sorted(set(fractions)))
    for share in shares:
        if not 0 < share <= 1 or abs(share / STEP - round(share / STEP)) > 1e-6:
            raise InvalidInputError(f"a storm of {share:g} of RAM: give a multiple of {STEP:g}, up to 1")
    chosen = list(dict.fromkeys(policies or everyone()))
    plan = StormPlan(storms, shares[-1], seed)
    future = any(policy.needs_future for policy in chosen)
    cancelled = Event()
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:

        def run(function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
            later = pool.submit(function, *arguments)
            later.add_done_callback(on_done)
            return later

        try:
            prepared = [run(Subject.prepare, name, path, hits, future) for name, path in traces.items()]
            subjects = [later.result() for later in prepared]
            building = [
                run(Case.prepare, subject, _ram_bytes(subject, ram), disk, plan.fraction)
                for subject in subjects for ram in rams for disk in disks
            ]  # fmt: skip
            cases = [later.result() for later in building]
            measuring = [
                [run(measure, case, policy, plan, shares, cancelled) for case in cases] for policy in chosen
            ]
            measured = [[later.result() for later in row] for row in measuring]
        except BaseException:
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    entered = [(policy, row[0][0].label) for policy, row in zip(chosen, measured, strict=True)]
    marks = [[mark for _, mark in row] for row in measured]
    return Ranking(cases, plan, shares, hits, _ordered(entered, marks, cases, seed))


def _ram_bytes(subject: Subject, ram: int | str) -> int | None:
    """Bytes; None: as recorded."""
    if isinstance(ram, int):
        return ram
    return subject.fitting_ram if ram == FITTING else None


def _ordered(
    entered: Sequence[tuple[Policy, str]], marks: Sequence[Sequence[Marks]], cases: Sequence[Case], seed: int
) -> list[Entrant]:
    """The best first, of equal ones in the order given."""
    places = standings(marks, [case.subject.name for case in cases], seed)
    entrants = [
        Entrant(policy, label, list(row), place)
        for (policy, label), row, place in zip(entered, marks, places, strict=True)
    ]
    return sorted(entrants, key=lambda entrant: entrant.standing.rank.mean or 0.0)
