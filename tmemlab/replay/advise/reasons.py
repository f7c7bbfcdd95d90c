"""Why: what the pool needs and what may stay, measured by tmemlab/replay/size and not by any setting."""

from dataclasses import dataclass
from typing import Any

from ...units import PAGE_SIZE
from ..size.band import make_grid, measure_band
from ..size.need import measure_need
from ..size.room import measure_room
from .cases import Case

HITS = 0.99
WINDOWS = 60


@dataclass(frozen=True)
class Reasons:
    """Need and room of one trace on its host; bytes."""

    trace: str
    hits: float
    """The share of loads that need is for: :data:`HITS`, or what any pool can have where that is less."""
    need_mean: float
    need_max: float
    room_min: float | None
    """What may stay at every moment at which any pool may; None: not known, or there is no such moment."""
    conflict_share: float | None
    """Of the time: need is more than room, so that no size is right."""
    lost_share: float | None
    """Of the time: a storm is not survived without any pool either."""

    def as_json(self) -> dict[str, Any]:
        """An element of ``reasons`` in ``tmemlab.advise/1``."""
        return {
            "trace": self.trace, "hits": self.hits,
            "need_bytes": {"mean": self.need_mean, "max": self.need_max}, "room_bytes_min": self.room_min,
            "conflict_share": self.conflict_share, "lost_share": self.lost_share,
        }  # fmt: skip


def measure(case: Case, fraction: float) -> Reasons:
    """Need for :data:`HITS`, and room in storms that lock ``fraction`` of RAM."""
    columns, host = case.columns, case.host
    need = measure_need(columns, host, HITS)
    grid = make_grid(columns, host, -(-(int(columns.t[-1]) + 1) // WINDOWS))
    room = measure_room(columns, host, fraction, grid.edges) if case.has_host else None
    band = measure_band(columns, need, room, grid)
    occupancy = need.occupancy
    return Reasons(
        str(case.trace.path),
        min(HITS, 1.0 if need.hit_rate is None else need.hit_rate),
        occupancy.mean(int(columns.t[-1])) * PAGE_SIZE,
        int(occupancy.pages.max(initial=0)) * PAGE_SIZE,
        None if band.least_room is None else band.least_room * PAGE_SIZE,
        band.conflict_share,
        band.lost_share,
    )
