"""frontswap over a pool of fixed size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..interface import ACCEPT, DROP, KEEP, REJECT, Policy, hook, limit_pages, param, push_tail, register

LIMIT, EXCLUSIVE = range(2)


@hook
def store(w: Any, page: int) -> int:
    """Take the page while there is room; an accepted page is guaranteed until it is flushed."""
    if w.host.pool_pages >= w.p[LIMIT]:
        w.host.limit_hits += 1
        return REJECT
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """Non-destructive unless exclusive gets are on."""
    return DROP if w.p[EXCLUSIVE] != 0 else KEEP


@register("tmem.frontswap")
@dataclass(frozen=True)
class Frontswap(Policy):
    """A persistent tmem pool of fixed size behind frontswap: what the 2011 debate was about.

    A put is accepted while the pool is below its limit and rejected (the page goes to its slot on disk)
    otherwise. An accepted page can not be dropped or written back: it leaves only when its slot is freed
    or, with exclusive gets, when it is loaded. A put of a page that is already there drops the old copy
    first, success or not. Nothing reacts to memory pressure: the pool is disconnected from the VM.
    """

    max_pool_percent: float = param(20.0, "pool limit", unit="percent of RAM", low=0, high=100)
    max_pool_pages: int = param(
        0, "pool limit in pages, instead of the percentage; 0 = unset", unit="pages", low=0
    )
    exclusive_gets: str = param(
        "off",
        "a load removes the pool's copy",
        choices=("off", "on"),
        kernel="frontswap_tmem_exclusive_gets()",
    )

    sources = (
        "Linux 6.1 mm/frontswap.c:__frontswap_store, __frontswap_load, __frontswap_invalidate_page",
        "Linux 3.8 mm/frontswap.c:frontswap_tmem_exclusive_gets (3.8 to 5.15)",
    )
    store = store
    load = load

    def numbers(self, ram_pages: int) -> Sequence[float]:
        """The limit in pages; whether gets are exclusive."""
        return limit_pages(self, ram_pages), float(self.exclusive_gets == "on")

    def with_pool(self, pool_bytes: int, ram_bytes: int) -> "Frontswap":
        """The same, limited to ``pool_bytes``."""
        return replace(self, max_pool_pages=pool_bytes // 4096)
