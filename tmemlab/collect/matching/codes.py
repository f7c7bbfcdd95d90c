"""The codes of records and of traces as plain integers, for compiled code."""

from ...datasets.trace.codes import Flag, Op, PageKind, Pressure, Where
from ..records import NAMES, Kind, RecordFlag

KIND_STORE, KIND_LOAD, KIND_WRITEBACK = int(Kind.STORE), int(Kind.LOAD), int(Kind.WRITEBACK)
KIND_UNMAP, KIND_FORK, KIND_SPACE_END = int(Kind.UNMAP), int(Kind.FORK), int(Kind.SPACE_END)
KIND_DIRECT_BEGIN, KIND_DIRECT_END, KIND_OOM = int(Kind.DIRECT_BEGIN), int(Kind.DIRECT_END), int(Kind.OOM)
KIND_SLOT_FREE, KIND_CONTENT, KIND_READ_END = int(Kind.SLOT_FREE), int(Kind.CONTENT), int(Kind.READ_END)
KIND_ZSWAP, KIND_PRESENT, KIND_WRITE_FAILED = int(Kind.ZSWAP), int(Kind.PRESENT), int(Kind.WRITE_FAILED)

RECORD_DIRECT, RECORD_LARGE, RECORD_ANON = int(RecordFlag.DIRECT), int(RecordFlag.LARGE), int(RecordFlag.ANON)
RECORD_UNCOUNTED, RECORD_MEMCG_RECLAIM = int(RecordFlag.UNCOUNTED), int(RecordFlag.MEMCG_RECLAIM)

OP_STORE, OP_LOAD, OP_INVALIDATE = int(Op.STORE), int(Op.LOAD), int(Op.INVALIDATE)
POOL, DISK, ZERO, REJECTED, UNKNOWN, FAILED = (int(where) for where in Where)
EVENT_READAHEAD, EVENT_DIRECT, EVENT_LARGE = int(Flag.READAHEAD), int(Flag.DIRECT_RECLAIM), int(Flag.LARGE_FOLIO)
EVENT_BEFORE = int(Flag.BEFORE)
PAGE_ANONYMOUS, PAGE_SHMEM, PAGE_UNKNOWN = int(PageKind.ANONYMOUS), int(PageKind.SHMEM), int(PageKind.UNKNOWN)
PRESSURE_WRITEBACK = int(Pressure.WRITEBACK)

PSWPIN, PSWPOUT, ZSWPIN, ZSWPOUT, ZSWPWB, SWPIN_ZERO, SWPOUT_ZERO, _ = range(len(NAMES))
"""Places in State.counts."""
