"""What the victim orders have in common: their size."""

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
