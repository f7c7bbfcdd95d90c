"""frontswap over a pool of fixed size."""

from dataclasses import dataclass
from typing import Any

from ..interface import ACCEPT, DROP, KEEP, REJECT, LimitedPool, hook, param, push_tail, register


@hook
def store(w: Any, page: int) -> int:
    """Take the page while there is room; an accepted page is guaranteed until it is flushed."""
    if w.host.pool_pages >= w.p.limit:
        w.host.limit_hits += 1
        return REJECT
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """Non-destructive unless exclusive gets are on."""
    return DROP if w.p.exclusive_gets else KEEP


@register("tmem.frontswap")
@dataclass(frozen=True)
class Frontswap(LimitedPool):
    """A persistent tmem pool of fixed size behind frontswap: what the 2011 debate was about.

    A put is accepted while the pool is below its limit and rejected (the page goes to its slot on disk)
    otherwise. An accepted page can not be dropped or written back: it leaves only when its slot is freed
    or, with exclusive gets, when it is loaded. A put of a page that is already there drops the old copy
    first, success or not. Nothing reacts to memory pressure: the pool is disconnected from the VM.
    """

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
