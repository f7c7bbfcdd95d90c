"""What happens to one page, and to the pool when memory is short: the moves that every loop is made of.

Each works on a World, is compiled into the loops (engine.py, closed.py, storm.py), and says where the page went or
was found.
"""

from typing import Any

import numpy as np

from ..compiled import inner, njit
from ..datasets.trace.schema import Flag, Where
from .latency import bucket_of
from .mechanics import enter_pool, free_pages, has_more_than, leave_pool, swap_to_store
from .records import (
    ABSENT,
    ACCEPT,
    ASKED,
    BYPASS,
    COMPRESSED,
    DISK,
    ORDINARY,
    PLAIN,
    POOL,
    REJECT,
    REMOTE,
    RESIDENT,
    SAME_FILLED_LENGTH,
    STAYED,
    ZERO,
)
from .stores import copy_size, enter, is_over, leave, pop_oldest, read

_COPY_STAYS = int(Flag.COPY_STAYS)
_W_POOL, _W_DISK, _W_ZERO = int(Where.POOL), int(Where.DISK), int(Where.ZERO)
_W_REJECTED, W_FAILED = int(Where.REJECTED), int(Where.FAILED)
W_REMOTE = len(Where)
"""A Where code that no recorded kernel has: in a neighbour's RAM."""


@inner
def forget(w: Any, page: int, place: int) -> None:
    """A copy that is not in the pool is of no use any more."""
    if place in (RESIDENT, STAYED):
        w.host.resident -= 1
        w.host.base_free += 1
    elif w.host.levels and place in (DISK, REMOTE):
        leave(w, page)
    w.pages[page].place = ABSENT


@inner
def _turn_away(w: Any, page: int, level: int) -> int:
    """The pool does not take ``page``: a store below it does or, when those are full, nothing."""
    h = w.host
    swap_to_store(w, page, level)
    if w.pages[page].place == STAYED:
        h.refused += 1
        return W_FAILED
    h.rejected += 1
    return _W_REJECTED


@inner
def _pass_down(w: Any, page: int, store: Any) -> int:
    """A stack with stores above the pool: the page enters the first, what that pushes out goes on."""
    h = w.host
    enter(w, page, np.int64(0))
    for level in range(h.above):
        while is_over(w, level):
            victim = pop_oldest(w, level)
            if level + 1 < h.above:
                enter(w, victim, level + 1)
                continue
            verdict = store(w, victim) if has_more_than(w, 0) else REJECT
            if verdict == ACCEPT:
                enter_pool(w, victim)
                h.compressed += 1
            else:
                swap_to_store(w, victim, h.levels - 1 if verdict == BYPASS else h.above)
    h.accepted += 1
    return W_REMOTE


@inner
def _swap_out_zeros(w: Any, page: int, store: Any) -> int:
    """A page of zero bytes: no memory and no I/O, unless the policy is asked and rejects it."""
    h = w.host
    w.pages[page].clen = 0
    w.pages[page].place = ABSENT
    if h.zeros == ASKED and store(w, page) == REJECT:
        return _turn_away(w, page, h.above)
    w.pages[page].place = ZERO
    h.zero_stores += 1
    return _W_ZERO


@inner
def swap_out(w: Any, page: int, clen: int, store: Any) -> int:
    """One page leaves RAM; where it went (a Where code). Shared by the replay and its storms.

    Order of Linux 6.18: zero pages first [mm/page_io.c:swap_writeout], then the pool, then the disk, unless
    the policy's kernel had another (``Policy.zeros``). An old copy never survives a new store. The pool's
    page must come from free memory that is still there.
    """
    h = w.host
    place = w.pages[page].place
    if place == POOL:
        leave_pool(w, page)
    elif place != ABSENT:
        forget(w, page, place)
    if clen == 0:
        if h.zeros != ORDINARY:
            return _swap_out_zeros(w, page, store)
        clen = SAME_FILLED_LENGTH
    w.pages[page].clen = clen
    w.pages[page].place = ABSENT
    if h.above:
        return _pass_down(w, page, store)
    verdict = store(w, page) if has_more_than(w, 0) else REJECT
    if verdict == ACCEPT:
        enter_pool(w, page)
        h.accepted += 1
        h.compressed += 1
        return _W_POOL
    if verdict == REJECT:
        return _turn_away(w, page, h.above)
    if verdict == BYPASS:
        return _turn_away(w, page, h.levels - 1)
    h.refused += 1
    h.resident += 1
    h.base_free -= 1
    w.pages[page].place = STAYED
    return W_FAILED


