"""What ``tmemlab size`` tells, and its document."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...datasets.trace.read import Trace
from ...units import PAGE_SIZE
from ...world.host import Host
from ..inputs.columns import Columns
from ..scores.row import StormPlan
from .band import Band
from .fixed import Fixed
from .judged import Judged
from .need import Need
from .unknown import unknown


@dataclass(frozen=True)
class Size:
    """The right size of a pool over one trace on one host; sizes in pages where nothing else is said."""

    trace: Trace
    columns: Columns
    host: Host
    hits: float
    """The share of the loads that must be hits."""
    plan: StormPlan
    """The fraction of RAM that a storm locks; and how many storms measured P(OOM)."""
    need: Need
    survivable: float | None
    """The share of RAM that can be locked at the worst moment if there is no pool; None: not known."""
    band: Band
    fixed: Fixed | None
    """The smallest LRU pool of fixed size with the hits; None: there is none."""
    best: Fixed | None
    """The best of fixed size: the same where there is always room for it; else the largest that always has room.
    None: not known, or no pool has room."""
    judged: list[Judged]
    group_bytes: int | None
    """The limit of the memory cgroup that the trace was recorded in; None: of the host."""

    @property
    def duration(self) -> int:
        """ns."""
        return int(self.columns.t[-1])

    @cached_property
    def need_mean(self) -> float:
        """Pages, over time."""
        return self.need.occupancy.mean(self.duration)

    @property
    def need_max(self) -> int:
        """Pages."""
        return int(self.need.occupancy.pages.max(initial=0))

    @property
    def room_min(self) -> int | None:
        """The smallest room of all; 0 where there is none at some moment."""
        room = self.band.room
        return None if room is None else max(int(room.min()), 0)

    @property
    def unknown(self) -> list[str]:
        """What cannot be known, in sentences."""
        return unknown(self.trace, self.host, self.group_bytes)

    def as_json(self) -> dict[str, Any]:
        """The document ``tmemlab.size/1``."""
        manifest = self.trace.manifest
        return {
            "schema": "tmemlab.size/1",
            "trace": {
                "path": str(self.trace.path), "kind": manifest.kind, "events": self.columns.events,
                "loads": self.columns.loads, "duration_s": self.duration / 1e9,
                "kernel": manifest.kernel.release, "ram_bytes": manifest.ram_bytes,
                "group_bytes": self.group_bytes,
            },
            "config": {
                "ram_bytes": self.host.ram * PAGE_SIZE, "hits": self.hits, "storm_fraction": self.plan.fraction,
                "window_s": int(self.band.grid.edges[1]) / 1e9, "storms": self.plan.storms,
                "seed": self.plan.seed, "disk": self.host.disk.name,
            },
            "windows": self._windows(),
            "summary": self._summary(),
            "fixed": {
                "smallest": self.fixed.as_json() if self.fixed else None,
                "best": self.best.as_json() if self.best else None,
            },
            "policies": [judged.as_json() for judged in self.judged],
            "unknown": self.unknown,
        }  # fmt: skip

    def _windows(self) -> list[dict[str, Any]]:
        need, room = self.band.windows()
        return [
            {
                "t_s": int(self.band.grid.edges[i]) / 1e9,
                "loads": int(self.band.loads[i]),
                "need_bytes": int(need[i]) * PAGE_SIZE,
                "room_bytes": None if room is None else int(room[i]) * PAGE_SIZE,
                "release_bytes": release.pages * PAGE_SIZE if release else 0,
                "release_s": release.ns / 1e9 if release else None,
            }
            for i, release in enumerate(self.band.releases)
        ]

    def _summary(self) -> dict[str, Any]:
        band = self.band
        _, room = band.windows()
        largest, fastest = band.largest_release, band.fastest_release
        known = room is not None
        return {
            "hit_rate": self.need.hit_rate,
            "need_bytes": {"mean": self.need_mean * PAGE_SIZE, "max": self.need_max * PAGE_SIZE},
            "room_bytes": {
                "min": int(room.min()) * PAGE_SIZE if room is not None else None,
                "p50": float(np.median(room)) * PAGE_SIZE if room is not None else None,
            },
            "fixed_bytes": self.fixed.pages * PAGE_SIZE if self.fixed else None,
            "conflict_share": band.conflict_share,
            "lost_share": band.lost_share,
            "survivable_fraction": self.survivable,
            "release_bytes": (largest.pages if largest else 0) * PAGE_SIZE if known else None,
            "release_bytes_per_s": (fastest.pages_per_s if fastest else 0.0) * PAGE_SIZE if known else None,
        }
