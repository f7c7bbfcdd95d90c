"""ARC, the adaptive replacement cache."""

from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ..interface import Registers, enlist, entries_within, is_on, oldest, register, unlink, write_back
from .shared import Order, load_of, store_of

T1, T2, B1, B2 = 0, 1, 2, 3  # lists


class Own(Registers):
    """Registers."""

    target: float  # pages that T1 may have, the paper's p


@inner
def evict(w: Any, met: int, compressed: bool) -> bool:
    """REPLACE of the paper: the older end of T1 or T2 moves to its ghost list."""
    target = w.own.target
    ones = w.lengths[T1]
    if ones > 0 and (ones > target or (met == B2 and ones == target) or w.lengths[T2] == 0):
        victim = oldest(w, T1)
        write_back(w, victim, compressed)
        enlist(w, B1, victim)
        return True
    if w.lengths[T2] == 0:
        return False
    victim = oldest(w, T2)
    write_back(w, victim, compressed)
    enlist(w, B2, victim)
    return True


@inner
def arrive(w: Any, page: int, compressed: bool) -> int:
    """Cases II to IV of the paper, up to REPLACE; the ghost list that remembered the page, 0 for none."""
    own = w.own
    c = entries_within(w, w.p.limit)
    met = B2 if is_on(w, B2, page) else B1 if is_on(w, B1, page) else 0
    if met:
        ones, twos = w.lengths[B1], w.lengths[B2]
        if met == B2:
            own.target = max(own.target - max(ones / twos, 1.0), 0.0)
        else:
            own.target = min(own.target + max(twos / ones, 1.0), float(c))
        unlink(w, page)
    else:
        if w.lengths[T1] + w.lengths[B1] >= c:
            if w.lengths[T1] >= c and w.lengths[T1] > 0:
                write_back(w, oldest(w, T1), compressed)
            while w.lengths[B1] > 0 and w.lengths[T1] + w.lengths[B1] >= c:
                unlink(w, oldest(w, B1))
        while w.lengths[B2] > 0 and w.lengths[T1] + w.lengths[T2] + w.lengths[B1] + w.lengths[B2] >= 2 * c:
            unlink(w, oldest(w, B2))
    return met


@inner
def insert(w: Any, page: int, met: int) -> None:
    """To T2 if it was remembered, else to T1."""
    enlist(w, T2 if met else T1, page)


@inner
def touch(w: Any, page: int) -> None:
    """Case I: a second use, or a further one, makes the page the newest of T2."""
    unlink(w, page)
    enlist(w, T2, page)


@register("order.arc")
@dataclass(frozen=True)
class ARC(Order):
    """Two LRU lists, of pages used once and of pages used again, whose shares follow the misses.

    T1 holds pages stored and not used since, T2 the others; B1 and B2 remember the names that left them. A
    store of a page that B1 remembers raises the target size of T1, one of B2 lowers it, by the ratio of
    the two ghost lists but at least by one. Room is made from T1 while it is above its target, else from
    T2. All four lists together name at most twice as many pages as fit.

    No parameters but the size. As many pages fit as the limit holds at their present compressed length.
    """

    sources = (
        "N. Megiddo and D. S. Modha, ARC: a self-tuning, low overhead replacement cache, FAST 2003, figure 4",
        "checked against libCacheSim's ARC",
    )
    own = Own
    ghosts = (B1, B2)
    store = store_of(arrive, evict, insert)
    load = load_of(touch)
