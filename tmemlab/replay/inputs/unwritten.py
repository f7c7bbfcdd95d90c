"""Pages that were read and not written: what a recording tells of them, and what another pool would have done.

A page that is read from disk and not written is dropped again without a store, because its copy there is still
good. So is one from a pool that keeps what it gives back, as frontswap and zswap up to 6.4 did. One that comes
out of zswap today is not: ``zswap_load`` takes the entry away and marks the page dirty [Linux 6.18 mm/zswap.c;
from 6.5 on with exclusive loads], and when it leaves RAM again it is stored anew. So a pool of another size or
kind has other stores, not only other places for the recorded ones. All policies are held to the same rule,
whatever kernel was recorded (but the orders, which replay what was recorded as cache simulators do): a copy that
is still good spares the store, and a page without one is stored.

- Loaded from disk and loaded again with no store between: it was dropped, at a moment that left no row. Where the
  replay's load took it out of the pool it is stored then. Such pages stay in RAM for as many rows of the trace as
  is usual (the median) for pages whose store was seen: what has been read leaves in its turn, as others are read.
- Loaded from disk and not heard of for longer than that: dropped too.
- Loaded from the pool and stored again: written or not, nobody knows. The share of pages not written is that
  among loads from disk in the same recording; :data:`UNKNOWN_SHARE` where it has too few of them. Which ones is
  drawn by a hash. Where the replay has a copy of such a page, on disk or in its pool, that stays and nothing is
  stored. Was it a pool that keeps what it gives back, then the page was written, or it would not have been
  stored.
"""

from typing import Any

import numpy as np

from ...compiled import njit
from ...datasets.trace.schema import Op, Where

UNWRITTEN, DROPPED, RETRIED = 16, 32, 64
"""Bits of a replay's own in ``flags``. UNWRITTEN: of a store, its page was not written since its load. DROPPED:
of a load, the page leaves RAM without a row of its own, later by the residence. RETRIED: of a store, the one
before it failed while recording; where the replay took that one, the page is out and nobody tries again."""

UNKNOWN_SHARE = 0.5
"""Of pages that were read, those that are not written, where a recording does not tell."""
ENOUGH = 200
"""Loads from disk whose end was seen, for a recording to tell."""
_GAPS = 1 << 16
_MANY = 1 << 20
"""Events from which on an eighth of the pages is enough."""
_STORE, _LOAD = int(Op.STORE), int(Op.LOAD)
_POOL, _DISK = int(Where.POOL), int(Where.DISK)


@njit(cache=True, nogil=True)
def _observe(op: Any, page: Any, where: Any, last: Any, one_in: int, gaps: Any, ends: Any) -> int:
    """Of one page in ``one_in``: rows from a load to the store, and what follows loads from disk, by op.

    gaps: the latest of them; how many there were is the result.
    """
    seen = 0
    for i in range(op.shape[0]):
        p = page[i]
        if (p * 2654435761 & 0xFFFFFFFF) * one_in >> 32:
            continue
        kind, before = op[i], last[p]
        if before >= 0:
            if kind == _STORE:
                gaps[seen % gaps.shape[0]] = i - before
                seen += 1
            if where[before] == _DISK:
                ends[kind] += 1
        last[p] = i if kind == _LOAD else -1
    return seen


def habits(op: Any, page: Any, where: Any, pages: int) -> tuple[int, float]:
    """Rows for which a page stays in RAM once read, 0 where no load was followed by a store; and of the pages that
    were read, the share of those that were not written.
    """
    last, gaps, ends = np.full(pages, -1, np.int64), np.zeros(_GAPS, np.int64), np.zeros(3, np.int64)
    seen = _observe(op, page, where, last, 8 if len(op) > _MANY else 1, gaps, ends)
    if not seen:
        return 0, UNKNOWN_SHARE
    written, unwritten = int(ends[_STORE]), int(ends[_LOAD])
    told = written + unwritten >= ENOUGH
    return int(np.median(gaps[:seen])), unwritten / (written + unwritten) if told else UNKNOWN_SHARE


@njit(cache=True, nogil=True, inline="always")
def not_written(page: int, i: int, threshold: int) -> bool:
    """Draw for the store ``i`` of ``page``; threshold: 2^16 times the share of pages not written."""
    draw = (page + np.uint64(i) * np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xD6E8FEB86659FD93)
    return bool((draw >> np.uint64(48)) < np.uint64(threshold))
