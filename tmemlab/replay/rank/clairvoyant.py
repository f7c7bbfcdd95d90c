"""The most hits that any pool can have that takes so much memory in the mean.

Each load is a span of time with a size (size/holds.py). Whoever serves the cheapest of them first, bytes x
time, has the most hits for any memory over time: a knapsack whose items may be taken in the order of their
weight, because each is worth one hit. Objects take their size class and holes are left out: no pool of zsmalloc
can do better. (One without size classes can: that of bounds.clairvoyant. So can one that keeps pages in RAM
that is not the pool.)
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from ...policies.bounds.unbounded import Unbounded
from ..curve.fill import class_weights
from ..inputs.columns import Columns
from ..size.holds import find_holds


@dataclass(frozen=True)
class Clairvoyant:
    """Of one trace."""

    cost: npt.NDArray[np.float64]
    """(loads,): bytes x ns that the cheapest 1, 2, ... loads take together."""
    free: int
    """Loads that take no memory."""
    duration: int
    """ns."""

    @classmethod
    def of(cls, columns: Columns) -> Self:
        """From the columns of a swap trace."""
        holds = find_holds(columns)
        began, ended = holds.times(columns.t)
        weights = class_weights(Unbounded().allocator())[holds.length].astype(np.float64)
        cost = np.cumsum(np.sort(weights * (ended - began)))
        return cls(cost, holds.free, max(int(columns.t[-1]), 1))

    def hits(self, pool_bytes: float) -> int:
        """Loads that can be served with ``pool_bytes`` in the mean."""
        budget = pool_bytes * self.duration
        return self.free + int(np.searchsorted(self.cost, budget * (1 + 1e-12), "right"))

    def pool_bytes(self, hits: int) -> float:
        """The least memory in the mean, in bytes, with which so many loads can be served; inf: none is."""
        wanted = hits - self.free
        if wanted <= 0:
            return 0.0
        return float(self.cost[wanted - 1]) / self.duration if wanted <= len(self.cost) else float("inf")
