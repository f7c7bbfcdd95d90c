"""What the victim orders have in common: their size, their hooks, and the four steps of which each is made.

A module of an order has ``arrive(w, page, compressed)``, called before room is made for a page: it forgets the
name if it remembered it, and answers what it knew (``met``); ``evict(w, met, compressed)``, which gives up one
page, or only moves some, and is false when the pool is empty; ``insert(w, page, met)``; and ``touch(w, page)``, a
use of a page in the pool. Policies with a parameter ``order`` call them through :mod:`..victims`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from ...compiled import inner
from ..interface import ACCEPT, KEEP, REJECT, Hook, LimitedPool

Step = Callable[..., Any]


@dataclass(frozen=True)
class Order(LimitedPool):
    """A pool of limited size that writes back one page at a time to make room.

    A load keeps the copy, as cache simulators do. A store of a page that is still in the pool replaces the
    copy, and the page starts afresh as if it had never been there. Every recorded store is one here.
    """

    takes_accesses = True
    spares_stores = False


@inner
def remembers_nothing(w: Any, page: int, compressed: bool) -> int:
    """``arrive`` of the orders that forget a page when it leaves."""
    return 0


# An order's own steps take the place of these in the two functions below.
arrive: Step = remembers_nothing
evict: Step = remembers_nothing
insert: Step = remembers_nothing
touch: Step = remembers_nothing


def _store(w: Any, page: int) -> int:
    """The order's pages are given up until there is room for the new one."""
    met = arrive(w, page, False)
    while w.host.pool_pages >= w.p.limit:
        if not evict(w, met, False):
            return REJECT
    insert(w, page, met)
    return ACCEPT


def _load(w: Any, page: int) -> int:
    """A use, and the copy stays."""
    touch(w, page)
    return KEEP


def store_of(arrive: Step, evict: Step, insert: Step) -> Hook:
    """The store of an order with these steps."""
    return _hook_of(_store, arrive=arrive, evict=evict, insert=insert)


def load_of(touch: Step) -> Hook:
    """The load of an order with this step."""
    return _hook_of(_load, touch=touch)


def _hook_of(function: Any, **steps: Step) -> Hook:
    """The function with these steps as its globals, as if it stood in the file of the last of them.

    Numba finds what it has compiled by the function's file, and compiles it anew when that file has changed. A
    closure over compiled functions it would compile anew in every process.
    """
    last: Any = [*steps.values()][-1]
    home = getattr(last, "py_func", last)
    code = function.__code__.replace(co_filename=home.__code__.co_filename)
    made = FunctionType(code, {**function.__globals__, **steps, "__name__": home.__module__}, function.__name__)
    made.__doc__ = function.__doc__
    return Hook(made)
