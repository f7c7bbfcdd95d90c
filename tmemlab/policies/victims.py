"""The victim orders as a parameter: which page a policy gives up when it has decided to give up one.

A policy with ``order: str = victims.order_param()`` puts :func:`numbers` among its own, has the registers that
:func:`registers` says, and calls :func:`arrive`, :func:`evict`, :func:`insert` and :func:`touch` from its hooks.
Lists and registers belong to the order; :mod:`.order.shared` says what each step does.
"""

from typing import Any

from ..compiled import inner
from .interface import REGISTRY, Policy, Registers, Table, param
from .order import arc, clock, fifo, lfu, lirs, lru, s3fifo, sieve, twoq

ORDERS = ("fifo", "lru", "clock", "sieve", "s3fifo", "twoq", "arc", "lirs", "lfu")
FIFO, LRU, CLOCK, SIEVE, S3FIFO, TWOQ, ARC, LIRS, LFU = range(len(ORDERS))
MODULES = (fifo, lru, clock, sieve, s3fifo, twoq, arc, lirs, lfu)
"""The modules of the orders, in the same sequence."""


class Own(arc.Own, lfu.Own, lirs.Own, s3fifo.Own):
    """The registers of all orders, of which each uses its own."""


class _OwnWithoutStack(Own):
    up = Table()  # two registers a page, which LIRS alone needs
    down = Table()


def order_param(default: str = "fifo") -> Any:
    """The parameter itself."""
    return param(default, "which page is given up, with that order's defaults", choices=ORDERS)


def _kind(order: str) -> Policy:
    return REGISTRY[f"order.{order}"]()


def numbers() -> dict[str, float]:
    """What the orders read, at their defaults, without what they share."""
    found: dict[str, float] = {}
    for order in ORDERS:
        found |= _kind(order).numbers(0)
    return {name: value for name, value in found.items() if name not in _kind("lru").numbers(0)}


def registers(order: str) -> type[Registers]:
    """Registers of a policy with this order."""
    return Own if order == "lirs" else _OwnWithoutStack


def ghosts(order: str) -> tuple[int, ...]:
    """Lists on which the order remembers pages that left."""
    return _kind(order).ghosts


@inner
def arrive(w: Any, page: int, compressed: bool) -> int:
    """Before room is made for ``page``: what the order remembers of it."""
    which = w.p.order
    if which == S3FIFO:
        return s3fifo.arrive(w, page, compressed)
    if which == TWOQ:
        return twoq.arrive(w, page, compressed)
    if which == ARC:
        return arc.arrive(w, page, compressed)
    if which == LIRS:
        return lirs.arrive(w, page, compressed)
    return 0  # the others remember nothing


@inner
def evict(w: Any, met: int, compressed: bool) -> bool:
    """Write one page back; false when there is none."""
    which = w.p.order
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


@inner
def insert(w: Any, page: int, met: int) -> None:
    """Put an accepted page where the order wants it."""
    which = w.p.order
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


@inner
def touch(w: Any, page: int) -> None:
    """A use of a page that stays in the pool."""
    which = w.p.order
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
