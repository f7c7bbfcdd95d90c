"""What a policy gets in one case, and by what policies are compared."""

from dataclasses import dataclass, replace
from threading import Event

import numpy as np
import numpy.typing as npt

from ...policies.interface import Policy
from ...units import PAGE_SIZE
from ..scores.oom import OomRisk
from ..scores.row import Score, StormPlan
from ..size.fixed import Replays
from ..size.regret import measure_regret, pool_over_time
from .case import STEP, Case


@dataclass(frozen=True)
class Criterion:
    """One of the numbers that policies are compared by."""

    key: str
    title: str
    more_is_better: bool
    meaning: str


CRITERIA = (
    Criterion("hit_rate", "hits", True, "loads served from RAM, of all loads"),
    Criterion(
        "of_clairvoyant", "of best", True,
        "hits, of those that knowledge of the future has with as much memory in the mean",
    ),
    Criterion("oom_p", "P(OOM)", False, "storms that end in a kill, over the storms' sizes"),
    Criterion(
        "regret", "regret", False,
        "how far the pool is outside of need and room, over time, as a share of need in the mean",
    ),
    Criterion("written_share", "written", False, "bytes written to the disk, of those that left RAM"),
)  # fmt: skip
"""Each counts as much as the others."""


@dataclass(frozen=True)
class Marks:
    """Of one policy in one case; None: not known, or not defined."""

    hit_rate: float | None
    of_clairvoyant: float | None
    """None where the pool holds nothing: there is nothing that could be done better with it."""
    oom_p: float | None
    regret: float | None
    written_share: float | None
    pool_bytes: float
    """In the mean."""

    def as_json(self) -> dict[str, float | None]:
        """One element of a policy's ``cases`` in ``tmemlab.rank/1``."""
        return {each.key: getattr(self, each.key) for each in CRITERIA} | {"pool_bytes": self.pool_bytes}


def oom_at(risk: OomRisk, fractions: tuple[float, ...]) -> float | None:
    """P(OOM), the mean over storms of these shares of RAM, which are multiples of :data:`STEP`."""
    if risk.p is None:
        return None
    by_step = {round(share / STEP): p for share, p in risk.curve}
    return sum(by_step[round(fraction / STEP)] for fraction in fractions) / len(fractions)


def _distance(case: Case, pool: npt.NDArray[np.int64]) -> float | None:
    """Pages outside of the band, over time, to those that are needed; None where nothing is."""
    band, regret = case.band, measure_regret(case.band, pool)
    sides = [side for side in (regret.over, regret.under) if side is not None]
    needed = float(np.average(band.need_at, weights=band.grid.lasted))
    return sum(side.share * side.pages_mean for side in sides) / needed if needed else None


def measure(
    case: Case, policy: Policy, plan: StormPlan, fractions: tuple[float, ...], cancelled: Event
) -> tuple[Score, Marks]:
    """Replay a policy with storms, and look at its pool; without storms where the trace has no samples of a host.

    TmemlabError soon after ``cancelled`` is set.
    """
    subject = case.subject
    columns, known = subject.columns, subject.next_load if len(subject.next_load) else None
    if case.fraction is None:  # nothing is known of the host: its memory would be all free, and no storm honest
        plan = replace(plan, storms=0)
    done = Replays(columns, case.host, policy, known, cancelled).run(policy, plan)
    pool = pool_over_time(columns, case.host, policy, case.band.grid.looks, known)
    mean = float(done.pool_bytes["mean"])
    possible = subject.clairvoyant.hits(mean)
    left = columns.stores * PAGE_SIZE
    return done, Marks(
        hit_rate=done.hit_rate,
        of_clairvoyant=done.hits / possible if mean and possible else None,
        oom_p=oom_at(done.oom, fractions),
        regret=_distance(case, pool),
        written_share=done.device_bytes["written"] / left if left else None,
        pool_bytes=mean,
    )
