"""zswap as it came with Linux 3.11."""

from dataclasses import dataclass
from typing import Any

from .. import frames
from ..frames import added, evict_frame, settle
from ..interface import ACCEPT, REJECT, Allocator, hook, load_keeps, push_tail, register
from .eras import Era, fits, is_full


@hook
def store(w: Any, page: int) -> int:
    """Above the limit, write back one page of the allocator first; then store all the same."""
    settle(w)
    if is_full(w):
        w.host.limit_hits += 1
        if evict_frame(w) == 0:
            return REJECT
    if not fits(w, page):
        return REJECT
    push_tail(w, 0, page)
    added(w, page)
    return ACCEPT


@register("zswap.v3_11")
@dataclass(frozen=True)
class Zswap311(Era):
    """zswap from 3.11 to 4.10: a full pool writes back one zbud page within the store, and goes on storing.

    A store that finds more than ``max_pool_percent`` of RAM in the pool writes back both objects of the
    least recently filled zbud page and then stores, even when the pool is still above its limit; it rejects
    only when there was nothing to write back, or when the page compresses to more than 3960 bytes. There is
    no hysteresis and no worker. Loads keep the entry and move nothing. Pages of one repeated value are
    ordinary pages. The time that the storing task spends on writeback is not modelled.
    """

    since = (3, 11)
    keeps_incompressible = False
    sources = (
        "Linux 3.11 mm/zswap.c:zswap_frontswap_store, zswap_frontswap_load, zswap_writeback_entry",
        "Linux 3.11 mm/zbud.c:zbud_alloc, zbud_reclaim_page (LRU of pages, both objects leave)",
        "Linux 4.10 mm/zswap.c:zswap_frontswap_store, zswap_shrink (unchanged in what it decides)",
    )
    own = frames.Own
    store = store
    load = load_keeps

    def allocator(self) -> Allocator:
        """zbud, with the swap entry in front of each object."""
        return Allocator("zbud", header=8)
