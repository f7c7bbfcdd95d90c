"""zswap after Linux 7.1: walks of 32 entries."""

from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ...kernels import MAX_RECLAIM_RETRIES
from ..interface import hook, oldest, param, push_tail, register, unlink, write_back
from . import v6_18
from .worker import end_run, is_due, next_visit, next_wake


@inner
def _visit(w: Any) -> None:
    """shrink_memcg: walk the head of one list; a failure when nothing of it was written."""
    own = w.own
    which = own.visits - 1
    own.visits = 0
    visited = written = 0
    while visited < w.p.nr_to_walk:
        entry = oldest(w, which)
        if entry < 0:
            break
        visited += 1
        if w.pages[entry].mark:
            w.pages[entry].mark = 0
            unlink(w, entry)
            push_tail(w, which, entry)
            continue
        write_back(w, entry, False)
        written += 1
    own.attempts += 1
    own.failures += written == 0


@hook
def wake(w: Any, page: int) -> int:
    """shrink_worker of 6.18 with longer visits."""
    h, own = w.host, w.own
    now = h.now
    while is_due(w, now):
        h.now = own.clock  # its writes are queued at its own time
        if own.visits:
            _visit(w)
        else:
            next_visit(w, w.p.nr_to_walk)
            if own.visits:
                continue
        if own.failures == MAX_RECLAIM_RETRIES or h.pool_pages <= w.p.threshold:
            end_run(w)
    h.now = now
    h.wake = next_wake(w)
    return 0


@register("zswap.next")
@dataclass(frozen=True)
class ZswapNext(v6_18.Zswap618):
    """zswap of the memory-management tree after 7.1: the worker looks at 32 entries a visit, not at one.

    Everything is as in ``zswap.v6_18`` but for the visit of a memory cgroup: the worker walks up to
    ``nr_to_walk`` entries from the head of its list, clearing second chances and writing back what has
    none, and the visit fails only when nothing was written. The first time that the limit is reached every
    entry has its second chance, so the first write comes after about a thirty-second of the runs, each
    begun by a rejected store, that 6.12 to 7.1 need. No release is known that has this. A walk is not
    interrupted at the threshold. Loads always remove the entry; that the tree writes back without memory
    cgroups as well makes no difference here.
    """

    nr_to_walk: int = param(
        32, "entries a visit looks at", unit="entries", low=1, high=4096, kernel="SWAP_CLUSTER_MAX"
    )

    sources = (
        "linux-mm tree after 7.1.5, mm/zswap.c (blob 008bbb62):shrink_worker, shrink_memcg",
        "Linux 7.1 mm/zswap.c:zswap_load (always exclusive)",
        "Linux 7.1 mm/list_lru.c:__list_lru_walk_one (rotated entries can be met again)",
    )
    wake = wake
