"""zswap as of Linux 6.8, with a list for each memory cgroup and a shrinker."""

from dataclasses import dataclass
from typing import Any

from ...kernels import DEF_PRIORITY, MAX_RECLAIM_RETRIES, SWAP_CLUSTER_MAX
from ..interface import ACCEPT, DROP, KEEP, REJECT, hook, oldest, param, push_tail, register, unlink, write_back
from .eras import (
    Era,
    WorkerOwn,
    can_accept,
    exclusive_param,
    fits,
    is_full,
    page_param,
    protect,
    queue_worker,
    same_filled_param,
    shrink_slab,
    sleep_or_go_on,
    start_param,
    threshold_param,
    visit_param,
    wrote,
    zpool_param,
)


class Own(WorkerOwn):
    """Registers."""

    cursor: int  # the cgroup that the worker visits next
    stores: int  # all there were
    protected: int  # entries that the shrinker leaves alone
    disk_loads: int  # of which it knows
    deferred: int  # entries that it still is to scan


@hook
def store(w: Any, page: int) -> int:
    """Closed above the limit until below the threshold; to the tail of the cgroup's list otherwise."""
    h, own = w.host, w.own
    if w.p.shrinker:
        own.stores += 1
        if own.stores % SWAP_CLUSTER_MAX == 0:
            shrink_slab(w, w.p.reclaim_priority)
    if is_full(w):
        h.limit_hits += 1
        own.full = 1
    elif own.full and can_accept(w):
        own.full = 0
    if own.full:
        queue_worker(w)
        return REJECT
    if w.pages[page].clen == 0:
        return ACCEPT
    if not fits(w, page):
        return REJECT
    push_tail(w, w.pages[page].cgroup % h.cgroups, page)
    protect(w)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """The entry becomes the newest of its list, or goes with exclusive loads; either way one is protected."""
    w.own.protected += 1
    if w.p.exclusive_loads:
        return DROP
    unlink(w, page)
    push_tail(w, w.pages[page].cgroup % w.host.cgroups, page)
    protect(w)
    return KEEP


@hook
def wake(w: Any, page: int) -> int:
    """shrink_worker: round the cgroups, an entry of each; an empty one is a failure, a full round another."""
    h, own = w.host, w.own
    now = h.now
    while own.working and own.clock <= now:
        h.now = own.clock  # its writes are queued at its own time
        if own.cursor >= h.cgroups:
            own.cursor = 0
            own.failures += 1
        else:
            victim = oldest(w, own.cursor)
            own.cursor += 1
            own.clock += w.p.visit_ns
            if victim < 0:
                own.failures += 1
            else:
                write_back(w, victim, False)
                wrote(w, 1)
        if own.failures == MAX_RECLAIM_RETRIES or can_accept(w):
            own.working = 0
    h.now = now
    return sleep_or_go_on(w)


@hook
def pressure(w: Any, need: int) -> int:
    """Global reclaim: the shrinker, where it is on, at rising urgency; nothing otherwise."""
    freed = 0
    if w.p.shrinker:
        for priority in range(DEF_PRIORITY, -1, -1):
            freed += shrink_slab(w, priority)
            if freed >= need:
                break
    return freed


@register("zswap.v6_8")
@dataclass(frozen=True)
class Zswap68(Era):
    """zswap of 6.8: a list for each memory cgroup, a worker that goes round them, and the shrinker.

    A store is rejected above ``max_pool_percent`` and from then on until the pool is below
    ``accept_threshold_percent`` of that; each rejection queues the worker, which takes the oldest entry of
    one cgroup after the other. A cgroup without entries counts as a failure, and so does the end of a
    round; sixteen end the run, so that one run writes back at most sixteen entries of a single cgroup.
    Loads keep the entry and make it the newest, or remove it with ``exclusive_loads=on``. With
    ``shrinker=on``, reclaim also writes back entries, except as many as were added, loaded or read from
    disk lately. Memory cgroups are on: without them a worker of these kernels writes back nothing.
    """

    accept_threshold_percent: float = threshold_param()
    shrinker: str = param("off", "reclaim shrinks the pool", choices=("off", "on"), kernel="shrinker_enabled")
    zpool: str = zpool_param("zsmalloc")
    same_filled_pages_enabled: str = same_filled_param()
    exclusive_loads: str = exclusive_param()
    worker_visit_us: float = visit_param()
    worker_page_us: float = page_param()
    worker_start_us: float = start_param()
    reclaim_priority: int = param(
        12, "priority at which a cgroup's own reclaim calls the shrinker", low=0, high=12, kernel="sc->priority"
    )

    since = (6, 8)
    keeps_incompressible = False
    sources = (
        "Linux 6.8 mm/zswap.c:zswap_store, zswap_load, shrink_worker, shrink_memcg, zswap_lru_add",
        "Linux 6.8 mm/zswap.c:zswap_shrinker_count, zswap_shrinker_scan, zswap_folio_swapin",
    )
    own = Own
    store = store
    load = load
    wake = wake
    pressure = pressure