@inner
def _stays_on_disk(w: Any, flags: int) -> bool:
    """A page read from a disk or a neighbour: may its copy still be good when it leaves RAM? A store decides."""
    return bool(flags & _COPY_STAYS or w.host.spares)


@inner
def leave_again(w: Any, page: int, clen: int, store: Any, pressure: Any) -> None:
    """A page leaves RAM where the recorded kernel dropped it for being clean: here a load took its copy away."""
    if w.pages[page].place != ABSENT:
        return
    w.host.stored_again += 1
    swap_out(w, page, clen, store)
    if not has_more_than(w, w.host.watermark_low):
        relieve(w, pressure)


@inner
def _read_back(w: Any, page: int, place: int, flags: int) -> int:
    """A page comes back from one of the stores of a stack; where it was (a Where code)."""
    h = w.host
    # In no store: swapped out before the trace began, to where nobody knows. The last one had it, then.
    level, size, compressed = h.levels - 1, 4096, False
    if place != ABSENT:
        level, size = w.kept[page].level, w.kept[page].size
        compressed = w.levels[level].compressed == 1
    latency = read(w, level, size)
    w.levels[level].loads += 1
    if compressed:
        latency += h.decompress_ns
        h.decompressed += 1
    w.latencies[bucket_of(h.fault_ns + latency)] += 1
    if place != ABSENT and not _stays_on_disk(w, flags):
        leave(w, page)
    if w.levels[level].kind == REMOTE:
        h.loads_remote += 1
        return W_REMOTE
    h.loads_disk += 1
    return _W_DISK


@inner
def swap_in(w: Any, page: int, flags: int, load: Any) -> int:
    """One page comes back; where it was found (a Where code).

    ``w.latencies`` takes loads that had to wait for something; those from the pool, or from an idle disk, all
    cost the same, and are added when they have been counted.
    """
    h = w.host
    place = w.pages[page].place
    if place == POOL:
        h.loads_pool += 1
        h.decompressed += 1
        # Where the recorded kernel dropped the page again without a store, its copy was still good. What a load
        # takes away here is stored again when it leaves, where that is replayed; else it would be lost, and has
        # to stay.
        if load(w, page) != 0 and (h.spares or not flags & _COPY_STAYS):
            leave_pool(w, page)
        return _W_POOL
    if place == ZERO:
        h.loads_zero += 1
        if not flags & _COPY_STAYS:
            w.pages[page].place = ABSENT
        return _W_ZERO
    if place in (RESIDENT, STAYED):
        h.loads_resident += place == RESIDENT
        h.loads_refused += place == STAYED
        if not flags & _COPY_STAYS:
            h.resident -= 1
            h.base_free += 1
            w.pages[page].place = ABSENT
        return _W_POOL if place == RESIDENT else W_FAILED
    if h.levels:
        return _read_back(w, page, place, flags)
    h.loads_disk += 1
    compressed = place == DISK and w.pages[page].zclass == COMPRESSED
    h.disk_read += copy_size(w.pages[page].clen, compressed, h.disk_unit)
    h.decompressed += compressed
    queued = max(min(h.disk_busy - h.now, h.disk_queue_ns), 0)
    if queued > 0 or compressed:
        w.latencies[bucket_of(h.fault_ns + h.disk_latency_ns + queued + h.decompress_ns * compressed)] += 1
    if _stays_on_disk(w, flags):
        if place != DISK:  # swapped out before the trace began
            w.pages[page].zclass = PLAIN
        w.pages[page].place = DISK
    else:
        w.pages[page].place = ABSENT
    return _W_DISK


@inner
def relieve(w: Any, pressure: Any) -> None:
    """Free memory is below the low watermark: drop page cache, then ask the policy for what is missing."""
    h = w.host
    need = h.watermark_high - free_pages(w)
    dropped = min(need, h.file)
    h.file -= dropped
    h.base_free += dropped
    need -= dropped
    if need > 0:
        h.pressure_calls += 1
        h.pressure_pages += pressure(w, need)


@njit(cache=True)
def follow_sample(w: Any, free: int, file: int, swap_free: int) -> None:
    """Take the host's memory from a sample, all in pages: free without the pool, page cache that can be dropped,
    free swap slots. A policy's own effects stay.
    """
    h = w.host
    h.base_free = free - h.resident
    h.file = file
    h.swap_free = swap_free
