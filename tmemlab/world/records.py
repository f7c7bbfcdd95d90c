"""The records that policies and engine share, and the codes in them."""

import numpy as np

NEVER = np.iinfo(np.int64).max
"""A ``wake`` time that is not reached."""

REJECT, ACCEPT, REFUSE, BYPASS = 0, 1, 2, 3
"""What becomes of a store: the next backing store takes it, the pool does, nothing does, the last store does."""
KEEP, DROP = 0, 1

ABSENT, POOL, REMOTE, DISK, ZERO, RESIDENT, STAYED = range(7)
"""Where a page's swapped copy is. A page is in exactly one place at every event.

RESIDENT: pulled back into RAM. STAYED: its store failed, so it never left.
"""

PLAIN, COMPRESSED = 0, 1
"""Forms of a copy on a disk: a whole page, or the compressed bytes as they are."""

NO_ALLOCATION, ORDINARY, ASKED = range(3)
"""What a page of zero bytes is: nothing, as the swap core (since Linux 6.12) or zram has it; a page that
compresses to :data:`SAME_FILLED_LENGTH` bytes; or something that the policy is asked about and that takes
no memory, as zswap's same-filled pages did from 5.6 to 6.11."""

SAME_FILLED_LENGTH = 32
REFUSED = 255
"""In ``class_of``: the allocator does not take objects of this length."""

LISTS = 256
"""Intrusive lists a policy may use; by convention list ``c`` belongs to memory cgroup ``c % LISTS``."""

PAGE = np.dtype(
    [
        ("prev", "i4"),
        ("next", "i4"),
        ("clen", "u2"),  # compressed bytes of the copy in the pool
        ("cgroup", "u2"),
        ("zclass", "u1"),  # size class while in the pool; on a disk, PLAIN or COMPRESSED
        ("place", "u1"),
        ("linked", "u1"),  # on some list
        ("mark", "u1"),  # the policy's own: a reference bit, a queue number
    ],
    align=True,
)
"""State of one page: 16 bytes, so that an event touches one cache line of it."""

SIZE_CLASS = np.dtype(
    [
        ("used", "i4"),  # objects stored
        ("zspages", "i4"),  # groups of pages allocated for them
        ("objects", "i4"),  # objects a zspage holds
        ("pages", "i4"),  # pages a zspage takes
        ("groups", "i4"),  # a bit for each fullness group that has zspages
        ("tenth", "i4"),  # 2^20 x 10 / objects, rounded up: fullness in tenths without a division
    ],
    align=True,
)
"""A size class of the allocator."""

ZSPAGE = np.dtype(
    [
        ("prev", "i4"),
        ("next", "i4"),
        ("inuse", "u2"),  # objects in it
        ("zclass", "u1"),
        ("group", "u1"),  # fullness group
    ],
    align=True,
)
"""A zspage, or the head of a fullness group."""

LEVEL = np.dtype(
    [
        ("kind", "i8"),  # REMOTE or DISK
        ("compressed", "i8"),  # 1: takes the compressed bytes as they are, 0: whole pages
        ("unit", "i8"),  # bytes: what it takes compressed is rounded up to a multiple
        ("capacity", "i8"),  # bytes; 0: as much as there is swap
        ("page_ns", "i8"),  # ns to move 4096 bytes
        ("latency_ns", "i8"),
        ("queue_ns", "i8"),  # the longest a read waits behind writes
        ("busy", "i8"),  # ns: when the last queued write will be done
        ("pages", "i8"),
        ("bytes", "i8"),
        ("peak", "i8"),  # bytes
        ("written", "i8"),  # bytes
        ("read", "i8"),  # bytes
        ("loads", "i8"),
        ("entered", "i8"),  # pages
    ],
    align=True,
)
"""A backing store other than the pool: RAM of a neighbour, or a disk."""

KEPT = np.dtype([("prev", "i4"), ("next", "i4"), ("size", "u2"), ("level", "u1")], align=True)
"""A page in a backing store. Lists of their own: a policy may remember on one of its lists a page that is here."""

NEAR = np.dtype([("prev", "i4"), ("next", "i4"), ("stamp", "i4"), ("list", "u1"), ("bits", "u1")], align=True)
"""A page of a resident set in front of the pool; the last two records head its lists."""

