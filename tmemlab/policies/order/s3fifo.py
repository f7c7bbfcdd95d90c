"""S3-FIFO: three static queues."""

from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ..interface import Registers, enlist, entries_within, is_on, oldest, param, register, unlink, write_back
from .shared import Order, load_of, store_of

SMALL, MAIN, GHOST = 0, 1, 2  # lists

MOST_ROUNDS = 3


class Own(Registers):
    """Registers."""

    evicted: int  # 1: something was written back already


@inner
def _remember(w: Any, page: int, most: int) -> None:
    if most > 0:
        while w.lengths[GHOST] >= most:
            unlink(w, oldest(w, GHOST))
        enlist(w, GHOST, page)


@inner
def _evict_small(w: Any, ghosts: int, compressed: bool) -> None:
    while w.lengths[SMALL] > 0:
        page = oldest(w, SMALL)
        if w.pages[page].mark < w.p.move_to_main_threshold:
            write_back(w, page, compressed)
            _remember(w, page, ghosts)
            return
        w.pages[page].mark = 0
        unlink(w, page)
        enlist(w, MAIN, page)


@inner
def _evict_main(w: Any, compressed: bool) -> None:
    while w.lengths[MAIN] > 0:
        page = oldest(w, MAIN)
        uses = w.pages[page].mark
        if uses == 0:
            write_back(w, page, compressed)
            return
        w.pages[page].mark = min(uses, MOST_ROUNDS) - 1
        unlink(w, page)
        enlist(w, MAIN, page)


@inner
def arrive(w: Any, page: int, compressed: bool) -> int:
    """Whether the ghost queue remembers the page; its name leaves."""
    remembered = int(is_on(w, GHOST, page))
    unlink(w, page)
    return remembered


@inner
def evict(w: Any, met: int, compressed: bool) -> bool:
    """From main while that is above its share, else from small; pages may move without one leaving."""
    if w.lengths[SMALL] + w.lengths[MAIN] == 0:
        return False
    w.own.evicted = 1
    whole = min(entries_within(w, w.p.limit), w.host.pool_count)
    if w.lengths[MAIN] > whole - int(whole * w.p.small_size_ratio) or w.lengths[SMALL] == 0:
        _evict_main(w, compressed)
    else:
        _evict_small(w, int(whole * w.p.ghost_size_ratio), compressed)
    return True


@inner
def insert(w: Any, page: int, met: int) -> None:
    """New pages to the small queue, remembered ones to the main queue."""
    small = int(entries_within(w, w.p.limit) * w.p.small_size_ratio)
    if met or (w.own.evicted == 0 and w.lengths[SMALL] >= small):
        enlist(w, MAIN, page)
    else:
        enlist(w, SMALL, page)
    w.pages[page].mark = 0


@inner
def touch(w: Any, page: int) -> None:
    """Count the use; nothing moves."""
    if w.pages[page].mark < 255:
        w.pages[page].mark += 1


@register("order.s3fifo")
@dataclass(frozen=True)
class S3FIFO(Order):
    """Three queues in order of arrival: small for new pages, main for proven ones, ghost for names only.

    A page is stored into the small queue, or into main when the ghost queue still remembers it. While main
    holds no more than its share, room is made from small: a page used ``move_to_main_threshold`` times
    since it came moves to main, otherwise it is written back and its name goes to the ghost queue.
    Otherwise room is made from main, whose oldest page gets another round for each use counted, up to
    three. Until the first page is written back, the pool fills small up to its share and then main.

    Shares are of the number of pages that the pool holds when full, at their present compressed length.
    libCacheSim refuses every page once the small queue's share is a single page; here it works on.
    """

    small_size_ratio: float = param(0.1, "share of the small queue", unit="of the pool", low=0, high=1)
    ghost_size_ratio: float = param(
        0.9, "names remembered, as a share of the pages", unit="of the pool", low=0, high=10
    )
    move_to_main_threshold: int = param(2, "uses that prove a page", unit="uses", low=1, high=255)

    sources = (
        "J. Yang et al., FIFO queues are all you need for cache eviction, SOSP 2023",
        "checked against libCacheSim's S3FIFO (small 0.1, ghost 0.9, threshold 2)",
    )
    own = Own
    ghosts = (GHOST,)
    store = store_of(arrive, evict, insert)
    load = load_of(touch)
