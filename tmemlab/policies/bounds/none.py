"""No compressed pool: every page goes to disk."""

from dataclasses import dataclass
from typing import Any

from ..interface import REJECT, Policy, hook, register


@hook
def store(w: Any, page: int) -> int:
    """Nothing is kept."""
    return REJECT


@register("bounds.none")
@dataclass(frozen=True)
class NoPool(Policy):
    """The lower bound of the hit rate and, with swap space in plenty, of the OOM risk.

    Every store is written to disk and every load reads it back. Pages of zero bytes still cost nothing:
    the swap core marks them itself since Linux 6.12.
    """

    sources = ("Linux 6.18 mm/page_io.c:swap_writeout with zswap disabled",)
    store = store
