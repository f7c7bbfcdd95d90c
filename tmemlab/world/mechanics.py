"""What hooks do to pages: lists, the allocator, writeback. Compiled, allocation free, O(1) each.

Lists are doubly linked through ``PAGE.prev`` and ``PAGE.next``; each has a sentinel record at the end of
the page array, so that insertion and removal have no branches. The oldest page is at the head. A page that
is put on a list with ``enlist`` is counted in ``w.lengths`` for as long as it stays there, whoever removes it.
"""

from typing import Any

import numpy as np

from ..compiled import inner
from .allocators.buddies import join, part
from .allocators.zspages import allocate, release
from .named import common
from .records import ABSENT, DISK, LISTS, PLAIN, POOL, RESIDENT
from .stores import copy_size, send_down, waiting_pages


@common
@inner
def sentinel(w: Any, which: int) -> int:
    """Index of the record that heads list ``which``."""
    return w.pages.shape[0] - LISTS + which


@common
@inner
def push_tail(w: Any, which: int, page: int) -> None:
    """Make ``page`` the newest of list ``which``."""
    head = sentinel(w, which)
    last = w.pages[head].prev
    w.pages[page].prev = last
    w.pages[page].next = head
    w.pages[page].linked = 1
    w.pages[last].next = page
    w.pages[head].prev = page


@common
@inner
def push_head(w: Any, which: int, page: int) -> None:
    """Make ``page`` the oldest of list ``which``."""
    head = sentinel(w, which)
    first = w.pages[head].next
    w.pages[page].prev = head
    w.pages[page].next = first
    w.pages[page].linked = 1
    w.pages[first].prev = page
    w.pages[head].next = page


@common
@inner
def unlink(w: Any, page: int) -> None:
    """Take ``page`` off its list, if it is on one."""
    linked = w.pages[page].linked
    if linked:
        before = w.pages[page].prev
        after = w.pages[page].next
        w.pages[before].next = after
        w.pages[after].prev = before
        w.pages[page].linked = 0
        if linked > 1:
            w.lengths[linked - 2] -= 1


@common
@inner
def enlist(w: Any, which: int, page: int) -> None:
    """push_tail for a list that knows its length and its members; ``which`` is at most 253."""
    push_tail(w, which, page)
    w.pages[page].linked = 2 + which
    w.lengths[which] += 1


@common
@inner
def is_on(w: Any, which: int, page: int) -> bool:
    """Whether ``page`` was enlisted on list ``which`` and is still there."""
    return bool(w.pages[page].linked == 2 + which)


@common
@inner
def splice(w: Any, source: int, which: int) -> None:
    """Append all of list ``source`` to list ``which``, in its order; not for enlisted pages."""
    start, head = sentinel(w, source), sentinel(w, which)
    first = w.pages[start].next
    if first == start:
        return
    last = w.pages[start].prev
    before = w.pages[head].prev
    w.pages[before].next = first
    w.pages[first].prev = before
    w.pages[last].next = head
    w.pages[head].prev = last
    w.pages[start].next = start
    w.pages[start].prev = start


@common
@inner
def oldest(w: Any, which: int) -> int:
    """The page at the head of list ``which``, or -1."""
    head = sentinel(w, which)
    first = w.pages[head].next
    return -1 if first == head else first


@common
@inner
def free_pages(w: Any) -> int:
    """Free memory of the host, in pages, under this policy.

    A page handed to the disk is free only once it is written, so the queue holds RAM.
    """
    h = w.host
    free = h.base_free - h.pool_pages
    if h.levels:
        free -= waiting_pages(w)
    elif h.disk_busy > h.now:
        free -= (h.disk_busy - h.now) // h.disk_page_ns + 1
    return free


@common
@inner
def has_more_than(w: Any, pages: int) -> bool:
    """free_pages(w) > pages, without the division."""
    h = w.host
    if h.levels:
        return bool(free_pages(w) > pages)
    waiting = max(h.disk_busy - h.now, 0)  # an idle disk holds nothing; it does not add memory either
    return (h.base_free - h.pool_pages - pages) * h.disk_page_ns > waiting


@common
@inner
def has_at_least(w: Any, pages: int) -> bool:
    """free_pages(w) >= pages to the page, without the division."""
    h = w.host
    if h.levels:
        return bool(free_pages(w) >= pages)
    spare, waiting = h.base_free - h.pool_pages - pages, h.disk_busy - h.now
    return bool(spare * h.disk_page_ns > waiting if waiting > 0 else spare >= 0)


