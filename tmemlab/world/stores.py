"""Backing stores that stack: what stands above and below the pool, and how pages move down through them.

Every store keeps its pages in the order in which they came. One that is over its capacity hands its oldest
pages to the next; what does not fit into the last goes back into RAM, so no page is ever lost and no store
ever holds more than it has. A write queues for the store's bandwidth and keeps its page's RAM until it is done.
"""

from typing import Any

import numpy as np

from ..compiled import inner, njit
from .records import ABSENT, DISK, STAYED


@inner
def _head(w: Any, level: int) -> int:
    return w.kept.shape[0] - w.host.levels + level


@inner
def copy_size(clen: int, compressed: bool, unit: int) -> int:
    """Bytes that a page's copy takes of a store: a whole page, or its compressed bytes in units of ``unit``."""
    if not compressed or clen == 0:
        return 4096
    return min((clen + unit - 1) // unit * unit, 4096)


@inner
def waiting_pages(w: Any) -> int:
    """Pages of RAM that wait in the stores' queues."""
    now, held = w.host.now, 0
    for level in range(w.host.levels):
        busy = w.levels[level].busy
        if busy > now:
            held += (busy - now) // w.levels[level].page_ns + 1
    return held


@inner
def enter(w: Any, page: int, level: int) -> None:
    """Make ``page`` the newest of a store and queue its write; the store may be over its capacity afterwards."""
    h, store = w.host, w.levels[level]
    size = copy_size(w.pages[page].clen, store.compressed == 1, store.unit)
    head = _head(w, level)
    last = w.kept[head].prev
    w.kept[page].prev = last
    w.kept[page].next = head
    w.kept[page].size = size
    w.kept[page].level = level
    w.kept[last].next = page
    w.kept[head].prev = page
    w.pages[page].place = store.kind
    store.pages += 1
    store.bytes += size
    if store.capacity == 0 or store.bytes <= store.capacity:  # else it is about to hand pages on
        store.peak = max(store.peak, store.bytes)
    store.entered += 1
    store.written += size
    store.busy = max(store.busy, h.now) + (store.page_ns * size >> 12)
    if level == h.above:
        h.disk_busy = store.busy
    if store.kind == DISK:
        h.disk_written += size


@inner
def leave(w: Any, page: int) -> None:
    """Take ``page`` out of the store that has it."""
    kept = w.kept[page]
    w.kept[kept.prev].next = kept.next
    w.kept[kept.next].prev = kept.prev
    w.levels[kept.level].pages -= 1
    w.levels[kept.level].bytes -= kept.size
    w.pages[page].place = ABSENT


@inner
def is_over(w: Any, level: int) -> bool:
    """Whether a store holds more than it has room for."""
    store = w.levels[level]
    return bool(store.capacity > 0 and store.bytes > store.capacity)


@inner
def read(w: Any, level: int, size: int) -> int:
    """Count a read of ``size`` bytes from a store; the ns until they are there."""
    store = w.levels[level]
    store.read += size
    if store.kind == DISK:
        w.host.disk_read += size
    queued = min(max(store.busy - w.host.now, 0), store.queue_ns)
    return int(store.latency_ns + queued)


@inner
def pop_oldest(w: Any, level: int) -> np.uint32:
    """Take the oldest page out of a store that is over its capacity, to hand it on; it is read for that."""
    victim = np.uint32(w.kept[_head(w, level)].next)
    read(w, level, w.kept[victim].size)
    leave(w, victim)
    return victim


@inner
def send_down(w: Any, page: int, level: int) -> None:
    """Put ``page`` into a store below the pool, and hand down what that pushes out of it and of the next."""
    h = w.host
    enter(w, page, level)
    for over in range(level, h.levels):
        while is_over(w, over):
            if over + 1 < h.levels:
                enter(w, pop_oldest(w, over), over + 1)
                continue
            # the last store is full: what came just now stays in RAM
            newest = np.uint32(w.kept[_head(w, over)].prev)
            leave(w, newest)
            w.pages[newest].place = STAYED
            h.resident += 1
            h.base_free -= 1


@njit(cache=True)
def make_lists(w: Any) -> None:
    """Empty stores."""
    for level in range(w.host.levels):
        head = _head(w, level)
        w.kept[head].prev = head
        w.kept[head].next = head
