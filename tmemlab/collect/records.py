"""Records as they come out of the ring and go into the spool."""

from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets.trace.codes import Where

RECORD = np.dtype(
    [
        ("t", "<u8"),  # CLOCK_MONOTONIC, ns
        ("mm", "<u8"),  # address space: of the page for a store, of the task for anything else
        ("address", "<u8"),  # store: folio->index; load: faulting address; ranges: start
        ("entry", "<u8"),  # swap entry; ranges: end
        ("folio", "<u4"),  # its struct page's address / 64: tells the folios of 16 TiB apart
        ("latency", "<u4"),  # of a load, ns; 0 where unknown
        ("pid", "<u4"),  # thread group
        ("cgroup", "<u4"),  # low half of the cgroup's id, which is its inode
        ("pages", "<u2"),
        ("kind", "u1"),  # Kind
        ("where", "u1"),  # schema.Where
        ("flags", "u1"),  # RecordFlag
        ("phase", "u1"),  # which side of a cut the kernel's counter was on: see recording/cuts.py
        ("tail", "<u2"),  # compressed length where the probe set gives it, else 0xffff
    ]
)
"""A record of the ring: 56 bytes, so that with the ring's own 8-byte header each takes 64.

The BPF programs have it as ``struct record``, made from this (:func:`declarations`). Kernel addresses in it never
reach a trace.
"""

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
    WRITE_FAILED = 18
    """The device failed the write of the last store to entry: its page stayed in RAM."""


class RecordFlag(IntFlag):
    """Circumstances of a record."""

    DIRECT = 1
    LARGE = 2
    ANON = 4
    UNCOUNTED = 8
    """The kernel raises no counting event for pages of the root cgroup: where it went is inferred."""
    MEMCG_RECLAIM = 16
    KERNEL_FAULT = 32
    SHMEM = 64


NAMES = ("pswpin", "pswpout", "zswpin", "zswpout", "zswpwb", "swpin_zero", "swpout_zero", "other")
"""Order of the counters: those of /proc/vmstat, then everything else."""

SWAP_TYPE_SHIFT = 58
"""A swap entry is type << 58 | offset [include/linux/swapops.h, 64 bit]."""


def declarations() -> str:
    """``record.h``: the record, its codes and the counters' order as C, for the BPF programs."""
    members = [f"    u{8 * dtype.itemsize} {name};" for name, (dtype, *_) in (RECORD.fields or {}).items()]
    codes = {
        **{f"KIND_{kind.name}": int(kind) for kind in Kind},
        **{f"WHERE_{where.name}": int(where) for where in Where},
        **{f"FLAG_{flag.name}": int(flag) for flag in RecordFlag},
        **{f"NAME_{name.upper()}": at for at, name in enumerate(NAMES)},
        "NAMES": len(NAMES),
    }
    enumerators = [f"    {name} = {value}," for name, value in codes.items()]
    return "\n".join(["struct record {", *members, "};", "enum {", *enumerators, "};", ""])
