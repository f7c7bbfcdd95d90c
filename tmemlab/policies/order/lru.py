"""Least recently used."""

from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ..interface import DROP, KEEP, hook, oldest, param, push_tail, register, unlink, write_back
from .shared import Order, remembers_nothing, store_of


@inner
def evict(w: Any, met: int, compressed: bool) -> bool:
    """The head of the list goes."""
    victim = oldest(w, 0)
    if victim < 0:
        return False
    write_back(w, victim, compressed)
    return True


@inner
def insert(w: Any, page: int, met: int) -> None:
    """To the tail."""
    push_tail(w, 0, page)


@inner
def touch(w: Any, page: int) -> None:
    """A use makes the page the newest."""
    unlink(w, page)
    push_tail(w, 0, page)


@hook
def load(w: Any, page: int) -> int:
    """A use makes the page the newest, or takes it away."""
    if w.p.exclusive_loads:
        return DROP
    touch(w, page)
    return KEEP


@register("order.lru")
@dataclass(frozen=True)
class LRU(Order):
    """A pool of limited size that writes back its least recently used page, one at a time, to make room.

    Both stores and loads count as uses, and a load keeps the copy: the textbook cache, which no kernel's
    pool is. It exists for cross-checks with cache simulators. With ``exclusive_loads`` a load takes the copy,
    as in zswap since Linux 6.9: that pool's hit rates at all sizes are what ``tmemlab curve`` gives.
    """

    exclusive_loads: str = param("off", "a load takes the copy", choices=("off", "on"), kernel="exclusive_loads")

    sources = ("textbook; checked against libCacheSim's LRU",)
    store = store_of(remembers_nothing, evict, insert)
    load = load
