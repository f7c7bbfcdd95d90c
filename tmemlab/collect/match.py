"""Matching: records of the kernel to operations on logical pages, one pass, compiled.

A store knows its slot, its page index and, from the reverse mapping, its address space. A load knows its slot and
the faulting address. The slot table leads a load back to the page that was stored there, so that read-ahead loads,
forked children and remapped ranges find their page without an address of their own. Pages first seen by their slot
alone get an id of their own, are counted, and are joined to their identity when a store shows it.
"""

from typing import Any

import numpy as np
from numba import njit

from .matchstate import (
    K_CGROUP,
    K_FAULT,
    K_FOLIO,
    K_PAGES,
    K_SLOT,
    K_SPACE,
    K_SUBSPACE,
    K_TASK,
    LIFE_GONE,
    LIFE_LOADED,
    LIFE_NEW,
    LIFE_STORED,
    N_CGROUPS,
    N_DEVICES,
    N_FIRST,
    N_LAST,
    N_PAGES,
    N_ROOT,
    N_SLOT_ONLY,
    N_SPACES,
    N_TASKS,
    N_USED,
    N_ZSWAP,
    OP_CONTENT,
    OP_PRESSURE,
    ORIGIN_KNOWN,
    ORIGIN_SLOT,
)  # fmt: skip

_NONE = -1
_NO_SPACE = np.uint32(0xFFFF_FFFF)
_MARKED = np.uint64(1 << 63)
_OFFSET = np.uint64((1 << 58) - 1)
_STORE, _LOAD, _INVALIDATE = 0, 1, 2
_POOL, _DISK, _ZERO, _REJECTED, _UNKNOWN = 0, 1, 2, 3, 4
_READAHEAD, _DIRECT, _LARGE = 1, 2, 4


@njit(cache=True, nogil=True)
def _slot_of(key1: Any, key2: Any, a: Any, b: Any) -> int:
    """Index in the table where (a, b) is or belongs; a is never 0."""
    mask = np.uint64(len(key1) - 1)
    h = (a * np.uint64(0x9E3779B97F4A7C15)) ^ (b * np.uint64(0xC2B2AE3D27D4EB4F))
    h ^= h >> np.uint64(29)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(32)
    at = h & mask
    while key1[at] != 0 and not (key1[at] == a and key2[at] == b):
        at = (at + np.uint64(1)) & mask
    return np.int64(at)


@njit(cache=True, nogil=True)
def rehash(old1: Any, old2: Any, old: Any, key1: Any, key2: Any, value: Any) -> None:
    """Move every entry of one table into a larger, empty one."""
    for i in range(len(old1)):
        if old1[i] != 0:
            at = _slot_of(key1, key2, old1[i], old2[i])
            key1[at], key2[at], value[at] = old1[i], old2[i], old[i]


@njit(cache=True, nogil=True)
def _get(s: Any, a: int, b: Any) -> int:
    at = _slot_of(s.key1, s.key2, np.uint64(a), np.uint64(b))
    return s.value[at] if s.key1[at] != 0 else _NONE


@njit(cache=True, nogil=True)
def _put(s: Any, a: int, b: Any, value: int) -> None:
    at = _slot_of(s.key1, s.key2, np.uint64(a), np.uint64(b))
    if s.key1[at] == 0:
        s.key1[at], s.key2[at] = np.uint64(a), np.uint64(b)
        s.numbers[N_USED] += 1
    s.value[at] = value


@njit(cache=True, nogil=True)
def _new_space(s: Any, parent: int) -> int:
    space = s.numbers[N_SPACES]
    s.numbers[N_SPACES] += 1
    s.parent[space] = parent
    return space


@njit(cache=True, nogil=True)
def _space_of(s: Any, mm: Any) -> int:
    space = _get(s, K_SPACE, mm)
    if space == _NONE:
        space = _new_space(s, _NONE)
        _put(s, K_SPACE, mm, space)
    return space


@njit(cache=True, nogil=True)
def _subspace_of(s: Any, space: int, index: Any) -> int:
    """The space of the pages that one anon_vma of a private file mapping holds."""
    mark = (index & ~_MARKED) >> np.uint64(20)
    found = _get(s, K_SUBSPACE + space, mark)
    if found == _NONE:
        found = _new_space(s, _NONE)
        s.sibling[found], s.child[space] = s.child[space], found
        _put(s, K_SUBSPACE + space, mark, found)
    return found


@njit(cache=True, nogil=True)
def _related(s: Any, a: int, b: int) -> bool:
    """Whether one space is the other or descends from it by fork."""
    if a == b:
        return True
    up = a
    for _ in range(16):
        up = s.parent[up] if up >= 0 else -1
        if up == b:
            return True
    up = b
    for _ in range(16):
        up = s.parent[up] if up >= 0 else -1
        if up == a:
            return True
    return False


