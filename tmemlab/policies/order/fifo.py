"""First in, first out."""

from dataclasses import dataclass

from ..interface import load_keeps, register
from .lru import LRU
from .shared import Order


@register("order.fifo")
@dataclass(frozen=True)
class FIFO(Order):
    """A pool of limited size that writes back the page stored longest ago, whatever was loaded since.

    The order of zswap since Linux 6.9 without its second chance: there loads remove the entry, here they
    keep it, as cache simulators do.
    """

    sources = ("textbook; checked against libCacheSim's FIFO",)
    store = LRU.store  # the oldest goes; only LRU's loads make a page newer
    load = load_keeps
