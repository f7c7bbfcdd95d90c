"""Two captures side by side: what differs, and whether the difference is more than chance.

Values in neighbouring intervals depend on each other, so that a test of single intervals would find differences
everywhere. Confidence intervals come from a moving-block bootstrap of whole stretches (Kunsch 1989, blocks of the
cube root of the number of intervals), seeded.
"""

from typing import Any

import numpy as np

from ..trace.read import Trace
from .statistics import SERIES, Statistics

DIFF_SCHEMA = "tmemlab.diff/1"
_FEWEST = 8  # intervals on either side, below which nothing is claimed


def diff(
    one: Trace, other: Trace, *, interval_ns: int = 1_000_000_000, rounds: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """For each of SERIES its mean in both, the difference and its 95 % confidence interval, as JSON values.

    ``significant`` is None where either has too few intervals to say.
    """
    rng = np.random.default_rng(seed)
    series = [Statistics(trace, interval_ns) for trace in (one, other)]
    longest = max(found.interval_ns for found in series)
    if any(found.interval_ns != longest for found in series):  # a long trace had to widen its own
        series = [Statistics(trace, longest) for trace in (one, other)]
    values = [found.series() for found in series]
    return {
        "schema": DIFF_SCHEMA,
        "a": str(one.path),
        "b": str(other.path),
        "interval_s": longest / 1e9,
        "seed": seed,
        "rows": [_row(name, values[0][name], values[1][name], rounds, rng) for name in SERIES],
    }


def _row(name: str, a: np.ndarray, b: np.ndarray, rounds: int, rng: np.random.Generator) -> dict[str, Any]:
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    means = [float(side.mean()) if len(side) else None for side in (a, b)]
    row = {"name": name, "a": means[0], "b": means[1], "intervals": [len(a), len(b)]}
    if means[0] is None or means[1] is None:
        return row | {"difference": None, "ci95": None, "significant": None}
    difference = means[1] - means[0]
    if min(len(a), len(b)) < _FEWEST:
        return row | {"difference": difference, "ci95": None, "significant": None}
    draws = _bootstrap_means(b, rounds, rng) - _bootstrap_means(a, rounds, rng)
    low, high = (float(np.percentile(draws, p)) for p in (2.5, 97.5))
    return row | {"difference": difference, "ci95": [low, high], "significant": not low <= 0 <= high}


def _bootstrap_means(values: np.ndarray, rounds: int, rng: np.random.Generator) -> np.ndarray:
    """Means of ``rounds`` series of the same length put together from blocks of this one, taken as a circle."""
    n = len(values)
    block = max(1, round(n ** (1 / 3)))
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values[: block - 1]]))])
    blocks = sums[block : block + n] - sums[:n]
    means = np.empty(rounds)
    for i in range(rounds):
        means[i] = blocks[rng.integers(0, n, -(-n // block))].mean() / block
    return means
