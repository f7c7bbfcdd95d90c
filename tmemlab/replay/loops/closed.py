"""The closed loop: a resident set stands in front of the pool and makes the stores and loads itself.

In an access trace every touch is known, so the resident set is the kernel's: it has what RAM the pool leaves it,
and a policy that takes more memory causes more faults. A swap trace knows only what left RAM and came back. There
the resident set is the extra memory that this host has over the recorded one: what was swapped out stays in it
as long as there is room, oldest out first, and a load that finds its page there never was a fault.
"""

from typing import Any

from numba import types

from ...compiled import inner, loop
from ...datasets.trace.schema import Flag, Op, Where
from ...policies.interface import ABSENT, HOOK_TYPE, NEVER, POOL, WORLD
from ...world.mechanics import free_pages, leave_pool
from ...world.reclaim import follow_sample, forget, relieve, swap_in, swap_out
from ...world.view import prefetch_page
from .open import advance
from .resident import (
    AHEAD,
    AHEAD_HITS,
    AHEAD_READ,
    BUDGET,
    COUNT_INACTIVE,
    EVICTED,
    GONE,
    HITS,
    INACTIVE,
    LAST_FAULT,
    MAJOR,
    MINOR,
    OUT,
    RECENT_AHEAD_HITS,
    STARVED,
    TOUCHED,
    WINDOW,
    arrive,
    insert,
    last,
    make_room,
    remove,
)
from .tapes import EXTENDED_TAPE, TOUCH_TAPE

_STORE, _LOAD = int(Op.STORE), int(Op.LOAD)
_COPY_STAYS = int(Flag.COPY_STAYS)
_W_POOL, _W_REJECTED, _W_UNKNOWN = int(Where.POOL), int(Where.REJECTED), int(Where.UNKNOWN)
_FAR = 16

MOST_AHEAD = 8
"""Pages a readahead window has at most: page_cluster 3."""


