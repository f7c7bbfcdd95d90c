"""The closed loops against plain-Python twins, and what must hold in them whatever the policy."""

from collections import OrderedDict, deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmemlab.datasets.trace.schema import Where
from tmemlab.policies.catalogue import parse_policy
from tmemlab.policies.interface import ABSENT, Policy
from tmemlab.replay.inputs.columns import Columns
from tmemlab.replay.loops.choose import Closed, Run, make_loop
from tmemlab.replay.loops.resident import (
    COUNT_ACTIVE,
    COUNT_INACTIVE,
    EVICTED,
    GONE,
    HITS,
    MAJOR,
    MINOR,
    OUT,
    REFAULTS,
)  # fmt: skip
from tmemlab.replay.loops.state import State
from tmemlab.replay.scores.row import StormPlan
from tmemlab.replay.scores.score import score

from .build import I, L, S, columns, dense, host
from .test_invariants import check, policies

POOL, DISK, UNKNOWN = int(Where.POOL), int(Where.DISK), int(Where.UNKNOWN)
NOBODY = np.zeros(0, np.int32)
LOW, HIGH = 12, 15


def touches(pages: list[int], step_ns: int = 1_000_000_000) -> Columns:
    """An access trace, one touch a second: every write is done before the next."""
    return columns([(L, page) for page in dense(pages)], kind="access", step_ns=step_ns)


def closed(cols: Columns, clen: int = 1365, free: int = 0) -> Closed:
    return Closed(np.full(cols.pages, clen, np.uint16), NOBODY, NOBODY, np.array([free], np.int64))


def twin(pages: list[int], ram: int) -> list[bool]:
    """Hits of active and inactive lists of ``ram`` pages with no pool behind, as resident.py describes them."""
    inactive: deque[int] = deque()  # newest left
    active: deque[int] = deque()
    touched, referenced = set[int](), set[int]()
    left_at: dict[int, int] = {}
    age, hits = 0, []
    for page in pages:
        resident = page in inactive or page in active
        hits.append(resident)
        if not resident:
            if ram - len(inactive) - len(active) < LOW:
                while ram - len(inactive) - len(active) < HIGH:
                    for _ in range(32):
                        if len(inactive) >= len(active):  # ratio 1 below a GiB
                            break
                        moved = active.pop()
                        touched.discard(moved)
                        inactive.appendleft(moved)
                    victim = inactive.pop()
                    if victim not in touched:
                        left_at[victim] = age
                        age += 1
                        referenced.discard(victim)
                    elif victim in referenced:
                        touched.discard(victim)
                        referenced.discard(victim)
                        age += 1
                        active.appendleft(victim)
                    else:
                        touched.discard(victim)
                        referenced.add(victim)
                        inactive.appendleft(victim)
            if page in left_at and age - left_at.pop(page) <= len(active):
                age += 1
                active.appendleft(page)
            else:
                inactive.appendleft(page)
        touched.add(page)
    return hits


@given(st.lists(st.integers(0, 39), min_size=1, max_size=300), st.integers(20, 45))
@settings(max_examples=200, deadline=None)
def test_the_resident_set_is_the_twin_event_for_event(pages: list[int], ram: int) -> None:
    cols = touches(pages)
    row = score(
        cols, host(ram, marks=(3, LOW, HIGH)), parse_policy("bounds.none"), StormPlan(storms=0), keep_found=True,
        closed=closed(cols),
    )  # fmt: skip
    seen = set[int]()
    expected = []
    for page, hit in zip(pages, twin(pages, ram), strict=True):
        expected.append(DISK if not hit and page in seen else UNKNOWN)
        seen.add(page)
    assert row.found.tolist() == expected


def test_a_pool_takes_ram_from_the_resident_set() -> None:
    # A loop over 300 pages, three touches each, in 200 pages of RAM. Nothing is resident again without a pool; a
    # third of the memory holds everything with one, and no load goes to disk.
    cols = touches(list(range(300)) * 3)
    on = host(200, marks=(3, LOW, HIGH))
    none, pool = (
        score(cols, on, parse_policy(name), StormPlan(storms=0), closed=closed(cols, clen=800))
        for name in ("bounds.none", "bounds.unbounded")
    )
    assert none.loads["disk"] == 600 and none.resident and none.resident["faults"] == 600
    assert pool.loads["disk"] == 0 and pool.resident and pool.resident["faults"] == pool.loads["pool"] > 0
    assert pool.resident["first_touches"] == 300


def test_readahead_brings_in_the_neighbours_of_a_sequential_fault() -> None:
    cols = touches([*range(100), *range(100)])
    ids = np.arange(cols.pages, dtype=np.int32)
    left, right = ids - 1, np.where(ids + 1 < cols.pages, ids + 1, -1).astype(np.int32)
    around = Closed(np.full(cols.pages, 1365, np.uint16), left, right, np.zeros(1, np.int64))
    on = host(60, marks=(3, LOW, HIGH))
    row = score(cols, on, parse_policy("bounds.none"), StormPlan(storms=0), closed=around)
    alone = score(cols, on, parse_policy("zram.basic"), StormPlan(storms=0), closed=around)
    assert row.resident and alone.resident
    assert row.resident["readahead"] > 50 and row.resident["readahead_hits"] > 50
    assert row.resident["faults"] < 50
    assert alone.resident["readahead"] == 0  # a synchronous device: nothing is read ahead
    assert alone.resident["faults"] == 100


