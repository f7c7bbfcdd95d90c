"""Least frequently used."""

from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ..interface import Registers, enlist, oldest, register, unlink, write_back
from .shared import Order, load_of, remembers_nothing, store_of

TOP = 253  # the last list that knows its length


class Own(Registers):
    """Registers."""

    lowest: int  # no page has fewer uses than this


@inner
def evict(w: Any, met: int, compressed: bool) -> bool:
    """The page with the fewest uses goes."""
    uses = max(w.own.lowest, 1)
    while uses <= TOP and w.lengths[uses] == 0:
        uses += 1
    if uses > TOP:
        return False
    w.own.lowest = uses
    write_back(w, oldest(w, uses), compressed)
    return True


@inner
def insert(w: Any, page: int, met: int) -> None:
    """The store is its first use."""
    w.pages[page].mark = 1
    w.own.lowest = 1
    enlist(w, 1, page)


@inner
def touch(w: Any, page: int) -> None:
    """One use more."""
    uses = min(w.pages[page].mark + 1, TOP)
    unlink(w, page)
    w.pages[page].mark = uses
    enlist(w, uses, page)


@register("order.lfu")
@dataclass(frozen=True)
class LFU(Order):
    """The page with the fewest uses since it was stored goes; among equals the one used least recently.

    The store counts as a use, and a count begins anew when the page comes back. Counts end at 253, from
    where on the order is that of the last use; libCacheSim's do not end.
    """

    sources = ("textbook; checked against libCacheSim's LFU",)
    own = Own
    store = store_of(remembers_nothing, evict, insert)
    load = load_of(touch)
