"""LRU, FIFO and clairvoyant, event for event against brute force, to the last request against libCacheSim."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmemlab.datasets.trace.schema import Where

from .build import I, L, S, columns, dense, replay
from .models import cache, pool

POLICIES = {"lru": "order.lru", "fifo": "order.fifo", "belady": "bounds.clairvoyant"}
PLACE = {int(Where.POOL): "pool", int(Where.DISK): "disk", int(Where.REJECTED): "disk", int(Where.UNKNOWN): "gone"}

requests = st.lists(st.integers(0, 12), min_size=1, max_size=120).map(dense)


@st.composite
def swap_events(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Legal sequences: a page is stored, then loaded or invalidated, or stored again."""
    stored: set[int] = set()
    events = []
    for page in draw(st.lists(st.integers(0, 12), min_size=1, max_size=120)):
        op = draw(st.sampled_from([S, L, L, I])) if page in stored else S
        (stored.add if op == S else stored.discard)(page)
        events.append((op, page))
    return list(zip([op for op, _ in events], dense([page for _, page in events]), strict=True))


@pytest.mark.parametrize("order", POLICIES)
@given(requests, st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_a_plain_cache_equals_brute_force_request_for_request(order: str, asked: list[int], capacity: int) -> None:
    forced = ",bypass=off" if order == "belady" else ""
    row = replay(
        columns([(L, page) for page in asked], kind="access"),
        f"{POLICIES[order]}:max_pool_pages={capacity}{forced}",
    )
    hits = [where == Where.POOL for where in row.found]
    if order == "belady":  # ties between pages never used again may be broken either way
        assert sum(hits) == sum(cache(asked, capacity, order))
    else:
        assert hits == cache(asked, capacity, order)


@pytest.mark.parametrize("order", POLICIES)
@given(swap_events(), st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_a_pool_equals_brute_force_event_for_event(
    order: str, events: list[tuple[int, int]], capacity: int
) -> None:
    row = replay(columns(events), f"{POLICIES[order]}:max_pool_pages={capacity}")
    expected = pool(events, capacity, order)
    assert [PLACE[int(where)] for where in row.found] == expected
    served = sum(place == "pool" for (op, _), place in zip(events, expected, strict=True) if op == L)
    assert row.loads["pool"] == served


def plain_requests(kind: str, count: int, pages: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    if kind == "zipf":
        return (rng.zipf(1.2, count) - 1) % pages
    if kind == "scan":
        return np.where(rng.random(count) < 0.5, np.arange(count) % pages, rng.integers(0, pages // 20, count))
    return np.arange(count) % pages


@pytest.mark.parametrize("kind", ["zipf", "scan", "loop"])
@pytest.mark.parametrize("order", POLICIES)
def test_misses_equal_libcachesim_to_the_last_request(order: str, kind: str, tmp_path: Path) -> None:
    lcs = pytest.importorskip(
        "libcachesim", reason="libcachesim is a development dependency: make test installs it"
    )
    count, pages, capacity = 60_000, 2_000, 250
    asked = dense(plain_requests(kind, count, pages).tolist())
    cols = columns([(L, page) for page in asked], kind="access")
    forced = ",bypass=off" if order == "belady" else ""
    row = replay(cols, f"{POLICIES[order]}:max_pool_pages={capacity}{forced}")

    records = np.zeros(count, np.dtype([("t", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")]))
    records["id"], records["size"], records["next"] = np.array(asked) + 1, 1, -1
    upcoming: dict[int, int] = {}
    for at in range(count - 1, -1, -1):
        records["next"][at] = upcoming.get(asked[at], -1)
        upcoming[asked[at]] = at
    records.tofile(tmp_path / "trace.bin")
    reader = lcs.TraceReader(
        str(tmp_path / "trace.bin"), lcs.TraceType.ORACLE_GENERAL_TRACE, lcs.ReaderInitParam(ignore_obj_size=True)
    )
    simulated = {"lru": lcs.LRU, "fifo": lcs.FIFO, "belady": lcs.Belady}[order](cache_size=capacity)
    miss_ratio, _ = simulated.process_trace(reader)
    assert row.loads["disk"] == round(miss_ratio * count)
    assert row.loads["disk"] / count == pytest.approx(miss_ratio, abs=1e-12)