@njit(cache=True, nogil=True)
def _identify(s: Any, page: int, space: int, vpn: Any, kind: int) -> None:
    """Give a page its identity and enter it under it."""
    s.space[page], s.vpn[page], s.kind[page] = space, vpn, kind
    s.next_page[page] = s.first_page[space]
    s.first_page[space] = page
    if s.life[page] == LIFE_STORED or s.life[page] == LIFE_LOADED:
        s.live[space] += 1
    _put(s, K_PAGES + space, vpn, page)


@njit(cache=True, nogil=True)
def _new_page(s: Any) -> int:
    page = s.numbers[N_PAGES]
    s.numbers[N_PAGES] += 1
    s.space[page], s.vpn[page], s.kind[page] = _NO_SPACE, 0, 2
    s.life[page], s.where[page], s.slot[page] = LIFE_NEW, _UNKNOWN, 0
    return page


@njit(cache=True, nogil=True)
def _set_life(s: Any, page: int, life: int) -> None:
    was = s.life[page] == LIFE_STORED or s.life[page] == LIFE_LOADED
    now = life == LIFE_STORED or life == LIFE_LOADED
    if was != now and s.space[page] != _NO_SPACE:
        s.live[s.space[page]] += 1 if now else -1
    s.life[page] = life


@njit(cache=True, nogil=True)
def _take_slot(s: Any, page: int, entry: Any) -> None:
    """Enter a page under a slot; its former slot is no longer its."""
    old = s.slot[page]
    if old != entry and old != 0 and _get(s, K_SLOT, old) == page:
        _put(s, K_SLOT, old, _NONE)
    s.slot[page] = entry
    if entry != 0:
        _put(s, K_SLOT, entry, page)


@njit(cache=True, nogil=True)
def _page_at(s: Any, space: int, vpn: Any) -> int:
    """The page at an address of a space, looked for in the spaces that it was forked from too."""
    for _ in range(16):
        if space < 0:
            break
        page = _get(s, K_PAGES + space, vpn)
        if page != _NONE:
            return page
        space = s.parent[space]
    return _NONE


@njit(cache=True, nogil=True)
def _stored_page(s: Any, r: Any, entry: Any, index: Any) -> int:
    """Which page a store writes."""
    holder = _get(s, K_SLOT, entry) if entry != 0 else _NONE
    anon, known = r.flags & 4 != 0, r.mm != 0 and r.flags & 4 != 0
    space = _NONE
    if known:
        space = _space_of(s, r.mm)
        if index & _MARKED:
            space, index = _subspace_of(s, space, index), index & np.uint64(0xFFFFF)
    if holder != _NONE:
        unnamed = s.space[holder] == _NO_SPACE
        if known and not unnamed and s.vpn[holder] == index and _related(s, s.space[holder], space):
            return holder
        if not anon and (s.kind[holder] != 0 or s.life[holder] == LIFE_LOADED):
            # Shared memory, or a page read ahead that nobody mapped: the slot is all there is, and it holds.
            return holder
        if not known and anon and (unnamed or s.vpn[holder] == (index & np.uint64(0xFFFFF) if index & _MARKED else index)):
            return holder
        if known and unnamed and _get(s, K_PAGES + space, index) == _NONE:
            _identify(s, holder, space, index, 0)
            return holder
    if known:
        page = _get(s, K_PAGES + space, index)
        if page != _NONE:
            return page
    # Still the folio that a load brought in under no address.
    linked = _get(s, K_FOLIO, r.folio) if r.folio != 0 else _NONE
    if linked != _NONE and s.life[linked] == LIFE_LOADED:
        if known and s.space[linked] == _NO_SPACE and s.kind[linked] != 1:
            _identify(s, linked, space, index, 0)
            return linked
        if not anon and s.kind[linked] == 1 and s.vpn[linked] == index:
            return linked
    page = _new_page(s)
    if known:
        _identify(s, page, space, index, 0)
    else:
        s.numbers[N_SLOT_ONLY] += 1
        if not anon:
            s.kind[page], s.vpn[page] = 1, index
    return page


@njit(cache=True, nogil=True)
def _loaded_page(s: Any, r: Any, entry: Any) -> int:
    """Which page a load brings in."""
    page = _get(s, K_SLOT, entry) if entry != 0 else _NONE
    if page != _NONE:
        return page
    if r.mm != 0 and r.address != 0:
        space, vpn = _space_of(s, r.mm), r.address >> np.uint64(12)
        page = _page_at(s, space, vpn)
        if page == _NONE:
            page = _new_page(s)
            _identify(s, page, space, vpn, 0)
            return page
        # The faulting page itself, unless its copy lies elsewhere: then this one was read ahead.
        if s.slot[page] == 0 or entry == 0:
            return page
    page = _new_page(s)
    s.numbers[N_SLOT_ONLY] += 1
    return page


