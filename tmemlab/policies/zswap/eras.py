"""What the kernels' versions of zswap before 6.12 share; each policy file says what differs.

Three designs follow each other. Up to 6.4 the allocator keeps the order, and what leaves is one of its pages
with all the objects in it. In 6.5 and 6.6 zswap has one list of entries itself. From 6.8 on each memory
cgroup has one. Facts common to all: an old copy never survives a new store, and writeback goes, decompressed,
to the entry's own slot, which stays allocated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ...kernels import SHRINK_BATCH
from ...units import pages_within
from ..interface import (
    ASKED,
    NEVER,
    ORDINARY,
    REFUSED,
    Allocator,
    PercentPool,
    Registers,
    oldest,
    param,
    write_back,
)


class WorkerOwn(Registers):
    """Registers of the versions that have a worker."""

    full: int  # 1: stores are rejected
    working: int  # 1: the worker is queued or at work
    clock: int  # the worker's time, ns
    failures: int  # in its run


@inner
def fits(w: Any, page: int) -> bool:
    """Whether compressor and allocator take the page: up to 6.14 one that does not compress is rejected."""
    clen = w.pages[page].clen
    return bool(clen < 4096 and w.class_of[clen] != REFUSED)


@inner
def queue_worker(w: Any) -> None:
    """queue_work(): nothing happens if it is queued or at work."""
    own = w.own
    if not own.working:
        own.working = 1
        own.failures = 0
        own.clock = w.host.now + w.p.start_ns
        w.host.wake = own.clock


@inner
def wrote(w: Any, pages: int) -> None:
    """The worker's time moves on by so many writes; a full device queue makes it wait."""
    h, own = w.host, w.own
    own.clock += pages * w.p.page_ns
    if h.disk_busy - h.disk_queue_ns > own.clock:
        own.clock = h.disk_busy - h.disk_queue_ns


@inner
def can_accept(w: Any) -> bool:
    """zswap_can_accept(): strictly below the threshold."""
    return bool(w.host.pool_pages < w.p.threshold)


@inner
def is_full(w: Any) -> bool:
    """zswap_is_full(): strictly above the limit, up to 6.9."""
    return bool(w.host.pool_pages > w.p.limit)


@inner
def oldest_anywhere(w: Any) -> int:
    """The oldest entry of the first cgroup that has one."""
    for which in range(w.host.cgroups):
        victim = oldest(w, which)
        if victim >= 0:
            return victim
    return -1


@inner
def protect(w: Any) -> None:
    """One entry more is protected; half of them when they are more than a quarter of all [6.8 zswap_lru_add]."""
    own = w.own
    own.protected += 1
    if own.protected > w.host.pool_count // 4:
        own.protected //= 2


@inner
def shrink_slab(w: Any, priority: int) -> int:
    """do_shrink_slab with the count and scan of 6.8 to 6.11; pages of RAM given back.

    Entries are protected by lookups and additions, counted over the whole pool here, per cgroup and node in
    the kernel. A read from disk protects one as well [swap_state.c: zswap_folio_swapin].
    """
    h, own = w.host, w.own
    before = h.pool_pages
    own.protected += h.loads_disk - own.disk_loads
    own.disk_loads = h.loads_disk
    if h.pool_count == 0:
        return 0
    freeable = max(0, h.pool_count - own.protected) * h.pool_bytes // (h.pool_count * 4096)
    if freeable == 0:
        return 0
    delta = 2 * (freeable >> priority)
    total = min((own.deferred >> priority) + delta, 2 * freeable)
    scanned = 0
    while total >= SHRINK_BATCH or (total >= freeable and total > 0):
        batch = min(SHRINK_BATCH, total)
        if own.protected >= h.pool_count - batch:
            break  # SHRINK_STOP
        for _ in range(batch):
            victim = oldest_anywhere(w)
            if victim < 0:
                break
            write_back(w, victim, False)
        total -= batch
        scanned += batch
    own.deferred = min(max(own.deferred + delta - scanned, 0), 2 * freeable)
    return int(before - h.pool_pages)


@inner
def sleep_or_go_on(w: Any) -> int:
    """Set the next wake of a worker."""
    w.host.wake = w.own.clock if w.own.working else NEVER
    return 0


def threshold_param() -> Any:
    """accept_threshold_percent, since 5.6."""
    return param(
        90.0,
        "a full pool accepts again at this share of its limit; 100 = no hysteresis",
        unit="percent of the limit",
        low=0,
        high=100,
        kernel="accept_threshold_percent",
    )


def same_filled_param() -> Any:
    """same_filled_pages_enabled, 5.6 to 6.9."""
    return param(
        "on",
        "pages of one repeated value take no memory",
        choices=("on", "off"),
        kernel="same_filled_pages_enabled",
    )


def exclusive_param() -> Any:
    """exclusive_loads, 6.5 to 6.8."""
    return param("off", "a load removes the entry", choices=("off", "on"), kernel="exclusive_loads")


def zpool_param(default: str) -> Any:
    """The allocator, a parameter up to 6.14."""
    return param(default, "the allocator", choices=("zbud", "z3fold", "zsmalloc"), kernel="zpool")


def visit_param() -> Any:
    """Time to look at an entry."""
    return param(0.5, "time the worker takes to look at an entry", unit="us", low=0, high=1e6)


def page_param() -> Any:
    """Time to write an entry."""
    return param(60.0, "time it takes to write one back", unit="us", low=0, high=1e6)


def start_param() -> Any:
    """Time until the worker runs."""
    return param(50.0, "from a rejected store until the worker runs", unit="us", low=0, high=1e6)


@dataclass(frozen=True)
class Era(PercentPool):
    """zswap with its limit; the versions add what they had."""

    max_pool_percent: float = param(
        20.0, "pool limit", unit="percent of RAM", low=0, high=100, kernel="max_pool_percent"
    )

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """Limit and threshold in pages; the worker's times in ns; whether the allocator can evict."""
        accept = getattr(self, "accept_threshold_percent", 100.0)
        return {
            **super().derived(ram_pages),
            "threshold": pages_within(pages_within(ram_pages, accept), self.max_pool_percent),
            "visit_ns": int(1e3 * getattr(self, "worker_visit_us", 0.0)),
            "page_ns": int(1e3 * getattr(self, "worker_page_us", 0.0)),
            "start_ns": int(1e3 * getattr(self, "worker_start_us", 0.0)),
            "evicts": self.allocator().kind != "zsmalloc",
        }

    def zeros(self) -> int:
        """Asked where same-filled pages are known and switched on; else they are pages like others."""
        return ASKED if getattr(self, "same_filled_pages_enabled", "off") == "on" else ORDINARY

    def allocator(self) -> Allocator:
        """By the zpool parameter, with what the version adds to each object."""
        return Allocator(getattr(self, "zpool", "zbud"))
