"""A part of a trace: an interval of time, the pages of a cgroup or of a task."""

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InvalidInputError
from ..trace.manifest import Manifest
from ..trace.read import Trace
from ..trace.schema import EVENTS
from .derive import DerivedWriter, window


def slice_trace(
    trace: Trace,
    out: Path,
    *,
    start_ns: int = 0,
    stop_ns: int | None = None,
    cgroup: str | None = None,
    task: str | None = None,
) -> Manifest:
    """Write to ``out`` the events of ``trace`` with ``start_ns <= t < stop_ns`` (to the end where it is None).

    ``cgroup`` is a path and takes its descendants in, ``task`` a command name or a pid. Either chooses whole
    pages, those with an event of the group inside the interval, so that what happens to a page stays legal.
    Time is counted from ``start_ns``. Samples and pressure are the host's and are cut by time only.
    """
    end = trace.manifest.duration_ns
    stop = end + 1 if stop_ns is None else stop_ns
    if not 0 <= start_ns < stop or start_ns > end:
        raise InvalidInputError(
            f"there is nothing from {start_ns / 1e9:g} s to {stop / 1e9:g} s: the trace lasts {end / 1e9:g} s"
        )
    groups = _rows_of(trace, cgroup, task)
    pages = _pages_of(trace, start_ns, stop, groups) if groups else None
    with DerivedWriter(trace, out) as writer:
        for batch in trace.batches(*EVENTS.names):
            chosen = (batch["t"] >= start_ns) & (batch["t"] < stop)
            if pages is not None:
                chosen &= pages[batch["page"]]
            if chosen.any():
                writer.write({**batch, "t": batch["t"] - start_ns}, chosen)
        tables = {
            "samples": window(trace.table("samples"), start_ns, stop, before=True),
            "pressure": window(trace.table("pressure"), start_ns, stop),
        }
        step = {"by": "slice", "from_ns": start_ns, "to_ns": min(stop, end), "cgroup": cgroup, "task": task}
        return writer.close(step, tables, duration_ns=max(1, min(stop, end) - start_ns))


def _rows_of(trace: Trace, cgroup: str | None, task: str | None) -> dict[str, np.ndarray]:
    """For each column that is chosen by: which of its ids (bool by id)."""
    found: dict[str, np.ndarray] = {}
    if cgroup is not None:
        paths: list[str] = trace.table("cgroups")["path"].to_pylist()
        group = cgroup.rstrip("/")
        found["cgroup"] = _by_id([path == (group or "/") or path.startswith(f"{group}/") for path in paths])
        _require(found["cgroup"], "cgroup", cgroup, paths)
    if task is not None:
        tasks = trace.table("tasks").to_pylist()
        found["task"] = _by_id([row["comm"] == task or str(row["pid"]) == task for row in tasks])
        _require(found["task"], "task", task, [row["comm"] for row in tasks])
    return found


def _by_id(chosen: list[bool]) -> np.ndarray:
    ids = np.zeros(1 << 16, bool)
    ids[: len(chosen)] = chosen
    return ids


def _require(chosen: np.ndarray, kind: str, name: str, names: list[Any]) -> None:
    if not chosen.any():
        known = ", ".join(sorted(set(names))[:8])
        raise InvalidInputError(f"the trace has no {kind} {name!r}: it has {known}")


def _pages_of(trace: Trace, start: int, stop: int, groups: dict[str, np.ndarray]) -> np.ndarray:
    """Which pages have an event in the interval that is of every group."""
    pages = np.zeros(trace.pages, bool)
    for batch in trace.batches("t", "page", *groups):
        chosen = (batch["t"] >= start) & (batch["t"] < stop)
        for column, ids in groups.items():
            chosen &= ids[batch[column]]
        pages[batch["page"][chosen]] = True
    return pages
