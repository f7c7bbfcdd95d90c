"""Latencies as a histogram: eight steps a power of two, so that a percentile is known to an eighth."""

from math import frexp

import numpy as np
import numpy.typing as npt

from ..compiled import njit

LATENCY_BUCKETS = 40 * 8


@njit(cache=True)
def bucket_of(latency_ns: int) -> int:
    """The bucket of a latency."""
    fraction, exponent = frexp(float(latency_ns))  # latency = fraction x 2^exponent, 0.5 <= fraction < 1
    bucket = max(exponent - 4, 0) * 8 + max(int(fraction * 16) - 8, 0)
    return min(bucket, LATENCY_BUCKETS - 1)


def record_latency(histogram: npt.NDArray[np.int64], latency_ns: int, loads: int = 1) -> None:
    """Count loads in the bucket of their latency. Compiled code counts in ``w.latencies`` by itself."""
    histogram[bucket_of(latency_ns)] += loads


def latency_percentile(histogram: npt.NDArray[np.int64], share: float) -> float | None:
    """The latency, in us, that ``share`` of the loads stayed within (upper edge of its bucket)."""
    total = int(histogram.sum())
    if total == 0:
        return None
    bucket = int(np.searchsorted(np.cumsum(histogram), share * total))
    power, step = divmod(min(bucket, LATENCY_BUCKETS - 1), 8)
    return float((8 + step + 1) * 2.0**power / 1e3)
