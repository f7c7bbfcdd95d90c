"""Storms worked by hand, and what must hold for any of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmemlab.replay.scores.oom import assess, wilson
from tmemlab.replay.scores.storm import CAUSE, DEMAND, STALL

from .build import S, columns, host, replay

EMPTY = columns([(S, 0, 4096)])
ONE = {"storms": 1, "fraction": 0.9}


def survives(policy: str, cols=EMPTY, **on: object) -> float:  # type: ignore[no-untyped-def]
    row = replay(cols, policy, host(10_000, **on), **ONE)
    assert row.oom.max_survivable is not None
    return row.oom.max_survivable


def test_free_memory_down_to_the_min_watermark_can_be_given() -> None:
    # 9000 of 10000 pages free, nothing reclaimable: the storm gets pages in batches of 32 until free memory
    # is at or below min (100), so between 8900 and 8932 of them.
    assert 0.8900 <= survives("bounds.none", free=9000) <= 0.8932


def test_page_cache_is_given_up_too() -> None:
    assert 0.8900 + 0.0500 <= survives("bounds.none", free=9000, file=500) <= 0.8932 + 0.0500


def test_anonymous_memory_goes_to_disk_as_long_as_there_are_slots() -> None:
    assert 0.9400 <= survives("bounds.none", free=9000, anon=500) <= 0.9432
    assert 0.9200 <= survives("bounds.none", free=9000, anon=500, swap=300) <= 0.9232


def test_anonymous_memory_in_a_pool_still_takes_its_compressed_size() -> None:
    # 500 pages of 2048 bytes: two to a page minus the handle, eight pages hold fifteen (class 2176).
    half = columns([(S, 0, 2048)])
    pool = -(-501 // 15) * 8  # the page of the trace is in it as well
    expected = (9000 + 500 - pool - 100) / 10_000
    assert survives("bounds.unbounded", half, free=9000, anon=500) == pytest.approx(expected, abs=0.0040)


def test_a_full_pool_is_what_kills() -> None:
    # A pool of 2000 pages that cannot shrink against one that can, and against none; no other memory to take.
    full = columns([(S, page, 4096) for page in range(2000)], step_ns=1000)
    room = {"free": 9_900}
    at_end = {"storms": 40, "fraction": 0.9}
    none = replay(full, "bounds.none", host(10_000, **room), **at_end).oom
    static = replay(full, "tmem.frontswap:max_pool_pages=2000", host(10_000, **room), **at_end).oom
    linked = replay(full, "vm.pressure:largest=4097", host(10_000, **room), **at_end).oom
    assert none.p == linked.p == 0
    assert static.p is not None
    assert static.p > 0.5
    assert static.causes == {"pool not shrinkable": round(40 * static.p)}
    assert linked.longest_stall_s is not None
    assert linked.longest_stall_s > 0  # it lives because it waits for the disk


def test_the_shrinker_saves_some_of_the_storms_that_a_full_zswap_does_not_survive() -> None:
    """Not all: a batch of entries that all have their second chance frees nothing and ends the shrinker's pass."""
    full = columns([(S, page, 4096) for page in range(2500)], step_ns=1000)
    plan = {"storms": 40, "fraction": 0.9}
    off = replay(full, "zswap.v6_18", host(10_000, 9_900), **plan).oom
    on = replay(full, "zswap.v6_18:shrinker=on", host(10_000, 9_900), **plan).oom
    assert off.p is not None
    assert on.p is not None
    assert off.p > on.p


@given(st.integers(200, 9000), st.integers(0, 3000), st.integers(0, 3000), st.sampled_from(["none", "unbounded"]))
@settings(max_examples=60, deadline=None)
def test_more_memory_never_hurts(free: int, file: int, anon: int, kind: str) -> None:
    less = survives(f"bounds.{kind}", free=free, file=file, anon=anon)
    assert survives(f"bounds.{kind}", free=free + 64, file=file, anon=anon) >= less
    assert survives(f"bounds.{kind}", free=free, file=file + 64, anon=anon) >= less


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300), st.floats(0.01, 1))
def test_risk_is_counted_as_defined(demands: list[int], fraction: float) -> None:
    outcomes = np.zeros((len(demands), 5), np.int64)
    outcomes[:, DEMAND] = demands
    outcomes[:, CAUSE] = 1
    outcomes[:, STALL] = 10**9
    risk = assess(outcomes, 1000, fraction)
    assert risk.p == sum(d < int(fraction * 1000) for d in demands) / len(demands)
    survivable = risk.max_survivable
    assert survivable is not None
    dead = sum(d < survivable * 1000 for d in demands)
    assert dead / len(demands) < 0.01
    above = sum(d <= survivable * 1000 for d in demands)
    assert above / len(demands) >= 0.01  # a page more would reach 1 %
    assert sum(risk.causes.values()) == round(risk.p * len(demands))


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 100, 0.0, 0.0370), (50, 100, 0.4038, 0.5962), (10, 20, 0.2993, 0.7007), (100, 100, 0.9630, 1.0)],
)
def test_the_interval_is_wilsons(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson(hits, trials) == pytest.approx((low, high), abs=5e-5)


LIMITED = (
    "zswap.v6_18", "zswap.v6_12", "zswap.v6_8", "zswap.v6_5", "zswap.v5_6", "zswap.v3_11", "tmem.frontswap",
    "vm.pressure", "order.fifo",
)  # fmt: skip


@pytest.mark.parametrize("policy", ["zswap.v6_18", "tmem.frontswap", "zram.basic:disksize_percent=20"])
def test_pages_that_do_not_compress_are_progress_until_the_pool_is_full(policy: str) -> None:
    """A page that the pool keeps raw freed nothing, and was reclaimed: the kernel goes on until the disk gets
    them.
    """
    raw = columns([(S, 0, 4096)])
    none = survives("bounds.none", raw, free=1000, anon=8800)
    assert none == pytest.approx(0.97, abs=0.0032)
    assert survives(policy, raw, free=1000, anon=8800) == pytest.approx(none - 0.20, abs=0.0070)


@given(
    st.sampled_from(LIMITED), st.integers(300, 5000), st.integers(0, 3000), st.integers(0, 5000),
    st.integers(40, 4096), st.integers(0, 30),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_no_pool_costs_more_than_its_limit(
    policy: str, free: int, file: int, anon: int, length: int, percent: int
) -> None:
    one = columns([(S, 0, length)])
    none = survives("bounds.none", one, free=free, file=file, anon=anon)
    pooled = survives(f"{policy}:max_pool_percent={percent}", one, free=free, file=file, anon=anon)
    assert pooled >= none - percent / 100 - 0.0080  # a batch, and the pages of a zspage or two
