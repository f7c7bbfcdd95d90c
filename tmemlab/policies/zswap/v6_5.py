"""zswap as of Linux 6.5, with a list of its own."""

from dataclasses import dataclass
from typing import Any

from ..interface import ACCEPT, DROP, KEEP, REJECT, hook, oldest, push_tail, register, unlink, write_back
from .eras import (
    Era,
    WorkerOwn,
    can_accept,
    exclusive_param,
    fits,
    is_full,
    page_param,
    queue_worker,
    same_filled_param,
    sleep_or_go_on,
    start_param,
    threshold_param,
    visit_param,
    wrote,
    zpool_param,
)


@hook
def store(w: Any, page: int) -> int:
    """Closed above the limit until below the threshold; every rejection queues the worker."""
    own = w.own
    if is_full(w):
        w.host.limit_hits += 1
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
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """The entry becomes the newest, or goes with exclusive loads."""
    if w.p.exclusive_loads:
        return DROP
    unlink(w, page)
    push_tail(w, 0, page)
    return KEEP


@hook
def wake(w: Any, page: int) -> int:
    """shrink_worker: entries, oldest first, until the pool accepts again or is empty."""
    h, own = w.host, w.own
    now = h.now
    while own.working and own.clock <= now:
        h.now = own.clock  # its writes are queued at its own time
        victim = oldest(w, 0)
        if victim < 0:
            own.working = 0
            break
        write_back(w, victim, False)
        own.clock += w.p.visit_ns
        wrote(w, 1)
        if can_accept(w):
            own.working = 0
    h.now = now
    return sleep_or_go_on(w)


@register("zswap.v6_5")
@dataclass(frozen=True)
class Zswap65(Era):
    """zswap of 6.5 and 6.6: an LRU list of entries, and a worker that drains the pool to its threshold.

    A store that finds the pool above ``max_pool_percent`` is rejected, and so are all until it is below
    ``accept_threshold_percent`` of that; each rejection queues the worker, which writes back the least
    recently used entries until the pool accepts again. Loads keep the entry and make it the newest, or
    remove it with ``exclusive_loads=on``. The 16 failures that end a run never come here, because nothing
    makes a writeback fail. The 32 pools over which 6.6 spreads zsmalloc's objects are one here.
    """

    accept_threshold_percent: float = threshold_param()
    zpool: str = zpool_param("zbud")
    same_filled_pages_enabled: str = same_filled_param()
    exclusive_loads: str = exclusive_param()
    worker_visit_us: float = visit_param()
    worker_page_us: float = page_param()
    worker_start_us: float = start_param()

    since = (6, 5)
    keeps_incompressible = False
    sources = (
        "Linux 6.5 mm/zswap.c:zswap_frontswap_store, zswap_frontswap_load, shrink_worker, zswap_reclaim_entry",
        "Linux 6.6 mm/zswap.c:zswap_store, zswap_load, shrink_worker",
    )
    own = WorkerOwn
    store = store
    load = load
    wake = wake
