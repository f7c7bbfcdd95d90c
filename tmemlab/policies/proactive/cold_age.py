"""A cold-age threshold held to a promotion rate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...compiled import njit
from ..interface import (
    ACCEPT,
    DISK,
    KEEP,
    LISTS,
    POOL,
    REJECT,
    Policy,
    hook,
    limit_pages,
    param,
    push_tail,
    register,
    write_back,
)

LIMIT, SCAN_NS, TARGET, PERCENTILE, WARMUP_NS = range(5)
TICKS, THRESHOLD, DISK_LOADS = range(3)
AGES = 256
SEEN, BESTS, USED = 16, 16 + AGES, 16 + 2 * AGES
"""First registers: uses in this period by age; best thresholds so far; a time a page, ns."""


@njit(cache=True)
def _count_use(w: Any, page: int) -> None:
    age = (w.host.now - w.own[USED + page]) // int(w.p[SCAN_NS])
    w.own[SEEN + min(age, AGES - 1)] += 1


@njit(cache=True)
def _working_set(w: Any) -> int:
    """Pages used in the last period; for a swap trace, memory in use without page cache."""
    h = w.host
    if h.accesses == 0:
        return int(h.ram - h.base_free - h.file)
    used = 0
    for page in range(w.pages.shape[0] - LISTS):
        if w.pages[page].place == POOL and h.now - w.own[USED + page] < w.p[SCAN_NS]:
            used += 1
    return used


@njit(cache=True)
def _best_threshold(w: Any) -> int:
    """The lowest age, in periods, that would have kept the promotions of this period within the target."""
    allowed = w.p[TARGET] * _working_set(w) * w.p[SCAN_NS] / 60e9
    promotions = 0
    best = AGES
    while best > 1 and promotions + w.own[SEEN + best - 1] <= allowed:
        promotions += w.own[SEEN + best - 1]
        best -= 1
    return min(best, AGES - 1)


@njit(cache=True)
def _percentile(w: Any) -> int:
    """The threshold that so many of the periods until now would have been content with."""
    wanted = w.p[PERCENTILE] * w.own[TICKS]
    below = 0
    for age in range(AGES):
        below += w.own[BESTS + age]
        if below >= wanted:
            return age
    return AGES - 1


@hook
def store(w: Any, page: int) -> int:
    """Take the page in while there is room; a page that was cold and comes back is a promotion."""
    h = w.host
    if h.accesses and w.pages[page].place == DISK:
        _count_use(w, page)
    w.own[USED + page] = h.now
    if h.pool_pages >= w.p[LIMIT] and not h.accesses:
        h.limit_hits += 1
        return REJECT
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """A use, counted by the age that it ends."""
    _count_use(w, page)
    w.own[USED + page] = w.host.now
    return KEEP


@hook
def wake(w: Any, page: int) -> int:
    """Once a period: set the threshold from what was seen, then move what is older."""
    h, own = w.host, w.own
    scan = int(w.p[SCAN_NS])
    if h.accesses == 0 and own[THRESHOLD] > 0:  # what is read from disk had been cold for at least that long
        own[SEEN + own[THRESHOLD]] += h.loads_disk - own[DISK_LOADS]
    own[DISK_LOADS] = h.loads_disk
    best = _best_threshold(w)
    for age in range(AGES):
        own[SEEN + age] = 0
    own[TICKS] += 1
    own[BESTS + best] += 1
    own[THRESHOLD] = max(best, _percentile(w))
    if h.now >= w.p[WARMUP_NS]:
        for cold in range(w.pages.shape[0] - LISTS):
            if w.pages[cold].place == POOL and h.now - own[USED + cold] >= own[THRESHOLD] * scan:
                write_back(w, cold, False)
    h.wake += (h.now - h.wake) // scan * scan + scan
    return 0


@register("proactive.cold_age")
@dataclass(frozen=True)
class ColdAge(Policy):
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
    max_pool_pages: int = param(
        0, "pool limit in pages, instead of the percentage; 0 = unset", unit="pages", low=0
    )
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
    takes_accesses = True
    store = store
    load = load
    wake = wake

    def numbers(self, ram_pages: int) -> Sequence[float]:
        """The limit in pages; period in ns; the target as a share; the percentile as a share; warm-up in ns."""
        return (
            limit_pages(self, ram_pages),
            1e9 * self.scan_interval,
            self.promotion_rate_target / 100,
            self.percentile / 100,
            1e9 * self.warmup,
        )

    def registers(self, total_pages: int) -> int:
        """Two histograms and a time a page."""
        return USED + total_pages

    def first_wake(self) -> int:
        """The end of the first period."""
        return self.scan_interval * 10**9

    def with_pool(self, pool_bytes: int, ram_bytes: int) -> "ColdAge":
        """The same, limited to ``pool_bytes``."""
        return replace(self, max_pool_pages=pool_bytes // 4096)
