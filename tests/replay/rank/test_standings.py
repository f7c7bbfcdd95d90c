"""Ranks and intervals, against numbers worked out by hand and all resamples of a few traces."""

from itertools import product

import numpy as np
import pytest

from tmemlab.replay.rank.marks import Marks
from tmemlab.replay.rank.standings import ranks, resample, standings

NONE = float("nan")


@pytest.mark.parametrize(
    ("values", "more_is_better", "expected"),
    [
        ([0.9, 0.2, 0.5], True, [1, 3, 2]),
        ([0.9, 0.2, 0.5], False, [3, 1, 2]),
        ([0.9, 0.9, 0.5, 0.9], True, [2, 2, 4, 2]),  # 1, 2 and 3 are shared by three
        ([0.9, NONE, 0.5, NONE], True, [1, 3.5, 2, 3.5]),  # who has none is last
        ([0.9, NONE, 0.5], False, [2, 3, 1]),
        ([0.901, 0.899, 0.88], True, [1.5, 1.5, 3]),  # less than a percent is no difference
    ],
)
def test_the_best_is_first_and_equals_share(
    values: list[float], more_is_better: bool, expected: list[float]
) -> None:
    assert ranks(np.array(values), more_is_better).tolist() == expected


def test_a_criterion_that_nobody_has_ranks_nobody() -> None:
    assert np.isnan(ranks(np.array([NONE, NONE]), True)).all()


def test_the_interval_is_that_of_all_resamples() -> None:
    values = [0.1, 0.4, 0.5, 0.95]
    exact = np.percentile([np.mean(drawn) for drawn in product(values, repeat=4)], [2.5, 97.5])
    found = resample(np.array([*values, NONE]), 1)
    assert found.mean == pytest.approx(np.mean(values))
    assert [found.low, found.high] == pytest.approx(exact.tolist(), abs=0.03)
    assert resample(np.array([0.3]), 1).low == resample(np.array([0.3]), 1).high == 0.3
    assert resample(np.array([NONE]), 1).mean is None


def marks(hit_rate: float, oom_p: float | None) -> Marks:
    """Equal to others in all but two criteria."""
    return Marks(hit_rate, None, oom_p, 0.0, 0.0, 4096.0)


def test_cases_of_a_trace_count_as_one() -> None:
    # First case of trace a: hits rank 1, 2; P(OOM) 2, 1; regret and written 1.5 each: 6/4 for both. Second one,
    # no P(OOM): hits 1, 2, and 1.5 twice: 4/3 and 5/3. Trace b: hits 2, 1; P(OOM) 1.5: 6.5/4 and 5.5/4.
    # Nobody has of_clairvoyant.
    rows = [
        [marks(0.9, 0.5), marks(0.9, None), marks(0.2, 0.1)],
        [marks(0.5, 0.1), marks(0.5, None), marks(0.9, 0.1)],
    ]
    first, second = standings(rows, ["a", "a", "b"], 1)
    assert first.rank.mean == pytest.approx(((6 / 4 + 4 / 3) / 2 + 6.5 / 4) / 2)
    assert second.rank.mean == pytest.approx(((6 / 4 + 5 / 3) / 2 + 5.5 / 4) / 2)
    assert first.criteria["hit_rate"].mean == pytest.approx((0.9 + 0.2) / 2)
    assert first.criteria["oom_p"].mean == pytest.approx((0.5 + 0.1) / 2)
    assert first.criteria["of_clairvoyant"].mean is None
    assert (first.pool_bytes.mean, first.pool_bytes.low) == (4096, 4096)
