"""The seed's storm: a program mlocks RAM as fast as it can be zeroed. Does the host survive?

The storm runs on a copy of the replay's state, from the moment it starts until nothing can be given to it
any more. A storm of fraction f is the beginning of a larger one, so a single run tells for every f whether
the host survives: it does as long as f x RAM is below the demand at which the run ended.

What the kernel does is followed step by step: allocation in batches, kswapd beside it below the low
watermark, direct reclaim by the storm itself at the min watermark, page cache and anonymous memory taken
in proportion, the policy asked where it is connected, and the retry rule of should_reclaim_retry: when all
that is reclaimable would not lift free memory over the min watermark, the kernel kills, and when sixteen rounds
reclaimed nothing. A page that left for the pool was reclaimed, even where the pool took a page for it. The
compressed pool is not counted as reclaimable unless the policy gives it back.
"""

from typing import Any

import numpy as np
from numba import types

from ...compiled import inner, loop
from ...datasets.trace.schema import Where
from ...policies.interface import HOOK_TYPE, WORLD
from ...world.mechanics import free_pages, has_at_least
from ...world.reclaim import swap_out

_W_ZERO, _W_POOL = int(Where.ZERO), int(Where.POOL)

BATCH = 32
"""SWAP_CLUSTER_MAX: what one round of direct reclaim aims at."""
MAX_RETRIES = 16
"""MAX_RECLAIM_RETRIES."""

DEMAND, STALL, SWAPPED, CAUSE, STALL_TOTAL = range(5)
OUTCOMES = 5
"""Columns of a storm's outcome: pages given when it ended, longest stall in ns, anonymous pages swapped
out, cause, all stalls together."""
SURVIVED, POOL_IN_THE_WAY, NO_SLOTS, NOTHING_LEFT, NO_PROGRESS, TOO_SLOW = range(6)
"""Causes: the whole of RAM was given; the pool would not shrink; swap is full; all that was reclaimable is
gone; reclaim found pages but could not free any; not killed, but frozen while a device was waited for."""
FREEZE_NS = 60_000_000_000
"""A host that gives nobody a page for a minute is frozen: not a success."""

ZERO_NS, FILE_NS, STORE_NS, SWAPPINESS, WANTED, WATCH = range(6)
"""Columns of the storm's parameters: ns to zero a page, to drop one of page cache, to compress one;
swappiness; pages wanted in all; the demand until which stalls count."""


NOTHING, FILE, ZEROS, POOLED, WRITTEN = range(5)
"""What reclaim took: nothing; a page of page cache; an anonymous page of zero bytes, into the pool, or on its way
to a device (or nowhere, where the write failed)."""


STORM_SIGNATURE = types.void(
    WORLD,
    types.int64,  # anonymous pages that can be swapped out
    types.uint16[::1],  # their compressed lengths
    types.int64[::1],  # parameters
    types.int64[::1],  # out: outcome
    HOOK_TYPE,
    HOOK_TYPE,
    HOOK_TYPE,
)


@inner
def _reclaim_one(w: Any, left: int, credit: int, clen: int, swappiness: int, store: Any) -> Any:
    """Take one page from the LRU lists: what it was, as TAKEN has it, and the credit of page cache afterwards.

    left: anonymous pages, of which the next compresses to ``clen`` and is the page behind those of the trace and
    those that went before it. Called once a page: an array among the arguments would be counted, atomically, each
    time.
    """
    h = w.host
    anonymous = left if h.swap_free > 0 else 0
    if anonymous == 0 and h.file == 0:
        return NOTHING, credit
    take_file = anonymous == 0
    if anonymous > 0 and h.file > 0:
        # Scanned in the ratio 200 - swappiness : swappiness [mm/vmscan.c:calculate_pressure_balance].
        credit += 200 - swappiness
        if credit >= 200:
            credit -= 200
            take_file = True
    if take_file:
        h.file -= 1
        h.base_free += 1
        return FILE, credit
    h.swap_free -= 1
    # In the types of the replay's own calls: what follows is compiled once.
    where = swap_out(w, np.uint32(h.next_anonymous), np.uint16(clen), store)
    h.next_anonymous += 1
    h.base_free += 1  # pages whose store failed were charged by swap_out and so stay where they are
    if where == _W_ZERO:
        return ZEROS, credit
    return (POOLED if where == _W_POOL else WRITTEN), credit