@njit(cache=True, nogil=True)
def _row_of(s: Any, key: int, number: Any, counter: int) -> int:
    """Row of a task or cgroup, entered on first use; what does not fit shares the last row."""
    row = _get(s, key, number)
    if row == _NONE:
        row = min(s.numbers[counter], 65535)
        s.numbers[counter] = row + 1
        _put(s, key, number, row)
    return min(row, 65535)


@njit(cache=True, nogil=True)
def _cgroup_row(s: Any, number: Any) -> int:
    if number == 0 or number == s.numbers[N_ROOT]:
        return 0
    return _row_of(s, K_CGROUP, number, N_CGROUPS)


@njit(cache=True, nogil=True)
def _emit(s: Any, out: Any, n: int, t: Any, op: int, page: int, entry: Any) -> None:
    row = out[n]
    row.t, row.op, row.page = t, op, page
    row.slot = np.uint32(0xFFFFFFFF)
    if entry != 0:
        device = s.numbers[N_DEVICES + np.int64(entry >> np.uint64(58))]
        row.slot = np.uint32((device << 28) | np.int64(entry & _OFFSET & np.uint64(0xFFFFFFF)))
    row.latency, row.clen = np.uint32(0xFFFFFFFF), np.uint16(0xFFFF)
    row.where, row.flags, row.cgroup, row.task, row.origin = _UNKNOWN, 0, 0, 0, ORIGIN_KNOWN


@njit(cache=True, nogil=True)
def _invalidate(s: Any, out: Any, n: int, t: Any, page: int, r: Any) -> int:
    """An invalidate of a page that has a copy; rows so far."""
    if s.life[page] != LIFE_STORED and s.life[page] != LIFE_LOADED:
        return n
    _emit(s, out, n, t, _INVALIDATE, page, s.slot[page])
    out[n].where = s.where[page]
    out[n].task, out[n].cgroup = _row_of(s, K_TASK, r.pid, N_TASKS), _cgroup_row(s, r.cgroup)
    _set_life(s, page, LIFE_GONE)
    return n + 1


@njit(cache=True, nogil=True)
def _drop_range(s: Any, out: Any, n: int, r: Any, space: int, first: Any, last: Any) -> int:
    """Invalidate the pages first..last-1 of a space that have a copy; -1 when ``out`` is full."""
    if s.live[space] == 0:
        return n
    if last - first <= np.uint64(4096):
        vpn = first
        while vpn < last:
            page = _get(s, K_PAGES + space, vpn)
            if page != _NONE:
                if n >= len(out):
                    return -1
                n = _invalidate(s, out, n, r.t, page, r)
            vpn += np.uint64(1)
        return n
    page = s.first_page[space]
    while page != _NONE:
        if s.vpn[page] >= first and s.vpn[page] < last:
            if n >= len(out):
                return -1
            n = _invalidate(s, out, n, r.t, page, r)
        page = s.next_page[page]
    return n


@njit(cache=True, nogil=True)
def _drop_space(s: Any, out: Any, n: int, r: Any, first: Any, last: Any) -> int:
    """The same over a space and its private file mappings."""
    space = _get(s, K_SPACE, r.mm)
    if space == _NONE:
        return n
    n = _drop_range(s, out, n, r, space, first, last)
    part = s.child[space]
    while part != _NONE and n >= 0:
        n = _drop_range(s, out, n, r, part, first, last)
        part = s.sibling[part]
    return n


@njit(cache=True, nogil=True)
def _load_rows(s: Any, out: Any, n: int, r: Any, emit: bool) -> int:
    for i in range(r.pages):
        entry = r.entry + np.uint64(i) if r.entry != 0 else np.uint64(0)
        page = _loaded_page(s, r, entry)
        where = r.where
        if where == _UNKNOWN:
            # Only disk reads are counted for the root cgroup: the rest came from where it had been put.
            where = s.where[page]
            if where != _ZERO:
                where = _POOL if s.numbers[N_ZSWAP] or where == _POOL else _ZERO
        _take_slot(s, page, entry if entry != 0 else s.slot[page])
        _set_life(s, page, LIFE_LOADED)
        if s.where[page] == _UNKNOWN:
            s.where[page] = where
        if r.folio != 0 and (s.space[page] == _NO_SPACE):
            _put(s, K_FOLIO, r.folio, page)
        fault = np.int64(r.address >> np.uint64(12))
        ahead = _get(s, K_FAULT, r.pid) == fault
        if s.space[page] != _NO_SPACE and s.vpn[page] >= np.uint64(1 << 20):
            ahead = s.vpn[page] != np.uint64(fault)
        _put(s, K_FAULT, r.pid, fault)
        if not emit:
            continue
        _emit(s, out, n, r.t, _LOAD, page, entry)
        row = out[n]
        row.where, row.clen = where, r.tail
        row.flags = (_READAHEAD if ahead and r.mm != 0 else 0) | (_DIRECT if r.flags & 1 else 0)
        row.flags |= _LARGE if r.flags & 2 else 0
        row.task, row.cgroup = _row_of(s, K_TASK, r.pid, N_TASKS), _cgroup_row(s, r.cgroup)
        row.origin = ORIGIN_SLOT if s.space[page] == _NO_SPACE else ORIGIN_KNOWN
        s.counts[0 if where == _DISK else 2 if where == _POOL else 5] += 1
        n += 1
    return n


