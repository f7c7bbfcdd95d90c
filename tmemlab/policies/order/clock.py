"""CLOCK, also called second chance or FIFO with reinsertion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..interface import ACCEPT, KEEP, REJECT, hook, param, register
from ..mechanics import oldest, push_tail, unlink, write_back
from .shared import LIMIT, Order

TOP, START = 1, 2


@hook
def store(w: Any, page: int) -> int:
    """The oldest goes, unless it was used: then it loses one use and becomes the newest."""
    while w.host.pool_pages >= w.p[LIMIT]:
        victim = oldest(w, 0)
        if victim < 0:
            return REJECT
        if w.pages[victim].mark:
            w.pages[victim].mark -= 1
            unlink(w, victim)
            push_tail(w, 0, victim)
        else:
            write_back(w, victim, False)
    w.pages[page].mark = int(w.p[START])
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """Count the use, up to what the bits hold; nothing moves."""
    if w.pages[page].mark < w.p[TOP]:
        w.pages[page].mark += 1
    return KEEP


@register("order.clock")
@dataclass(frozen=True)
class Clock(Order):
    """A queue in order of arrival whose oldest page gets another round for each use that was counted.

    A load counts a use in ``n_bit_counter`` bits and moves nothing. To make room the oldest page is looked
    at: with a use left it loses one and goes to the newest end, otherwise it is written back. With one bit
    this is the second chance that zswap's worker gives since Linux 6.12, except that there the store and
    not the load sets the bit.
    """

    n_bit_counter: int = param(1, "bits that count a page's uses", unit="bits", low=1, high=8)
    init_freq: int = param(0, "uses that a new page begins with", low=0, high=255)

    sources = (
        "F. J. Corbato, A paging experiment with the Multics system, MIT MAC-M-384, 1968",
        "checked against libCacheSim's Clock (n_bit_counter=1, init_freq=0)",
    )
    store = store
    load = load

    def own_numbers(self) -> Sequence[float]:
        """The largest count; the first."""
        top = 2**self.n_bit_counter - 1
        return float(top), float(min(self.init_freq, top))
