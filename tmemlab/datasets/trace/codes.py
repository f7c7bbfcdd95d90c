"""The codes of trace format v1, without the tables: a recorder needs them, and no library to write Parquet."""

from enum import IntEnum, IntFlag

# Values that stand for null where a column is read into a plain NumPy array.
NO_SLOT = 0xFFFF_FFFF
NO_CLEN = 0xFFFF
NO_LATENCY = 0xFFFF_FFFF


class Op(IntEnum):
    """What happened to the page."""

    STORE = 0
    """Swap-out."""
    LOAD = 1
    """Swap-in; in an access trace, a touch."""
    INVALIDATE = 2
    """The slot or the page is gone."""


class Where(IntEnum):
    """Where the kernel put the page (store) or found it (load)."""

    POOL = 0
    DISK = 1
    ZERO = 2
    """All zero bytes: a mark per slot and no memory."""
    REJECTED = 3
    """The compressed pool was on and refused; the page went to disk."""
    UNKNOWN = 4
    FAILED = 5
    """The write failed, at zram's mem_limit for example: the page stayed in RAM. Stores only."""


class Flag(IntFlag):
    """Circumstances of an event."""

    READAHEAD = 1
    DIRECT_RECLAIM = 2
    LARGE_FOLIO = 4
    COPY_STAYS = 8
    """The swapped copy stays valid after this load: the page is not stored again before its next load."""
    BEFORE = 128
    """The first event of a page that was swapped out before the recording began: a load. Not marked in traces
    recorded before 0.2."""


class PageKind(IntEnum):
    """What kind of memory a page is."""

    ANONYMOUS = 0
    SHMEM = 1
    UNKNOWN = 2


class Pressure(IntEnum):
    """A row of the pressure table."""

    DIRECT_RECLAIM_BEGIN = 0
    DIRECT_RECLAIM_END = 1
    KSWAPD_WAKE = 2
    KSWAPD_SLEEP = 3
    OOM_KILL = 4
    WRITEBACK = 5
    """The pool, zswap's or zram's, wrote its copy of a slot to its backing store."""
    WORKER_QUEUED = 6
    """A rejected store asked for zswap's worker, which nobody had yet. Cgroup and task of these three are 0."""
    WORKER_BEGIN = 7
    WORKER_END = 8
    """``pages`` is what the run wrote back, where that is known."""


VMSTAT_COUNTERS = (
    "pswpin", "pswpout", "zswpin", "zswpout", "zswpwb", "swpin_zero", "swpout_zero",
)  # fmt: skip
"""Swap counters of /proc/vmstat, sampled as cumulative values and differenced in the manifest."""
