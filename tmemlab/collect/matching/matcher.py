"""Matching: records of the kernel to operations on logical pages, one pass, compiled.

A store knows its slot, its page index and, from the reverse mapping, its address space. A load knows its slot and
the faulting address. The slot table leads a load back to the page that was stored there, so that read-ahead loads,
forked children and remapped ranges find their page without an address of their own. Pages first seen by their slot
alone get an id of their own, are counted, and are joined to their identity when a store shows it.
"""

from typing import Any

import numpy as np

from ...compiled import njit
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
    N_LAST,
    N_ROOT,
    N_TASKS,
    N_ZSWAP,
    OP_CONTENT,
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
_STORE, _LOAD, _INVALIDATE = 0, 1, 2
_POOL, _DISK, _ZERO, _REJECTED, _UNKNOWN = 0, 1, 2, 3, 4
_READAHEAD, _DIRECT, _LARGE = 1, 2, 4


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
def _emit(s: Any, out: Any, n: int, t: Any, op: int, page: int, entry: Any) -> None:
    row = out[n]
    row.t, row.op, row.page = t, op, page
    row.slot = np.uint32(0xFFFFFFFF)
    if entry != 0:
        device = s.numbers[N_DEVICES + np.int64(entry >> np.uint64(58))]
        row.slot = np.uint32((device << 28) | np.int64(entry & _OFFSET & np.uint64(0xFFFFFFF)))
    row.latency, row.clen = np.uint32(0xFFFFFFFF), np.uint16(0xFFFF)
    row.where, row.flags, row.cgroup, row.task, row.origin = _UNKNOWN, 0, 0, 0, ORIGIN_KNOWN


@inner
def _invalidate(s: Any, out: Any, n: int, t: Any, page: int, r: Any) -> Any:
    """An invalidate of a page that has a copy; rows so far."""
    if s.pages[page].life != LIFE_STORED and s.pages[page].life != LIFE_LOADED:
        return n
    _emit(s, out, n, t, _INVALIDATE, page, s.pages[page].slot)
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
        if where == _UNKNOWN:
            # Only disk reads are counted for the root cgroup: the rest came from where it had been put.
            where = s.pages[page].where
            if where != _ZERO:
                where = _POOL if s.numbers[N_ZSWAP] or where == _POOL else _ZERO
        take_slot(s, page, entry if entry != 0 else s.pages[page].slot)
        set_life(s, page, LIFE_LOADED)
        if s.pages[page].where == _UNKNOWN:
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
        _emit(s, out, n, r.t, _LOAD, page, entry)
        row = out[n]
        row.where, row.clen = where, r.tail
        if r.latency != 0:
            row.latency = r.latency
        row.flags = (_READAHEAD if ahead and r.mm != 0 else 0) | (_DIRECT if r.flags & 1 else 0)
        row.flags |= _LARGE if r.flags & 2 else 0
        row.task, row.cgroup = _row_of(s, K_TASK, r.pid, N_TASKS), _cgroup_row(s, r.cgroup)
        row.origin = ORIGIN_SLOT if s.pages[page].space == NO_SPACE else ORIGIN_KNOWN
        s.counts[0 if where == _DISK else 2 if where == _POOL else 5] += 1
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
        if where == _UNKNOWN:
            where = _POOL if s.numbers[N_ZSWAP] else _ZERO
        elif where == _DISK and s.numbers[N_ZSWAP]:
            where = _REJECTED
        s.pages[page].where = where
        if not emit:
            continue
        _emit(s, out, n, r.t, _STORE, page, entry)
        row = out[n]
        row.where, row.clen = where, r.tail
        row.flags = (_DIRECT if r.flags & 1 else 0) | (_LARGE if r.flags & 2 else 0)
        row.task, row.cgroup = _row_of(s, K_TASK, r.pid, N_TASKS), _cgroup_row(s, r.cgroup)
        row.origin = ORIGIN_SLOT if s.pages[page].space == NO_SPACE else ORIGIN_KNOWN
        s.counts[3 if where == _POOL else 6 if where == _ZERO else 1] += 1
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
    if not r.flags & 8:
        s.counts[1] += r.pages
        s.counts[4] += r.pages
    if r.entry != 0:
        _emit(s, out, n, r.t, OP_PRESSURE + 5, 0, r.entry)
        out[n].cgroup, out[n].task = _cgroup_row(s, r.cgroup), _row_of(s, K_TASK, r.pid, N_TASKS)
        n += 1
    return n


@inner
def _side_row(s: Any, out: Any, n: int, r: Any) -> Any:
    """Contents, pressure and the rest that is no operation; rows so far."""
    if r.kind == 13:
        page = get(s, K_SLOT, r.entry)
        if page != NONE and s.pages[page].life == LIFE_STORED:
            _emit(s, out, n, r.t, OP_CONTENT, page, np.uint64(0))
            out[n].clen, out[n].origin = r.tail, r.flags & 8
            return n + 1
    elif r.kind == 16:
        page = get(s, K_SLOT, r.entry)
        if page != NONE:
            _emit(s, out, n, r.t, OP_LATENCY, page, np.uint64(0))
            out[n].latency = r.latency
            return n + 1
    elif r.kind == 14:
        s.numbers[N_ZSWAP] = np.int64(r.address)
    elif 7 <= r.kind <= 11:
        _emit(s, out, n, r.t, OP_PRESSURE + r.kind - 7, 0, np.uint64(0))
        out[n].slot = np.uint32(r.address)
        # Reclaim on the whole host's behalf stands under the root cgroup, a cgroup's own under the cgroup.
        host_wide = (r.kind == 7 or r.kind == 8) and not r.flags & 16
        out[n].cgroup = 0 if host_wide else _cgroup_row(s, r.cgroup)
        pid = r.entry & np.uint64(0xFFFFFFFF) if r.kind == 11 else np.uint64(r.pid)
        out[n].task = _row_of(s, K_TASK, pid, N_TASKS)
        return n + 1
    elif r.kind == 15:
        page = page_at(s, space_of(s, r.mm), r.address >> np.uint64(12))
        if page == NONE:
            page = new_page(s)
            identify(s, page, space_of(s, r.mm), r.address >> np.uint64(12), 0)
        take_slot(s, page, r.entry)
        set_life(s, page, LIFE_STORED)
    elif r.kind == 4:
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
        inside = s.numbers[N_FIRST] <= np.int64(r.phase) < s.numbers[N_LAST]
        if r.kind == 0:
            n = _store_rows(s, out, n, r, inside)
        elif r.kind == 1:
            n = _load_rows(s, out, n, r, inside)
        elif r.kind == 2:
            if inside:
                n = _written_back(s, out, n, r)
        elif r.kind == 12:
            n = _free_slots(s, out, n, r, inside)
        elif r.kind == 3 or r.kind == 5:
            first, last = np.uint64(0), np.uint64(1) << np.uint64(52)
            if r.kind == 3:
                first = (r.address + np.uint64(4095)) >> np.uint64(12)
                last = (r.entry + np.uint64(4095)) >> np.uint64(12)
            done = n if s.numbers[N_FREES] else _drop_space(s, out, n, r, first, last)
            if done < 0:
                return i, len(out)
            n = done
            if r.kind == 5 and get(s, K_SPACE, r.mm) != NONE:
                put(s, K_SPACE, r.mm, NONE)
        else:
            n = _side_row(s, out, n, r)
    return len(records), n
