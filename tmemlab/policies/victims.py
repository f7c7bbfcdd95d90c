"""The victim orders as a parameter: which page a policy gives up when it has decided to give up one.

A policy with ``order: str = victims.order_param()`` puts :func:`numbers` at the beginning of its own, behind its
limit in pages, and calls :func:`arrive`, :func:`evict`, :func:`insert` and :func:`touch` from its hooks. Its own
numbers begin at :data:`FIRST_OWN`. Lists and registers belong to the order; :mod:`.order.shared` says what each
step does.
"""

from typing import Any

from ..compiled import njit
from .interface import REGISTRY, Policy, param
from .order import arc, clock, fifo, lfu, lirs, lru, s3fifo, sieve, twoq
from .order.shared import Order

ORDERS = ("fifo", "lru", "clock", "sieve", "s3fifo", "twoq", "arc", "lirs", "lfu")
FIFO, LRU, CLOCK, SIEVE, S3FIFO, TWOQ, ARC, LIRS, LFU = range(len(ORDERS))
MODULES = (fifo, lru, clock, sieve, s3fifo, twoq, arc, lirs, lfu)
"""The modules of the orders, in the same sequence."""

WHICH = 4
FIRST_OWN = 5
"""Index of the first number that is the policy's own; before it the limit, three of the order, and which it is."""


def order_param(default: str = "fifo") -> Any:
    """The parameter itself."""
    return param(default, "which page is given up, with that order's defaults", choices=ORDERS)


def _kind(order: str) -> Policy:
    return REGISTRY[f"order.{order}"]()


def numbers(order: str) -> tuple[float, ...]:
    """What follows the limit in ``w.p``: three numbers of the order, then which it is."""
    kind = _kind(order)
    own = [float(number) for number in kind.own_numbers()] if isinstance(kind, Order) else []
    return (*own, *[0.0] * (WHICH - 1 - len(own)), float(ORDERS.index(order)))


def registers(order: str, total_pages: int) -> int:
    """Registers that the order uses."""
    return _kind(order).registers(total_pages)


def ghosts(order: str) -> tuple[int, ...]:
    """Lists on which the order remembers pages that left."""
    return _kind(order).ghosts


@njit(cache=True)
def arrive(w: Any, page: int, compressed: bool) -> int:
    """Before room is made for ``page``: what the order remembers of it."""
    which = w.p[WHICH]
    if which == S3FIFO:
        return s3fifo.arrive(w, page, compressed)
    if which == TWOQ:
        return twoq.arrive(w, page, compressed)
    if which == ARC:
        return arc.arrive(w, page, compressed)
    if which == LIRS:
        return lirs.arrive(w, page, compressed)
    return 0  # the others remember nothing


@njit(cache=True)
def evict(w: Any, met: int, compressed: bool) -> bool:
    """Write one page back; false when there is none."""
    which = w.p[WHICH]
    if which == CLOCK:
        return clock.evict(w, met, compressed)
    if which == SIEVE:
        return sieve.evict(w, met, compressed)
    if which == S3FIFO:
        return s3fifo.evict(w, met, compressed)
    if which == TWOQ:
        return twoq.evict(w, met, compressed)
    if which == ARC:
        return arc.evict(w, met, compressed)
    if which == LIRS:
        return lirs.evict(w, met, compressed)
    if which == LFU:
        return lfu.evict(w, met, compressed)
    return lru.evict(w, met, compressed)  # and FIFO, in which nothing is touched


@njit(cache=True)
def insert(w: Any, page: int, met: int) -> None:
    """Put an accepted page where the order wants it."""
    which = w.p[WHICH]
    if which == CLOCK:
        clock.insert(w, page, met)
    elif which == SIEVE:
        sieve.insert(w, page, met)
    elif which == S3FIFO:
        s3fifo.insert(w, page, met)
    elif which == TWOQ:
        twoq.insert(w, page, met)
    elif which == ARC:
        arc.insert(w, page, met)
    elif which == LIRS:
        lirs.insert(w, page, met)
    elif which == LFU:
        lfu.insert(w, page, met)
    else:
        lru.insert(w, page, met)


@njit(cache=True)
def touch(w: Any, page: int) -> None:
    """A use of a page that stays in the pool."""
    which = w.p[WHICH]
    if which == LRU:
        lru.touch(w, page)
    elif which == CLOCK:
        clock.touch(w, page)
    elif which == SIEVE:
        sieve.touch(w, page)
    elif which == S3FIFO:
        s3fifo.touch(w, page)
    elif which == TWOQ:
        twoq.touch(w, page)
    elif which == ARC:
        arc.touch(w, page)
    elif which == LIRS:
        lirs.touch(w, page)
    elif which == LFU:
        lfu.touch(w, page)
