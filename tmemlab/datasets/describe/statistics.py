"""What a trace is like, beyond counting: how long pages stay away, what comes back, how evenly it comes.

One pass, 16 bytes of state a page, whatever the number of events.
"""

from typing import Any

import numpy as np

from ...compiled import njit
from ..trace.read import Trace
from ..trace.schema import NO_CLEN, Flag, Op, Where

STATS_SCHEMA = "tmemlab.stats/1"
SERIES = ("stores_per_s", "loads_per_s", "zero_share", "clen_mean", "readahead_share")
"""What is measured in every interval, and what ``diff`` compares."""

_STORE, _LOAD = int(Op.STORE), int(Op.LOAD)
_ZERO, _READAHEAD = int(Where.ZERO), int(Flag.READAHEAD)
_NO_CLEN = NO_CLEN
_MAX_INTERVALS = 100_000
_NEVER = np.int64(-1)
# stores, loads, loads of a page stored before, zero stores, sum and count of lengths, readahead loads
_SUMS = 7


class Statistics:
    """Gathers statistics of ``trace`` in intervals of ``interval_ns``, longer where there would be too many."""

    def __init__(self, trace: Trace, interval_ns: int = 1_000_000_000) -> None:
        duration = trace.manifest.duration_ns
        self.trace = trace
        self.interval_ns = max(1, interval_ns, -(-duration // _MAX_INTERVALS))
        self.sums = np.zeros((duration // self.interval_ns + 1, _SUMS), np.int64)
        self.away = np.zeros(64, np.int64)  # stores by the log2 of the ns until the load
        self.lengths = np.zeros(1 << 16, np.int64)
        stored = np.full(trace.pages, _NEVER, np.int64)
        counts = np.zeros((trace.pages, 2), np.uint32)
        gather: Any = _gather
        for batch in trace.batches("t", "op", "page", "clen", "where", "flags"):
            index = np.minimum(np.maximum(batch["t"], 0) // self.interval_ns, len(self.sums) - 1)
            self.lengths += np.bincount(batch["clen"][batch["op"] == _STORE], minlength=1 << 16)
            arrays = tuple(batch[name] for name in ("t", "op", "page", "clen", "where", "flags"))
            gather(index, arrays, stored, counts, self.sums, self.away)
        self.stores_of_pages = counts[:, 0]
        self.loads_of_pages = counts[:, 1]

    def series(self) -> dict[str, np.ndarray]:
        """The values of :data:`SERIES` in every whole interval; NaN where there is nothing to divide by."""
        whole = self.trace.manifest.duration_ns // self.interval_ns
        stores, loads, _, zeros, clen, known, readahead = self.sums[: max(1, whole)].T.astype(np.float64)
        seconds = self.interval_ns / 1e9
        with np.errstate(invalid="ignore", divide="ignore"):
            values = (
                stores / seconds,
                loads / seconds,
                zeros / stores,
                clen / known,
                readahead / loads,
            )
        return dict(zip(SERIES, values, strict=True))


def stats(trace: Trace, interval_ns: int = 1_000_000_000) -> dict[str, Any]:
    """Statistics of ``trace`` as JSON values; what is undefined is None."""
    found = Statistics(trace, interval_ns)
    totals = found.sums.sum(axis=0)
    stores, loads, refaults, zeros, clen, known, readahead = (int(n) for n in totals)
    stored_pages = int((found.stores_of_pages > 0).sum())
    return {
        "schema": STATS_SCHEMA,
        "path": str(trace.path),
        "events": len(trace),
        "pages": trace.pages,
        "interval_s": found.interval_ns / 1e9,
        "rates": {name: _spread(values) for name, values in found.series().items()},
        "stored_pages": stored_pages,
        "stores_per_page": _ratio(stores, stored_pages),
        "never_loaded_share": _ratio(
            int(((found.stores_of_pages > 0) & (found.loads_of_pages == 0)).sum()), stored_pages
        ),
        "refault_share": _ratio(refaults, stores),
        "zero_share": _ratio(zeros, stores),
        "readahead_share": _ratio(readahead, loads),
        "clen": {"mean_bytes": _ratio(clen, known), **_length_percentiles(found.lengths)},
        "away_s": {f"p{p}": _away_percentile(found.away, p) for p in (10, 50, 90, 99)},
    }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _spread(values: np.ndarray) -> dict[str, float | None]:
    values = values[np.isfinite(values)]
    if not len(values):
        return {"mean": None, "p50": None, "p99": None, "max": None}
    return {
        "mean": float(values.mean()),
        "p50": float(np.percentile(values, 50)),
        "p99": float(np.percentile(values, 99)),
        "max": float(values.max()),
    }


def _length_percentiles(lengths: np.ndarray) -> dict[str, int | None]:
    cumulative = np.cumsum(lengths[1:NO_CLEN])  # same-filled pages have no length to speak of
    if not cumulative[-1]:
        return {"p10": None, "p50": None, "p90": None}
    return {f"p{p}": int(np.searchsorted(cumulative, cumulative[-1] * p / 100) + 1) for p in (10, 50, 90)}


def _away_percentile(away: np.ndarray, percent: int) -> float | None:
    """Seconds, from a histogram by powers of two: the middle of the octave."""
    cumulative = np.cumsum(away)
    if not cumulative[-1]:
        return None
    octave = int(np.searchsorted(cumulative, cumulative[-1] * percent / 100))
    return float(2.0 ** (octave + 0.5) / 1e9)


@njit(cache=True, nogil=True)
def _gather(index: Any, events: Any, stored: Any, counts: Any, sums: Any, away: Any) -> None:
    t, op, page, clen, where, flags = events
    for i in range(len(t)):
        p, row = page[i], sums[index[i]]
        if op[i] == _STORE:
            row[0] += 1
            row[3] += where[i] == _ZERO or clen[i] == 0
            if clen[i] != 0 and clen[i] != _NO_CLEN:
                row[4] += clen[i]
                row[5] += 1
            stored[p] = t[i]
            counts[p, 0] += 1
        elif op[i] == _LOAD:
            row[1] += 1
            row[6] += (flags[i] & _READAHEAD) != 0
            counts[p, 1] += 1
            if stored[p] >= 0:
                row[2] += 1
                gap, octave = t[i] - stored[p], 0
                while gap > 1:
                    gap >>= 1
                    octave += 1
                away[octave] += 1
                stored[p] = _NEVER
        else:
            stored[p] = _NEVER
