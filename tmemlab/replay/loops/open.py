"""The replay loops: one pass over the events, compiled once, policies called through function pointers.

Everything they touch is a flat array. One event reads its columns in order and one 16-byte page record.
Memory balance, timers and storms are looked at only when their moment has come.
"""

from typing import Any

from numba import types

from ...compiled import inner, loop
from ...datasets.trace.schema import Flag, Op, Where
from ...policies.interface import ABSENT, ACCEPT, DISK, HOOK_TYPE, NEVER, POOL, REMOTE, WORLD
from ...world.mechanics import enter_pool, free_pages, has_more_than, leave_pool
from ...world.reclaim import W_REMOTE, follow_sample, forget, leave_again, relieve, swap_in, swap_out
from ...world.view import prefetch_frame, prefetch_page, prefetch_zspage
from ..inputs.unwritten import DROPPED, RETRIED, UNWRITTEN
from .tapes import ACCESS_TAPE, SWAP_TAPE

_STORE, _LOAD = int(Op.STORE), int(Op.LOAD)
_COPY_STAYS = int(Flag.COPY_STAYS)
_W_POOL, _W_DISK, _W_UNKNOWN = int(Where.POOL), int(Where.DISK), int(Where.UNKNOWN)

_FAR, _NEAR = 16, 8
"""Events ahead at which records, and then their neighbours, are prefetched."""

RUN_SIGNATURE = types.int64(
    WORLD,
    SWAP_TAPE,
    types.int64,  # from event
    types.int64,  # until time (ns), exclusive
    HOOK_TYPE,
    HOOK_TYPE,
    HOOK_TYPE,
    HOOK_TYPE,
)


@inner
def advance(w: Any, now: int) -> None:
    """The clock moves on: what the pool held until now is summed up."""
    h = w.host
    elapsed = now - h.now
    h.pool_area += float(h.pool_pages) * elapsed
    h.saved_area += float(h.pool_count - h.pool_pages) * elapsed
    h.now = now


@loop(RUN_SIGNATURE)
def run(w: Any, tape: Any, start: int, until: int, store: Any, load: Any, wake: Any, pressure: Any) -> int:
    """Replay events ``start`` onward that happened before ``until``; the number of the first one left."""
    t, op, page, flags, clen, next_load, balance, series, found = tape
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
    residence = h.residence if h.spares else events
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
        advance(w, now)
        while now >= next_sample:
            follow_sample(w, balance[at, 1], balance[at, 2], balance[at, 3])
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
            if wants_future:
                h.next_load = next_load[i - residence]
            leave_again(w, page[i - residence], clen[i - residence], store, pressure)
        p = page[i]
        kind = op[i]
        if wants_future:
            h.next_load = next_load[i]
        if kind == _STORE:
            place = w.pages[p].place
            spared = flags[i] & RETRIED or (h.spares and flags[i] & UNWRITTEN)
            if spared and place in (DISK, REMOTE, POOL):
                h.unwritten += 1
                where = _W_POOL if place == POOL else W_REMOTE if place == REMOTE else _W_DISK
            else:
                where = swap_out(w, p, clen[i], store)
                if not has_more_than(w, h.watermark_low):
                    relieve(w, pressure)
        elif kind == _LOAD:
            where = swap_in(w, p, flags[i], load)
            if h.spares and flags[i] & (_COPY_STAYS | DROPPED) == _COPY_STAYS:  # read again before it is due
                leave_again(w, p, clen[i], store, pressure)
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


ACCESS_SIGNATURE = types.int64(
    WORLD,
    ACCESS_TAPE,
    types.int64,  # from event
    types.int64,  # until time (ns), exclusive
    HOOK_TYPE,
    HOOK_TYPE,
    HOOK_TYPE,
)


@loop(ACCESS_SIGNATURE)
def run_accesses(w: Any, tape: Any, start: int, until: int, store: Any, load: Any, wake: Any) -> int:
    """The same for an access trace: a request hits the resident set, or misses and is taken in."""
    t, page, next_load, found = tape
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
