"""The kernel is the judge: replay a trace under the settings its host had, and compare."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets.manifest import Manifest
from ..datasets.read import Trace
from ..datasets.schema import Op, Where
from ..errors import InvalidInputError, TraceError
from ..policies.catalogue import find_policy
from ..policies.interface import Policy
from ..units import PAGE_SIZE
from .host import build_host
from .prepare import Columns, prepare
from .score import Score, StormPlan, score

PLACES = ("pool", "disk", "zero")
_ON = ("Y", "y", "1", 1, True)


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
    pool_error: float | None
    """Mean over the samples of |predicted - measured| pool, as a share of the mean measured pool."""

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
            "pool_error": self.pool_error,
        }


def recorded_policy(manifest: Manifest) -> Policy:
    """The policy and parameters that the host ran while recording.

    Raises InvalidInputError where the manifest does not say, or they changed during the capture.
    """
    start: Mapping[str, Any] = manifest.zswap.start if manifest.zswap else {}
    end: Mapping[str, Any] = manifest.zswap.end if manifest.zswap else {}
    changed = sorted(key for key in start if key in end and start[key] != end[key])
    if changed:
        raise InvalidInputError(
            f"zswap's {', '.join(changed)} changed while the trace was recorded: slice it to one setting"
        )
    if start.get("enabled") not in _ON:
        return find_policy("bounds.none")()
    kind = find_policy("zswap.v6_18")
    names = {"max_pool_percent": float, "accept_threshold_percent": float}
    values: dict[str, Any] = {key: convert(start[key]) for key, convert in names.items() if key in start}
    values["shrinker"] = "on" if start.get("shrinker_enabled") in _ON else "off"
    return kind(**values)


def _measured(trace: Trace, columns: Columns, pool: npt.NDArray[np.int64]) -> dict[str, float | None]:
    loads = columns.where[columns.op == Op.LOAD]
    stores = columns.where[columns.op == Op.STORE]
    counts = {where: int((loads == where).sum()) for where in Where}
    served = counts[Where.POOL] + counts[Where.ZERO]
    known = served + counts[Where.DISK]
    return {
        "hit_rate": served / known if known else None,
        "loads_pool": counts[Where.POOL],
        "loads_disk": counts[Where.DISK],
        "loads_zero": counts[Where.ZERO],
        "stores_rejected": int(((stores == Where.REJECTED) | (stores == Where.DISK)).sum()),
        "written_back": trace.manifest.kernel_counters.get("zswpwb"),
        "pool_bytes_mean": float(pool.mean()) if len(pool) else None,
    }


def _predicted(row: Score, pool: npt.NDArray[np.int64]) -> dict[str, float | None]:
    return {
        "hit_rate": row.hit_rate,
        "loads_pool": row.loads["pool"],
        "loads_disk": row.loads["disk"],
        "loads_zero": row.loads["zero"],
        "stores_rejected": row.stores["rejected"],
        "written_back": row.writeback["pages"],
        "pool_bytes_mean": float(pool.mean()) if len(pool) else None,
    }


def validate(path: Path | str, policy: Policy | None = None) -> Validation:
    """Replay the trace at ``path`` under its recorded settings (or ``policy``) and compare with the kernel.

    Raises TraceError for an incomplete or an access trace: there is nothing exact to compare with.
    """
    trace = Trace.open(path)
    if trace.manifest.kind != "swap":
        raise TraceError(f"{path} is an access trace: no kernel decided anything in it")
    if not trace.manifest.certificate.complete:
        raise TraceError(f"{path} is incomplete, so the kernel's counters cannot be compared: record again")
    policy = policy or recorded_policy(trace.manifest)
    host, columns = build_host(trace), prepare(trace)
    row = score(columns, host, policy, StormPlan(storms=0), keep_found=True)
    truth = trace.column("samples", "pool_bytes")
    both = (truth >= 0) & (row.series[:, 2] >= 0)
    truth, guess = truth[both], row.series[both, 2] * PAGE_SIZE
    where, found = columns.where.copy(), row.found.copy()
    where[where == Where.REJECTED] = Where.DISK
    found[found == Where.REJECTED] = Where.DISK
    judged = (columns.op != Op.INVALIDATE) & (where != Where.UNKNOWN)
    loads = judged & (columns.op == Op.LOAD)
    confusion = {
        kernel: {replay: int((loads & (where == a) & (found == b)).sum()) for b, replay in enumerate(PLACES)}
        for a, kernel in enumerate(PLACES)
    }
    return Validation(
        trace,
        policy,
        _measured(trace, columns, truth),
        _predicted(row, guess),
        float((where[judged] == found[judged]).mean()) if judged.any() else None,
        confusion,
        float(np.abs(guess - truth).mean() / truth.mean()) if len(truth) and truth.mean() > 0 else None,
    )
