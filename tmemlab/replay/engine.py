"""The replay loop: one pass over the events, compiled once, policies called through function pointers.

Everything it touches is a flat array. One event reads its columns in order and one 16-byte page record.
Memory balance, timers and storms are looked at only when their moment has come.
"""

from typing import Any

from ..datasets.schema import Flag, Op, Where
from ..policies.interface import (
    ABSENT,
    ACCEPT,
    ASKED,
    BYPASS,
    DISK,
    HOOK_TYPE,
    NEVER,
    ORDINARY,
    POOL,
    REJECT,
    REMOTE,
    RESIDENT,
    WORLD,
    ZERO,
)
from ..policies.layout import SAME_FILLED_LENGTH
from ..policies.mechanics import enter_pool, free_pages, has_more_than, leave_pool, swap_to_store
from ..policies.stores import enter, is_over, leave, pop_oldest, read
from ..policies.world import prefetch_frame, prefetch_page, prefetch_zspage
from .latency import record_latency
from .unwritten import DROPPED, UNWRITTEN

# isort: split
from numba import njit, types

_STORE, _LOAD = int(Op.STORE), int(Op.LOAD)
_COPY_STAYS = int(Flag.COPY_STAYS)
_W_POOL, _W_DISK, _W_ZERO, _W_REJECTED, _W_UNKNOWN = (int(where) for where in Where)
_W_REMOTE = _W_UNKNOWN + 1  # no kernel that was recorded has it

_FAR, _NEAR = 16, 8
"""Events ahead at which records, and then their neighbours, are prefetched."""

@njit(cache=True)
def forget(w: Any, page: int, place: int) -> None:
    """A copy that is not in the pool is of no use any more."""
    if place == RESIDENT:
        w.host.resident -= 1
        w.host.base_free += 1
    elif w.host.levels and place in (DISK, REMOTE):
        leave(w, page)
    w.pages[page].place = ABSENT


@njit(cache=True)
def _turn_away(w: Any, page: int, level: int) -> int:
    """The pool does not take ``page``: a store below it does or, when those are full, nothing."""
    h = w.host
    swap_to_store(w, page, level)
    if w.pages[page].place == RESIDENT:
        h.refused += 1
    else:
        h.rejected += 1
    return _W_REJECTED


@njit(cache=True)
def _pass_down(w: Any, page: int, store: Any) -> int:
    """A stack with stores above the pool: the page enters the first, what that pushes out goes on."""
    h = w.host
    enter(w, page, 0)
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
    return _W_REMOTE


@njit(cache=True)
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


@njit(cache=True)
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
    w.pages[page].place = RESIDENT
    return _W_REJECTED


@njit(cache=True)
def _stays_on_disk(w: Any, flags: int) -> bool:
    """A page read from a disk or a neighbour: may its copy still be good when it leaves RAM? A store decides."""
    return bool(flags & _COPY_STAYS or w.host.dirties)


@njit(cache=True)
def _leave_again(w: Any, page: int, clen: int, store: Any, pressure: Any) -> None:
    """A page leaves RAM where the recorded kernel dropped it for being clean: from the pool, it is dirty here."""
    if w.pages[page].place != ABSENT:
        return
    w.host.stored_again += 1
    swap_out(w, page, clen, store)
    if not has_more_than(w, w.host.watermark_low):
        relieve(w, pressure)


@njit(cache=True)
def _read_back(w: Any, page: int, place: int, flags: int, costs: Any, histogram: Any) -> int:
    """A page comes back from one of the stores of a stack; where it was (a Where code)."""
    h = w.host
    # In no store: swapped out before the trace began, to where nobody knows. The last one had it, then.
    level, size = h.levels - 1, 4096
    if place != ABSENT:
        level, size = w.kept[page].level, w.kept[page].size
    latency = read(w, level, size)
    w.levels[level].loads += 1
    if size < 4096:
        latency += costs[1]
        h.decompressed += 1
    record_latency(histogram, costs[0] + latency)
    if place != ABSENT and not _stays_on_disk(w, flags):
        leave(w, page)
    if w.levels[level].kind == REMOTE:
        h.loads_remote += 1
        return _W_REMOTE
    h.loads_disk += 1
    return _W_DISK


