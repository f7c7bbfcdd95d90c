"""senpai: reclaim a little as long as nothing stalls."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..interface import (
    ACCEPT,
    KEEP,
    REJECT,
    Policy,
    hook,
    limit_pages,
    oldest,
    param,
    push_tail,
    register,
    unlink,
    write_back,
)

LIMIT, INTERVAL_NS, RATIO, PRESSURE, MOST = range(5)
DISK_LOADS, CREDIT = range(2)
_UNIT = 1_000_000  # a page of credit


@hook
def store(w: Any, page: int) -> int:
    """Take the page in while there is room."""
    h = w.host
    if h.pool_pages >= w.p[LIMIT] and not h.accesses:
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
    interval = int(w.p[INTERVAL_NS])
    periods = (h.now - h.wake) // interval + 1
    h.wake += periods * interval
    stalled = (h.loads_disk - own[DISK_LOADS]) * h.disk_latency_ns / (periods * interval)
    own[DISK_LOADS] = h.loads_disk
    room = max(0.0, 1.0 - stalled / w.p[PRESSURE]) if w.p[PRESSURE] > 0 else 0.0
    for _ in range(periods if h.pool_pages > 0 and room > 0 else 0):
        share = min(w.p[RATIO] * room, w.p[MOST])
        own[CREDIT] += int(_UNIT * share * h.pool_pages)
        while own[CREDIT] >= _UNIT:
            victim = oldest(w, 0)
            if victim < 0:
                own[CREDIT] = 0
                break
            before = h.pool_pages
            write_back(w, victim, False)
            own[CREDIT] -= _UNIT * (before - h.pool_pages)
    return 0


@register("proactive.senpai")
@dataclass(frozen=True)
class Senpai(Policy):
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
    max_pool_pages: int = param(
        0, "pool limit in pages, instead of the percentage; 0 = unset", unit="pages", low=0
    )
    interval: int = param(6, "period", unit="s", low=1, high=3600)
    reclaim_ratio: float = param(0.0005, "share reclaimed a period without pressure", low=0, high=1)
    psi_threshold: float = param(0.1, "pressure at which nothing is", unit="percent of time", low=0, high=100)
    max_step: float = param(0.01, "largest share reclaimed in a period", low=0, high=1)

    sources = (
        "J. Weiner et al., TMO: transparent memory offloading in datacenters, ASPLOS 2022, section 3.3",
        "facebookincubator/senpai (reclaim by memory.reclaim, at most 1 % a step)",
    )
    takes_accesses = True
    store = store
    load = load
    wake = wake

    def numbers(self, ram_pages: int) -> Sequence[float]:
        """The limit in pages; period in ns; the shares."""
        return (
            limit_pages(self, ram_pages),
            1e9 * self.interval,
            self.reclaim_ratio,
            self.psi_threshold / 100,
            self.max_step,
        )

    def first_wake(self) -> int:
        """The end of the first period."""
        return self.interval * 10**9

    def with_pool(self, pool_bytes: int, ram_bytes: int) -> "Senpai":
        """The same, limited to ``pool_bytes``."""
        return replace(self, max_pool_pages=pool_bytes // 4096)
