"""Trace format v1: the tables, their columns and their codes.

A trace is a directory of Parquet files and a ``manifest.json``. Rows of ``events`` are in time order;
``page`` ids are dense and numbered in order of first appearance, so that arrays indexed by page replace
hash tables in a replay. Page contents are never part of a trace.
"""

import pyarrow as pa

from .codes import (
    NO_CLEN,
    NO_LATENCY,
    NO_SLOT,
    VMSTAT_COUNTERS,
    Flag,
    Op,
    PageKind,
    Pressure,
    Where,
)

__all__ = [
    "CGROUPS", "EVENTS", "MANIFEST_NAME", "NO_CLEN", "NO_LATENCY", "NO_SLOT", "PAGES", "PRESSURE", "SAMPLES",
    "SCHEMA_VERSION", "TABLES", "TASKS", "VMSTAT_COUNTERS", "Flag", "Op", "PageKind", "Pressure", "Where",
    "events_file",
]  # fmt: skip

SCHEMA_VERSION = "tmemlab.trace/1"
MANIFEST_NAME = "manifest.json"


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


EVENTS = pa.schema(
    [
        _required("t", pa.int64()),  # ns since the trace began
        _required("op", pa.uint8()),  # Op
        _required("page", pa.uint32()),  # row of pages
        pa.field("slot", pa.uint32()),  # swap offset; the device by the manifest's order in the top 4 bits
        pa.field("clen", pa.uint16()),  # compressed bytes; 0 = same-filled
        _required("cgroup", pa.uint16()),  # row of cgroups
        _required("task", pa.uint16()),  # row of tasks
        _required("where", pa.uint8()),  # Where
        _required("flags", pa.uint8()),  # Flag
        pa.field("latency", pa.uint32()),  # ns
    ]
)

PAGES = pa.schema(
    [
        _required("space", pa.uint32()),  # address space id, dense
        _required("vpn", pa.uint64()),  # virtual page number relative to the lowest seen in its space
        _required("kind", pa.uint8()),  # PageKind
    ]
)

PRESSURE = pa.schema(
    [
        _required("t", pa.int64()),
        _required("kind", pa.uint8()),  # Pressure
        _required("cgroup", pa.uint16()),
        _required("task", pa.uint16()),
        # Reclaimed (direct reclaim end), rss of the victim (OOM kill); the slot as in events (writeback); written
        # (worker end).
        pa.field("pages", pa.int64()),
    ]
)

_SAMPLE_BYTES = (
    "mem_total", "mem_free", "mem_available", "anon", "file", "unevictable", "mlocked", "slab",
    "swap_total", "swap_free", "watermark_min", "watermark_low", "watermark_high",
)  # fmt: skip
_SAMPLE_OPTIONAL = (
    "pool_bytes",  # physical bytes of the compressed pool (Zswap in /proc/meminfo, zram mm_stat)
    "pool_stored_bytes",  # uncompressed bytes of the pages in it (Zswapped)
    "psi_some_us", "psi_full_us",  # cumulative, /proc/pressure/memory
    "cgroup_bytes",  # memory in use by the recorded cgroup, where one was given
    "zswap_limit_hit", "zswap_reject_total", "zswap_written_back",  # cumulative, debugfs
)  # fmt: skip
SAMPLES = pa.schema(
    [
        _required("t", pa.int64()),
        *(_required(name, pa.int64()) for name in _SAMPLE_BYTES),
        *(pa.field(name, pa.int64()) for name in _SAMPLE_OPTIONAL),
        *(pa.field(name, pa.int64()) for name in VMSTAT_COUNTERS),  # null where this kernel lacks the counter
    ]
)

CGROUPS = pa.schema(
    [
        _required("path", pa.string()),
        pa.field("limit_bytes", pa.int64()),
    ]
)

TASKS = pa.schema(
    [
        _required("pid", pa.int32()),
        _required("comm", pa.string()),
        _required("cgroup", pa.uint16()),
    ]
)

TABLES: dict[str, pa.Schema] = {
    "pages": PAGES,
    "pressure": PRESSURE,
    "samples": SAMPLES,
    "cgroups": CGROUPS,
    "tasks": TASKS,
}
"""The tables beside ``events``, one file ``NAME.parquet`` each."""


def events_file(index: int) -> str:
    """Name of the index-th events file."""
    return f"events-{index:05d}.parquet"
