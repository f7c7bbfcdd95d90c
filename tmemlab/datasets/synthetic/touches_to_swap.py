"""A resident set with LRU eviction: it turns touches into the stores and loads that a kernel would make."""

from typing import Any

import numpy as np

from ...compiled import njit
from ...kernels import SWAP_CLUSTER_MAX
from ..trace.schema import Op

_STORE, _LOAD = int(Op.STORE), int(Op.LOAD)
_NEVER, _RESIDENT, _SWAPPED = 0, 1, 2
_NONE = -1
CLUSTER = _CLUSTER = SWAP_CLUSTER_MAX
"""Pages that are reclaimed at a time, SWAP_CLUSTER_MAX in the kernel."""


class ResidentSet:
    """Pages in RAM by recency; 9 bytes a page of the footprint. The pages are those of an array of ids."""

    def __init__(self, pages: int) -> None:
        self._before = np.full(pages + 1, _NONE, np.int32)
        self._after = np.full(pages + 1, _NONE, np.int32)
        # the last place is the head of the ring
        self._before[pages] = self._after[pages] = pages
        self._state = np.zeros(pages + 1, np.uint8)
        self._count = np.zeros(1, np.int64)

    @property
    def resident(self) -> int:
        """How many pages are in RAM."""
        return int(self._count[0])

    def touch(
        self, t: np.ndarray, page: np.ndarray, capacity: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Touch ``page`` at times ``t`` while ``capacity`` pages fit (one a touch); t, op and page of the events.

        A touch of a swapped page is a load. When there are more pages than fit, the least recent ones are
        stored until CLUSTER more would fit.
        """
        room = 2 * len(t) + len(self._state) + CLUSTER
        events = np.empty(room, np.int64), np.empty(room, np.uint8), np.empty(room, np.int64)
        touch: Any = _touch
        made = touch(t, page, capacity, self._before, self._after, self._state, self._count, tuple(events))
        return events[0][:made], events[1][:made], events[2][:made]


@njit(cache=True, nogil=True)
def _touch(
    t: Any, page: Any, capacity: Any, before: Any, after: Any, state: Any, count: Any, out: Any
) -> Any:
    out_t, out_op, out_page = out
    head = len(state) - 1
    made = 0
    for i in range(len(t)):
        p = page[i]
        if state[p] == _RESIDENT:
            after[before[p]] = after[p]
            before[after[p]] = before[p]
        else:
            if state[p] == _SWAPPED:
                out_t[made], out_op[made], out_page[made] = t[i], _LOAD, p
                made += 1
            state[p] = _RESIDENT
            count[0] += 1
        before[p], after[p] = head, after[head]
        before[after[head]] = p
        after[head] = p
        if count[0] > capacity[i]:
            # down to a cluster below, so that reclaim comes in batches as in the kernel
            least = max(1, capacity[i] - _CLUSTER)
            while count[0] > least:
                victim = before[head]
                before[head] = before[victim]
                after[before[victim]] = head
                state[victim] = _SWAPPED
                count[0] -= 1
                out_t[made], out_op[made], out_page[made] = t[i], _STORE, victim
                made += 1
    return made
