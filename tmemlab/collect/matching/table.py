"""The matcher's memory at work: a hash table, address spaces, pages and their slots; compiled."""

from typing import Any

import numpy as np

from ...compiled import njit
from .codes import PAGE_ANONYMOUS, PAGE_SHMEM, PAGE_UNKNOWN, RECORD_ANON, UNKNOWN
from .state import (
    ENTRY,
    K_FOLIO,
    K_PAGES,
    K_SLOT,
    K_SPACE,
    K_SUBSPACE,
    LIFE_LOADED,
    LIFE_NEW,
    LIFE_STORED,
    N_PAGES,
    N_SLOT_ONLY,
    N_SPACES,
    N_USED,
    NO_SPACE_YET,
    PAGE,
    State,
)

NONE = -1
NO_SPACE = np.uint32(0xFFFF_FFFF)
_MARKED = np.uint64(1 << 63)

inner: Any = njit(cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""For functions that only compiled code calls: wrappers would take half of the time to compile."""


@inner
def _slot_of(table: Any, a: Any, b: Any) -> Any:
    """Index in the table where (a, b) is or belongs; a is never 0."""
    mask = np.uint64(len(table) - 1)
    h = (a * np.uint64(0x9E3779B97F4A7C15)) ^ (b * np.uint64(0xC2B2AE3D27D4EB4F))
    h ^= h >> np.uint64(29)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(32)
    at = h & mask
    while table[at].key1 != 0 and not (table[at].key1 == a and table[at].key2 == b):
        at = (at + np.uint64(1)) & mask
    return np.int64(at)


@njit(cache=True, nogil=True)
def rehash(old: Any, table: Any) -> None:
    """Move every entry of one table into a larger, empty one."""
    for i in range(len(old)):
        if old[i].key1 != 0:
            at = _slot_of(table, old[i].key1, old[i].key2)
            table[at].key1, table[at].key2, table[at].value = old[i].key1, old[i].key2, old[i].value


@inner
def get(s: Any, a: int, b: Any) -> Any:
    """Value under the key (a, b); NONE where there is none."""
    at = _slot_of(s.table, np.uint64(a), np.uint64(b))
    return s.table[at].value if s.table[at].key1 != 0 else NONE


@inner
def put(s: Any, a: int, b: Any, value: int) -> None:
    """Enter or replace the value under (a, b)."""
    at = _slot_of(s.table, np.uint64(a), np.uint64(b))
    if s.table[at].key1 == 0:
        s.table[at].key1, s.table[at].key2 = np.uint64(a), np.uint64(b)
        s.numbers[N_USED] += 1
    s.table[at].value = value


@inner
def new_space(s: Any, parent: int) -> Any:
    """A fresh address space, forked from ``parent`` or from NONE."""
    space = s.numbers[N_SPACES]
    s.numbers[N_SPACES] += 1
    s.spaces[space].parent = parent
    return space


@inner
def space_of(s: Any, mm: Any) -> Any:
    """The space of a kernel mm, entered on first sight."""
    space = get(s, K_SPACE, mm)
    if space == NONE:
        space = new_space(s, NONE)
        put(s, K_SPACE, mm, space)
    return space


@inner
def subspace_of(s: Any, space: int, index: Any) -> Any:
    """The space of the pages that one anon_vma of a private file mapping holds."""
    mark = (index & ~_MARKED) >> np.uint64(20)
    found = get(s, K_SUBSPACE + space, mark)
    if found == NONE:
        found = new_space(s, NONE)
        s.spaces[found].sibling, s.spaces[space].child = s.spaces[space].child, found
        put(s, K_SUBSPACE + space, mark, found)
    return found


@inner
def related(s: Any, a: int, b: int) -> Any:
    """Whether one space is the other or descends from it by fork."""
    if a == b:
        return True
    up = a
    for _ in range(16):
        up = s.spaces[up].parent if up >= 0 else -1
        if up == b:
            return True
    up = b
    for _ in range(16):
        up = s.spaces[up].parent if up >= 0 else -1
        if up == a:
            return True
    return False


@inner
def identify(s: Any, page: int, space: int, vpn: Any, kind: int) -> None:
    """Give a page its identity and enter it under it."""
    s.pages[page].space, s.pages[page].vpn, s.pages[page].kind = space, vpn, kind
    s.pages[page].next_page = s.spaces[space].first_page
    s.spaces[space].first_page = page
    if s.pages[page].life == LIFE_STORED or s.pages[page].life == LIFE_LOADED:
        s.spaces[space].live += 1
    put(s, K_PAGES + space, vpn, page)


@inner
def new_page(s: Any) -> Any:
    """A fresh page without identity."""
    page = s.numbers[N_PAGES]
    s.numbers[N_PAGES] += 1
    s.pages[page].space, s.pages[page].vpn, s.pages[page].kind = NO_SPACE, 0, PAGE_UNKNOWN
    s.pages[page].life, s.pages[page].where, s.pages[page].slot = LIFE_NEW, UNKNOWN, 0
    return page


@inner
def set_life(s: Any, page: int, life: int) -> None:
    """Change what became of a page, and how many its space has live."""
    was = s.pages[page].life in (LIFE_STORED, LIFE_LOADED)
    now = life in (LIFE_STORED, LIFE_LOADED)
    if was != now and s.pages[page].space != NO_SPACE:
        s.spaces[s.pages[page].space].live += 1 if now else -1
    s.pages[page].life = life


@inner
def take_slot(s: Any, page: int, entry: Any) -> None:
    """Enter a page under a slot; its former slot is no longer its."""
    old = s.pages[page].slot
    if old != entry and old != 0 and get(s, K_SLOT, old) == page:
        put(s, K_SLOT, old, NONE)
    s.pages[page].slot = entry
    if entry != 0:
        put(s, K_SLOT, entry, page)


@inner
def page_at(s: Any, space: int, vpn: Any) -> Any:
    """The page at an address of a space, looked for in the spaces that it was forked from too."""
    for _ in range(16):
        if space < 0:
            break
        page = get(s, K_PAGES + space, vpn)
        if page != NONE:
            return page
        space = s.spaces[space].parent
    return NONE


@inner
def stored_page(s: Any, r: Any, entry: Any, index: Any) -> Any:
    """Which page a store writes."""
    holder = get(s, K_SLOT, entry) if entry != 0 else NONE
    anon = r.flags & RECORD_ANON != 0
    known = anon and r.mm != 0
    space = NONE
    if known:
        space = space_of(s, r.mm)
        if index & _MARKED:
            space, index = subspace_of(s, space, index), index & np.uint64(0xFFFFF)
    if holder != NONE:
        unnamed = s.pages[holder].space == NO_SPACE
        if known and not unnamed and s.pages[holder].vpn == index and related(s, s.pages[holder].space, space):
            return holder
        if not anon and (s.pages[holder].kind != PAGE_ANONYMOUS or s.pages[holder].life == LIFE_LOADED):
            # Shared memory, or a page read ahead that nobody mapped: the slot is all there is, and it holds.
            return holder
        plain = index & np.uint64(0xFFFFF) if index & _MARKED else index
        if not known and anon and (unnamed or s.pages[holder].vpn == plain):
            return holder
        if known and unnamed and get(s, K_PAGES + space, index) == NONE:
            identify(s, holder, space, index, PAGE_ANONYMOUS)
            return holder
    if known:
        page = get(s, K_PAGES + space, index)
        if page != NONE:
            return page
    # Still the folio that a load brought in under no address.
    linked = get(s, K_FOLIO, r.folio) if r.folio != 0 else NONE
    if linked != NONE and s.pages[linked].life == LIFE_LOADED:
        if known and s.pages[linked].space == NO_SPACE and s.pages[linked].kind != PAGE_SHMEM:
            identify(s, linked, space, index, PAGE_ANONYMOUS)
            return linked
        if not anon and s.pages[linked].kind == PAGE_SHMEM and s.pages[linked].vpn == index:
            return linked
    page = new_page(s)
    if known:
        identify(s, page, space, index, PAGE_ANONYMOUS)
    else:
        s.numbers[N_SLOT_ONLY] += 1
        if not anon:
            s.pages[page].kind, s.pages[page].vpn = PAGE_SHMEM, index
    return page


@inner
def loaded_page(s: Any, r: Any, entry: Any) -> Any:
    """Which page a load brings in."""
    page = get(s, K_SLOT, entry) if entry != 0 else NONE
    if page != NONE:
        return page
    if r.mm != 0 and r.address != 0:
        space, vpn = space_of(s, r.mm), r.address >> np.uint64(12)
        page = page_at(s, space, vpn)
        if page == NONE:
            page = new_page(s)
            identify(s, page, space, vpn, PAGE_ANONYMOUS)
            return page
        # The faulting page itself, unless its copy lies elsewhere: then this one was read ahead.
        if s.pages[page].slot == 0 or entry == 0:
            return page
    page = new_page(s)
    s.numbers[N_SLOT_ONLY] += 1
    return page


def reserve(state: State, records: int, pages: int) -> State:
    """The state with room for so many more records, that touch so many pages in all."""
    changes: dict[str, Any] = {}
    needed = int(state.numbers[N_PAGES]) + pages + 1
    if needed > len(state.pages):
        changes["pages"] = _grown(state.pages, needed, np.zeros((), PAGE))
    needed = int(state.numbers[N_SPACES]) + 2 * records + 1
    if needed > len(state.spaces):
        changes["spaces"] = _grown(state.spaces, needed, NO_SPACE_YET)
    # Every page may bring an identity, a slot and a folio; a record a space, a task and a cgroup.
    needed = int(state.numbers[N_USED]) + 3 * pages + 6 * records
    if 2 * needed > len(state.table):
        changes["table"] = np.zeros(1 << int(2 * needed).bit_length(), ENTRY)
        rehash(state.table, changes["table"])
    return state._replace(**changes) if changes else state


def _grown(array: Any, needed: int, fill: Any) -> Any:
    grown = np.full(max(needed, 2 * len(array)), fill)
    grown[: len(array)] = array
    return grown
