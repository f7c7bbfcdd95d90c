"""vm.need: its estimate against exact stack distances, what it gives up by hand, and what it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.replay.build import L, S, columns, host, replay
from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Where
from tmemlab.policies.catalogue import parse_policy
from tmemlab.policies.interface import NEVER, World
from tmemlab.policies.interface import POOL as IN_POOL
from tmemlab.policies.vm.need import BINS, SLOTS, Own, bin_of, end_of
from tmemlab.replay.inputs.columns import Columns
from tmemlab.replay.inputs.kept import columns_for
from tmemlab.replay.loops.choose import Run, make_loop
from tmemlab.replay.loops.state import State
from tmemlab.replay.scores.score import Score, StormPlan, score
from tmemlab.world.host import build_host

SECOND = 10**9
POOL, DISK = int(Where.POOL), int(Where.DISK)


@given(st.integers(0, 2**63 - 1))
def test_a_bin_is_as_narrow_as_said_and_has_what_is_counted_in_it(interval: int) -> None:
    number = bin_of.py_func(interval)
    first = end_of.py_func(number - 1) if number else 0
    assert 0 <= number < BINS
    assert first <= interval
    assert interval < end_of.py_func(number) <= max(1.25 * first, 8) or interval >= 1 << 62


def after(cols: Columns, policy: str) -> World:
    """What the replay leaves behind."""
    on, chosen = host(1 << 20), parse_policy(policy)
    state = State.at_start(cols, on, chosen, 0)
    make_loop(Run(cols, on, chosen, state, np.zeros(0, np.int64), False), None).advance(0, NEVER)
    return state.world


def skewed(pages: int, events: int, seed: int) -> Columns:
    """Touches through an LRU set of a tenth of the pages: who leaves it is stored, who comes is loaded."""
    dice = np.random.default_rng(seed)
    rank = np.arange(1, pages + 1) ** -0.7
    ids = dice.permutation(pages)
    near: dict[int, None] = {}
    seen: dict[int, int] = {}
    made: list[tuple[int, int]] = []
    while len(made) < events:
        for page in ids[dice.choice(pages, 4096, p=rank / rank.sum())].tolist():
            if page in near:
                near.pop(page)
            elif page in seen:
                made.append((L, seen[page]))
            near[page] = None
            if len(near) > pages // 10:
                oldest = next(iter(near))
                near.pop(oldest)
                made.append((S, seen.setdefault(oldest, len(seen))))
    return columns(made, clen=1000)


def exact(cols: Columns) -> tuple[np.ndarray, np.ndarray]:
    """Of every load: ns since the store, and how many pages in the pool were stored since, counted singly."""
    stored: dict[int, int] = {}
    intervals, distances = [], []
    order = np.zeros(cols.events, np.int64)  # 1 where a page that is out was stored
    for at, (op, page) in enumerate(zip(cols.op.tolist(), cols.page.tolist(), strict=True)):
        if op == S:
            stored[page] = at
            order[at] = 1
        elif page in stored:
            since = stored.pop(page)
            intervals.append(int(cols.t[at] - cols.t[since]))
            distances.append(int(order[since + 1 : at].sum()))
            order[since] = 0
    return np.array(intervals), np.array(distances)


@pytest.fixture(scope="module")
def many_pages() -> Columns:
    """Nine pages for each slot of the sample."""
    return skewed(10 * SLOTS, 240_000, 1)


@pytest.mark.parametrize("hits", [80, 90, 95, 99])
def test_interval_and_stack_distance_are_the_exact_ones_to_a_bin(hits: int, many_pages: Columns) -> None:
    # A page every ten seconds at most is given up, so that what is to be measured is still there. All before the
    # last 40,000 loads has faded to a quarter, at most, of its weight.
    cols = many_pages
    assert cols.pages > 8 * SLOTS
    intervals, distances = (found[-40_000:] for found in exact(cols))
    world = after(cols, f"vm.need:hits={hits},period=10,batch=1,memory=20000")
    assert world.own.total < len(intervals) / 10  # a sample
    wanted = float(np.quantile(intervals, hits / 100))
    assert 0.99 * wanted <= world.own.interval <= 1.25 * 1.03 * wanted
    # Pages in the pool that are younger than the interval: the place in the list at which need ends.
    stored_at = np.full(cols.pages, -1)
    stored = cols.op == S
    stored_at[cols.page[stored]] = cols.t[stored]
    inside = world.pages["place"][: cols.pages] == IN_POOL
    place = int((inside & (stored_at >= cols.t[-1] - world.own.interval)).sum())
    assert place == pytest.approx(float(np.quantile(distances, hits / 100)), rel=0.1)


def test_its_memory_does_not_grow_with_the_pages() -> None:
    layout = parse_policy("vm.need").layout()
    assert layout.registers_array(300).nbytes == layout.registers_array(10**6).nbytes <= 68 << 10
    assert all(table.per_page == 0 for table in Own.tables().values())


PAIRS = [(op, page) for page in range(64) for op in (S, L)]
"""128 events, one a second: 64 pages, each loaded a second after it was stored."""


@pytest.mark.parametrize(
    ("hits", "then", "places"),
    [
        # At 128 s there are enough intervals, all of 1 s, whose bin ends at 2^30 ns = 1.07 s. Page 64 is stored
        # then, in a generation that ends with the look at 129 s. At 130 s that is 1 s ago; at 131 s 2 s ago,
        # beyond 1.07: with half of 64 loads that may miss the page is given up, before the event of that second.
        (50, [(S, 64), (S, 65), (L, 64)], [POOL]),
        (50, [(S, 64), (S, 65), (S, 66), (L, 64)], [DISK]),
        (50, [(S, 64), (S, 65), (S, 66), (L, 65), (L, 64)], [POOL, DISK]),
        # 1.5 % of 64 loads are not yet one that may miss.
        (98.5, [(S, 64), (S, 65), (S, 66), (L, 64)], [POOL]),
    ],
)
def test_what_is_idle_for_longer_than_need_is_given_up(
    hits: float, then: list[tuple[int, int]], places: list[int]
) -> None:
    cols = columns([*PAIRS, *then], clen=1000, step_ns=SECOND)
    found = replay(cols, f"vm.need:hits={hits},period=1", host(1 << 20)).found
    loads = cols.op == L
    assert found[: len(PAIRS)][loads[: len(PAIRS)]].tolist() == [POOL] * 64
    assert found[len(PAIRS) :][loads[len(PAIRS) :]].tolist() == places


def test_no_more_are_away_than_may_miss_until_they_were_not_missed() -> None:
    # 64 loads of which half may miss; then 200 pages that nobody loads, one a second. 32 of them may be away:
    # with the longest trial that is all; with the shortest one those that are away soon count for less; more go.
    cols = columns([*PAIRS, *((S, 64 + page) for page in range(200))], clen=1000, step_ns=SECOND)
    patient = replay(cols, "vm.need:hits=50,period=1,trial=1000", host(1 << 20))
    assert patient.writeback["pages"] == 32
    assert replay(cols, "vm.need:hits=50,period=1,trial=0.1", host(1 << 20)).writeback["pages"] > 32


def over(name: str, policy: str, plan: StormPlan, ram: int | None = None) -> Score:
    trace = Trace.open(bundled()[name])
    return score(columns_for(trace), build_host(trace, ram), parse_policy(policy), plan)


@pytest.mark.parametrize(
    ("name", "ram"), [("redis-frontswap", None), ("redis-zswap", 2 << 30), ("sqlite-limit", 10 << 30),
                      ("sqlite-shrinker", None), ("sqlite-shrinker", 2 << 30)],
)  # fmt: skip
def test_no_storm_kills_that_none_would_kill_without_a_pool(name: str, ram: int | None) -> None:
    plan = StormPlan(storms=40, exact=True)
    need, none = (over(name, policy, plan, ram).oom for policy in ("vm.need", "bounds.none"))
    assert 0 < none.curve[-1][1] == need.curve[-1][1]  # some storm kills
    assert [kills for _, kills in need.curve] == [kills for _, kills in none.curve]


@pytest.mark.parametrize("name", bundled())
def test_it_keeps_the_hits_with_less_memory(name: str) -> None:
    plan = StormPlan(storms=0)
    need, unbounded = (over(name, policy, plan) for policy in ("vm.need", "bounds.unbounded"))
    assert need.hits >= 0.98 * unbounded.hits
    assert need.pool_bytes["mean"] < unbounded.pool_bytes["mean"]
