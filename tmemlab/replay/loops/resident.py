"""The resident set in front of the pool: active and inactive lists, as the kernel keeps anonymous memory.

A page that was touched since reclaim last looked at it gets another round on the inactive list, and is activated
the second time; one that comes back before as many others left as are active is activated at once. Reclaim takes
from the inactive end, swaps out, and frees a page only if the pool did not need as much for it.

Linux 6.18 mm/vmscan.c:folio_check_references, inactive_is_low, shrink_active_list;
mm/workingset.c:workingset_refault.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiled import inner
from ...policies.interface import ABSENT, STAYED
from ...world.mechanics import free_pages
from ...world.reclaim import swap_out
from ...world.records import NEAR

OUT, INACTIVE, ACTIVE = range(3)
TOUCHED, REFERENCED, AHEAD, GONE = 1, 2, 4, 8
"""Bits of a page: its accessed bit; reclaim has seen that once; readahead brought it; it left at ``stamp``."""

(
    COUNT_INACTIVE, COUNT_ACTIVE, AGE, ACTIVATED, REFAULTS, MINOR, MAJOR, HITS, AHEAD_READ, AHEAD_HITS,
    WINDOW, LAST_FAULT, STARVED, NO_SLOT, STALLED_NS, EVICTED, RECENT_AHEAD_HITS, BUDGET,
) = range(18)  # fmt: skip
"""Counters and registers of a resident set, int64. BUDGET: pages that it may have, -1: what the host has free."""
COUNTERS = 18

BATCH = 32
"""SWAP_CLUSTER_MAX."""


def make_near(pages: int) -> npt.NDArray[np.void]:
    """An empty resident set for ``pages`` pages."""
    near = np.zeros(pages + 2, NEAR)
    for head in (pages, pages + 1):
        near[head]["prev"] = near[head]["next"] = head
    return near


@inner
def insert(w: Any, page: int, which: int) -> None:
    """Make ``page`` the newest of a list."""
    near, counts = w.near, w.counts
    head = near.shape[0] - 3 + which
    first = near[head].next
    near[page].next = first
    near[page].prev = head
    near[first].prev = page
    near[head].next = page
    near[page].list = which
    counts[COUNT_INACTIVE - INACTIVE + which] += 1


@inner
def remove(w: Any, page: int) -> None:
    """Take ``page`` off its list."""
    near, counts = w.near, w.counts
    before, after = near[page].prev, near[page].next
    near[before].next = after
    near[after].prev = before
    counts[COUNT_INACTIVE - INACTIVE + near[page].list] -= 1
    near[page].list = OUT


@inner
def last(w: Any, which: int) -> int:
    """The oldest page of a list, or -1."""
    near = w.near
    head = near.shape[0] - 3 + which
    page = near[head].prev
    return -1 if page == head else page


@inner
def arrive(w: Any, page: int) -> None:
    """A page becomes resident: on the inactive list, or the active one if it left a short while ago."""
    near, counts = w.near, w.counts
    which = INACTIVE
    if near[page].bits & GONE:
        counts[REFAULTS] += 1
        if counts[AGE] - near[page].stamp <= counts[COUNT_ACTIVE]:
            which = ACTIVE
            counts[AGE] += 1
            counts[ACTIVATED] += 1
    near[page].bits = 0
    insert(w, page, which)


@inner
def _balance_lists(w: Any) -> None:
    """Deactivate a batch while the inactive list is low: ratio isqrt(10 x GiB), 1 below a GiB."""
    near, counts = w.near, w.counts
    total = counts[COUNT_INACTIVE] + counts[COUNT_ACTIVE]
    ratio = max(int(np.sqrt(10 * (total >> 18))), 1)
    for _ in range(BATCH):
        if counts[COUNT_INACTIVE] * ratio >= counts[COUNT_ACTIVE]:
            return
        page = last(w, ACTIVE)
        near[page].bits &= ~TOUCHED
        remove(w, page)
        insert(w, page, INACTIVE)


@inner
def next_victim(w: Any) -> int:
    """The page that reclaim takes next, off its list; -1 if none is resident."""
    near, counts = w.near, w.counts
    for _ in range(2 * near.shape[0]):
        _balance_lists(w)
        page = last(w, INACTIVE)
        if page < 0:
            page = last(w, ACTIVE)
            if page < 0:
                return -1
        bits = near[page].bits
        remove(w, page)
        if not bits & TOUCHED:
            return page
        near[page].bits = (bits & ~TOUCHED) | REFERENCED
        if bits & REFERENCED:
            counts[AGE] += 1
            counts[ACTIVATED] += 1
            near[page].bits &= ~REFERENCED
            insert(w, page, ACTIVE)
        else:
            insert(w, page, INACTIVE)
    return -1


@inner
def evict(w: Any, store: Any) -> bool:
    """Swap one page out; False if there is none, no slot for it, or nobody takes it."""
    h, near, counts = w.host, w.near, w.counts
    if h.swap_free <= 0:
        counts[NO_SLOT] += 1
        return False
    page = next_victim(w)
    if page < 0:
        return False
    had_slot = w.pages[page].place != ABSENT
    swap_out(w, page, w.clens[page], store)
    if w.pages[page].place == STAYED:  # refused: it is where it was
        w.pages[page].place = ABSENT
        h.resident -= 1
        h.base_free += 1
        insert(w, page, ACTIVE)
        return False
    h.base_free += 1
    h.swap_free -= not had_slot
    near[page].stamp = counts[AGE]
    near[page].bits = GONE
    counts[AGE] += 1
    counts[EVICTED] += 1
    return True


@inner
def make_room(w: Any, keep: int, store: Any, pressure: Any) -> None:
    """Reclaim until ``keep`` pages are free or being written; ask the policy for what is still missing.

    Pages in the disk's queue hold their memory until they are written: whoever needs one below the min
    watermark waits for the device. When nothing can be reclaimed the page that was wanted found no memory.
    """
    h, counts = w.host, w.counts
    failures = 0
    while h.base_free - h.pool_pages < keep and failures < 16:
        before = h.base_free - h.pool_pages
        for _ in range(BATCH):
            if h.base_free - h.pool_pages >= keep or not evict(w, store):
                break
        failures = failures + 1 if h.base_free - h.pool_pages <= before else 0
    free = free_pages(w)
    if free < h.watermark_low and h.base_free - h.pool_pages < keep:
        h.pressure_calls += 1
        h.pressure_pages += pressure(w, keep - free)
        free = free_pages(w)
    if free <= h.watermark_min:
        missing = h.watermark_min - free + 1
        if h.base_free - h.pool_pages > h.watermark_min:
            counts[STALLED_NS] += missing * h.disk_page_ns
        else:
            counts[STARVED] += 1
