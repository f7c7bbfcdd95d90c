"""The scores of one policy over one trace: one row of every table."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .oom import OomRisk


@dataclass(frozen=True)
class StormPlan:
    """How many storms, how large, and where the dice fall."""

    storms: int = 100
    fraction: float = 0.9
    seed: int = 1


@dataclass(frozen=True)
class Score:
    """Scores of one policy over one trace. Sizes in bytes, shares of one, times as named."""

    name: str
    params: dict[str, Any]
    loads: dict[str, int]
    stores: dict[str, int]
    writeback: dict[str, int]
    pool_bytes: dict[str, float]
    ram_saved_bytes: dict[str, float]
    device_bytes: dict[str, int]
    load_latency_us: dict[str, float | None]
    cpu_s: dict[str, float]
    oom: OomRisk
    levels: list[dict[str, Any]]
    """The backing stores of a stack, from top to bottom, without the pool."""
    headroom_bytes: float
    """Free memory and page cache above the min watermark, at the worst 1 % of the samples, no storm."""
    resident: dict[str, float] | None
    """What the resident set of a closed loop did; None for an open one."""
    calls: dict[str, Any] | None
    """Calls into the pool's owner by batch size, where asked for."""
    limit_hits: int
    pressure: dict[str, int]
    events_per_s: float
    series: npt.NDArray[np.int64] = field(repr=False)
    """A row a sample: free pages, page cache, pool pages, pages stored."""
    found: npt.NDArray[np.uint8] = field(repr=False)
    """Where each event's page went or was found; empty unless asked for."""

    @property
    def hit_rate(self) -> float | None:
        """Loads served from this host's RAM over all loads."""
        total = sum(self.loads.values())
        return self.hits / total if total else None

    @property
    def hits(self) -> int:
        """Loads served from this host's RAM."""
        return int(self.loads["pool"] + self.loads["zero"] + self.loads["resident"])

    def as_json(self) -> dict[str, Any]:
        """One element of ``policies`` in ``tmemlab.replay/1``."""
        return {
            "name": self.name,
            "params": self.params,
            "hit_rate": self.hit_rate,
            "loads": self.loads,
            "stores": self.stores,
            "writeback": self.writeback,
            "pool_bytes": self.pool_bytes,
            "ram_saved_bytes": self.ram_saved_bytes,
            "device_bytes": self.device_bytes,
            "load_latency_us": self.load_latency_us,
            "cpu_s": self.cpu_s,
            "levels": self.levels,
            "resident": self.resident,
            "calls": self.calls,
            "oom": self.oom.as_json(),
            "headroom_bytes": {"p1": self.headroom_bytes},
            "limit_hits": self.limit_hits,
            "pressure": self.pressure,
            "events_per_s": self.events_per_s,
        }