@njit(cache=True)
def swap_in(w: Any, page: int, flags: int, load: Any, costs: Any, histogram: Any) -> int:
    """One page comes back; where it was found (a Where code).

    costs: int64 [fault ns, decompress ns]. The histogram takes loads that had to wait for something; those
    from the pool, or from an idle disk, all cost the same, and are added when they have been counted.
    """
    h = w.host
    place = w.pages[page].place
    if place == POOL:
        h.loads_pool += 1
        h.decompressed += 1
        # Where the recorded kernel dropped the page again without a store, its copy was still good:
        # taking it away here would invent a swap-out that never happened, unless this pool makes pages dirty.
        if load(w, page) != 0 and (h.dirties or not flags & _COPY_STAYS):
            leave_pool(w, page)
        return _W_POOL
    if place == ZERO:
        h.loads_zero += 1
        if not flags & _COPY_STAYS:
            w.pages[page].place = ABSENT
        return _W_ZERO
    if place == RESIDENT:
        h.loads_resident += 1
        if not flags & _COPY_STAYS:
            h.resident -= 1
            h.base_free += 1
            w.pages[page].place = ABSENT
        return _W_POOL
    if h.levels:
        return _read_back(w, page, place, flags, costs, histogram)
    h.loads_disk += 1
    h.disk_read += 4096
    queued = min(h.disk_busy - h.now, h.disk_queue_ns)
    if queued > 0:
        record_latency(histogram, costs[0] + h.disk_latency_ns + queued)
    w.pages[page].place = DISK if _stays_on_disk(w, flags) else ABSENT
    return _W_DISK


@njit(cache=True)
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
def follow_samples(w: Any, at: int, balance: Any) -> None:
    """Take the host's memory from sample ``at``; a policy's own effects stay.

    balance: int64 (samples, 4): t, free pages without the pool, droppable page cache, free swap slots.
    """
    h = w.host
    h.base_free = balance[at, 1] - h.resident
    h.file = balance[at, 2]
    h.swap_free = balance[at, 3]


RUN_SIGNATURE = types.int64(
    WORLD,
    types.int64[::1],  # t
    types.uint8[::1],  # op
    types.uint32[::1],  # page
    types.uint8[::1],  # flags
    types.uint16[::1],  # clen, every event filled
    types.int64[::1],  # event number of the page's next load; empty unless the policy wants it
    types.int64[:, ::1],  # balance
    types.int64[::1],  # costs
    types.int64[::1],  # latency histogram
    types.int64[:, ::1],  # out: a row a sample: free pages, page cache, pool pages, stored pages
    types.uint8[::1],  # out: where each event's page went or was found; empty if not wanted
    types.int64,  # from event
    types.int64,  # until time (ns), exclusive
    HOOK_TYPE,
    HOOK_TYPE,
    HOOK_TYPE,
    HOOK_TYPE,
)


