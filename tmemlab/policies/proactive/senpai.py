"""senpai: reclaim a little as long as nothing stalls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..interface import (
    ACCEPT,
    KEEP,
    REJECT,
    LimitedPool,
    Registers,
    hook,
    oldest,
    param,
    push_tail,
    register,
    unlink,
    write_back,
)

_UNIT = 1_000_000  # a page of credit


class Own(Registers):
    """Registers."""

    disk_loads: int  # until the last period
    credit: int  # pages that are still to be reclaimed, times _UNIT


@hook
def store(w: Any, page: int) -> int:
    """Take the page in while there is room."""
    h = w.host
    if h.pool_pages >= w.p.limit and not h.accesses:
        h.limit_hits += 1
        return REJECT
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """A use makes the page the newest."""
    unlink(w, page)
    push_tail(w, 0, page)
    return KEEP


@hook
def wake(w: Any, page: int) -> int:
    """Once a period: the less of it was spent waiting for the disk, the more is reclaimed."""
    h, own = w.host, w.own
    interval = w.p.interval_ns
    periods = (h.now - h.wake) // interval + 1
    h.wake += periods * interval
    stalled = (h.loads_disk - own.disk_loads) * h.disk_latency_ns / (periods * interval)
    own.disk_loads = h.loads_disk
    room = max(0.0, 1.0 - stalled / w.p.stalled_share) if w.p.stalled_share > 0 else 0.0
    for _ in range(periods if h.pool_pages > 0 and room > 0 else 0):
        share = min(w.p.reclaim_ratio * room, w.p.max_step)
        own.credit += int(_UNIT * share * h.pool_pages)
        while own.credit >= _UNIT:
            victim = oldest(w, 0)
            if victim < 0:
                own.credit = 0
                break
            before = h.pool_pages
            write_back(w, victim, False)
            own.credit -= _UNIT * (before - h.pool_pages)
    return 0


@register("proactive.senpai")
@dataclass(frozen=True)
class Senpai(LimitedPool):
    """Memory is taken from the least recently used end, a little at a time, until there is pressure.

    Every ``interval`` seconds ``reclaim_ratio`` of the memory is reclaimed, less in proportion as the
    share of time stalled for memory comes near ``psi_threshold``, and nothing above it. A load makes its
    page the newest.

    As with ``proactive.cold_age``, the pool is RAM itself for an access trace, which is what senpai works
    on, and the pool of compressed pages, shrunk to disk, for a swap trace. Pressure is the time that reads
    from disk took in the last period as a share of it, as if one task waited at a time: an upper bound of
    the kernel's "some". The kernel's ten-second average is the period's own here, and memory.high is not
    touched: reclaim is asked for, as with memory.reclaim.
    """

    max_pool_percent: float = param(100.0, "pool limit for a swap trace", unit="percent of RAM", low=0, high=100)
    interval: int = param(6, "period", unit="s", low=1, high=3600)
    reclaim_ratio: float = param(0.0005, "share reclaimed a period without pressure", low=0, high=1)
    psi_threshold: float = param(0.1, "pressure at which nothing is", unit="percent of time", low=0, high=100)
    max_step: float = param(0.01, "largest share reclaimed in a period", low=0, high=1)

    sources = (
        "J. Weiner et al., TMO: transparent memory offloading in datacenters, ASPLOS 2022, section 3.3",
        "facebookincubator/senpai (reclaim by memory.reclaim, at most 1 % a step)",
    )
    own = Own
    takes_accesses = True
    store = store
    load = load
    wake = wake

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """The limit; the period in ns; the threshold as a share."""
        own = {"interval_ns": self.interval * 10**9, "stalled_share": self.psi_threshold / 100}
        return {**super().derived(ram_pages), **own}

    def first_wake(self) -> int:
        """The end of the first period."""
        return self.interval * 10**9
