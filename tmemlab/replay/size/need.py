"""need(h): the memory that must be in the pool at each moment for a share h of all loads to be hits.

Each load is a span of time with a size (holds.py). The 1 - h of the loads that are dearest, bytes x time, are
given up; the others are played through the allocator. It looks into the future, as Belady does: of all choices
of as many loads this one takes the least memory in the mean, so no policy can take less over time and hit as
often. At a single moment one can, by giving up other loads.

That a page may only be stored again when it was written is left out: a load that was given up leaves a good
copy on disk, from which the kernel would read it the next time as well. So need is a lower bound, never too
large.
"""

from dataclasses import dataclass
from math import floor

import numpy as np
import numpy.typing as npt

from ...policies.bounds.unbounded import Unbounded
from ...policies.interface import Policy
from ...units import PAGE_SIZE
from ...world.host import Host
from ..curve.fill import class_weights
from ..inputs.columns import Columns
from .holds import Holds, find_holds
from .occupancy import Occupancy, occupancy_of


@dataclass(frozen=True)
class Need:
    """What has to be in the pool, over time."""

    wanted: float
    """The share of loads that was asked for."""
    hit_rate: float | None
    """The share that the kept holds serve; below ``wanted`` where no pool can have it; None without a load."""
    occupancy: Occupancy

    @property
    def reachable(self) -> bool:
        """Whether any pool can serve as many."""
        return self.hit_rate is None or self.hit_rate >= self.wanted - 1e-12


def kept_holds(
    holds: Holds, weights: npt.NDArray[np.int64], lasted: npt.NDArray[np.int64], share: float
) -> npt.NDArray[np.int64]:
    """Numbers of the holds that stay, ascending, when as many as ``share`` allows are given up, dearest first.

    weights: bytes a hold; lasted: ns. Of equally dear ones the later is given up.
    """
    may_miss = floor((1 - share) * holds.loads + 1e-9)
    given_up = min(max(may_miss - holds.unservable, 0), len(holds))
    cost = weights.astype(np.float64) * lasted
    return np.sort(np.argsort(cost, kind="stable")[: len(holds) - given_up])


def measure_need(columns: Columns, host: Host, share: float, policy: Policy | None = None) -> Need:
    """need(share) of a trace.

    policy: whose allocator holds the objects; zsmalloc where none is given. Of an access trace, whole pages of
    RAM.
    """
    holds = find_holds(columns)
    chosen = policy or Unbounded()
    began, ended = holds.times(columns.t)
    if columns.kind == "access":
        weights = np.full(len(holds), PAGE_SIZE, np.int64)
    elif chosen.allocator().kind == "packed":
        weights = holds.length.astype(np.int64)
    else:
        weights = class_weights(chosen.allocator())[holds.length].astype(np.int64)
    kept = kept_holds(holds, weights, ended - began, share)
    served = (len(kept) + holds.free) / holds.loads if holds.loads else None
    return Need(share, served, occupancy_of(holds, kept, columns, host, chosen))
