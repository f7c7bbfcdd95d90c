"""First in, first out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..interface import Policy, limit_pages, load_keeps, param, register
from .lru import store


@register("order.fifo")
@dataclass(frozen=True)
class FIFO(Policy):
    """A pool of limited size that writes back the page stored longest ago, whatever was loaded since.

    The order of zswap since Linux 6.9 without its second chance: there loads remove the entry, here they
    keep it, as cache simulators do.
    """

    max_pool_percent: float = param(20.0, "pool limit", unit="percent of RAM", low=0, high=100)
    max_pool_pages: int = param(
        0, "pool limit in pages, instead of the percentage; 0 = unset", unit="pages", low=0
    )

    sources = ("textbook; checked against libCacheSim's FIFO",)
    takes_accesses = True
    store = store  # the oldest goes; only LRU's loads make a page newer
    load = load_keeps

    def numbers(self, ram_pages: int) -> Sequence[float]:
        """The limit in pages."""
        return (limit_pages(self, ram_pages),)

    def with_pool(self, pool_bytes: int, ram_bytes: int) -> "FIFO":
        """The same, limited to ``pool_bytes``."""
        return replace(self, max_pool_pages=pool_bytes // 4096)
