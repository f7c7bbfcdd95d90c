"""Regret: how long, and by how much, a policy's pool is outside of the band between need and room.

Too large: above room, a storm at that moment kills unless the policy gives back in time. Too small: below need,
other loads must make up for those that it will miss. Where need is more than room no size is right, and one
between the two is not held against a policy: what it must do there is give back. A pool that follows the band
has no regret.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...policies.interface import Policy
from ...units import PAGE_SIZE
from ...world.host import Host
from ...world.stack import parse_stack
from ..inputs.columns import Columns
from ..loops.choose import Run, make_loop
from ..loops.state import State
from .band import Band
from .room import NO_ROOM


@dataclass(frozen=True)
class Side:
    """One side of the band; None of all where that side is not known."""

    share: float
    """Of the time."""
    pages_mean: float
    """How far outside, over the time that it is outside; 0 if never."""
    pages_max: int


@dataclass(frozen=True)
class Regret:
    """Of one policy."""

    outside_share: float
    over: Side | None
    under: Side

    def as_json(self) -> dict[str, float | None]:
        """``regret`` of ``tmemlab.size/1``."""
        over = self.over
        return {
            "outside_share": self.outside_share,
            "over_share": over.share if over else None,
            "over_bytes_mean": over.pages_mean * PAGE_SIZE if over else None,
            "over_bytes_max": over.pages_max * PAGE_SIZE if over else None,
            "under_share": self.under.share,
            "under_bytes_mean": self.under.pages_mean * PAGE_SIZE,
            "under_bytes_max": self.under.pages_max * PAGE_SIZE,
        }


def _side(band: Band, pages: npt.NDArray[np.int64]) -> Side:
    """pages: (steps,), how far outside, 0 where inside."""
    outside, lasted = pages > 0, band.grid.lasted
    mean = float(np.average(pages[outside], weights=lasted[outside])) if outside.any() else 0.0
    return Side(band.share(outside), mean, int(pages.max()))


def measure_regret(band: Band, pool: npt.NDArray[np.int64]) -> Regret:
    """pool: (steps,), pages at each look of the band's grid."""
    if band.room is None:
        under = np.maximum(band.need_at - pool, 0)
        return Regret(band.share(under > 0), None, _side(band, under))
    known = band.room != NO_ROOM  # where no pool is small enough none can be blamed for its size
    over = np.where(known, np.maximum(pool - np.maximum(band.room, band.need_at), 0), 0)
    lower = np.where(known, np.minimum(band.room, band.need_at), band.need_at)
    under = np.maximum(lower - pool, 0)
    return Regret(band.share((over > 0) | (under > 0)), _side(band, over), _side(band, under))


def pool_over_time(
    columns: Columns,
    host: Host,
    policy: Policy,
    moments: npt.NDArray[np.int64],
    next_load: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """Pages of the policy's pool at each moment (ns, ascending), by a replay of what was stored and loaded."""
    text = policy.stack()
    stack = parse_stack(text, host.ram * PAGE_SIZE, host.disk.name, host.disk_unit) if text else None
    state = State.at_start(columns, host, policy, 0, stack, cache=columns.kind == "access")
    future = next_load if next_load is not None and policy.needs_future else np.zeros(0, np.int64)
    loop = make_loop(Run(columns, host, policy, state, future, False), None)
    pages, at = np.zeros(len(moments), np.int64), 0
    for number, moment in enumerate(moments.tolist()):
        at = loop.advance(at, moment)
        pages[number] = state.world.host.pool_pages
    return pages
