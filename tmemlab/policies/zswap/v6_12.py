"""zswap as of Linux 6.12."""

from dataclasses import dataclass
from typing import Any

from ...compiled import njit
from ..interface import ACCEPT, REJECT, Allocator, hook, register, unlink
from . import v6_18
from .eras import fits, zpool_param

_store_of_6_18 = njit(cache=True)(v6_18.store.function)


@hook
def store(w: Any, page: int) -> int:
    """As in 6.18, but a page that does not compress, or not enough for the allocator, goes to disk."""
    verdict = _store_of_6_18(w, page)
    if verdict == ACCEPT and not fits(w, page):
        unlink(w, page)
        return REJECT
    return int(verdict)


@register("zswap.v6_12")
@dataclass(frozen=True)
class Zswap612(v6_18.Zswap618):
    """zswap of 6.12 to 6.14: second chance and exclusive loads, with a choice of allocators.

    The decisions are those of ``zswap.v6_18``: closed from the limit to the threshold, a worker that goes
    round the memory cgroups and takes second chances before it writes, loads that remove the entry, zero
    pages marked by the swap core. Two things differ: the allocator is a parameter, and a page that does not
    compress is rejected and goes to disk, where it loses its place in the order.
    """

    zpool: str = zpool_param("zsmalloc")

    since = (6, 12)
    keeps_incompressible = False
    sources = (
        "Linux 6.12 mm/zswap.c:zswap_check_limits, zswap_store, zswap_load, shrink_worker, shrink_memcg_cb",
        "Linux 6.12 mm/zswap.c:zswap_compress (compress_poor), zswap_shrinker_count",
        "Linux 6.12 mm/page_io.c:swap_writepage (zeromap)",
    )
    store = store

    def allocator(self) -> Allocator:
        """By the zpool parameter."""
        return Allocator(self.zpool)
