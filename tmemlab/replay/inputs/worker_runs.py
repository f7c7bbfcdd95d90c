"""When the recorded kernel ran zswap's worker: a replay under the recorded settings can follow it.

How long a work item waits for a CPU, and how long it is preempted, is as much the host's doing as how much
memory was free: a replay takes both from the recording. What is judged then is what the pool does in its runs.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...datasets.trace.read import Trace
from ...datasets.trace.schema import Op, Pressure, Where
from ...world.records import RUN
from .columns import Columns

_FARTHEST_NS = 1_000_000
_KINDS = (Pressure.WORKER_QUEUED, Pressure.WORKER_BEGIN, Pressure.WORKER_END)


def worker_runs(trace: Trace, columns: Columns) -> npt.NDArray[Any]:
    """Records of RUN in the order of time, on the clock of the trace's stores.

    Empty where the trace has none, and where runs overlap, as after a merge of two hosts' traces.
    """
    kind, t = trace.column("pressure", "kind"), trace.column("pressure", "t")
    queued, begun, done = (np.flatnonzero(kind == which) for which in _KINDS)
    ended, began = t[done], t[begun]
    if len(ended) and len(began) and ended[0] < began[0]:  # cut off by a slice
        done, ended = done[1:], ended[1:]
    began = began[: len(ended)]
    if not len(ended) or (began[1:] < ended[:-1]).any() or (ended < began).any():
        return np.zeros(0, RUN)
    runs = np.zeros(len(ended), RUN)
    runs["began"], runs["ended"] = began, ended
    # the last time that it was asked for before it began: a request that finds one pending is not recorded
    before = np.searchsorted(t[queued], began, side="right") - 1
    runs["asked"] = np.where(before >= 0, t[queued][np.maximum(before, 0)], began) if len(queued) else began
    runs["pages"] = trace.column("pressure", "pages")[done]
    written = t[kind == Pressure.WRITEBACK]
    if len(written) and (runs["pages"] < 0).any():  # function probes see each page being written, and when
        runs["pages"] = np.searchsorted(written, ended, side="right") - np.searchsorted(written, began)
    lag = _lag(runs, columns)
    for name in ("asked", "began", "ended"):
        runs[name] += lag
    return runs


def _lag(runs: npt.NDArray[Any], columns: Columns) -> int:
    """By how much the row of a rejected store is later than its request for the worker: it is written when the
    page is on its way to the disk.
    """
    rejected = (columns.where == Where.REJECTED) | (columns.where == Where.DISK)
    t = columns.t[rejected & (columns.op == Op.STORE)]
    fresh = runs["asked"][runs["asked"] > np.concatenate(([-1], runs["ended"][:-1]))]
    at = np.searchsorted(t, fresh)
    found = at < len(t)
    lags = t[at[found]] - fresh[found]
    lags = lags[lags < _FARTHEST_NS]
    return int(np.median(lags)) if len(lags) else 0