@common
@inner
def pages_to_store(w: Any, clen: int) -> int:
    """By how many pages the pool would grow for one more object of this length, in zsmalloc."""
    size_class = w.classes[w.class_of[clen]]
    return 0 if size_class.groups else int(size_class.pages)


@common
@inner
def enter_pool(w: Any, page: int) -> None:
    """Store the compressed page in the pool's allocator."""
    h = w.host
    w.pages[page].place = POOL
    h.pool_count += 1
    if h.accesses:  # RAM itself: whole pages, no allocator
        h.pool_pages += 1
        if h.pool_pages > h.peak_pool_pages:
            h.peak_pool_pages = h.pool_pages
        return
    clen = w.pages[page].clen
    zclass = w.class_of[clen]
    w.pages[page].zclass = zclass
    h.pool_bytes += clen
    if h.buddies == 0:
        w.frames[page] = allocate(w, zclass)
    elif h.buddies < 0:
        h.pool_pages = (h.pool_bytes + 4095) >> 12
        h.peak_pool_pages = max(h.peak_pool_pages, h.pool_pages)
    else:
        w.frames[page] = join(w, zclass)


@common
@inner
def leave_pool(w: Any, page: int) -> None:
    """Free the page's object; the page goes off its list too."""
    h = w.host
    unlink(w, page)
    w.pages[page].place = ABSENT
    h.pool_count -= 1
    if h.accesses:
        h.pool_pages -= 1
        return
    h.pool_bytes -= w.pages[page].clen
    if h.buddies == 0:
        release(w, w.frames[page])
    elif h.buddies < 0:
        h.pool_pages = (h.pool_bytes + 4095) >> 12
    else:
        part(w, w.frames[page], w.pages[page].zclass)


@common
@inner
def pull_back(w: Any, page: int) -> None:
    """Move a page from the pool back into RAM, where it takes a page until the host itself has it there."""
    h = w.host
    leave_pool(w, page)
    w.pages[page].place = RESIDENT
    h.resident += 1
    h.base_free -= 1
    h.decompressed += 1
    h.pulled_back += 1


@common
@inner
def entries_within(w: Any, limit: float) -> int:
    """How many pages a pool of ``limit`` pages holds if they compress as those that are in it now.

    Orders divide a cache into shares; the number that they divide is this one. For pages that do not
    compress it is the limit itself.
    """
    h = w.host
    if h.pool_pages == 0:
        return int(limit)
    return int(limit) * h.pool_count // h.pool_pages


@common
@inner
def disk_write(w: Any, size: int) -> int:
    """Queue ``size`` bytes for the disk; the time, in ns, at which they will be there."""
    h = w.host
    start = h.disk_busy if h.disk_busy > h.now else h.now
    h.disk_busy = start + (h.disk_page_ns * size >> 12)
    h.disk_written += size
    return h.disk_busy


@common
@inner
def swap_to_store(w: Any, page: int, level: int) -> None:
    """Put a page that is not in the pool into a backing store; without a stack, on the disk as it is."""
    if w.host.levels:
        send_down(w, page, level)
    else:
        w.pages[page].place = DISK
        w.pages[page].zclass = PLAIN
        disk_write(w, np.int64(4096))


@common
@inner
def write_back(w: Any, page: int, compressed: bool) -> int:
    """Move a page from the pool to the store below it; the time at which the write completes.

    On disk it goes to its own slot, decompressed, with a 4096-byte write, as in zswap_writeback_entry;
    ``compressed`` writes the bytes as they are, as the 2011 critique asked for, in units of ``disk_unit``, and a
    load decompresses them. A stack's stores say themselves which of the two they take.
    """
    h = w.host
    clen = w.pages[page].clen
    leave_pool(w, np.uint32(page))
    if h.accesses:  # a plain cache has no device behind it
        w.pages[page].place = DISK
        h.writeback_pages += 1
        return h.now
    if h.levels:
        below = w.levels[h.above]
        size = copy_size(clen, below.compressed == 1, below.unit)
        h.decompressed += below.compressed == 0
        h.writeback_pages += 1
        h.writeback_bytes += size
        send_down(w, np.uint32(page), h.above)
        return h.disk_busy
    w.pages[page].place = DISK
    w.pages[page].zclass = compressed
    size = copy_size(clen, compressed, h.disk_unit)
    if not compressed:
        h.decompressed += 1
    h.writeback_pages += 1
    h.writeback_bytes += size
    return disk_write(w, size)
