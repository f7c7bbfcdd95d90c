"""A cold-age threshold held to a promotion rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ..interface import (
    ACCEPT,
    DISK,
    KEEP,
    LISTS,
    POOL,
    REJECT,
    LimitedPool,
    Registers,
    Table,
    hook,
    param,
    push_tail,
    register,
    write_back,
)

AGES = 256


class Own(Registers):
    """Registers."""

    ticks: int  # periods until now
    threshold: int  # periods
    disk_loads: int  # until the last period
    seen = Table(AGES)  # uses in this period, by age
    bests = Table(AGES)  # best thresholds so far
    used = Table(per_page=1)  # when each page was used last, ns


@inner
def _count_use(w: Any, page: int) -> None:
    age = (w.host.now - w.own.used[page]) // w.p.scan_ns
    w.own.seen[min(age, AGES - 1)] += 1


@inner
def _working_set(w: Any) -> int:
    """Pages used in the last period; for a swap trace, memory in use without page cache."""
    h = w.host
    if h.accesses == 0:
        return int(h.ram - h.base_free - h.file)
    used = 0
    for page in range(w.pages.shape[0] - LISTS):
        if w.pages[page].place == POOL and h.now - w.own.used[page] < w.p.scan_ns:
            used += 1
    return used


@inner
def _best_threshold(w: Any) -> int:
    """The lowest age, in periods, that would have kept the promotions of this period within the target."""
    allowed = w.p.promoted_share * _working_set(w) * w.p.scan_ns / 60e9
    promotions = 0
    best = AGES
    while best > 1 and promotions + w.own.seen[best - 1] <= allowed:
        promotions += w.own.seen[best - 1]
        best -= 1
    return min(best, AGES - 1)


@inner
def _percentile(w: Any) -> int:
    """The threshold that so many of the periods until now would have been content with."""
    wanted = w.p.content_share * w.own.ticks
    below = 0
    for age in range(AGES):
        below += w.own.bests[age]
        if below >= wanted:
            return age
    return AGES - 1


@hook
def store(w: Any, page: int) -> int:
    """Take the page in while there is room; a page that was cold and comes back is a promotion."""
    h = w.host
    if h.accesses and w.pages[page].place == DISK:
        _count_use(w, page)
    w.own.used[page] = h.now
    if h.pool_pages >= w.p.limit and not h.accesses:
        h.limit_hits += 1
        return REJECT
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """A use, counted by the age that it ends."""
    _count_use(w, page)
    w.own.used[page] = w.host.now
    return KEEP


@hook
def wake(w: Any, page: int) -> int:
    """Once a period: set the threshold from what was seen, then move what is older."""
    h, own = w.host, w.own
    scan = w.p.scan_ns
    if h.accesses == 0 and own.threshold > 0:  # what is read from disk had been cold for at least that long
        own.seen[own.threshold] += h.loads_disk - own.disk_loads
    own.disk_loads = h.loads_disk
    best = _best_threshold(w)
    for age in range(AGES):
        own.seen[age] = 0
    own.ticks += 1
    own.bests[best] += 1
    own.threshold = max(best, _percentile(w))
    if h.now >= w.p.warmup_ns:
        for cold in range(w.pages.shape[0] - LISTS):
            if w.pages[cold].place == POOL and h.now - own.used[cold] >= own.threshold * scan:
                write_back(w, cold, False)
    h.wake += (h.now - h.wake) // scan * scan + scan
    return 0


@register("proactive.cold_age")
@dataclass(frozen=True)
class ColdAge(LimitedPool):
    """Pages that were not used for a while move one tier down; how long a while is follows the promotions.

    Every ``scan_interval`` the ages at which pages were used are looked at: the best threshold of the
    period is the lowest for which pages used at that age or above were at most
    ``promotion_rate_target`` percent of the working set a minute. The threshold that counts is the
    ``percentile``-th of all best thresholds until now, or the last one where that is higher. Pages older
    than it are moved out; nothing is in the first ``warmup`` seconds.

    In the paper pages move from RAM into zswap: an access trace is that, with RAM as the pool and a miss as
    a promotion. For a swap trace the same rules stand one tier lower, between pool and disk, because what
    enters the pool has been decided by the recorded kernel: stores are taken up to the limit, the working
    set is what is in use without page cache, and reads from disk count as promotions from the present
    threshold on. The paper's periods of 120 s are kept; its learned settings are not public.
    """

    max_pool_percent: float = param(100.0, "pool limit for a swap trace", unit="percent of RAM", low=0, high=100)
    scan_interval: int = param(120, "period of the age scan", unit="s", low=1, high=86400)
    promotion_rate_target: float = param(
        0.2, "promotions allowed", unit="percent of the working set a minute", low=0, high=100
    )
    percentile: float = param(98.0, "of the best thresholds so far", unit="percent", low=0, high=100)
    warmup: int = param(600, "nothing moves before", unit="s", low=0, high=10**6)

    sources = (
        "A. Lagar-Cavilla et al., Software-defined far memory in warehouse-scale computers, ASPLOS 2019,"
        " sections 4 and 5",
    )
    own = Own
    takes_accesses = True
    store = store
    load = load
    wake = wake

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """The limit; times in ns; percentages as shares."""
        own = {
            "scan_ns": self.scan_interval * 10**9,
            "warmup_ns": self.warmup * 10**9,
            "promoted_share": self.promotion_rate_target / 100,
            "content_share": self.percentile / 100,
        }
        return {**super().derived(ram_pages), **own}

    def first_wake(self) -> int:
        """The end of the first period."""
        return self.scan_interval * 10**9

    def acts_from(self) -> tuple[int, str]:
        """The first scan after the warm-up."""
        scans = max(-(-self.warmup // self.scan_interval), 1)
        return scans * self.scan_interval * 10**9, "its first scan after the warm-up"
