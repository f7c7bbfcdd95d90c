"""Several traces as one, as if their hosts were one host: for policies that serve a fleet from one pool.

Ids are kept apart: every host has its own pages, address spaces, cgroups (below /host0, /host1 ...), tasks and
swap devices. Times are counted from the beginning of each trace, RAM and samples are summed.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ... import __version__
from ...errors import InvalidInputError
from ..trace.manifest import (
    CLEN_METHODS,
    Certificate,
    ClenMethod,
    EventCounts,
    Manifest,
    ProbeSet,
    Reconciliation,
    StartEnd,
)
from ..trace.read import Trace
from ..trace.schema import CGROUPS, NO_SLOT, PAGES, PRESSURE, SAMPLES, TASKS
from ..trace.write import TraceWriter
from .derive import PageMap

_DEVICE_SHIFT = 28
_STEP = 1 << 20


def merge(traces: Sequence[Trace], out: Path) -> Manifest:
    """Write all events of ``traces`` to ``out`` in order of time; of each trace in its own order.

    InvalidInputError where the traces are of different kinds, or have more groups or devices than there are ids.
    """
    if len(traces) < 2:
        raise InvalidInputError("there is nothing to merge: give at least two traces")
    if len({trace.manifest.kind for trace in traces}) > 1:
        raise InvalidInputError("swap and access traces cannot be merged: give traces of one kind")
    first = {name: _offsets([trace.rows(name) for trace in traces]) for name in ("pages", "cgroups", "tasks")}
    for name in ("cgroups", "tasks"):
        if first[name][-1] > 1 << 16:
            raise InvalidInputError(
                f"the traces have {first[name][-1]} {name} together, more than 65536: slice them"
            )
    devices = _offsets([max(1, len(trace.manifest.swap)) for trace in traces])
    if devices[-1] > 16:
        raise InvalidInputError(f"the traces have {devices[-1]} swap devices together, more than 16: merge fewer")
    pages = PageMap(int(first["pages"][-1]))
    with TraceWriter(out) as writer:
        for columns in _in_order([_shifted(t, first, devices, i) for i, t in enumerate(traces)]):
            every = np.ones(len(columns["t"]), bool)
            _, page = pages.renumber(columns["page"], columns["op"], every)
            writer.write_events({**columns, "page": page})
        _write_pages(traces, pages.sources(), writer)
        for i, trace in enumerate(traces):
            for name, table in _groups(trace, i, int(first["cgroups"][i])).items():
                writer.write_table(name, table)
        writer.write_table("pressure", _pressure(traces, first))
        writer.write_table("samples", _samples(traces))
        return writer.close(_manifest([trace.manifest for trace in traces]))


def _offsets(counts: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _shifted(
    trace: Trace, first: dict[str, np.ndarray], devices: np.ndarray, i: int
) -> Iterator[dict[str, np.ndarray]]:
    """The events of the i-th trace with ids that no other has."""
    for batch in trace.batches(size=_STEP):
        slot = batch["slot"]
        moved = slot + np.uint32(int(devices[i]) << _DEVICE_SHIFT)
        yield {
            **batch,
            "page": batch["page"].astype(np.int64) + first["pages"][i],
            "cgroup": (batch["cgroup"] + first["cgroups"][i]).astype(np.uint16),
            "task": (batch["task"] + first["tasks"][i]).astype(np.uint16),
            "slot": np.where(slot == NO_SLOT, slot, moved),
        }


def _in_order(streams: list[Iterator[dict[str, np.ndarray]]]) -> Iterator[dict[str, np.ndarray]]:
    """The events of all streams in order of time: as far as every stream is known, sorted, again and again."""
    heads = [next(stream, None) for stream in streams]
    while any(head is not None for head in heads):
        known = min(int(head["t"][-1]) for head in heads if head is not None)
        parts = []
        for i, head in enumerate(heads):
            if head is not None:
                taken = int(np.searchsorted(head["t"], known, side="right"))
                parts.append({name: array[:taken] for name, array in head.items()})
                rest = {name: array[taken:] for name, array in head.items()}
                heads[i] = rest if len(rest["t"]) else next(streams[i], None)
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.argsort(joined["t"], kind="stable")
        yield {name: array[order] for name, array in joined.items()}


def _write_pages(traces: Sequence[Trace], sources: np.ndarray, writer: TraceWriter) -> None:
    """The pages of all traces in their new order, every trace with spaces of its own."""
    columns: dict[str, list[np.ndarray]] = {name: [] for name in PAGES.names}
    spaces = 0
    for trace in traces:
        own = {name: trace.column("pages", name) for name in PAGES.names}
        own["space"] = own["space"] + np.uint32(spaces)
        spaces = int(own["space"].max(initial=max(0, spaces - 1))) + 1
        for name, array in own.items():
            columns[name].append(array)
    joined = {name: np.concatenate(arrays) for name, arrays in columns.items()}
    for at in range(0, len(sources), _STEP):
        rows = sources[at : at + _STEP]
        writer.write_table("pages", pa.table({name: array[rows] for name, array in joined.items()}, schema=PAGES))


def _groups(trace: Trace, i: int, first_cgroup: int) -> dict[str, pa.Table]:
    cgroups, tasks = trace.table("cgroups").to_pylist(), trace.table("tasks").to_pylist()
    for row in cgroups:
        row["path"] = f"/host{i}" + row["path"].rstrip("/")
    for row in tasks:
        row["cgroup"] += first_cgroup
    return {"cgroups": pa.Table.from_pylist(cgroups, CGROUPS), "tasks": pa.Table.from_pylist(tasks, TASKS)}


def _pressure(traces: Sequence[Trace], first: dict[str, np.ndarray]) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for i, trace in enumerate(traces):
        for row in trace.table("pressure").to_pylist():
            shifted = {
                "cgroup": row["cgroup"] + int(first["cgroups"][i]),
                "task": row["task"] + int(first["tasks"][i]),
            }
            rows.append(row | shifted)
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["t"]), PRESSURE)


def _samples(traces: Sequence[Trace]) -> pa.Table:
    """At the times of the first trace that has samples: the sum of what held on every host at that time.

    A host that has ended stays as it was. A column that any host lacks is null.
    """
    tables = [table for trace in traces if (table := trace.table("samples")).num_rows]
    if not tables:
        return SAMPLES.empty_table()
    t = tables[0]["t"].to_numpy()
    columns: dict[str, Any] = {"t": t}
    for name in SAMPLES.names[1:]:
        if any(table[name].null_count for table in tables):
            columns[name] = pa.nulls(len(t), pa.int64())
            continue
        total = np.zeros(len(t), np.int64)
        for table in tables:
            at = np.searchsorted(table["t"].to_numpy(), t, side="right") - 1
            total += table[name].to_numpy()[np.maximum(at, 0)]
        columns[name] = total
    return pa.table(columns, schema=SAMPLES)


def _manifest(sources: list[Manifest]) -> Manifest:
    """What the hosts have together; where they differ in kind, the weaker."""
    one = sources[0]
    weakest = max((m.clen for m in sources), key=lambda clen: CLEN_METHODS.index(clen.method))
    counters = [m.kernel_counters for m in sources]
    settings = {f"host{i}": {"start": m.zswap.start, "end": m.zswap.end} for i, m in enumerate(sources)}
    return one.replace(
        tool=f"tmemlab {__version__}",
        created=min(m.created for m in sources),
        cpus=sum(m.cpus for m in sources),
        ram_bytes=sum(m.ram_bytes for m in sources),
        duration_ns=max(m.duration_ns for m in sources),
        probe_set=ProbeSet(
            "merged", f"{len(sources)} traces", sorted({s for m in sources for s in m.probe_set.cannot_see})
        ),
        events=EventCounts(0, sum(m.events.dropped for m in sources), 0, 0, 0),
        certificate=Certificate(
            all(m.certificate.complete for m in sources),
            _sum([m.certificate.stores for m in sources]),
            _sum([m.certificate.loads for m in sources]),
            [gap for m in sources for gap in m.certificate.gaps],
            "; ".join(sorted({m.certificate.note for m in sources} - {""})),
        ),
        clen=ClenMethod(weakest.method, weakest.algorithm, sum(m.clen.sampled for m in sources), weakest.note),
        swap=[device for m in sources for device in m.swap],
        # one host's settings are nobody else's: they stand with their host
        zswap=one.zswap if all(m.zswap == one.zswap for m in sources) else StartEnd(),
        zram=[device for m in sources for device in m.zram],
        kernel_counters={n: sum(c[n] for c in counters) for n in counters[0] if all(n in c for c in counters)},
        recorded_counters={
            n: sum(m.recorded_counters[n] for m in sources)
            for n in one.recorded_counters
            if all(n in m.recorded_counters for m in sources)
        },
        license=one.license if all(m.license == one.license for m in sources) else "",
        provenance={
            "derived": [{"by": "merge", "hosts": [m.provenance for m in sources], "zswap": settings}],
        },
        anonymised=all(m.anonymised for m in sources),
        extra={},
    )


def _sum(parts: list[Reconciliation]) -> Reconciliation:
    kernel = [part.kernel for part in parts if part.kernel is not None]
    return Reconciliation(
        sum(part.recorded for part in parts),
        sum(part.dropped for part in parts),
        sum(kernel) if len(kernel) == len(parts) else None,
    )
