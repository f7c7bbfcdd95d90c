"""zbud and z3fold as models of density: two or three objects to a page.

A page is divided into chunks of 64 bytes after a header; a new object goes to the page with the fewest free
chunks that has room, of those to the one that changed last, and to a new page otherwise. Pages with an object
in each place, and pages that hold one object too large to share, are on no list. For z3fold this says that
the middle object is moved at once to where it leaves the most room, which the kernel does in the background.

Linux 6.14 mm/zbud.c:zbud_alloc, zbud_free; mm/z3fold.c:z3fold_alloc, z3fold_compact_page.

The records are those of zspages: ``inuse`` counts objects, ``zclass`` the free chunks, and list ``group``
holds the pages with that many.
"""

from typing import Any

from ...compiled import inner
from .zspages import GROUPS

CHUNK = 64
_NO_LIST = 255


@inner
def _head(w: Any, free: int) -> int:
    return w.zspages.shape[0] - w.classes.shape[0] * GROUPS + free


@inner
def _off_list(w: Any, frame: int) -> None:
    z = w.zspages[frame]
    if z.group != _NO_LIST:
        w.zspages[z.prev].next = z.next
        w.zspages[z.next].prev = z.prev
        z.group = _NO_LIST


@inner
def _on_list(w: Any, frame: int) -> None:
    z = w.zspages[frame]
    if z.inuse < w.host.buddies and z.zclass > 0:
        head = _head(w, z.zclass)
        first = w.zspages[head].next
        z.prev = head
        z.next = first
        w.zspages[first].prev = frame
        w.zspages[head].next = frame
        z.group = z.zclass


@inner
def join(w: Any, chunks: int) -> int:
    """Room for an object of so many chunks: the page that holds it."""
    h = w.host
    frame = -1
    for free in range(chunks, h.chunks + 1):
        head = _head(w, free)
        if w.zspages[head].next != head:
            frame = w.zspages[head].next
            break
    if frame < 0:
        frame = h.free_zspage
        z = w.zspages[frame]
        if frame == h.fresh_zspage:
            h.fresh_zspage += 1
            h.free_zspage = h.fresh_zspage
        else:
            h.free_zspage = z.next
        z.inuse = 0
        z.zclass = h.chunks
        z.group = _NO_LIST
        h.pool_pages += 1
        if h.pool_pages > h.peak_pool_pages:
            h.peak_pool_pages = h.pool_pages
    else:
        _off_list(w, frame)
    z = w.zspages[frame]
    z.inuse += 1
    z.zclass -= chunks
    _on_list(w, frame)
    return int(frame)


@inner
def part(w: Any, frame: int, chunks: int) -> None:
    """An object of so many chunks is gone; the page is free when it was the last."""
    h = w.host
    _off_list(w, frame)
    z = w.zspages[frame]
    z.inuse -= 1
    z.zclass += chunks
    if z.inuse == 0:
        h.pool_pages -= 1
        z.next = h.free_zspage
        h.free_zspage = frame
    else:
        _on_list(w, frame)
