"""Small traces built by hand: every event written out in the test that needs it.

>>> make_trace(tmp_path / "t", [(0, "store", 0, 1200), (10, "load", 0), (20, "invalidate", 0)])

``events`` are ``(t_ns, op, page)``, ``(t_ns, op, page, clen)`` or ``(t_ns, op, page, clen, more)`` where ``more``
is a dict of other columns (slot, cgroup, task, where, flags, latency). Page ids must be dense in order of
first appearance, as the format demands; ``relabel`` makes them so.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tmemlab.datasets.trace.manifest import (
    Certificate,
    ClenMethod,
    EventCounts,
    Kernel,
    Manifest,
    ProbeSet,
    Reconciliation,
    StartEnd,
    SwapDevice,
)
from tmemlab.datasets.trace.schema import (
    CGROUPS,
    EVENTS,
    NO_CLEN,
    NO_LATENCY,
    NO_SLOT,
    PAGES,
    PRESSURE,
    SAMPLES,
    TASKS,
    Op,
    Where,
)
from tmemlab.datasets.trace.write import TraceWriter

GIB = 1 << 30
_NULL = {"slot": NO_SLOT, "clen": NO_CLEN, "latency": NO_LATENCY}


def relabel(keys: Iterable[Any]) -> list[int]:
    """Dense ids of ``keys`` in order of first appearance."""
    ids: dict[Any, int] = {}
    return [ids.setdefault(key, len(ids)) for key in keys]


def event_columns(events: Sequence[Sequence[Any]], *, where: Where = Where.POOL) -> dict[str, np.ndarray]:
    """The columns of ``events`` with the NO_* sentinels for what is not given."""
    rows: list[dict[str, int]] = []
    for event in events:
        t, op, page, *rest = event
        row = {"t": t, "op": int(Op[op.upper()]) if isinstance(op, str) else int(op), "page": page}
        row |= {"cgroup": 0, "task": 0, "where": int(where), "flags": 0, **_NULL}
        if rest and rest[0] is not None:
            row["clen"] = rest[0]
            if rest[0] == 0:
                row["where"] = int(Where.ZERO)
        if len(rest) > 1:
            row |= {name: int(value) for name, value in rest[1].items()}
        rows.append(row)
    return {
        field.name: np.array([row[field.name] for row in rows], dtype=field.type.to_pandas_dtype())
        for field in EVENTS
    }


def sample(t: int, ram_bytes: int = GIB, **values: int | None) -> dict[str, int | None]:
    """A row of samples of a host with a quarter of its RAM free; any column can be given."""
    row: dict[str, int | None] = dict.fromkeys(SAMPLES.names, 0)
    row |= {
        "t": t,
        "mem_total": ram_bytes,
        "mem_free": ram_bytes // 4,
        "mem_available": ram_bytes // 2,
        "anon": ram_bytes // 3,
        "file": ram_bytes // 4,
        "unevictable": ram_bytes // 100,
        "slab": ram_bytes // 20,
        "swap_total": ram_bytes,
        "swap_free": ram_bytes,
        "watermark_min": ram_bytes // 200,
        "watermark_low": ram_bytes // 160,
        "watermark_high": ram_bytes // 133,
        "psi_some_us": None,
        "psi_full_us": None,
        "cgroup_bytes": None,
    }
    return row | values


def make_manifest(
    columns: dict[str, np.ndarray], *, duration_ns: int, ram_bytes: int = GIB, **changes: Any
) -> Manifest:
    """A manifest that fits ``columns``; any field can be replaced."""
    stores, loads = (int((columns["op"] == op).sum()) for op in (Op.STORE, Op.LOAD))
    manifest = Manifest(
        kind="swap",
        created="2026-01-02T03:04:05Z",
        tool="tmemlab test factory",
        kernel=Kernel("6.18.0-test", "x86_64"),
        cpus=2,
        ram_bytes=ram_bytes,
        clock="CLOCK_MONOTONIC",
        duration_ns=duration_ns,
        probe_set=ProbeSet("none", "built by hand", []),
        events=EventCounts(0, 0, 0, 0, 0),
        certificate=Certificate(True, Reconciliation(stores, 0, stores), Reconciliation(loads, 0, loads)),
        clen=ClenMethod("measured", "lz4", len(columns["t"]), ""),
        swap=[SwapDevice("/swapfile", "file", ram_bytes, -2)],
        zswap=StartEnd({"enabled": "Y", "max_pool_percent": "20"}, {"enabled": "Y", "max_pool_percent": "20"}),
        kernel_counters={"zswpout": stores, "zswpin": loads},
        recorded_counters={"zswpout": stores, "zswpin": loads},
        license="CC0-1.0",
        provenance={"how": "built by hand in a test"},
    )
    return manifest.replace(**changes)


def make_trace(
    path: Path,
    events: Sequence[Sequence[Any]] = (),
    *,
    columns: dict[str, np.ndarray] | None = None,
    ram_bytes: int = GIB,
    duration_ns: int | None = None,
    pages: Sequence[tuple[int, int, int]] | None = None,
    samples: Sequence[dict[str, int | None]] | None = None,
    pressure: Sequence[tuple[int, int, int, int, int | None]] = (),
    cgroups: Sequence[tuple[str, int | None]] = (("/", None),),
    tasks: Sequence[tuple[int, str, int]] = ((100, "prog", 0),),
    manifest: dict[str, Any] | None = None,
    **writer: Any,
) -> Path:
    """Write a valid trace of ``events`` (or of whole ``columns``) to ``path`` and return it.

    ``pages`` are (space, vpn, kind), by default one space with ascending vpns. ``samples`` come ten a second
    from :func:`sample` by default. ``manifest`` replaces fields of the manifest; other keywords go to TraceWriter.
    """
    columns = event_columns(events) if columns is None else columns
    last = int(columns["t"][-1]) if len(columns["t"]) else 0
    duration = max(last, 1) if duration_ns is None else duration_ns
    ids = int(columns["page"].max()) + 1 if len(columns["page"]) else 0
    if pages is None:
        pages = [(0, i, 0) for i in range(ids)]
    if samples is None:
        samples = [sample(t, ram_bytes) for t in range(0, duration + 1, max(10**8, duration // 1000))]
    with TraceWriter(path, durable=False, **writer) as out:
        out.write_events(columns)
        for name, schema, rows in (
            ("pages", PAGES, [tuple(row) for row in pages]),
            ("pressure", PRESSURE, list(pressure)),
            ("samples", SAMPLES, [tuple(row[n] for n in SAMPLES.names) for row in samples]),
            ("cgroups", CGROUPS, list(cgroups)),
            ("tasks", TASKS, list(tasks)),
        ):
            cells = list(zip(*rows, strict=True)) or [()] * len(schema)
            arrays = [pa.array(list(values), field.type) for values, field in zip(cells, schema, strict=True)]
            out.write_table(name, pa.Table.from_arrays(arrays, schema=schema))
        out.close(make_manifest(columns, duration_ns=duration, ram_bytes=ram_bytes, **(manifest or {})))
    return path