@given(
    st.lists(st.integers(0, 59), min_size=1, max_size=250), policies(), st.integers(25, 70),
    st.sampled_from([30, 900, 4096]), st.sampled_from([20, 1000]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_pages_memory_and_slots_are_conserved(
    pages: list[int], policy: Policy, ram: int, clen: int, swap: int
) -> None:
    if policy.needs_future or policy.stack():
        return
    cols = touches(pages, step_ns=50_000)
    on = host(ram, marks=(3, LOW, HIGH), swap=swap)
    around = closed(cols, clen)
    state = State.at_start(cols, on, policy, 0, resident=around.lengths)
    run = Run(cols, on, policy, state, np.zeros(0, np.int64), keep_found=False)
    loop = make_loop(run, around)
    near, counts = state.near, state.counts
    at = 0
    while at < cols.events:
        at = loop.advance(at, int(cols.t[at]) + 1)
        h, records = state.world.host, near[: cols.pages]
        check(state, cols, policy.ghost_lists())
        resident = int((records["list"] != OUT).sum())
        assert resident == counts[COUNT_INACTIVE] + counts[COUNT_ACTIVE] == loop.anonymous()
        assert h.base_free == ram - resident - h.resident
        swapped = state.pages["place"][: cols.pages] != ABSENT
        assert h.swap_free == swap - swapped.sum() >= 0
        gone = (records["bits"] & GONE) != 0
        assert not (gone & (records["list"] != OUT)).any()
        assert (swapped | ~gone).all()  # what left is somewhere
    assert counts[HITS] + counts[MINOR] + counts[MAJOR] == cols.events
    assert counts[REFAULTS] <= counts[EVICTED]


def fifo_twin(events: list[tuple[int, int]], room: int) -> list[int]:
    """Where loads are served when the last ``room`` pages swapped out are still in RAM."""
    held: OrderedDict[int, None] = OrderedDict()
    places = []
    for op, page in events:
        if op == S:
            held[page] = None
            while len(held) > room:
                held.popitem(last=False)
        elif op == L:
            places.append(POOL if page in held else DISK)
            held.pop(page, None)
        else:
            held.pop(page, None)
    return places


@given(st.lists(st.tuples(st.sampled_from([S, L, I]), st.integers(0, 29)), max_size=200), st.integers(0, 35))
@settings(max_examples=150, deadline=None)
def test_a_larger_host_keeps_the_pages_swapped_out_last(wanted: list[tuple[int, int]], room: int) -> None:
    stored: set[int] = set()
    events = []
    for op, page in wanted:
        legal = op if page in stored or op == S else S
        if legal == S and page in stored:
            continue
        (stored.add if legal == S else stored.discard)(page)
        events.append((legal, page))
    if not events:
        return
    built = [(op, page) for (op, _), page in zip(events, dense([p for _, p in events]), strict=True)]
    cols = columns(built, step_ns=1_000_000_000)
    row = score(
        cols, host(1000, free=50 + room, marks=(3, LOW, HIGH)), parse_policy("bounds.none"), StormPlan(storms=0),
        keep_found=True, closed=closed(cols, free=50),
    )  # fmt: skip
    assert row.found[cols.op == L].tolist() == fifo_twin(built, room)


def test_without_more_memory_the_closed_loop_is_the_open_one() -> None:
    rng = np.random.default_rng(5)
    stored: set[int] = set()
    events = []
    for page in rng.integers(0, 300, 3000).tolist():
        op = L if page in stored else S
        (stored.add if op == S else stored.discard)(page)
        events.append((op, page, int(rng.integers(100, 4097))))
    ids = dense([e[1] for e in events])
    cols = columns([(op, page, clen) for (op, _, clen), page in zip(events, ids, strict=True)])
    policy = parse_policy("zswap.v6_18:max_pool_percent=5")
    on = host(1000, free=500, marks=(3, LOW, HIGH))
    shut = score(cols, on, policy, StormPlan(storms=0), keep_found=True, closed=closed(cols, free=10**9))
    open_ = score(cols, on, policy, StormPlan(storms=0), keep_found=True)
    assert shut.loads == open_.loads and shut.stores == open_.stores and shut.writeback == open_.writeback
    assert (shut.found == open_.found).all()


@pytest.mark.parametrize("swap", [10, 10_000])
def test_without_slots_nothing_can_leave(swap: int) -> None:
    cols = touches(list(range(200)))
    row = score(
        cols, host(100, marks=(3, LOW, HIGH), swap=swap), parse_policy("bounds.none"), StormPlan(storms=0),
        closed=closed(cols),
    )  # fmt: skip
    assert row.resident is not None
    assert (row.resident["starved"] > 0) == (swap == 10)
    assert row.resident["evicted"] == (10 if swap == 10 else 200 - row.resident["pages"])


def test_a_storm_deals_the_lengths_that_the_loop_was_given() -> None:
    """An access trace knows none of its own: its pages go into the pool as they go in the replay."""
    cols = touches([*range(6000)] * 3)
    on = host(10_000, free=9000)

    def survives(clen: int) -> float:
        plan = StormPlan(storms=20, fraction=0.9, seed=1)
        row = score(cols, on, parse_policy("bounds.unbounded"), plan, closed=closed(cols, clen))
        assert row.oom.max_survivable is not None
        return row.oom.max_survivable

    # Free are 9000 less the 6000 that are resident. Each of these gives up a page and takes a third of one, or
    # all.
    assert survives(1357) == pytest.approx(0.3 + 0.6 - 0.2 - 0.01, abs=0.0070)
    assert survives(4096) == pytest.approx(0.3 - 0.01, abs=0.0070)
