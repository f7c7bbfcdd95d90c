"""SIEVE."""

from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ..interface import oldest, push_tail, register, splice, unlink, write_back
from .shared import Order, load_of, remembers_nothing, store_of

# The queue, oldest first, is list PASSED followed by list AHEAD: the hand stands between the two, so that a
# page which leaves the pool by itself cannot take the hand with it.
PASSED, AHEAD = 0, 1


@inner
def evict(w: Any, met: int, compressed: bool) -> bool:
    """The hand moves on over visited pages, clearing them, to the first that was not visited: it goes."""
    while True:
        victim = oldest(w, AHEAD)
        if victim < 0:
            splice(w, PASSED, AHEAD)
            victim = oldest(w, AHEAD)
            if victim < 0:
                return False
        if w.pages[victim].mark == 0:
            write_back(w, victim, compressed)
            return True
        w.pages[victim].mark = 0
        unlink(w, victim)
        push_tail(w, PASSED, victim)


@inner
def insert(w: Any, page: int, met: int) -> None:
    """The newest; a hand that passed the newest page before it begins again at the oldest."""
    if oldest(w, AHEAD) < 0:
        splice(w, PASSED, AHEAD)
    w.pages[page].mark = 0
    push_tail(w, AHEAD, page)


@inner
def touch(w: Any, page: int) -> None:
    """Mark the page as visited; nothing moves."""
    w.pages[page].mark = 1


@register("order.sieve")
@dataclass(frozen=True)
class Sieve(Order):
    """A queue in order of arrival and a hand that walks it from the oldest page to the newest.

    A load marks the page as visited. To make room the hand clears the mark of each visited page it stands
    on, leaving the page where it is, and writes back the first one without a mark; from there it goes on
    the next time. Past the newest page it begins again at the oldest. Unlike CLOCK, a page that survives
    keeps its place, so new pages are tried soon.
    """

    sources = (
        "Y. Zhang et al., SIEVE is simpler than LRU, NSDI 2024",
        "checked against libCacheSim's Sieve",
    )
    store = store_of(remembers_nothing, evict, insert)
    load = load_of(touch)
