"""The front against a grid that knows nothing of the search, and what the search may not depend on."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tmemlab.datasets.share.bundled import bundled
from tmemlab.policies.catalogue import parse_policy
from tmemlab.policies.interface import Policy
from tmemlab.replay.advise.advise import Progress, Wanted, advise
from tmemlab.replay.advise.limits import Limits
from tmemlab.replay.advise.result import Advice
from tmemlab.replay.compare import compare
from tmemlab.replay.inputs.recorded_settings import recorded_policy
from tmemlab.replay.scores.row import Score, StormPlan

PLAN = StormPlan(storms=10)
ACCEPTS = (10, 50, 70, 80, 90, 100)
TRIALS = 100


def ask(name: str, trials: int, ram: int | None = None, **more: Any) -> Advice:
    traces = [(bundled()[name], 1.0)]
    return advise(traces, Wanted(**more), ram_bytes=ram, plan=PLAN, seconds=None, trials=trials)


def grid_of(path: Path, limits: Sequence[float], sizes: Sequence[float]) -> list[Policy]:
    """Settings of zswap as the host measured itself, of zram, and none: every combination."""
    from tmemlab.datasets.trace.manifest import Manifest

    recorded = recorded_policy(Manifest.read(path))
    shrinkers: tuple[dict[str, Any], ...] = (
        ({"shrinker": "off"}, {"shrinker": "on"}) if hasattr(recorded, "shrinker") else ({},)
    )
    found = [
        replace(recorded, **{"max_pool_percent": limit, "accept_threshold_percent": accept, **shrinker})
        for limit, accept, shrinker in product(limits, ACCEPTS, shrinkers)
    ]
    rams = [f"disksize_percent={size},mem_limit_percent={limit}" for size, limit in product(sizes, (0, 5, 10))]
    found += [parse_policy(f"zram.basic:{settings}") for settings in rams]
    found += [
        parse_policy(f"zram.writeback:disksize_percent={size},writeback_interval=10,mode={mode},idle_age={age}")
        for size, mode, age in product(sizes, ("idle", "huge"), (10, 30))
    ]
    return [*found, parse_policy("bounds.none")]


def costs(score: Score, seconds: float) -> list[float]:
    """Misses, P(OOM), memory, bytes written a day."""
    written = score.device_bytes["written"] / seconds * 86400
    return [1 - score.hit_rate, score.oom.p, score.pool_bytes["mean"], written]


def hypervolume(points: npt.NDArray[np.float64], thrown: npt.NDArray[np.float64]) -> float:
    """The share of ``thrown`` points that some of ``points`` beats in everything."""
    beaten = np.zeros(len(thrown), np.bool_)
    for point in np.unique(points, axis=0):
        beaten |= (thrown >= point).all(axis=1)
    return float(beaten.mean())


@pytest.mark.parametrize(
    ("name", "ram", "limits", "sizes"),
    [
        ("sqlite-limit", 10 << 30, (1, 2, 3, 4, 6, 20), (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 50)),
        ("sqlite-shrinker", None, (1, 2, 3, 4, 6, 20), (1, 2, 3, 4, 5, 6, 8, 10, 50)),
        ("redis-frontswap", None, (1, 2, 3, 20), (0.1, 0.3, 0.5, 0.7, 1, 2, 3, 4, 5, 50)),
        ("redis-zswap", None, (1, 2, 20), (0.1, 0.2, 0.3, 0.5, 1, 50)),
    ],
)
def test_no_grid_finds_a_better_front(
    name: str, ram: int | None, limits: Sequence[float], sizes: Sequence[float]
) -> None:
    found = ask(name, TRIALS, ram)
    grid = compare(bundled()[name], grid_of(bundled()[name], limits, sizes), ram_bytes=ram, plan=PLAN)
    seconds = int(grid.columns.t[-1]) / 1e9
    known = np.array([costs(score, seconds) for score in grid.scores if not score.stores["refused"]])
    tried = np.array([costs(trial.scores[0], seconds) for trial in found.trials if not trial.failed])
    assert 60 <= len(known) <= 500
    both = np.vstack([known, tried])
    low, width = both.min(axis=0), np.maximum(np.ptp(both, axis=0), 1e-9)
    thrown = np.random.default_rng(3).random((100_000, 4))
    volume = hypervolume((known - low) / width, thrown)
    assert volume > 0.05  # the grid is one that could win
    assert hypervolume((tried - low) / width, thrown) >= 0.99 * volume


def test_the_front_is_what_no_trial_beats() -> None:
    found = ask("sqlite-shrinker", 30)
    every = [trial.costs for trial in found.trials if not trial.failed]
    for trial in found.trials:
        mine = trial.costs
        beaten = any(all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine for other in every)
        assert (trial.costs in [kept.costs for kept in found.front]) == (not beaten and not trial.failed)


def test_threads_do_not_change_the_answer() -> None:
    path = bundled()["redis-frontswap"]
    with ThreadPoolExecutor(1):
        one, two = (
            advise([(path, 1.0)], plan=PLAN, seconds=None, trials=25, threads=threads).as_json()
            for threads in (1, 3)
        )
    assert one == two
    assert one["trials"] > 20
    assert one["stopped"] == "trials"


def test_limits_are_kept() -> None:
    free = ask("sqlite-limit", 25, 10 << 30, goal="hits", limits=Limits(max_oom=1.0))
    assert free.recommended is not None
    writes = 700 << 30
    limits = Limits(max_oom=0.0, max_pool=210 << 20, max_writes=writes)
    kept = ask("sqlite-limit", 25, 10 << 30, goal="hits", limits=limits, mechanisms=("zswap", "none"))
    assert kept.recommended is not None
    best = kept.recommended
    again = kept.confidence.recommended_again
    assert again is not None
    assert best.oom_p == again.oom_p == 0  # in four times as many other storms too
    assert again.scores[0].oom.storms == 4 * PLAN.storms
    assert best.written_per_day <= writes
    assert best.scores[0].pool_bytes["peak"] <= (210 << 20) + (1 << 20)
    assert best.hit_rate < free.recommended.hit_rate  # they cost something here
    for trial in kept.trials:
        assert getattr(trial.policy, "max_pool_percent", 0.0) <= 2  # 2 % of 10 GiB are 205 MiB


def test_a_weight_counts() -> None:
    paths = [bundled()[name] for name in ("sqlite-shrinker", "redis-frontswap")]
    rates = []
    for weight in (1.0, 3.0):
        found = advise(
            [(paths[0], weight), (paths[1], 1.0)], Wanted(mechanisms=("none", "zswap"), kernel="6.18"),
            plan=PLAN, seconds=None, trials=6,
        )  # fmt: skip
        limited = next(t for t in found.trials if getattr(t.policy, "max_pool_percent", 0) == 1)
        alone = [score.hit_rate for score in limited.scores]
        assert limited.hit_rate == pytest.approx((weight * alone[0] + alone[1]) / (weight + 1))
        rates.append(limited.hit_rate)
    assert rates[0] != rates[1]


def test_ctrl_c_gives_the_answer_so_far() -> None:
    """Progress is told in the thread that Ctrl-C interrupts."""
    told: list[int] = []

    def interrupt(progress: Progress) -> None:
        told.append(progress.trials)
        if progress.trials >= 9:
            raise KeyboardInterrupt

    path = bundled()["redis-frontswap"]
    found = advise([(path, 1.0)], plan=PLAN, seconds=None, on_progress=interrupt)
    assert found.stopped == "interrupted"
    assert found.recommended is not None
    assert 0 < len(found.trials) <= 10
    assert any("interrupted" in sentence for sentence in found.sentences)
    assert told[-1] == 9
