"""A pool without a limit."""

from dataclasses import dataclass
from typing import Any

from ..interface import ACCEPT, Policy, hook, push_tail, register


@hook
def store(w: Any, page: int) -> int:
    """Everything is kept."""
    push_tail(w, 0, page)
    return ACCEPT


@register("bounds.unbounded")
@dataclass(frozen=True)
class Unbounded(Policy):
    """The upper bound of the hit rate where RAM holds what that takes.

    Nothing is refused and nothing written back, so every page stored during the trace is served from the
    pool. Its pool size is the memory that the trace's working set needs when compressed; its OOM risk is
    what a pool nobody controls costs.
    """

    sources = ("the bound itself",)
    store = store
