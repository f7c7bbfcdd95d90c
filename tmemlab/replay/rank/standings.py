"""From marks in many cases to one table: ranks, means over traces, and how far other traces would move them.

Within a case policies are ranked by each criterion, in steps of a percent: less is no difference that anybody
would choose a policy for. Equal ones share the mean of their ranks, and who has no number is last. Cases of one
trace are not independent of each other, so they are averaged, and traces are what is drawn anew: the interval is
that of a bootstrap over traces [B. Efron, Bootstrap methods, Ann. Statist. 7(1), 1979]. With few traces it is
too narrow rather than too wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .marks import CRITERIA, Marks

RESAMPLES = 2000
STEPS = 100
"""Of one, to which numbers are rounded before they are ranked."""
_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Mean:
    """Over traces, with its 95 % interval; None of all where no trace has the number."""

    mean: float | None
    low: float | None
    high: float | None

    def as_json(self) -> dict[str, float | None]:
        """As it stands in ``tmemlab.rank/1``."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Standing:
    """One policy over all traces."""

    rank: Mean
    """Its rank, 1 being the best, over criteria, cases and traces."""
    criteria: dict[str, Mean]
    """By key."""
    pool_bytes: Mean


def ranks(values: npt.NDArray[np.float64], more_is_better: bool) -> npt.NDArray[np.float64]:
    """(policies,): 1 for the best; equal ones share the mean of their ranks; NaN is last.

    All NaN where all are: a criterion that nobody has says nothing.
    """
    if np.isnan(values).all():
        return values
    rounded = np.rint(values * STEPS)
    worst_last = np.where(np.isnan(values), np.inf, -rounded if more_is_better else rounded)
    order = np.sort(worst_last)
    first, last = np.searchsorted(order, worst_last, "left"), np.searchsorted(order, worst_last, "right")
    return (first + 1 + last) / 2


def resample(by_trace: npt.NDArray[np.float64], seed: int) -> Mean:
    """by_trace: (traces,), NaN where a trace has no such number."""
    known = by_trace[~np.isnan(by_trace)]
    if not len(known):
        return Mean(None, None, None)
    dice = np.random.default_rng(seed)
    drawn = known[dice.integers(0, len(known), (RESAMPLES, len(known)))].mean(axis=1)
    low, high = np.percentile(drawn, _PERCENTILES)
    return Mean(float(known.mean()), float(low), float(high))


def standings(marks: Sequence[Sequence[Marks]], traces: Sequence[str], seed: int) -> list[Standing]:
    """marks: (policies, cases); traces: the name of each case's. In the order of the policies."""
    numbers = {
        each.key: np.array([[getattr(mark, each.key) for mark in row] for row in marks], np.float64)
        for each in CRITERIA
    }
    ranked = [
        np.stack([ranks(column, each.more_is_better) for column in numbers[each.key].T], axis=1)
        for each in CRITERIA
    ]
    rank = _mean(np.stack(ranked), axis=0)
    pools = np.array([[mark.pool_bytes for mark in row] for row in marks], np.float64)
    names = list(dict.fromkeys(traces))
    where = [[at for at, name in enumerate(traces) if name == each] for each in names]

    def over_traces(values: npt.NDArray[np.float64]) -> Mean:
        return resample(np.array([_mean(values[cases], axis=0) for cases in where]), seed)

    return [
        Standing(
            over_traces(rank[at]),
            {key: over_traces(values[at]) for key, values in numbers.items()},
            over_traces(pools[at]),
        )
        for at in range(len(marks))
    ]


def _mean(values: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    """The mean of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=axis)
    count = known.sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
