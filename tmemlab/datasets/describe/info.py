"""A trace at a glance: what was recorded, how much of it, how completely."""

from typing import Any

import numpy as np

from ..trace.read import Trace
from ..trace.schema import NO_CLEN, Op, Where

INFO_SCHEMA = "tmemlab.info/1"
_TOP = 8


def info(trace: Trace) -> dict[str, Any]:
    """A summary of ``trace`` as JSON values: one pass over five columns, in bounded memory.

    Rates are fractions of 1 or events a second, sizes bytes, durations seconds; what is undefined is None.
    """
    manifest, counts = trace.manifest, trace.manifest.events
    placed = np.zeros((len(Op), len(Where)), np.int64)
    by_task = np.zeros(1 << 16, np.int64)
    by_cgroup = np.zeros(1 << 16, np.int64)
    clen = np.zeros(1 << 16, np.int64)
    for batch in trace.batches("op", "where", "task", "cgroup", "clen"):
        both = batch["op"] * np.uint8(len(Where)) + batch["where"]
        placed += np.bincount(both, minlength=placed.size).reshape(placed.shape)
        by_task += np.bincount(batch["task"], minlength=1 << 16)
        by_cgroup += np.bincount(batch["cgroup"], minlength=1 << 16)
        moved = batch["clen"][batch["op"] != Op.INVALIDATE]
        clen += np.bincount(moved, minlength=1 << 16)
    seconds = manifest.duration_ns / 1e9
    size = sum(entry.bytes for entry in manifest.files.values())
    known = int(clen[1:NO_CLEN].sum())
    mean_clen = float((clen[1:NO_CLEN] * np.arange(1, NO_CLEN)).sum() / known) if known else None

    def rate(events: int) -> float | None:
        return events / seconds if seconds else None

    return {
        "schema": INFO_SCHEMA,
        "path": str(trace.path),
        "kind": manifest.kind,
        "created": manifest.created,
        "kernel": manifest.kernel.release,
        "machine": manifest.kernel.machine,
        "cpus": manifest.cpus,
        "ram_bytes": manifest.ram_bytes,
        "duration_s": seconds,
        "events": counts.recorded,
        "dropped": counts.dropped,
        "stores": counts.stores,
        "loads": counts.loads,
        "invalidates": counts.invalidates,
        "where": {op.name.lower(): _by_name(placed[op]) for op in Op},
        "stores_per_s": rate(counts.stores),
        "loads_per_s": rate(counts.loads),
        "pages": trace.pages,
        "samples": trace.rows("samples"),
        "pressure": trace.rows("pressure"),
        "bytes": size,
        "bytes_per_event": size / counts.recorded if counts.recorded else None,
        "complete": manifest.certificate.complete,
        "note": manifest.certificate.note,
        "window": manifest.extra.get("window"),
        "clen": {
            "method": manifest.clen.method,
            "algorithm": manifest.clen.algorithm,
            "known": int(clen[:NO_CLEN].sum()) / int(clen.sum()) if clen.any() else None,
            "mean_bytes": mean_clen,
        },
        "tasks": _top(by_task, trace.table("tasks")["comm"].to_pylist()),
        "cgroups": _top(by_cgroup, trace.table("cgroups")["path"].to_pylist()),
        "swap": [
            {"device": d.device, "type": "zram" if d.is_zram else d.type, "size_bytes": d.size_bytes}
            for d in manifest.swap
        ],
        "probe_set": manifest.probe_set.name,
        "anonymised": manifest.anonymised,
        "license": manifest.license,
        "provenance": manifest.provenance,
    }


def _by_name(counts: np.ndarray) -> dict[str, int]:
    return {where.name.lower(): int(counts[where]) for where in Where}


def _top(counts: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    order = np.argsort(-counts, kind="stable")[:_TOP]
    return [{"name": names[i], "events": int(counts[i])} for i in order if counts[i]]