RUN = np.dtype([("asked", "i8"), ("began", "i8"), ("ended", "i8"), ("pages", "i8")], align=True)
"""A run of the recorded kernel's writeback worker: ns since the trace began; pages written, -1 where not known."""

HOST = np.dtype(
    [
        # the clock, ns since the trace began
        ("now", "i8"),
        ("wake", "i8"),
        ("sample", "i8"),  # number of the next sample of the host's memory
        # memory, pages
        ("ram", "i8"),
        ("base_free", "i8"),  # what would be free if the pool were empty
        ("file", "i8"),  # page cache that can be dropped
        ("watermark_min", "i8"),
        ("watermark_low", "i8"),
        ("watermark_high", "i8"),
        ("swap_free", "i8"),  # free slots
        ("resident", "i8"),  # pages in RAM that the recording has swapped out: stores failed, or pulled back
        # the pool
        ("pool_pages", "i8"),  # pages held by the allocator
        ("pool_count", "i8"),  # pages stored in them
        ("pool_bytes", "i8"),  # sum of compressed lengths
        ("free_zspage", "i8"),  # first of the chain of free zspages
        ("fresh_zspage", "i8"),  # from here on none was ever used
        ("buddies", "i8"),  # objects a page holds at most (zbud, z3fold); 0: zsmalloc; -1: packed without holes
        ("chunks", "i8"),  # chunks of 64 bytes that they share
        ("zeros", "i8"),  # what a page of zero bytes is
        ("cgroups", "i8"),
        ("accesses", "i8"),  # 1: an access trace, the pool is RAM itself
        ("trace_pages", "i8"),  # page ids below this come from the trace, the rest from a storm
        ("next_anonymous", "i8"),  # the page that a storm's reclaim takes next
        ("next_load", "i8"),  # for policies that need the future: event number of this page's next load
        ("flags", "i8"),  # Flag bits of the current event
        # pages that were read and not written: replay/inputs/unwritten.py
        ("spares", "i8"),  # 1: a copy that is still good spares its page's next store
        ("residence", "i8"),  # events for which a page stays in RAM once read
        ("levels", "i8"),  # backing stores besides the pool; 0: one disk below it and nothing else
        ("above", "i8"),  # how many of them stand above the pool
        # the store right below the pool, the disk as a rule: requests queue for its bandwidth
        ("disk_busy", "i8"),  # ns: when the last queued request will be done
        ("disk_page_ns", "i8"),  # ns to move 4096 bytes
        ("disk_latency_ns", "i8"),
        ("disk_queue_ns", "i8"),  # the longest a read waits behind writes: a full device queue
        ("disk_unit", "i8"),  # bytes: compressed copies take a multiple of it
        # what a load costs, ns
        ("fault_ns", "i8"),
        ("decompress_ns", "i8"),
        # counters
        ("accepted", "i8"),
        ("rejected", "i8"),
        ("refused", "i8"),
        ("zero_stores", "i8"),
        ("stored_again", "i8"),  # evictions that were no store while recording
        ("unwritten", "i8"),  # stores while recording that are none here
        ("loads_pool", "i8"),
        ("loads_remote", "i8"),
        ("loads_disk", "i8"),
        ("loads_zero", "i8"),
        ("loads_resident", "i8"),
        ("loads_refused", "i8"),  # of pages whose store failed
        ("invalidates", "i8"),
        ("writeback_pages", "i8"),
        ("writeback_bytes", "i8"),
        ("disk_read", "i8"),
        ("disk_written", "i8"),
        ("compressed", "i8"),
        ("decompressed", "i8"),
        ("pressure_calls", "i8"),
        ("pressure_pages", "i8"),
        ("limit_hits", "i8"),
        ("pulled_back", "i8"),  # pages that went from the pool back into RAM
        ("peak_pool_pages", "i8"),
        ("pool_area", "f8"),  # pool pages x ns
        ("saved_area", "f8"),  # (pages stored - pool pages) x ns
        ("below_min_ns", "i8"),  # time with less free memory than the min watermark
    ],
    align=True,
)
"""The host and the pool as the policy sees them."""
