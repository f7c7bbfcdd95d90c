"""Matching: records of the kernel to operations on logical pages, one pass, compiled.

A store knows its slot, its page index and, from the reverse mapping, its address space. A load knows its slot and
the faulting address. The slot table leads a load back to the page that was stored there, so that read-ahead loads,
forked children and remapped ranges find their page without an address of their own. Pages first seen by their slot
alone get an id of their own, are counted, and are joined to their identity when a store shows it.
"""

from typing import Any

import numpy as np

from ...compiled import njit
from .codes import (
    DISK,
    EVENT_DIRECT,
    EVENT_LARGE,
    EVENT_READAHEAD,
    FAILED,
    KIND_CONTENT,
    KIND_DIRECT_BEGIN,
    KIND_DIRECT_END,
    KIND_FORK,
    KIND_LOAD,
    KIND_OOM,
    KIND_PRESENT,
    KIND_READ_END,
    KIND_SLOT_FREE,
    KIND_SPACE_END,
    KIND_STORE,
    KIND_UNMAP,
    KIND_WRITE_FAILED,
    KIND_WRITEBACK,
    KIND_ZSWAP,
    OP_INVALIDATE,
    OP_LOAD,
    OP_STORE,
    PAGE_ANONYMOUS,
    POOL,
    PRESSURE_WRITEBACK,
    PSWPIN,
    PSWPOUT,
    RECORD_DIRECT,
    RECORD_LARGE,
    RECORD_MEMCG_RECLAIM,
    RECORD_UNCOUNTED,
    REJECTED,
    SWPIN_ZERO,
    SWPOUT_ZERO,
    UNKNOWN,
    ZERO,
    ZSWPIN,
    ZSWPOUT,
    ZSWPWB,
)
from .state import (
    K_CGROUP,
    K_FAULT,
    K_FOLIO,
    K_PAGES,
    K_SLOT,
    K_SPACE,
    K_TASK,
    LIFE_GONE,
    LIFE_LOADED,
    LIFE_STORED,
    N_CGROUPS,
    N_DEVICES,
    N_FIRST,
    N_FREES,
    N_ROOT,
    N_SPAN,
    N_TASKS,
    N_ZSWAP,
    NO_DEVICE,
    OP_CONTENT,
    OP_FAILED,
    OP_LATENCY,
    OP_PRESSURE,
    ORIGIN_KNOWN,
    ORIGIN_SLOT,
)
from .table import (
    NO_SPACE,
    NONE,
    get,
    identify,
    inner,
    loaded_page,
    new_page,
    new_space,
    page_at,
    put,
    set_life,
    space_of,
    stored_page,
    take_slot,
)

_OFFSET = np.uint64((1 << 58) - 1)


@inner
def _row_of(s: Any, key: int, number: Any, counter: int) -> Any:
    """Row of a task or cgroup, entered on first use; what does not fit shares the last row."""
    row = get(s, key, number)
    if row == NONE:
        row = min(s.numbers[counter], 65535)
        s.numbers[counter] = row + 1
        put(s, key, number, row)
    return min(row, 65535)


@inner
def _cgroup_row(s: Any, number: Any) -> Any:
    if number == 0 or number == s.numbers[N_ROOT]:
        return 0
    return _row_of(s, K_CGROUP, number, N_CGROUPS)


@inner
def _event_flags(r: Any) -> Any:
    """What a store's or a load's record and its event say alike."""
    return (EVENT_DIRECT if r.flags & RECORD_DIRECT else 0) | (EVENT_LARGE if r.flags & RECORD_LARGE else 0)