@njit(RUN_SIGNATURE, cache=True, nogil=True)
def run(
    w: Any,
    t: Any,
    op: Any,
    page: Any,
    flags: Any,
    clen: Any,
    next_load: Any,
    balance: Any,
    costs: Any,
    histogram: Any,
    series: Any,
    found: Any,
    start: int,
    until: int,
    store: Any,
    load: Any,
    wake: Any,
    pressure: Any,
) -> int:
    """Replay events ``start`` onward that happened before ``until``; the number of the first one left."""
    h = w.host
    events = t.shape[0]
    samples = balance.shape[0]
    at = h.sample
    next_sample = balance[at, 0] if at < samples else NEVER
    wants_future = next_load.shape[0] > 0
    wants_found = found.shape[0] > 0
    # The page table is larger than the caches: ask for a page's record a few events ahead and, when that has
    # come, for its neighbours on the list, which unlinking will touch.
    ahead = events - _FAR
    residence = h.residence if h.dirties else events
    i = start
    while i < events:
        if i < ahead:
            prefetch_page(w, page[i + _FAR])
            prefetch_frame(w, page[i + _FAR])
            near = page[i + _NEAR]
            prefetch_page(w, w.pages[near].prev)
            prefetch_page(w, w.pages[near].next)
            prefetch_zspage(w, w.frames[near])
        now = t[i]
        if now >= until:
            break
        elapsed = now - h.now
        h.pool_area += float(h.pool_pages) * elapsed
        h.saved_area += float(h.pool_count - h.pool_pages) * elapsed
        h.now = now
        while now >= next_sample:
            follow_samples(w, at, balance)
            free = free_pages(w)
            if free < h.watermark_low:
                relieve(w, pressure)
                free = free_pages(w)
            series[at, 0] = free
            series[at, 1] = h.file
            series[at, 2] = h.pool_pages
            series[at, 3] = h.pool_count
            if free < h.watermark_min and at + 1 < samples:
                h.below_min_ns += balance[at + 1, 0] - balance[at, 0]
            at += 1
            h.sample = at
            next_sample = balance[at, 0] if at < samples else NEVER
        if now >= h.wake:
            wake(w, 0)
        if i >= residence and flags[i - residence] & DROPPED:
            _leave_again(w, page[i - residence], clen[i - residence], store, pressure)
        p = page[i]
        kind = op[i]
        if wants_future:
            h.next_load = next_load[i]
        if kind == _STORE:
            place = w.pages[p].place
            if h.dirties and flags[i] & UNWRITTEN and place in (DISK, REMOTE, POOL):
                h.unwritten += 1
                where = _W_POOL if place == POOL else _W_REMOTE if place == REMOTE else _W_DISK
            else:
                where = swap_out(w, p, clen[i], store)
                if not has_more_than(w, h.watermark_low):
                    relieve(w, pressure)
        elif kind == _LOAD:
            where = swap_in(w, p, flags[i], load, costs, histogram)
            if h.dirties and flags[i] & (_COPY_STAYS | DROPPED) == _COPY_STAYS:  # read again before it is due
                _leave_again(w, p, clen[i], store, pressure)
        else:
            place = w.pages[p].place
            where = _W_UNKNOWN
            if place == POOL:
                leave_pool(w, p)
                where = _W_POOL
            elif place != ABSENT:
                forget(w, p, place)
            h.invalidates += 1
        if wants_found:
            found[i] = where
        i += 1
    return i


TOUCH_SIGNATURE = types.int64(
    WORLD,
    types.int64[::1],  # t
    types.uint32[::1],  # page
    types.int64[::1],  # event number of the page's next access; empty unless the policy wants it
    types.uint8[::1],  # out: Where code of each access; empty if not wanted
    types.int64,  # from event
    types.int64,  # until time (ns), exclusive
    HOOK_TYPE,
    HOOK_TYPE,
    HOOK_TYPE,
)


@njit(TOUCH_SIGNATURE, cache=True, nogil=True)
def run_accesses(
    w: Any,
    t: Any,
    page: Any,
    next_load: Any,
    found: Any,
    start: int,
    until: int,
    store: Any,
    load: Any,
    wake: Any,
) -> int:
    """The same for an access trace: a request hits the resident set, or misses and is taken in."""
    h = w.host
    events = page.shape[0]
    wants_future = next_load.shape[0] > 0
    wants_found = found.shape[0] > 0
    ahead = events - _FAR
    i = start
    while i < events:
        if i < ahead:
            prefetch_page(w, page[i + _FAR])
            near = page[i + _NEAR]
            prefetch_page(w, w.pages[near].prev)
            prefetch_page(w, w.pages[near].next)
        now = t[i]
        if now >= until:
            break
        h.pool_area += float(h.pool_pages) * (now - h.now)
        h.now = now
        if now >= h.wake:
            wake(w, 0)
        if wants_future:
            h.next_load = next_load[i]
        p = page[i]
        hit = w.pages[p].place == POOL
        if hit:
            h.loads_pool += 1
            if load(w, p) != 0:
                leave_pool(w, p)
        else:
            h.loads_disk += 1
            if store(w, p) == ACCEPT:
                enter_pool(w, p)
                h.accepted += 1
            else:
                h.rejected += 1
        if wants_found:
            found[i] = _W_POOL if hit else _W_DISK
        i += 1
    return i
