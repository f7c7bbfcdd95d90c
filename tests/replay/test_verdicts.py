"""Storms that are predicted against the same storms run, verdict by verdict, on every bundled trace and policy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmemlab.datasets.share.bundled import resolve
from tmemlab.policies.catalogue import parse_policy
from tmemlab.policies.registry import all_policies
from tmemlab.replay.compare import compare
from tmemlab.replay.scores import score as scoring
from tmemlab.replay.scores.oom import assess
from tmemlab.replay.scores.row import StormPlan
from tmemlab.replay.scores.storm import DEMAND, OUTCOMES
from tmemlab.replay.scores.verdicts import FEATURES, FIRST, Verdicts, predict, spread

SETTINGS = (
    "zswap.v6_18:max_pool_percent=2", "zswap.v6_18:max_pool_percent=0.5", "zswap.v6_18:shrinker=on",
    "vm.pressure:max_pool_percent=1", "zram.basic:mem_limit_percent=0.5", "zram.basic:fallback=none",
    "tmem.frontswap:max_pool_percent=2",
)  # fmt: skip
STORMS = 130


class Watched(Verdicts):
    """Runs every storm and keeps what it was told."""

    seen: list["Watched"]

    def __init__(self, features: Any, ram_pages: int, fraction: float, exact: bool = False) -> None:
        super().__init__(features, ram_pages, fraction, exact=True)
        self.told = features.copy(), ram_pages, fraction
        type(self).seen.append(self)


@pytest.mark.parametrize(
    ("trace", "ram"),
    [("redis-frontswap", 0), ("redis-zswap", 0), ("redis-zswap", 3), ("sqlite-limit", 12), ("sqlite-shrinker", 0)],
)
def test_no_verdict_differs(trace: str, ram: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in all_policies() if not name.startswith("order.") or name == "order.lru"]
    Watched.seen = []
    monkeypatch.setattr(scoring, "Verdicts", Watched)
    policies = [parse_policy(text) for text in (*names, *SETTINGS)]
    compare(resolve(Path(trace)), policies, ram_bytes=ram << 30 or None, plan=StormPlan(STORMS), threads=1)
    simulated = 0
    for policy, watched in zip(policies, Watched.seen, strict=True):
        features, ram_pages, fraction = watched.told
        run = watched.outcomes()
        verdicts = Verdicts(features, ram_pages, fraction)
        while len(wanted := verdicts.next()):
            verdicts.learn(wanted, run[wanted])
        simulated += verdicts.simulated
        told, expected = verdicts.outcomes(), run
        for share in (fraction, *[step / 20 for step in range(1, 21)]):
            border = int(share * ram_pages)
            assert ((told[:, DEMAND] < border) == (expected[:, DEMAND] < border)).all(), (policy, share)
        guess, truth = assess(told, ram_pages, fraction), assess(expected, ram_pages, fraction)
        assert guess.max_survivable == truth.max_survivable, policy
        assert guess.causes == truth.causes, policy
        assert guess.frozen == truth.frozen, policy
    assert simulated < 0.97 * STORMS * len(policies)  # some of them were predicted


def test_few_storms_are_all_run_and_so_are_exact_ones() -> None:
    features = np.random.default_rng(1).random((300, FEATURES)) * 1e5
    assert len(Verdicts(features[:FIRST], 1 << 20, 0.9).next()) == FIRST
    assert len(Verdicts(features, 1 << 20, 0.9, exact=True).next()) == 300
    assert len(Verdicts(features, 1 << 20, 0.9).next()) == FIRST


def test_a_fit_that_is_poor_runs_everything() -> None:
    dice = np.random.default_rng(2)
    features = dice.random((300, FEATURES)) * 1e5
    outcomes = np.zeros((300, OUTCOMES), np.int64)
    outcomes[:, DEMAND] = dice.integers(0, 1 << 20, 300)  # nothing to do with the state
    verdicts = Verdicts(features, 1 << 20, 0.9)
    while len(wanted := verdicts.next()):
        verdicts.learn(wanted, outcomes[wanted])
    assert verdicts.simulated == 300
    assert (verdicts.outcomes() == outcomes).all()


@given(st.lists(st.integers(-5, 5), min_size=FEATURES, max_size=FEATURES), st.integers(0, 2**31))
def test_what_is_linear_is_told_to_the_page(weights: list[int], seed: int) -> None:
    features = np.random.default_rng(seed).integers(0, 100_000, (80, FEATURES)).astype(float)
    demand = features @ np.array(weights, float) + 1e6
    guess, near = predict(features[:60], demand[:60], features[60:])
    assert np.abs(guess - demand[60:]).max() < 64  # the slack
    assert near.shape == (20, 40)


def test_the_spread_reaches_the_ends() -> None:
    features = np.zeros((100, FEATURES))
    features[:, 0] = np.arange(100) * 1000
    chosen = spread(features, 5)
    assert {0, 99} <= set(chosen.tolist())
    assert len(spread(np.zeros((50, FEATURES)), 5)) == 1  # all alike


def test_storms_out_of_one_state_end_alike() -> None:
    """A host on which nothing changes: one storm tells all."""
    verdicts = Verdicts(np.ones((FIRST + 60, FEATURES)), 1000, 0.9)
    asked = verdicts.next()
    assert len(asked) == 1
    outcome = np.zeros((1, OUTCOMES), np.int64)
    outcome[0, DEMAND] = 777
    verdicts.learn(asked, outcome)
    assert len(verdicts.next()) == 0
    assert (verdicts.outcomes()[:, DEMAND] == 777).all()