@inner
def _emit(s: Any, out: Any, n: int, t: Any, op: int, page: int, entry: Any) -> None:
    row = out[n]
    row.t, row.op, row.page = t, op, page
    row.slot = np.uint32(0xFFFFFFFF)
    device = s.numbers[N_DEVICES + np.int64(entry >> np.uint64(58))] if entry != 0 else NO_DEVICE
    if device != NO_DEVICE:
        row.slot = np.uint32((device << 28) | np.int64(entry & _OFFSET & np.uint64(0xFFFFFFF)))
    row.latency, row.clen = np.uint32(0xFFFFFFFF), np.uint16(0xFFFF)
    row.where, row.flags, row.cgroup, row.task, row.origin = UNKNOWN, 0, 0, 0, ORIGIN_KNOWN


@inner
def _invalidate(s: Any, out: Any, n: int, t: Any, page: int, r: Any) -> Any:
    """An invalidate of a page that has a copy; rows so far."""
    if s.pages[page].life != LIFE_STORED and s.pages[page].life != LIFE_LOADED:
        return n
    _emit(s, out, n, t, OP_INVALIDATE, page, s.pages[page].slot)
    out[n].where = s.pages[page].where
    out[n].task, out[n].cgroup = _row_of(s, K_TASK, r.pid, N_TASKS), _cgroup_row(s, r.cgroup)
    set_life(s, page, LIFE_GONE)
    return n + 1


@inner
def _drop_range(s: Any, out: Any, n: int, r: Any, space: int, first: Any, last: Any) -> Any:
    """Invalidate the pages first..last-1 of a space that have a copy; -1 when ``out`` is full."""
    if s.spaces[space].live == 0:
        return n
    if last - first <= np.uint64(4096):
        vpn = first
        while vpn < last:
            page = get(s, K_PAGES + space, vpn)
            if page != NONE:
                if n >= len(out):
                    return -1
                n = _invalidate(s, out, n, r.t, page, r)
            vpn += np.uint64(1)
        return n
    page = s.spaces[space].first_page
    while page != NONE:
        if s.pages[page].vpn >= first and s.pages[page].vpn < last:
            if n >= len(out):
                return -1
            n = _invalidate(s, out, n, r.t, page, r)
        page = s.pages[page].next_page
    return n


@inner
def _drop_space(s: Any, out: Any, n: int, r: Any, first: Any, last: Any) -> Any:
    """The same over a space and its private file mappings."""
    space = get(s, K_SPACE, r.mm)
    if space == NONE:
        return n
    n = _drop_range(s, out, n, r, space, first, last)
    part = s.spaces[space].child
    while part != NONE and n >= 0:
        n = _drop_range(s, out, n, r, part, first, last)
        part = s.spaces[part].sibling
    return n


@inner
def _load_rows(s: Any, out: Any, n: int, r: Any, emit: bool) -> Any:
    for i in range(r.pages):
        entry = r.entry + np.uint64(i) if r.entry != 0 else np.uint64(0)
        page = loaded_page(s, r, entry)
        where = r.where
        if where == UNKNOWN:
            # Only disk reads are counted for the root cgroup: the rest came from where it had been put.
            where = s.pages[page].where
            if where != ZERO:
                where = POOL if s.numbers[N_ZSWAP] or where == POOL else ZERO
        take_slot(s, page, entry if entry != 0 else s.pages[page].slot)
        set_life(s, page, LIFE_LOADED)
        if s.pages[page].where == UNKNOWN:
            s.pages[page].where = where
        if r.folio != 0 and (s.pages[page].space == NO_SPACE):
            put(s, K_FOLIO, r.folio, page)
        fault = np.int64(r.address >> np.uint64(12))
        ahead = get(s, K_FAULT, r.pid) == fault
        if s.pages[page].space != NO_SPACE and s.pages[page].vpn >= np.uint64(1 << 20):
            ahead = s.pages[page].vpn != np.uint64(fault)
        put(s, K_FAULT, r.pid, fault)
        if not emit:
            continue
        _emit(s, out, n, r.t, OP_LOAD, page, entry)
        row = out[n]
        row.where, row.clen = where, r.tail
        if r.latency != 0:
            row.latency = r.latency
        row.flags = _event_flags(r) | (EVENT_READAHEAD if ahead and r.mm != 0 else 0)
        row.task, row.cgroup = _row_of(s, K_TASK, r.pid, N_TASKS), _cgroup_row(s, r.cgroup)
        row.origin = ORIGIN_SLOT if s.pages[page].space == NO_SPACE else ORIGIN_KNOWN
        s.counts[PSWPIN if where == DISK else ZSWPIN if where == POOL else SWPIN_ZERO] += 1
        n += 1
    return n


