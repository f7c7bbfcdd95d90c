"""zswap as of Linux 5.6, with hysteresis."""

from dataclasses import dataclass
from typing import Any

from .. import frames
from ..frames import added, evict_frame, settle
from ..interface import ACCEPT, REJECT, Allocator, hook, load_keeps, push_tail, register
from .eras import (
    Era,
    WorkerOwn,
    can_accept,
    fits,
    is_full,
    queue_worker,
    same_filled_param,
    sleep_or_go_on,
    start_param,
    threshold_param,
    wrote,
    zpool_param,
)


class Own(WorkerOwn, frames.Own):
    """Registers."""


@hook
def store(w: Any, page: int) -> int:
    """Above the limit queue the worker and reject; then reject until the pool is below the threshold."""
    own = w.own
    if w.p.evicts:
        settle(w)
    if is_full(w):
        w.host.limit_hits += 1
        own.full = 1
        queue_worker(w)
        return REJECT
    if own.full:
        if not can_accept(w):
            return REJECT  # and nothing is queued
        own.full = 0
    if w.pages[page].clen == 0:
        return ACCEPT
    if not fits(w, page):
        return REJECT
    push_tail(w, 0, page)
    if w.p.evicts:
        added(w, page)
    return ACCEPT


@hook
def wake(w: Any, page: int) -> int:
    """shrink_worker: one page of the allocator, and no more."""
    own = w.own
    if own.working and own.clock <= w.host.now:
        if w.p.evicts:
            wrote(w, evict_frame(w))
        own.working = 0
    return sleep_or_go_on(w)


@register("zswap.v5_6")
@dataclass(frozen=True)
class Zswap56(Era):
    """zswap from 5.6 to 6.1: a full pool closes until it has drained below the threshold, mostly by itself.

    A store that finds the pool above ``max_pool_percent`` is rejected and queues the worker, which writes
    back one page of the allocator and stops. From then on stores are rejected, and queue nothing, until the
    pool is below ``accept_threshold_percent`` of the limit: it sits just under its limit until slots are
    freed, and everything new goes to disk. Loads keep the entry and move nothing. With ``zpool=zsmalloc``
    nothing is ever written back, because zsmalloc could not evict before 6.4. Pages of one repeated value
    take no memory, but are rejected like others while the pool is closed.
    """

    accept_threshold_percent: float = threshold_param()
    zpool: str = zpool_param("zbud")
    same_filled_pages_enabled: str = same_filled_param()
    worker_start_us: float = start_param()

    since = (5, 6)
    keeps_incompressible = False
    sources = (
        "Linux 5.6 mm/zswap.c:zswap_frontswap_store, zswap_can_accept, zswap_is_full, shrink_worker",
        "Linux 6.1 mm/zswap.c:zswap_frontswap_store (the second rejection does not queue the worker)",
        "Linux 5.10 mm/zbud.c:zbud_reclaim_page; mm/z3fold.c:z3fold_reclaim_page",
        "Linux 5.10 mm/zsmalloc.c:get_pages_per_zspage (chains of at most 4, no eviction)",
    )
    own = Own
    store = store
    load = load_keeps
    wake = wake

    def allocator(self) -> Allocator:
        """The swap entry is stored with the objects of allocators that evict."""
        if self.zpool == "zsmalloc":
            return Allocator("zsmalloc", chain=4, by_use=True)
        return Allocator(self.zpool, header=8)