@inner
def _window(w: Any, adjacent: bool) -> int:
    """Pages that readahead looks at around a fault [Linux 7.1 mm/swap_state.c:__swapin_nr_pages].

    adjacent: the fault is beside the last one.
    """
    counts = w.counts
    hits = counts[RECENT_AHEAD_HITS]
    pages = hits + 2
    if hits == 0:
        pages = 2 if adjacent else 1
    else:
        rounded = 4
        while rounded < pages:
            rounded *= 2
        pages = rounded
    pages = max(min(pages, MOST_AHEAD), counts[WINDOW] // 2)
    counts[RECENT_AHEAD_HITS] = 0
    counts[WINDOW] = pages
    return int(pages)


@inner
def _fault(w: Any, page: int, store: Any, load: Any, pressure: Any) -> int:
    """Bring one page in; where it was found. Its copy, if the policy keeps it, is stale from now on."""
    h = w.host
    if free_pages(w) < h.watermark_low:
        make_room(w, h.watermark_high, store, pressure)
    where = swap_in(w, page, 0, load)
    if w.pages[page].place == ABSENT:
        h.swap_free += 1
    h.base_free -= 1
    arrive(w, page)
    return where


TOUCH_SIGNATURE = types.int64(
    WORLD,
    TOUCH_TAPE,
    types.UniTuple(types.int64, 2),  # from event, until time (ns), exclusive
    HOOK_TYPE,
    HOOK_TYPE,
    HOOK_TYPE,
    HOOK_TYPE,
)


@loop(TOUCH_SIGNATURE)
def run_touches(w: Any, tape: Any, span: Any, store: Any, load: Any, wake: Any, pressure: Any) -> int:
    """Replay accesses of ``span``, from event number to time; the number of the first one left."""
    t, page, left, right, found = tape
    near, counts = w.near, w.counts
    start, until = span
    h = w.host
    events = page.shape[0]
    wants_found = found.shape[0] > 0
    reads_ahead = left.shape[0] > 0
    i = start
    while i < events:
        if i + _FAR < events:
            prefetch_page(w, page[i + _FAR])
        now = t[i]
        if now >= until:
            break
        advance(w, now)
        if now >= h.wake:
            wake(w, 0)
        p = page[i]
        where = _W_UNKNOWN
        if near[p].list != OUT:
            counts[HITS] += 1
            if near[p].bits & AHEAD:
                counts[AHEAD_HITS] += 1
                counts[RECENT_AHEAD_HITS] += 1
                near[p].bits &= ~AHEAD
            near[p].bits |= TOUCHED
        elif w.pages[p].place == ABSENT and not near[p].bits & GONE:
            counts[MINOR] += 1  # touched for the first time: a page of zero bytes
            if free_pages(w) < h.watermark_low:
                make_room(w, h.watermark_high, store, pressure)
            h.base_free -= 1
            arrive(w, p)
            near[p].bits |= TOUCHED
        else:
            counts[MAJOR] += 1
            where = _fault(w, p, store, load, pressure)
            near[p].bits |= TOUCHED
            if reads_ahead:
                before = counts[LAST_FAULT]
                onward = before >= 0 and left[p] == before
                window = _window(w, onward or (before >= 0 and right[p] == before))
                forward, backward = p, p
                for step in range(window - 1):
                    if onward or step % 2 == 0:
                        forward = right[forward] if forward >= 0 else -1
                        q = forward
                    else:
                        backward = left[backward] if backward >= 0 else -1
                        q = backward
                    if q >= 0 and near[q].list == OUT and near[q].bits & GONE:
                        _fault(w, q, store, load, pressure)
                        near[q].bits |= AHEAD
                        counts[AHEAD_READ] += 1
            counts[LAST_FAULT] = p
        if wants_found:
            found[i] = where
        i += 1
    return i


EXTEND_SIGNATURE = types.int64(
    WORLD,
    EXTENDED_TAPE,
    types.UniTuple(types.int64, 2),  # from event, until time (ns), exclusive
    HOOK_TYPE,
    HOOK_TYPE,
    HOOK_TYPE,
    HOOK_TYPE,
)


@loop(EXTEND_SIGNATURE)
def run_extended(w: Any, tape: Any, span: Any, store: Any, load: Any, wake: Any, pressure: Any) -> int:
    """The same for a swap trace: its stores go through what this host has free beyond the recorded one."""
    t, op, page, flags, clen, balance, recorded_free, series, found = tape
    near, counts, latest = w.near, w.counts, w.clens
    start, until = span
    budget = counts[BUDGET]
    h = w.host
    events, samples = t.shape[0], balance.shape[0]
    at = h.sample
    next_sample = balance[at, 0] if at < samples else NEVER
    wants_found = found.shape[0] > 0
    i = start
    while i < events:
        now = t[i]
        if now >= until:
            break
        advance(w, now)
        while now >= next_sample:
            follow_sample(w, balance[at, 1], balance[at, 2], balance[at, 3])
            h.base_free -= counts[0]  # what stays in RAM here and did not there
            series[at, 0] = free_pages(w)
            series[at, 1] = h.file
            series[at, 2] = h.pool_pages
            series[at, 3] = h.pool_count
            at += 1
            h.sample = at
            next_sample = balance[at, 0] if at < samples else NEVER
        if now >= h.wake:
            wake(w, 0)
        p, kind = page[i], op[i]
        where = _W_UNKNOWN
        if kind == _STORE:
            place = w.pages[p].place
            if place == POOL:
                leave_pool(w, p)
            elif place != ABSENT:
                forget(w, p, place)
            latest[p] = clen[i]
            if near[p].list == OUT:
                insert(w, p, INACTIVE)
                h.base_free -= 1
            where = _W_REJECTED
        elif near[p].list != OUT:
            where = _W_POOL
            if kind == _LOAD:
                h.loads_resident += 1
            else:
                h.invalidates += 1
            if kind != _LOAD or not flags[i] & _COPY_STAYS:
                remove(w, p)
                h.base_free += 1
        elif kind == _LOAD:
            where = swap_in(w, p, flags[i], load)
        else:
            place = w.pages[p].place
            if place == POOL:
                leave_pool(w, p)
                where = _W_POOL
            elif place != ABSENT:
                forget(w, p, place)
            h.invalidates += 1
        # The kernel reclaims down to the free memory that it had then; what is over is this host's to use. In a
        # memory cgroup what is over is what its limit grew by.
        floor = max(recorded_free[max(at - 1, 0)], h.watermark_high)
        while counts[COUNT_INACTIVE] > budget if budget >= 0 else h.base_free - h.pool_pages < floor:
            victim = last(w, INACTIVE)
            if victim < 0:
                break
            remove(w, victim)
            h.base_free += 1
            place = swap_out(w, victim, latest[victim], store)
            counts[EVICTED] += 1
            if victim == p and kind == _STORE:
                where = place
        if free_pages(w) < h.watermark_low:
            relieve(w, pressure)
            if free_pages(w) < h.watermark_min and last(w, INACTIVE) < 0:
                counts[STARVED] += 1
        if wants_found:
            found[i] = where
        i += 1
    return i
