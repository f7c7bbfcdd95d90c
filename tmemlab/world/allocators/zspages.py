"""zsmalloc's zspages, one by one: where an object goes and when memory comes back.

A zspage is a group of pages that holds objects of one size class. A new object goes to the fullest zspage of
its class that has room, the one that came into its fullness group last; a zspage is freed when its last object
goes. Objects that leave in another order than they came therefore leave holes: the pool does not shrink by what
was freed, which decides how long zswap's worker has to write. Nothing compacts unless global reclaim asks.

Linux 6.18 mm/zsmalloc.c:find_get_zspage, get_fullness_group, fix_fullness_group, insert_zspage, zs_free.
"""

from typing import Any

import numpy as np

from ...compiled import inner, njit

GROUPS = 10
"""Fullness groups by tenths of the objects in use; full zspages are in none."""
_NO_GROUP = 255
_FULLEST = np.array([max(groups.bit_length() - 1, 0) for groups in range(1 << GROUPS)], np.uint8)
"""The highest group in a set of groups: a table, because nothing foretells which it is."""


@inner
def _head(w: Any, zclass: int, group: int) -> int:
    return w.zspages.shape[0] - (w.classes.shape[0] - zclass) * GROUPS + group


@inner
def _regroup(w: Any, zspage: int) -> None:
    """Move a zspage to the head of the group that its fullness belongs to, if that changed."""
    z = w.zspages[zspage]
    c = w.classes[z.zclass]
    group = z.inuse * c.tenth >> 20 if 0 < z.inuse < c.objects else _NO_GROUP
    if group == z.group:
        return
    if z.group != _NO_GROUP:
        w.zspages[z.prev].next = z.next
        w.zspages[z.next].prev = z.prev
        head = _head(w, z.zclass, np.int64(z.group))
        if w.zspages[head].next == head:
            c.groups &= ~(1 << z.group)
    if group != _NO_GROUP:
        head = _head(w, z.zclass, group)
        first = w.zspages[head].next
        z.prev = head
        z.next = first
        w.zspages[first].prev = zspage
        w.zspages[head].next = zspage
        c.groups |= 1 << group
    z.group = group


@inner
def allocate(w: Any, zclass: int) -> int:
    """Room for one object: the zspage that holds it."""
    h = w.host
    c = w.classes[zclass]
    if c.groups == 0:
        zspage = h.free_zspage
        z = w.zspages[zspage]
        if zspage == h.fresh_zspage:  # never used so far: the chain of free ones ends in all the rest
            h.fresh_zspage += 1
            h.free_zspage = h.fresh_zspage
        else:
            h.free_zspage = z.next
        z.zclass = zclass
        z.inuse = 0
        z.group = _NO_GROUP
        c.zspages += 1
        h.pool_pages += c.pages
        if h.pool_pages > h.peak_pool_pages:
            h.peak_pool_pages = h.pool_pages
    else:
        zspage = w.zspages[_head(w, zclass, np.int64(_FULLEST[c.groups]))].next
    w.zspages[zspage].inuse += 1
    c.used += 1
    if c.objects > 1:
        _regroup(w, np.int32(zspage))
    return zspage


@inner
def release(w: Any, zspage: int) -> None:
    """One object of ``zspage`` is gone; its pages are free again when that was the last."""
    h = w.host
    z = w.zspages[zspage]
    c = w.classes[z.zclass]
    c.used -= 1
    z.inuse -= 1
    if c.objects > 1:
        _regroup(w, np.int32(zspage))
    if z.inuse == 0:
        c.zspages -= 1
        h.pool_pages -= c.pages
        z.next = h.free_zspage
        h.free_zspage = zspage


@njit(cache=True)
def make_heads(w: Any) -> None:
    """Empty fullness groups, all zspages free."""
    for head in range(w.zspages.shape[0] - w.classes.shape[0] * GROUPS, w.zspages.shape[0]):
        w.zspages[head].prev = head
        w.zspages[head].next = head
