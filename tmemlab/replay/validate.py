"""The kernel is the judge: replay a trace under the settings its host had, and compare."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets.trace.read import Trace
from ..datasets.trace.schema import Op, Pressure, Where
from ..errors import TraceError
from ..policies.interface import Policy
from ..units import PAGE_SIZE
from ..world.host import Host, build_host
from .inputs.columns import Columns
from .inputs.kept import columns_for
from .inputs.recorded_settings import recorded_policy, slot_device, zram_devices
from .inputs.worker_runs import worker_runs
from .scores.score import Score, StormPlan, score

PLACES = {"pool": Where.POOL, "disk": Where.DISK, "zero": Where.ZERO, "failed": Where.FAILED}


@dataclass(frozen=True)
class Validation:
    """Predicted against measured; rates are shares of one, sizes bytes, the rest counts."""

    trace: Trace
    policy: Policy
    measured: dict[str, float | None]
    predicted: dict[str, float | None]
    agreement: float | None
    """Share of stores and loads that the replay put, or found, where the kernel did."""
    confusion: dict[str, dict[str, int]]
    """Loads: where the kernel found the page, then where the replay did."""
    stores_confusion: dict[str, dict[str, int]]
    """Stores: where the kernel put the page (disk: also what the pool rejected; failed: nowhere), then where the
    replay did."""
    pool_error: float | None
    """Mean over the samples of |predicted - measured| pool, as a share of the mean measured pool."""
    pool_rms: float | None
    """Root of the mean over the samples of (predicted - measured)^2, as a share of the mean measured pool."""
    worker_runs: int
    """Runs of zswap's worker that the replay took from the recording; 0: it ran by the policy's times."""

    @property
    def error(self) -> dict[str, float | None]:
        """Predicted minus measured."""
        differences: dict[str, float | None] = {}
        for key, truth in self.measured.items():
            guess = self.predicted[key]
            differences[key] = None if truth is None or guess is None else guess - truth
        return differences

    def as_json(self) -> dict[str, Any]:
        """The document ``tmemlab.validate/1``."""
        return {
            "schema": "tmemlab.validate/1",
            "trace": str(self.trace.path),
            "policy": {"name": self.policy.name, "params": self.policy.__dict__},
            "measured": self.measured,
            "predicted": self.predicted,
            "error": self.error,
            "agreement": self.agreement,
            "confusion": self.confusion,
            "stores_confusion": self.stores_confusion,
            "pool_error": self.pool_error,
            "pool_rms": self.pool_rms,
            "worker_runs": self.worker_runs,
        }


def kernel_places(trace: Trace, columns: Columns) -> npt.NDArray[np.uint8]:
    """Where the kernel put or found the page of each event (Where codes).

    The kernel counts traffic with zram as traffic with a device; here a zram device is the pool.
    """
    devices = zram_devices(trace.manifest)
    zswap = (trace.manifest.zswap.start or {}).get("enabled") in ("Y", "1")
    if not devices or zswap:
        return columns.where
    where = columns.where.copy()
    on_zram = np.isin(slot_device(trace.events("slot")["slot"]), devices)
    where[on_zram & (where == Where.DISK)] = Where.POOL
    return where


def measured(trace: Trace, columns: Columns) -> dict[str, float | None]:
    """What the kernel did, from the events, its counters and the samples."""
    where = kernel_places(trace, columns)
    loads = np.bincount(where[columns.op == Op.LOAD], minlength=len(Where))
    stores = np.bincount(where[columns.op == Op.STORE], minlength=len(Where))
    served = int(loads[Where.POOL] + loads[Where.ZERO])
    known = served + int(loads[Where.DISK])
    pool = trace.column("samples", "pool_bytes")
    pool = pool[pool >= 0]
    kills = int((trace.column("pressure", "kind") == Pressure.OOM_KILL).sum()) if trace.rows("pressure") else 0
    return {
        "hit_rate": served / known if known else None,
        "loads_pool": int(loads[Where.POOL]),
        "loads_disk": int(loads[Where.DISK]),
        "loads_zero": int(loads[Where.ZERO]),
        "loads_failed": 0,
        "stores_accepted": int(stores[Where.POOL]),
        "stores_rejected": int(stores[Where.REJECTED] + stores[Where.DISK]),
        "stores_zero": int(stores[Where.ZERO]),
        "stores_failed": int(stores[Where.FAILED]),
        "written_back": trace.manifest.kernel_counters.get("zswpwb"),
        "pool_bytes_mean": float(pool.mean()) if len(pool) else None,
        "pool_bytes_peak": int(pool.max()) if len(pool) else None,
        "oom_kills": kills,
    }


def predicted(row: Score, host: Host) -> dict[str, float | None]:
    """The same of a replay of the trace on ``host``, at the same samples."""
    seen = row.series[row.series[:, 2] >= 0]
    pool = seen[:, 2] * PAGE_SIZE
    # The kernel kills when memory is below the min watermark and nothing is left to take.
    swap = host.balance[: len(row.series), 3][row.series[:, 2] >= 0]
    lost = (seen[:, 0] + seen[:, 1] < host.watermark_min) & (swap == 0)
    return {
        "hit_rate": row.hit_rate,
        "loads_pool": row.loads["pool"],
        "loads_disk": row.loads["disk"],
        "loads_zero": row.loads["zero"],
        "loads_failed": row.loads["refused"],
        "stores_accepted": row.stores["accepted"],
        "stores_rejected": row.stores["rejected"],
        "stores_zero": row.stores["zero"],
        "stores_failed": row.stores["refused"],
        "written_back": row.writeback["pages"],
        "pool_bytes_mean": float(pool.mean()) if len(pool) else None,
        "pool_bytes_peak": int(pool.max()) if len(pool) else None,
        "oom_kills": int(lost[0]) + int((np.diff(lost.astype(np.int8)) == 1).sum()) if len(lost) else 0,
    }


def _confusion(chosen: Any, where: Any, found: Any) -> dict[str, dict[str, int]]:
    return {
        kernel: {replay: int((chosen & (where == a) & (found == b)).sum()) for replay, b in PLACES.items()}
        for kernel, a in PLACES.items()
    }


def validate(path: Path | str, policy: Policy | None = None, follow_worker: bool = True) -> Validation:
    """Replay the trace at ``path`` under its recorded settings (or ``policy``) and compare with the kernel.

    follow_worker: zswap's worker runs when it ran on the recorded host, where the trace tells and no policy is
    named; otherwise after the policy's own times, those of the recording's manifest if it has them.
    Raises TraceError for an incomplete or an access trace: there is nothing exact to compare with.
    """
    trace = Trace.open(path)
    if trace.manifest.kind != "swap":
        raise TraceError(f"{path} is an access trace: no kernel decided anything in it")
    if not trace.manifest.certificate.complete:
        raise TraceError(f"{path} is incomplete, so the kernel's counters cannot be compared: record again")
    follow_worker &= policy is None
    policy = policy or recorded_policy(trace.manifest)
    host, columns = build_host(trace), columns_for(trace)
    runs = worker_runs(trace, columns) if follow_worker and policy.follows_runs else None
    row = score(columns, host, policy, StormPlan(storms=0), keep_found=True, runs=runs)
    truth = trace.column("samples", "pool_bytes")
    both = (truth >= 0) & (row.series[:, 2] >= 0)
    truth, guess = truth[both].astype(np.float64), row.series[both, 2] * PAGE_SIZE
    where, found = kernel_places(trace, columns).copy(), row.found.copy()
    where[where == Where.REJECTED] = Where.DISK
    found[found == Where.REJECTED] = Where.DISK
    judged = (columns.op != Op.INVALIDATE) & (where != Where.UNKNOWN)
    mean = float(truth.mean()) if len(truth) else 0.0
    return Validation(
        trace,
        policy,
        measured(trace, columns),
        predicted(row, host),
        float((where[judged] == found[judged]).mean()) if judged.any() else None,
        _confusion(judged & (columns.op == Op.LOAD), where, found),
        _confusion(judged & (columns.op == Op.STORE), where, found),
        float(np.abs(guess - truth).mean() / mean) if mean else None,
        float(np.sqrt(((guess - truth) ** 2).mean()) / mean) if mean else None,
        0 if runs is None else len(runs),
    )