@njit(cache=True, nogil=True)
def _store_rows(s: Any, out: Any, n: int, r: Any, emit: bool) -> int:
    for i in range(r.pages):
        entry = r.entry + np.uint64(i) if r.entry != 0 else np.uint64(0)
        page = _stored_page(s, r, entry, r.address + np.uint64(i))
        holder = _get(s, K_SLOT, entry) if entry != 0 else _NONE
        if holder != _NONE and holder != page:
            # The slot was given to another page: what it held is gone.
            if s.life[holder] == LIFE_STORED or s.life[holder] == LIFE_LOADED:
                if emit:
                    n = _invalidate(s, out, n, r.t, holder, r)
                else:
                    _set_life(s, holder, LIFE_GONE)
            s.slot[holder] = 0
        _take_slot(s, page, entry)
        _set_life(s, page, LIFE_STORED)
        where = r.where
        if where == _UNKNOWN:
            where = _POOL if s.numbers[N_ZSWAP] else _ZERO
        elif where == _DISK and s.numbers[N_ZSWAP]:
            where = _REJECTED
        s.where[page] = where
        if not emit:
            continue
        _emit(s, out, n, r.t, _STORE, page, entry)
        row = out[n]
        row.where, row.clen = where, r.tail
        row.flags = (_DIRECT if r.flags & 1 else 0) | (_LARGE if r.flags & 2 else 0)
        row.task, row.cgroup = _row_of(s, K_TASK, r.pid, N_TASKS), _cgroup_row(s, r.cgroup)
        row.origin = ORIGIN_SLOT if s.space[page] == _NO_SPACE else ORIGIN_KNOWN
        s.counts[3 if where == _POOL else 6 if where == _ZERO else 1] += 1
        n += 1
    return n


@njit(cache=True, nogil=True)
def _side_row(s: Any, out: Any, n: int, r: Any) -> int:
    """Contents, pressure and the rest that is no operation; rows so far."""
    if r.kind == 13:
        page = _get(s, K_SLOT, r.entry)
        if page != _NONE and s.life[page] == LIFE_STORED:
            _emit(s, out, n, r.t, OP_CONTENT, page, np.uint64(0))
            out[n].clen = r.tail
            return n + 1
    elif r.kind == 14:
        s.numbers[N_ZSWAP] = np.int64(r.address)
    elif 7 <= r.kind <= 11:
        _emit(s, out, n, r.t, OP_PRESSURE + r.kind - 7, 0, np.uint64(0))
        out[n].slot = np.uint32(r.address)
        # Reclaim on the whole host's behalf stands under the root cgroup, a cgroup's own under the cgroup.
        host_wide = (r.kind == 7 or r.kind == 8) and not r.flags & 16
        out[n].cgroup = 0 if host_wide else _cgroup_row(s, r.cgroup)
        out[n].task = _row_of(s, K_TASK, r.entry & np.uint64(0xFFFFFFFF) if r.kind == 11 else np.uint64(r.pid), N_TASKS)
        return n + 1
    elif r.kind == 15:
        page = _page_at(s, _space_of(s, r.mm), r.address >> np.uint64(12))
        if page == _NONE:
            page = _new_page(s)
            _identify(s, page, _space_of(s, r.mm), r.address >> np.uint64(12), 0)
        _take_slot(s, page, r.entry)
        _set_life(s, page, LIFE_STORED)
    elif r.kind == 4:
        _put(s, K_SPACE, r.mm, _new_space(s, _space_of(s, r.address)))
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
                s.counts[1] += r.pages
                s.counts[4] += r.pages
        elif r.kind == 3 or r.kind == 5:
            first, last = np.uint64(0), np.uint64(1) << np.uint64(52)
            if r.kind == 3:
                first = (r.address + np.uint64(4095)) >> np.uint64(12)
                last = (r.entry + np.uint64(4095)) >> np.uint64(12)
            done = _drop_space(s, out, n, r, first, last)
            if done < 0:
                return i, len(out)
            n = done
            if r.kind == 5 and _get(s, K_SPACE, r.mm) != _NONE:
                _put(s, K_SPACE, r.mm, _NONE)
        else:
            n = _side_row(s, out, n, r)
    return len(records), n
