"""Least recently used."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...compiled import njit
from ..interface import (
    ACCEPT,
    DROP,
    KEEP,
    REJECT,
    Policy,
    hook,
    limit_pages,
    oldest,
    param,
    push_tail,
    register,
    unlink,
    write_back,
)

LIMIT, EXCLUSIVE = range(2)


@njit(cache=True)
def arrive(w: Any, page: int, compressed: bool) -> int:
    """Nothing is remembered of pages that left."""
    return 0


@njit(cache=True)
def evict(w: Any, met: int, compressed: bool) -> bool:
    """The head of the list goes."""
    victim = oldest(w, 0)
    if victim < 0:
        return False
    write_back(w, victim, compressed)
    return True


@njit(cache=True)
def insert(w: Any, page: int, met: int) -> None:
    """To the tail."""
    push_tail(w, 0, page)


@njit(cache=True)
def touch(w: Any, page: int) -> None:
    """A use makes the page the newest."""
    unlink(w, page)
    push_tail(w, 0, page)


@hook
def store(w: Any, page: int) -> int:
    """Make room by writing back the page unused for longest."""
    met = arrive(w, page, False)
    while w.host.pool_pages >= w.p[LIMIT]:
        if not evict(w, met, False):
            return REJECT
    insert(w, page, met)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """A use makes the page the newest, or takes it away."""
    if w.p[EXCLUSIVE] != 0:
        return DROP
    touch(w, page)
    return KEEP


@register("order.lru")
@dataclass(frozen=True)
class LRU(Policy):
    """A pool of limited size that writes back its least recently used page, one at a time, to make room.

    Both stores and loads count as uses, and a load keeps the copy: the textbook cache, which no kernel's
    pool is. It exists for cross-checks with cache simulators. With ``exclusive_loads`` a load takes the copy,
    as in zswap since Linux 6.9: that pool's hit rates at all sizes are what ``tmemlab curve`` gives.
    """

    max_pool_percent: float = param(20.0, "pool limit", unit="percent of RAM", low=0, high=100)
    max_pool_pages: int = param(
        0, "pool limit in pages, instead of the percentage; 0 = unset", unit="pages", low=0
    )
    exclusive_loads: str = param("off", "a load takes the copy", choices=("off", "on"), kernel="exclusive_loads")

    sources = ("textbook; checked against libCacheSim's LRU",)
    takes_accesses = True
    store = store
    load = load

    def numbers(self, ram_pages: int) -> Sequence[float]:
        """The limit in pages; whether loads take the copy."""
        return limit_pages(self, ram_pages), float(self.exclusive_loads == "on")

    def with_pool(self, pool_bytes: int, ram_bytes: int) -> "LRU":
        """The same, limited to ``pool_bytes``."""
        return replace(self, max_pool_pages=pool_bytes // 4096)
