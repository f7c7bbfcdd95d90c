"""CLOCK, also called second chance or FIFO with reinsertion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ..interface import oldest, param, push_tail, register, unlink, write_back
from .shared import Order, load_of, remembers_nothing, store_of


@inner
def evict(w: Any, met: int, compressed: bool) -> bool:
    """The oldest goes, unless it was used: then it loses one use and becomes the newest."""
    while True:
        victim = oldest(w, 0)
        if victim < 0:
            return False
        if w.pages[victim].mark == 0:
            write_back(w, victim, compressed)
            return True
        w.pages[victim].mark -= 1
        unlink(w, victim)
        push_tail(w, 0, victim)


@inner
def insert(w: Any, page: int, met: int) -> None:
    """The newest, with the uses that it begins with."""
    w.pages[page].mark = w.p.first_uses
    push_tail(w, 0, page)


@inner
def touch(w: Any, page: int) -> None:
    """Count the use, up to what the bits hold; nothing moves."""
    if w.pages[page].mark < w.p.most_uses:
        w.pages[page].mark += 1


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
    store = store_of(remembers_nothing, evict, insert)
    load = load_of(touch)

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """The limit; the largest count; the first."""
        top = 2**self.n_bit_counter - 1
        uses = {"most_uses": top, "first_uses": min(self.init_freq, top)}
        return {**super().derived(ram_pages), **uses}