@inner
def _store_rows(s: Any, out: Any, n: int, r: Any, emit: bool) -> Any:
    for i in range(r.pages):
        entry = r.entry + np.uint64(i) if r.entry != 0 else np.uint64(0)
        page = stored_page(s, r, entry, r.address + np.uint64(i))
        holder = get(s, K_SLOT, entry) if entry != 0 else NONE
        if holder != NONE and holder != page:
            # The slot was given to another page: what it held is gone.
            if s.pages[holder].life == LIFE_STORED or s.pages[holder].life == LIFE_LOADED:
                if emit:
                    n = _invalidate(s, out, n, r.t, holder, r)
                else:
                    set_life(s, holder, LIFE_GONE)
            s.pages[holder].slot = 0
        take_slot(s, page, entry)
        set_life(s, page, LIFE_STORED)
        where = r.where
        if where == UNKNOWN:
            where = POOL if s.numbers[N_ZSWAP] else ZERO
        elif where == DISK and s.numbers[N_ZSWAP]:
            where = REJECTED
        s.pages[page].where = where
        if not emit:
            continue
        _emit(s, out, n, r.t, OP_STORE, page, entry)
        row = out[n]
        row.where, row.clen = where, r.tail
        row.flags = _event_flags(r)
        row.task, row.cgroup = _row_of(s, K_TASK, r.pid, N_TASKS), _cgroup_row(s, r.cgroup)
        row.origin = ORIGIN_SLOT if s.pages[page].space == NO_SPACE else ORIGIN_KNOWN
        s.counts[ZSWPOUT if where == POOL else SWPOUT_ZERO if where == ZERO else PSWPOUT] += 1
        n += 1
    return n


@inner
def _free_slots(s: Any, out: Any, n: int, r: Any, emit: bool) -> Any:
    """Slots given back: what they held has no copy any more; rows so far."""
    for i in range(r.pages):
        entry = r.entry + np.uint64(i)
        page = get(s, K_SLOT, entry)
        if page == NONE:
            continue
        if emit:
            n = _invalidate(s, out, n, r.t, page, r)
        else:
            set_life(s, page, LIFE_GONE)
        put(s, K_SLOT, entry, NONE)
        s.pages[page].slot = 0
    return n


@inner
def _written_back(s: Any, out: Any, n: int, r: Any) -> Any:
    """The pool's own writes to its backing store, with the slot where the probes give it; rows so far."""
    if not r.flags & RECORD_UNCOUNTED:
        s.counts[PSWPOUT] += r.pages
        s.counts[ZSWPWB] += r.pages
    if r.entry != 0:
        _emit(s, out, n, r.t, OP_PRESSURE + PRESSURE_WRITEBACK, 0, r.entry)
        out[n].cgroup, out[n].task = _cgroup_row(s, r.cgroup), _row_of(s, K_TASK, r.pid, N_TASKS)
        n += 1
    return n


