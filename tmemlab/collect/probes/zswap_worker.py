"""How zswap's worker fares: how long it waits for a CPU, how long it takes, what it writes back.

It enforces the pool's limit, and stores are rejected meanwhile, so that these times decide the hit rate of a pool
at its limit. The programs see its runs through the workqueue's tracepoints (bpf/worker.h); each goes into the
trace's pressure table, and their means into the manifest as ``zswap_worker``.
"""

from typing import Any

import numpy as np

from ...datasets.trace.codes import Pressure
from ...kernels import ZSWAP_VISITS_A_RUN
from ..kernel.btf import KernelTypes
from ..kernel.symbols import kernel_symbols
from ..records import Records
from .tracepoint import missing_tracepoints

FUNCTION = "shrink_worker"
"""The work item's function since Linux 5.6 [mm/zswap.c]."""

TRACEPOINTS = ("workqueue_queue_work", "workqueue_execute_start", "workqueue_execute_end")

LATE_US = 512.0
"""A run that waits longer than this waits for a CPU that does other work."""

ENOUGH_PAGES = 100
"""Written pages below which the time of one is not worth telling."""


def worker_macros(types: KernelTypes) -> tuple[dict[str, int], str]:
    """For the BPF programs, and nothing; or nothing, and in a few words why the worker cannot be watched here."""
    offset, address = types.offset("work_struct", "func"), kernel_symbols(FUNCTION).get(FUNCTION)
    if offset is None:
        return {}, "the kernel's type information has no work items"
    if address is None:
        return {}, f"/proc/kallsyms has no {FUNCTION}"
    missing = missing_tracepoints(list(TRACEPOINTS))
    if missing:
        return {}, f"the kernel has no tracepoint {missing[0]}"
    return {"HAVE_WORKER": 1, "OFF_WORK_FUNC": offset, "WORKER_FUNCTION": address}, ""


def worker_times(runs: Records, counts_pages: bool) -> dict[str, float | int]:
    """The manifest's ``zswap_worker`` of the records of all runs; ``counts_pages``: they know what was written.

    Waits are told apart: a run that was asked for while none was going on waits for a CPU (``delay_us``, the
    mean of those below 512 us; ``late_share`` and ``late_us``, share and mean, of the others); one that was
    asked for while another was going on follows it, ``again_us`` after its end in the mean. A run that gives
    up has looked at fifteen entries: the mean of those that wrote nothing, by 15, is ``visit_us``; what the
    others took beyond their fifteen visits, by what they wrote, is ``page_us``. Means, not medians: while a run
    is preempted stores are rejected too, and how many runs fit between two loads is a matter of their sum.
    """
    order = np.argsort(runs["address"], kind="stable")
    began, ended = runs["address"][order].astype(np.int64), runs["t"][order].astype(np.int64)
    waited, written = runs["latency"][order].astype(np.int64), runs["folio"][order].astype(np.int64)
    length_us = (ended - began) / 1e3
    before = np.concatenate(([0], ended[:-1]))
    again = began - waited < before
    found: dict[str, float | int] = {"runs": len(runs)}
    if counts_pages:
        found["pages"] = int(written.sum())
    fresh_us = waited[~again] / 1e3
    late = fresh_us > LATE_US
    if len(fresh_us) and not late.all():
        found["delay_us"] = float(fresh_us[~late].mean())
        found["late_share"] = float(late.mean())
        found["late_us"] = float(fresh_us[late].mean()) if late.any() else 0.0
    if again.any():
        found["again_share"] = float(again.mean())
        found["again_us"] = float((began - before)[again].mean()) / 1e3
    idle = written == 0
    if not idle.any():
        return found
    found["visit_us"] = float(length_us[idle].mean()) / ZSWAP_VISITS_A_RUN
    if written.sum() >= ENOUGH_PAGES:
        beyond = length_us[~idle] - ZSWAP_VISITS_A_RUN * found["visit_us"]
        found["page_us"] = max(float(beyond.sum()), 0.0) / int(written.sum())
    return found


def run_rows(runs: Records, began_ns: int, ended_ns: int, counts_pages: bool) -> Any:
    """Three rows of the pressure table for each run: asked for, begun, ended; in the order of time."""
    import pyarrow as pa  # not while recording

    from ...datasets.trace.schema import PRESSURE

    stamps = [runs["address"].astype(np.int64) - runs["latency"], runs["address"], runs["t"]]
    kinds = (Pressure.WORKER_QUEUED, Pressure.WORKER_BEGIN, Pressure.WORKER_END)
    t = np.concatenate([stamp.astype(np.int64) for stamp in stamps]) - began_ns
    kind = np.repeat(np.array(kinds, np.uint8), len(runs))
    pages = np.concatenate([np.zeros(2 * len(runs), np.int64), runs["folio"].astype(np.int64)])
    order = np.argsort(t, kind="stable")
    nobody = pa.array(np.zeros(len(t), np.uint16))
    unknown = (kind != Pressure.WORKER_END) | (not counts_pages)
    columns: list[Any] = [
        pa.array(np.clip(t[order], 0, ended_ns - began_ns)), pa.array(kind[order]), nobody, nobody,
        pa.array(pages[order], mask=unknown[order]),
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, schema=PRESSURE)
