"""How much memory a pool takes over time, in pages of its allocator."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiled import njit
from ...policies.interface import Policy
from ...world.allocators.zspages import make_heads
from ...world.host import Host
from ...world.mechanics import enter_pool, leave_pool
from ..inputs.columns import Columns
from ..loops.state import State
from .holds import Holds, time_of


@dataclass(frozen=True)
class Occupancy:
    """A step function: ``pages[i]`` from ``t[i]`` on, nothing before; of equal times the last one lasts."""

    t: npt.NDArray[np.int64]
    """ns since the trace began, ascending."""
    pages: npt.NDArray[np.int64]

    def at(self, moments: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Pages at each moment (ns), after all that happens then."""
        padded = np.concatenate([[0], self.pages])
        return np.asarray(padded[np.searchsorted(self.t, moments, "right")], np.int64)

    def peaks(self, edges: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The most pages in each [edges[i], edges[i + 1])."""
        bounds = np.searchsorted(self.t, edges, "left")
        first, last = bounds[:-1], bounds[1:]
        padded = np.append(self.pages, 0)
        inside = np.maximum.reduceat(padded, np.stack([first, last], axis=1).ravel())[::2]
        return np.maximum(self.at(edges[:-1]), np.where(last > first, inside, 0))

    def mean(self, duration: int) -> float:
        """Pages over time, from 0 to ``duration`` ns."""
        lasted = np.diff(np.append(self.t, max(duration, int(self.t[-1])))) if len(self.t) else self.t
        return float(np.dot(self.pages.astype(np.float64), lasted) / max(duration, 1))


@njit(cache=True, nogil=True)
def _play(w: Any, moves: Any, page: Any, length: Any, pages: Any) -> None:
    """Take in the holds ``moves``, give up those that are ~hold, and note what the pool takes after each."""
    for i in range(moves.shape[0]):
        if moves[i] >= 0:
            p = page[moves[i]]
            w.pages[p].clen = length[moves[i]]
            enter_pool(w, p)
        else:
            leave_pool(w, page[~moves[i]])
        pages[i] = w.host.pool_pages


def occupancy_of(
    holds: Holds, kept: npt.NDArray[np.int64], columns: Columns, host: Host, policy: Policy
) -> Occupancy:
    """The memory that the holds numbered ``kept`` take in the allocator of ``policy``, with its holes."""
    state = State(columns, host, policy, 0)
    make_heads(state.world)
    state.world.host.accesses = columns.kind == "access"
    turns = np.concatenate([holds.began[kept], holds.ended[kept]])
    order = np.argsort(turns, kind="stable")
    moves = np.concatenate([kept, ~kept])[order]
    pages = np.empty(len(moves), np.int64)
    _play(state.world, moves, holds.page, holds.length, pages)
    return Occupancy(time_of(turns[order], columns.t), pages)