@inner
def _side_row(s: Any, out: Any, n: int, r: Any) -> Any:
    """Contents, pressure and the rest that is no operation; rows so far."""
    if r.kind == KIND_CONTENT:
        page = get(s, K_SLOT, r.entry)
        if page != NONE and s.pages[page].life == LIFE_STORED:
            _emit(s, out, n, r.t, OP_CONTENT, page, np.uint64(0))
            out[n].clen, out[n].origin = r.tail, r.flags & RECORD_UNCOUNTED
            return n + 1
    elif r.kind == KIND_READ_END:
        page = get(s, K_SLOT, r.entry)
        if page != NONE:
            _emit(s, out, n, r.t, OP_LATENCY, page, np.uint64(0))
            out[n].latency = r.latency
            return n + 1
    elif r.kind == KIND_WRITE_FAILED:
        for i in range(r.pages):
            page = get(s, K_SLOT, r.entry + np.uint64(i))
            if page != NONE and s.pages[page].life == LIFE_STORED:
                set_life(s, page, LIFE_LOADED)  # in RAM, with its slot
                s.pages[page].where = FAILED
                _emit(s, out, n, r.t, OP_FAILED, page, np.uint64(0))
                n += 1
        return n
    elif r.kind == KIND_ZSWAP:
        s.numbers[N_ZSWAP] = np.int64(r.address)
    elif KIND_DIRECT_BEGIN <= r.kind <= KIND_OOM:
        _emit(s, out, n, r.t, OP_PRESSURE + r.kind - KIND_DIRECT_BEGIN, 0, np.uint64(0))
        out[n].slot = np.uint32(r.address)
        # Reclaim on the whole host's behalf stands under the root cgroup, a cgroup's own under the cgroup.
        reclaim = r.kind == KIND_DIRECT_BEGIN or r.kind == KIND_DIRECT_END
        host_wide = reclaim and not r.flags & RECORD_MEMCG_RECLAIM
        out[n].cgroup = 0 if host_wide else _cgroup_row(s, r.cgroup)
        pid = r.entry & np.uint64(0xFFFFFFFF) if r.kind == KIND_OOM else np.uint64(r.pid)
        out[n].task = _row_of(s, K_TASK, pid, N_TASKS)
        return n + 1
    elif r.kind == KIND_PRESENT:
        page = page_at(s, space_of(s, r.mm), r.address >> np.uint64(12))
        if page == NONE:
            page = new_page(s)
            identify(s, page, space_of(s, r.mm), r.address >> np.uint64(12), PAGE_ANONYMOUS)
        take_slot(s, page, r.entry)
        set_life(s, page, LIFE_STORED)
    elif r.kind == KIND_FORK:
        put(s, K_SPACE, r.mm, new_space(s, space_of(s, r.address)))
    return n


@njit(cache=True, nogil=True)
def match(records: Any, s: Any, out: Any) -> Any:
    """Match records from the first on until all are done or ``out`` might not hold the next one's rows.

    Returns (records consumed, rows written). A record that invalidates more pages than ``out`` has room for is
    not consumed: called again with it first, matching goes on where it stopped.
    """
    n = 0
    for i in range(len(records)):
        r = records[i]
        if n + 2 * np.int64(r.pages) + 2 > len(out):
            return i, n
        inside = (np.int64(r.phase) - s.numbers[N_FIRST]) & 0xFF < s.numbers[N_SPAN]
        if r.kind == KIND_STORE:
            n = _store_rows(s, out, n, r, inside)
        elif r.kind == KIND_LOAD:
            n = _load_rows(s, out, n, r, inside)
        elif r.kind == KIND_WRITEBACK:
            if inside:
                n = _written_back(s, out, n, r)
        elif r.kind == KIND_SLOT_FREE:
            n = _free_slots(s, out, n, r, inside)
        elif r.kind == KIND_UNMAP or r.kind == KIND_SPACE_END:
            first, last = np.uint64(0), np.uint64(1) << np.uint64(52)
            if r.kind == KIND_UNMAP:
                first = (r.address + np.uint64(4095)) >> np.uint64(12)
                last = (r.entry + np.uint64(4095)) >> np.uint64(12)
            done = n if s.numbers[N_FREES] else _drop_space(s, out, n, r, first, last)
            if done < 0:
                return i, len(out)
            n = done
            if r.kind == KIND_SPACE_END and get(s, K_SPACE, r.mm) != NONE:
                put(s, K_SPACE, r.mm, NONE)
        else:
            n = _side_row(s, out, n, r)
    return len(records), n
