"""Least frequently used."""

from dataclasses import dataclass
from typing import Any

from ...compiled import njit
from ..interface import ACCEPT, KEEP, REJECT, enlist, hook, oldest, register, unlink, write_back
from .shared import LIMIT, Order

LOWEST = 0  # register: no page has fewer uses than this
TOP = 253  # the last list that knows its length


@njit(cache=True)
def arrive(w: Any, page: int, compressed: bool) -> int:
    """Nothing is remembered of pages that left."""
    return 0


@njit(cache=True)
def evict(w: Any, met: int, compressed: bool) -> bool:
    """The page with the fewest uses goes."""
    uses = max(w.own[LOWEST], 1)
    while uses <= TOP and w.lengths[uses] == 0:
        uses += 1
    if uses > TOP:
        return False
    w.own[LOWEST] = uses
    write_back(w, oldest(w, uses), compressed)
    return True


@njit(cache=True)
def insert(w: Any, page: int, met: int) -> None:
    """The store is its first use."""
    w.pages[page].mark = 1
    w.own[LOWEST] = 1
    enlist(w, 1, page)


@njit(cache=True)
def touch(w: Any, page: int) -> None:
    """One use more."""
    uses = min(w.pages[page].mark + 1, TOP)
    unlink(w, page)
    w.pages[page].mark = uses
    enlist(w, uses, page)


@hook
def store(w: Any, page: int) -> int:
    """The page with the fewest uses makes room."""
    met = arrive(w, page, False)
    while w.host.pool_pages >= w.p[LIMIT]:
        if not evict(w, met, False):
            return REJECT
    insert(w, page, met)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """One use more."""
    touch(w, page)
    return KEEP


@register("order.lfu")
@dataclass(frozen=True)
class LFU(Order):
    """The page with the fewest uses since it was stored goes; among equals the one used least recently.

    The store counts as a use, and a count begins anew when the page comes back. Counts end at 253, from
    where on the order is that of the last use; libCacheSim's do not end.
    """

    sources = ("textbook; checked against libCacheSim's LFU",)
    store = store
    load = load
