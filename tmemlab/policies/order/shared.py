"""What the victim orders have in common: their size, and the four steps of which each is made.

A module of an order has ``arrive(w, page, compressed)``, called before room is made for a page: it forgets the
name if it remembered it, and answers what it knew (``met``); ``evict(w, met, compressed)``, which gives up one
page, or only moves some, and is false when the pool is empty; ``insert(w, page, met)``; and ``touch(w, page)``, a
use of a page in the pool. Policies with a parameter ``order`` call them through :mod:`..victims`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from ..interface import Policy, limit_pages, param

LIMIT = 0
"""Index of the limit, in pages, among the parameters of every order."""


@dataclass(frozen=True)
class Order(Policy):
    """A pool of limited size that writes back one page at a time to make room.

    A load keeps the copy, as cache simulators do. A store of a page that is still in the pool replaces the
    copy, and the page starts afresh as if it had never been there.
    """

    max_pool_percent: float = param(20.0, "pool limit", unit="percent of RAM", low=0, high=100)
    max_pool_pages: int = param(
        0, "pool limit in pages, instead of the percentage; 0 = unset", unit="pages", low=0
    )

    takes_accesses = True

    def own_numbers(self) -> Sequence[float]:
        """The parameters that follow the limit."""
        return ()

    def numbers(self, ram_pages: int) -> Sequence[float]:
        """The limit in pages, then the order's own parameters."""
        return limit_pages(self, ram_pages), *self.own_numbers()

    def with_pool(self, pool_bytes: int, ram_bytes: int) -> Self:
        """The same, limited to ``pool_bytes``."""
        return replace(self, max_pool_pages=pool_bytes // 4096)
