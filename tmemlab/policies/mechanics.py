"""What hooks do to pages: lists, the allocator, writeback. Compiled, allocation free, O(1) each.

Lists are doubly linked through ``PAGE.prev`` and ``PAGE.next``; each has a sentinel record at the end of
the page array, so that insertion and removal have no branches. The oldest page is at the head.
"""

from typing import Any

from .interface import ABSENT, DISK, LISTS, POOL

# isort: split
from numba import njit


@njit(cache=True)
def sentinel(w: Any, which: int) -> int:
    """Index of the record that heads list ``which``."""
    return w.pages.shape[0] - LISTS + which


@njit(cache=True)
def push_tail(w: Any, which: int, page: int) -> None:
    """Make ``page`` the newest of list ``which``."""
    head = sentinel(w, which)
    last = w.pages[head].prev
    w.pages[page].prev = last
    w.pages[page].next = head
    w.pages[page].linked = 1
    w.pages[last].next = page
    w.pages[head].prev = page


@njit(cache=True)
def push_head(w: Any, which: int, page: int) -> None:
    """Make ``page`` the oldest of list ``which``."""
    head = sentinel(w, which)
    first = w.pages[head].next
    w.pages[page].prev = head
    w.pages[page].next = first
    w.pages[page].linked = 1
    w.pages[first].prev = page
    w.pages[head].next = page


@njit(cache=True)
def unlink(w: Any, page: int) -> None:
    """Take ``page`` off its list, if it is on one."""
    if w.pages[page].linked:
        before = w.pages[page].prev
        after = w.pages[page].next
        w.pages[before].next = after
        w.pages[after].prev = before
        w.pages[page].linked = 0


@njit(cache=True)
def oldest(w: Any, which: int) -> int:
    """The page at the head of list ``which``, or -1."""
    head = sentinel(w, which)
    first = w.pages[head].next
    return -1 if first == head else first


@njit(cache=True)
def free_pages(w: Any) -> int:
    """Free memory of the host, in pages, under this policy.

    A page handed to the disk is free only once it is written, so the queue holds RAM.
    """
    h = w.host
    free = h.base_free - h.pool_pages
    if h.disk_busy > h.now:
        free -= (h.disk_busy - h.now) // h.disk_page_ns + 1
    return free


@njit(cache=True)
def has_more_than(w: Any, pages: int) -> bool:
    """free_pages(w) > pages, without the division."""
    h = w.host
    return (h.base_free - h.pool_pages - pages) * h.disk_page_ns > h.disk_busy - h.now


@njit(cache=True)
def enter_pool(w: Any, page: int) -> None:
    """Allocate room for the compressed page: a zspage only when its size class has no free object.

    Density without fragmentation: cdiv(n, objects) zspages of a class [Linux 6.18 mm/zsmalloc.c].
    """
    h = w.host
    clen = w.pages[page].clen
    zclass = w.class_of[clen]
    w.pages[page].zclass = zclass
    w.pages[page].place = POOL
    c = w.classes[zclass]
    c.used += 1
    if c.used > c.zspages * c.objects:
        c.zspages += 1
        h.pool_pages += c.pages
        if h.pool_pages > h.peak_pool_pages:
            h.peak_pool_pages = h.pool_pages
    h.pool_count += 1
    h.pool_bytes += clen


@njit(cache=True)
def leave_pool(w: Any, page: int) -> None:
    """Free the page's object, and its zspage when that was the last object it needed; off its list too."""
    h = w.host
    unlink(w, page)
    c = w.classes[w.pages[page].zclass]
    c.used -= 1
    if c.used <= (c.zspages - 1) * c.objects:
        c.zspages -= 1
        h.pool_pages -= c.pages
    h.pool_count -= 1
    h.pool_bytes -= w.pages[page].clen
    w.pages[page].place = ABSENT


@njit(cache=True)
def disk_write(w: Any, size: int) -> int:
    """Queue ``size`` bytes for the disk; the time, in ns, at which they will be there."""
    h = w.host
    start = h.disk_busy if h.disk_busy > h.now else h.now
    h.disk_busy = start + (h.disk_page_ns * size >> 12)
    h.disk_written += size
    return h.disk_busy


@njit(cache=True)
def write_back(w: Any, page: int, compressed: bool) -> int:
    """Move a page from the pool to its own slot on disk; the time at which the write completes.

    Decompressed it costs a 4096-byte write, as in zswap_writeback_entry; ``compressed`` writes the bytes
    as they are, as the 2011 critique asked for.
    """
    h = w.host
    clen = w.pages[page].clen
    leave_pool(w, page)
    w.pages[page].place = DISK
    size = clen if compressed else 4096
    if not compressed:
        h.decompressed += 1
    h.writeback_pages += 1
    h.writeback_bytes += size
    return disk_write(w, size)
