"""The most hits for a memory, against every choice of loads, and against every policy."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.replay.build import columns, stores_and_loads
from tests.replay.size.twenty import HELD, MS, TRACE
from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.trace.read import Trace
from tmemlab.policies.registry import built_in
from tmemlab.replay.inputs.columns import next_loads
from tmemlab.replay.inputs.kept import columns_for
from tmemlab.replay.rank.clairvoyant import Clairvoyant
from tmemlab.replay.size.fixed import Replays
from tmemlab.replay.size.holds import find_holds
from tmemlab.world.host import build_host


def test_the_twenty_events() -> None:
    # Eight holds of a page each. The cheapest one, alone, over the whole trace is its own length.
    best = Clairvoyant.of(TRACE)
    lasted = sorted(end - began for began, end in HELD)
    duration = int(TRACE.t[-1]) // MS
    for count in range(1, len(lasted) + 1):
        mean = 4096 * sum(lasted[:count]) / duration
        assert best.hits(mean) >= count
        assert best.hits(mean * 0.999) < count
        assert best.pool_bytes(count) == pytest.approx(mean)
    assert best.hits(0) == 0
    assert best.pool_bytes(9) == float("inf")


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=6, max_size=24), st.floats(0, 3))
@settings(max_examples=100, deadline=None)
def test_no_choice_of_loads_has_more_hits(wanted: list[tuple[int, bool]], pages: float) -> None:
    cols = columns(stores_and_loads(wanted))
    holds = find_holds(cols)
    began, ended = holds.times(cols.t)
    cost = (4096.0 * (ended - began)).tolist()
    budget = pages * 4096 * int(cols.t[-1])
    chosen = [
        count
        for count in range(len(cost) + 1)
        for some in combinations(cost, count)
        if sum(some) <= budget * (1 + 1e-12)
    ] if len(cost) <= 10 else [0]  # fmt: skip
    assert Clairvoyant.of(cols).hits(pages * 4096) >= max(chosen)
    if len(cost) <= 10:
        assert Clairvoyant.of(cols).hits(pages * 4096) == max(chosen)


@pytest.mark.parametrize("name", ["redis-frontswap", "sqlite-shrinker"])
def test_no_policy_has_more(name: str) -> None:
    trace = Trace.open(bundled()[name])
    cols, host = columns_for(trace), build_host(trace)
    best = Clairvoyant.of(cols)
    future = next_loads(cols.op, cols.page, cols.pages)
    beyond = []
    for kind in built_in().values():
        policy = kind()
        for limited in {policy, policy.with_pool(3 << 20, host.ram * 4096)}:
            row = Replays(cols, host, limited, future).run(limited)
            if row.hits > best.hits(row.pool_bytes["mean"]):
                beyond.append(kind.name)
    # Pages that xen pulled back are in the guest's own RAM, not in its pool; the other's has no size classes.
    assert set(beyond) <= {"tmem.xen_selfshrink", "bounds.clairvoyant"}
    assert best.hits(np.inf) == cols.loads - find_holds(cols).unservable
