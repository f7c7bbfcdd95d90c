"""What --pool makes of every policy: a limit of so many pages, never none, and no policy better than the best."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factory import make_trace
from tmemlab.datasets.share.bundled import resolve
from tmemlab.policies.interface import Policy
from tmemlab.policies.registry import all_policies
from tmemlab.replay.compare import compare
from tmemlab.replay.scores.row import StormPlan

LIMITED = [kind() for kind in all_policies().values() if kind().with_pool(1 << 24, 1 << 34) is not kind()]
WITHOUT = {"bounds.none", "bounds.unbounded", "tmem.zcache", "tmem.zcache2", "tmem.ramster"}
POLICIES = [policy for policy in LIMITED if policy.name not in WITHOUT]


def limit(policy: Policy, pool_bytes: int, ram_pages: int) -> float:
    return policy.with_pool(pool_bytes, ram_pages * 4096).numbers(ram_pages)["limit"]


def test_which_policies_have_a_limit() -> None:
    unmoved = {name for name, kind in all_policies().items() if kind().with_pool(1 << 24, 1 << 34) == kind()}
    assert unmoved == WITHOUT


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_less_than_a_page_is_a_limit(policy: Policy) -> None:
    # zram rounds up to whole pages, as the kernel does; elsewhere less than a page is none at all.
    assert limit(policy, 4095, 1 << 20) == (1 if policy.name.startswith("zram.") else 0)
    assert limit(policy, 4096, 1 << 20) == 1


@given(st.sampled_from(POLICIES), st.integers(1, 1 << 30), st.floats(0, 1))
def test_the_limit_is_the_pages_that_were_asked_for(policy: Policy, ram: int, share: float) -> None:
    pages = max(int(share * ram), 1)
    assert limit(policy, pages * 4096, ram) == pages


@pytest.mark.parametrize("trace", ["redis-zswap", "redis-frontswap", "sqlite-shrinker"])
@pytest.mark.parametrize("pool", ["256K", "4M", "6M", "24M"])
def test_no_policy_with_the_same_limit_beats_clairvoyance(trace: str, pool: str) -> None:
    rows = compare(resolve(Path(trace)), POLICIES, pool=pool, plan=StormPlan(storms=0)).scores
    rates = {row.name: row.hit_rate or 0.0 for row in rows}
    best = rates.pop("bounds.clairvoyant")
    assert {name: rate for name, rate in rates.items() if rate > best} == {}
    assert best > 0.05


def test_a_store_that_failed_makes_no_hit() -> None:
    row = compare(
        resolve(Path("redis-zswap")), [all_policies()["zram.basic"]()], pool="4K", plan=StormPlan(0)
    ).scores[0]
    assert row.hit_rate is not None
    assert row.hit_rate < 0.01
    assert row.loads["refused"] + row.hits == sum(row.loads.values())


def test_clairvoyance_knows_of_pages_that_were_out_before_the_trace_began(tmp_path: Path) -> None:
    path = make_trace(tmp_path / "t", [(number, "load", number, 2000) for number in range(50)])
    kinds = [all_policies()[name]() for name in ("bounds.clairvoyant", "bounds.unbounded")]
    rows = compare(path, kinds, plan=StormPlan(storms=0)).scores
    assert [row.hit_rate for row in rows] == [1.0, 1.0]
