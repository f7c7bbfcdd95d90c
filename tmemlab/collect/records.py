"""Records as they come out of the ring and go into the spool."""

from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt

RECORD = np.dtype(
    [
        ("t", "<u8"),  # CLOCK_MONOTONIC, ns
        ("mm", "<u8"),  # address space
        ("address", "<u8"),  # store: page index; load: faulting address; ranges: start
        ("entry", "<u8"),  # swap entry; ranges: end
        ("folio", "<u4"),  # tells folios apart
        ("latency", "<u4"),  # of a load, ns; 0 where unknown
        ("pid", "<u4"),
        ("cgroup", "<u4"),  # low half of the cgroup's inode
        ("pages", "<u2"),
        ("kind", "u1"),
        ("where", "u1"),
        ("flags", "u1"),
        ("phase", "u1"),
        ("tail", "<u2"),  # compressed length, 0xffff where unknown
    ]
)
"""``struct record`` of bpf/common.h: 56 bytes. Kernel addresses in it never reach a trace."""

Records = npt.NDArray[Any]


TASK_STATE = np.dtype(
    {
        "names": ["pages", "pending", "phase"],
        "formats": ["<u4", "u1", "u1"],
        "offsets": [52, 60, 61],
        "itemsize": 64,
    }
)
"""What the reader needs of ``struct task_state`` of bpf/tracepoint.c."""


class Kind(IntEnum):
    """What a record tells; up to SLOT_FREE from the kernel, the rest from the recorder."""

    STORE = 0
    LOAD = 1
    WRITEBACK = 2
    UNMAP = 3
    FORK = 4
    SPACE_END = 5
    TASK = 6
    DIRECT_BEGIN = 7
    DIRECT_END = 8
    KSWAPD_WAKE = 9
    KSWAPD_SLEEP = 10
    OOM = 11
    SLOT_FREE = 12
    CONTENT = 13
    """The content of the last store to this entry was compressed: tail is the length."""
    ZSWAP = 14
    """zswap was switched: address is 1 for on."""
    PRESENT = 15
    """A page was swapped before the recording: mm, address and entry name it."""
    READ_END = 16
    """The disk read of entry ended, latency after the load began."""
    WORKER = 17
    """A run of zswap's worker ended: address is its beginning, latency its wait before, folio pages written."""


class RecordFlag(IntFlag):
    """FLAG_* of bpf/common.h."""

    DIRECT = 1
    LARGE = 2
    ANON = 4
    UNCOUNTED = 8
    """The kernel raises no counting event for pages of the root cgroup: where it went is inferred."""
    MEMCG_RECLAIM = 16
    KERNEL_FAULT = 32
    SHMEM = 64


NAMES = ("pswpin", "pswpout", "zswpin", "zswpout", "zswpwb", "swpin_zero", "swpout_zero", "other")
"""Order of the counters in bpf/common.h: those of /proc/vmstat, then everything else."""

SWAP_TYPE_SHIFT = 58
"""A swap entry is type << 58 | offset [include/linux/swapops.h, 64 bit]."""