@loop(STORM_SIGNATURE)
def storm(
    w: Any,
    anonymous: int,
    clens: Any,
    params: Any,
    outcome: Any,
    store: Any,
    wake: Any,
    pressure: Any,
) -> None:
    """Run one storm on ``w``, which is changed by it; fill ``outcome``."""
    h = w.host
    zero_ns = params[ZERO_NS]
    file_ns, store_ns, swappiness = params[FILE_NS], params[STORE_NS], params[SWAPPINESS]
    wanted, watched, lengths = params[WANTED], params[WATCH], clens.shape[0]
    h.next_anonymous = h.trace_pages
    credit = np.int64(0)
    swapped = reclaimed = 0  # reclaimed: left while it was looked at, into the pool as well
    given = 0
    stall = 0  # since the storm last got a page
    longest = 0
    total_stall = 0
    kswapd_credit = 0
    failures = 0
    cause = SURVIVED
    while given < wanted:
        if h.now >= h.wake:
            wake(w, 0)
        free = free_pages(w)
        if free > h.watermark_low + BATCH:
            step = min(free - h.watermark_low, wanted - given)
            if h.wake < h.now + step * zero_ns:  # a worker acts before that
                step = max(min(step, (h.wake - h.now) // zero_ns + 1), 1)
            given += step
            h.base_free -= step
            h.now += step * zero_ns
            continue
        if free > h.watermark_min:
            # kswapd reclaims beside the storm, in the time the storm takes to zero its batch.
            given += BATCH
            stall = 0
            h.base_free -= BATCH
            h.now += BATCH * zero_ns
            kswapd_credit += BATCH * zero_ns
            failures = 0
            while kswapd_credit > 0 and not has_at_least(w, h.watermark_high):
                clen = clens[swapped] if swapped < lengths else 0
                took, credit = _reclaim_one(w, anonymous - swapped, credit, clen, swappiness, store)
                if took == NOTHING:
                    kswapd_credit = 0
                    break
                swapped += took >= ZEROS
                reclaimed += took != WRITTEN
                kswapd_credit -= store_ns if took >= POOLED else file_ns
            if free_pages(w) < h.watermark_low:
                pressure(w, h.watermark_high - free_pages(w))
            continue
        # Direct reclaim: the storm waits while it, and kswapd on another CPU, look for memory.
        began = h.now
        before, reclaimed_before = free, reclaimed
        taken = 0
        while taken < 2 * BATCH:
            clen = clens[swapped] if swapped < lengths else 0
            took, credit = _reclaim_one(w, anonymous - swapped, credit, clen, swappiness, store)
            if took == NOTHING:
                break
            swapped += took >= ZEROS
            reclaimed += took != WRITTEN
            taken += 1
            h.now += (store_ns if took >= POOLED else file_ns) // 2
        # nr_reclaimed counts what left the LRU lists, whether or not the pool took as much for it [vmscan.c].
        progress = reclaimed > reclaimed_before
        if pressure(w, h.watermark_high - free_pages(w)) > 0:
            progress = True
        free = free_pages(w)
        if free > before:
            progress = True
        if free <= h.watermark_min and h.disk_busy > h.now:
            # Pages under write are still on the LRU and counted: reclaim throttles until some are done.
            wait = (h.watermark_min - free + BATCH) * h.disk_page_ns
            h.now = min(h.disk_busy, h.now + wait)
            progress = True
        stalled = h.now - began
        if given < watched:
            stall += stalled
            total_stall += stalled
            longest = max(longest, stall)
        failures = 0 if progress else failures + 1
        swappable = anonymous - swapped if h.swap_free > 0 else 0
        under_write = h.base_free - h.pool_pages - free  # still on the LRU lists
        out_of_options = free + h.file + swappable + under_write <= h.watermark_min
        if out_of_options or failures > MAX_RETRIES:
            if h.pool_pages > h.watermark_high:
                cause = POOL_IN_THE_WAY
            elif h.swap_free <= 0:
                cause = NO_SLOTS
            elif out_of_options:
                cause = NOTHING_LEFT
            else:
                cause = NO_PROGRESS
            break
    outcome[DEMAND] = given
    outcome[STALL] = longest
    outcome[SWAPPED] = swapped
    outcome[CAUSE] = cause
    outcome[STALL_TOTAL] = total_stall
