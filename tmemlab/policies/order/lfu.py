"""Least frequently used."""

from dataclasses import dataclass
from typing import Any

from ..interface import ACCEPT, KEEP, REJECT, hook, register
from ..mechanics import enlist, oldest, unlink, write_back
from .shared import LIMIT, Order

LOWEST = 0  # register: no page has fewer uses than this
TOP = 253  # the last list that knows its length


@hook
def store(w: Any, page: int) -> int:
    """The page with the fewest uses goes."""
    own = w.own
    while w.host.pool_pages >= w.p[LIMIT]:
        uses = max(own[LOWEST], 1)
        while uses <= TOP and w.lengths[uses] == 0:
            uses += 1
        if uses > TOP:
            return REJECT
        own[LOWEST] = uses
        write_back(w, oldest(w, uses), False)
    w.pages[page].mark = 1
    own[LOWEST] = 1
    enlist(w, 1, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """One use more."""
    uses = min(w.pages[page].mark + 1, TOP)
    unlink(w, page)
    w.pages[page].mark = uses
    enlist(w, uses, page)
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
