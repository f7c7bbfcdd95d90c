"""A closed loop over a trace of a memory cgroup: the group's limit is the memory, --ram changes it."""

import pytest

from tmemlab.datasets.share.bundled import bundled
from tmemlab.errors import InvalidInputError
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.compare import Comparison, compare
from tmemlab.replay.scores.row import StormPlan

TRACE = bundled()["redis-frontswap"]
LIMIT = 24 << 20
KEEPS = "tmem.frontswap:max_pool_percent=100"
"""A pool that takes all and keeps what it gives back, as the recorded one did."""


def closed(ram: int | None) -> Comparison:
    return compare(TRACE, [parse_policy(KEEPS)], plan=StormPlan(0), loop="closed", ram_bytes=ram, threads=1)


def test_at_the_recorded_limit_everything_leaves_as_it_did() -> None:
    """The oracle is the open loop, which replays the recorded stream."""
    as_recorded = compare(TRACE, [parse_policy(KEEPS)], plan=StormPlan(0), loop="open").scores[0]
    result = closed(None)
    row = result.scores[0]
    assert result.group_bytes == LIMIT
    assert row.resident["evicted"] == result.columns.stores
    assert row.stores["accepted"] + row.stores["zero"] == result.columns.stores
    assert row.pool_bytes["peak"] == as_recorded.pool_bytes["peak"]
    assert result.notes == []


def test_with_more_memory_less_leaves_and_in_the_end_nothing() -> None:
    evicted = [closed(LIMIT + extra).scores[0].resident["evicted"] for extra in (0, 4096, 1 << 20, 8 << 20)]
    assert evicted == sorted(evicted, reverse=True)
    assert len(set(evicted)) == len(evicted)
    all_of_it = closed(1 << 30)
    assert all_of_it.scores[0].resident["evicted"] == 0
    assert all_of_it.notes == [
        "nothing was swapped: all pages that left RAM while recording fit into a memory cgroup of 1 GiB"
    ]
    assert all_of_it.as_json()["config"]["notes"] == all_of_it.notes


def test_the_oldest_page_leaves_when_one_more_is_there_than_fits() -> None:
    """Ten lines of a list, oldest out first, against the compiled loop: one page more than recorded."""
    columns = closed(None).columns
    out, evicted = [], 0
    for op, page in zip(columns.op.tolist(), columns.page.tolist(), strict=True):
        if page in out and op != 0:
            out.remove(page)
        elif op == 0 and page not in out:
            out.append(page)
            if len(out) > 1:
                evicted += 1
                del out[0]
    assert closed(LIMIT + 4096).scores[0].resident["evicted"] == pytest.approx(evicted, rel=0.02)


def test_less_memory_than_recorded_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="recorded in a memory cgroup of 24 MiB"):
        closed(16 << 20)
