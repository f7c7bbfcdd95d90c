"""2Q, the full version."""

from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ..interface import enlist, entries_within, is_on, oldest, param, register, unlink, write_back
from .shared import Order, load_of, store_of

A1IN, AM, A1OUT = 0, 1, 2  # lists


@inner
def arrive(w: Any, page: int, compressed: bool) -> int:
    """Whether A1out remembers the page; its name leaves."""
    remembered = int(is_on(w, A1OUT, page))
    unlink(w, page)
    return remembered


@inner
def evict(w: Any, met: int, compressed: bool) -> bool:
    """The oldest of A1in while that is above its share, remembered; else the least recently used of Am."""
    if w.lengths[A1IN] + w.lengths[AM] == 0:
        return False
    whole = min(entries_within(w, w.p.limit), w.host.pool_count)
    if w.lengths[A1IN] > int(whole * w.p.a_in_size_ratio) or w.lengths[AM] == 0:
        victim = oldest(w, A1IN)
        write_back(w, victim, compressed)
        most = int(whole * w.p.a_out_size_ratio)
        if most > 0:
            while w.lengths[A1OUT] >= most:
                unlink(w, oldest(w, A1OUT))
            enlist(w, A1OUT, victim)
    else:
        write_back(w, oldest(w, AM), compressed)
    return True


@inner
def insert(w: Any, page: int, met: int) -> None:
    """New pages to the queue, those that were remembered to the LRU list."""
    enlist(w, AM if met else A1IN, page)


@inner
def touch(w: Any, page: int) -> None:
    """A use moves a page of the LRU list only."""
    if is_on(w, AM, page):
        unlink(w, page)
        enlist(w, AM, page)


@register("order.twoq")
@dataclass(frozen=True)
class TwoQ(Order):
    """A queue for pages seen once, an LRU list for pages seen again after they left it.

    A page is stored into the queue A1in, where loads do not move it. While A1in holds more than its share
    its oldest page is written back and remembered by name in A1out; otherwise the least recently used page
    of Am is written back and forgotten. A page stored again while A1out remembers it goes to Am.

    Shares are of the number of pages that the pool holds when full, at their present compressed length.
    """

    a_in_size_ratio: float = param(0.25, "share of A1in", unit="of the pool", low=0, high=1, kernel="")
    a_out_size_ratio: float = param(
        0.5, "names in A1out, as a share of the pages", unit="of the pool", low=0, high=10
    )

    sources = (
        "T. Johnson and D. Shasha, 2Q: a low overhead high performance buffer management replacement"
        " algorithm, VLDB 1994",
        "checked against libCacheSim's TwoQ (Ain 0.25, Aout 0.5)",
    )
    ghosts = (A1OUT,)
    store = store_of(arrive, evict, insert)
    load = load_of(touch)
