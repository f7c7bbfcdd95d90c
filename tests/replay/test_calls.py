"""Vectored calls: by hand, and against a queue in plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmemlab.datasets.trace.schema import Flag, Where
from tmemlab.errors import InvalidInputError
from tmemlab.replay.scores.calls import (
    BATCHES,
    CALLS,
    DELAY_NS,
    LONGEST_NS,
    PAGES,
    SAVED,
    count_calls,
    parse_profile,
)
from tmemlab.world.latency import LATENCY_BUCKETS

from .build import I, L, S, columns, replay

POOL, DISK, ZERO, REJECTED = (int(w) for w in (Where.POOL, Where.DISK, Where.ZERO, Where.REJECTED))
AHEAD = int(Flag.READAHEAD)


def count(events: list[tuple[int, int, int, int]], batch: int, wait: int = 10**9) -> list[int]:
    """``events`` are (op, page, where, flags), one every 10 ns."""
    op, page, found, flags = (np.array(column, np.uint8) for column in zip(*events, strict=True))
    t = np.arange(len(op), dtype=np.int64) * 10
    delays = np.zeros(LATENCY_BUCKETS, np.int64)
    totals: list[int] = count_calls(
        (t, op, page.astype(np.uint32), flags), found, int(page.max()) + 1, batch, wait, delays
    ).tolist()
    return totals


def test_one_page_a_call() -> None:
    events = [(S, 0, POOL, 0), (S, 1, REJECTED, 0), (S, 2, ZERO, 0)]
    events += [(L, 0, POOL, 0), (L, 1, DISK, 0), (I, 1, DISK, 0)]
    # Two stores that ask the pool, one load that finds its page there; the rest never gets to it.
    assert count(events, 1) == [3, 3, 0, 0, 0]


def test_four_stores_in_vectors_of_two() -> None:
    events = [(S, page, POOL, 0) for page in range(4)]
    # Pages 0 and 2 wait 10 ns each for their partner.
    assert count(events, 2) == [2, 4, 0, 20, 10]


def test_a_page_taken_back_from_the_vector_costs_nothing() -> None:
    events = [(S, 0, POOL, 0), (S, 1, POOL, 0), (L, 0, POOL, 0), (S, 2, POOL, 0), (I, 1, POOL, 0)]
    # Page 0 is loaded and page 1 freed while they wait in a vector of eight; page 2 goes at the end, 10 ns late.
    assert count(events, 8) == [1, 1, 2, 10, 10]


def test_readahead_shares_the_call_of_its_fault() -> None:
    events = [(S, p, POOL, 0) for p in range(4)]
    events += [(L, 0, POOL, 0), (L, 1, POOL, AHEAD), (L, 2, POOL, AHEAD), (L, 3, POOL, 0)]
    assert count(events, 1)[CALLS] == 8
    assert count(events, 4)[CALLS] == 3  # the stores; 0 with 1 and 2; 3


def test_the_oldest_entry_waits_no_longer_than_it_may() -> None:
    events = [(S, page, POOL, 0) for page in range(5)]
    # At 20 ns the vector goes: 0 waited 20, 1 waited 10; 2 and 3 go at 40 ns, and 4 at the end.
    totals = count(events, 512, wait=20)
    assert totals[CALLS] == 3
    assert totals[LONGEST_NS] == 20
    assert totals[DELAY_NS] == 20 + 10 + 20 + 10


@given(
    st.lists(
        st.tuples(st.sampled_from([S, L, I]), st.integers(0, 7), st.sampled_from([POOL, DISK])), min_size=1,
        max_size=80,
    ),
    st.sampled_from([1, 2, 3, 8]),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_vectors_against_a_plain_queue(events: list[tuple[int, int, int]], batch: int) -> None:
    queue: list[tuple[int, int] | None] = []
    calls = pages = saved = 0

    def hand_over() -> None:
        nonlocal calls, pages
        sent = len([entry for entry in queue if entry])
        calls += sent > 0
        pages += sent
        queue.clear()

    for op, page, where in events:
        if op == L and where != POOL:
            continue
        store = next((i for i, e in enumerate(queue) if e == (S, page)), None)
        if store is not None:
            queue[store] = None
            saved += 1
            if op != S:
                continue
        if op == L:
            calls += 1
            pages += 1
        elif op == S or where == POOL:
            queue.append((op, page))
            if len(queue) == batch:
                hand_over()
    hand_over()
    totals = count([(*event, 0) for event in events], batch)
    assert [totals[CALLS], totals[PAGES], totals[SAVED]] == [calls, pages, saved]


def test_a_profile_can_be_changed_and_a_wrong_one_is_refused() -> None:
    profile = parse_profile("kvm-vmexit:call_cycles=1300,ghz=2.5,wait=100us")
    assert (profile.call_cycles, profile.ghz, profile.wait_ns) == (1300, 2.5, 100_000)
    for wrong in ("vmware", "bare:cycles=3", "bare:ghz=0", "bare:call_cycles=-1", "bare:wait=soon"):
        with pytest.raises(InvalidInputError):
            parse_profile(wrong)


def test_larger_vectors_never_take_more_calls() -> None:
    rng = np.random.default_rng(2)
    events = [(S, page) for page in range(200)] + [(L, page) for page in rng.permutation(200)[:50].tolist()]
    row = replay(columns(events), "bounds.unbounded")
    assert row.calls is None
    from tmemlab.policies.catalogue import parse_policy
    from tmemlab.replay.scores.score import StormPlan, score

    from .build import host

    priced = score(
        columns(events), host(), parse_policy("bounds.unbounded"), StormPlan(storms=0),
        calls=parse_profile("kvm-vmexit:wait=1h"),
    ).calls  # fmt: skip
    assert priced is not None
    calls = [line["calls"] for line in priced["batches"]]
    assert [line["batch"] for line in priced["batches"]] == list(BATCHES)
    assert calls == sorted(calls, reverse=True)
    assert calls[0] == 250 and calls[3] == 200 // 8 + 50
    assert priced["batches"][0]["cycles"] == 250 * 2400
