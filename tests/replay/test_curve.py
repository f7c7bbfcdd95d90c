"""Curves against brute force at every size, against the engine at several, and samples against the whole."""

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.test_commands import refused, run
from tests.factory import make_trace, relabel
from tests.replay.test_compare import busy_events
from tmemlab.datasets.share.bundled import resolve
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Flag, Op
from tmemlab.errors import InvalidInputError
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.compare import compare
from tmemlab.replay.curve import distances, recency
from tmemlab.replay.curve.curve import Sampler, curve
from tmemlab.replay.curve.fill import class_weights
from tmemlab.replay.scores.score import StormPlan
from tmemlab.world.allocators.tables import Allocator

from .build import columns, replay
from .models import cache

S, L, I = int(Op.STORE), int(Op.LOAD), int(Op.INVALIDATE)  # noqa: E741
pages_asked = st.lists(st.integers(0, 20), min_size=1, max_size=200).map(relabel)


def hits_of(bins: np.ndarray, size: int) -> int:
    return int(bins[:, :size].sum())


@given(pages_asked, st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_an_lru_cache_of_every_size_equals_brute_force(asked: list[int], pieces: int) -> None:
    stream, bins = recency.make_stream(max(asked) + 1), np.zeros((1, max(asked) + 2), np.int64)
    for part in np.array_split(np.array(asked, np.uint32), pieces):
        recency.accesses(part, stream, bins)
    for size in range(1, max(asked) + 2):
        assert hits_of(bins, size) == sum(cache(asked, size, "lru"))
    assert bins.sum() == len(asked)


def test_distances_stay_right_when_the_slots_are_used_up() -> None:
    # 262144 slots are made for few pages: a loop over 1000 pages and a random part pass that several times.
    dice = np.random.default_rng(1)
    asked = np.where(dice.random(900_000) < 0.5, np.arange(900_000) % 1000, dice.integers(0, 700, 900_000))
    asked = np.array(relabel(asked.tolist()), np.uint32)
    stream, bins = recency.make_stream(1000), np.zeros((1, 1001), np.int64)
    recency.accesses(asked, stream, bins)
    built = columns([(L, page) for page in asked.tolist()], kind="access")
    for size in (1, 17, 300, 650, 999, 1000):
        row = replay(built, f"order.lru:max_pool_pages={size}")
        assert hits_of(bins, size) == row.loads["pool"]


class Pool:
    """Brute force: the oldest store leaves, a load takes the copy unless it stays; weights of any size."""

    def __init__(self, size: int) -> None:
        self.size, self.held, self.zeros = size, OrderedDict[int, int](), set[int]()

    def event(self, op: int, page: int, weight: int, stays: bool) -> bool:
        hit = page in self.held or page in self.zeros
        if op != L or not stays:
            self.held.pop(page, None)
            self.zeros.discard(page)
        if op == S and weight == 0:
            self.zeros.add(page)
        elif op == S:
            while self.held and sum(self.held.values()) + weight > self.size:
                self.held.popitem(last=False)
            if weight <= self.size:
                self.held[page] = weight
        return hit and op == L


@st.composite
def traffic(draw: st.DrawFn) -> list[tuple[int, int, int, bool]]:
    out: set[int] = set()
    events = []
    for page in draw(st.lists(st.integers(0, 15), min_size=1, max_size=150)):
        op = draw(st.sampled_from([S, L, L, I])) if page in out else S
        stays = op == L and draw(st.booleans())
        if op == S or stays:
            out.add(page)
        else:
            out.discard(page)
        events.append((op, page, draw(st.sampled_from([0, 1, 2, 3, 5, 9])), stays))
    ids = relabel([e[1] for e in events])
    return [(op, page, weight, stays) for (op, _, weight, stays), page in zip(events, ids, strict=True)]


@given(traffic(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_pool_of_every_size_equals_brute_force(events: list[tuple[int, int, int, bool]], weighted: bool) -> None:
    op, page, clen, flags = (np.array(column) for column in zip(*events, strict=True))
    lst, bins = distances.make_list(int(page.max()) + 1), np.zeros((1, 400), np.int64)
    distances.swaps(
        op.astype(np.uint8), page.astype(np.uint32), (flags * int(Flag.COPY_STAYS)).astype(np.uint8),
        clen.astype(np.uint16), weighted, lst, bins, 0,
    )  # fmt: skip
    loads = int((op == L).sum())
    for size in range(1, 60):
        pool = Pool(size)
        hits = sum(pool.event(o, p, w if weighted else min(w, 1), s) for o, p, w, s in events)
        assert loads - int(bins[:, size:].sum()) == hits


def test_holes_stay_right_when_the_slots_are_used_up() -> None:
    dice = np.random.default_rng(2)
    out: set[int] = set()
    events = []
    for page in dice.integers(0, 300, 400_000).tolist():
        op = (L if dice.random() < 0.9 else I) if page in out else S
        (out.add if op == S else out.discard)(page)
        events.append((op, page, 4096))
    ids = relabel([e[1] for e in events])
    events = [(op, page, clen) for (op, _, clen), page in zip(events, ids, strict=True)]
    cols = columns(events)
    for weighted, shift in ((False, 0), (True, 12)):
        lst, bins = distances.make_list(300), np.zeros((1, 302), np.int64)
        distances.swaps(cols.op, cols.page, cols.flags, cols.clen, weighted, lst, bins, shift)
        for size in (1, 9, 60, 130, 299):
            row = replay(cols, f"order.lru:exclusive_loads=on,max_pool_pages={size}")
            assert cols.loads - int(bins[:, size:].sum()) == row.loads["pool"]


@pytest.mark.parametrize("unit", ["pages", "bytes"])
def test_a_curve_equals_replays_of_a_trace_on_disk(tmp_path: Path, unit: str) -> None:
    events = [(t, op, page, 4096) for t, op, page, _ in busy_events()]
    path = make_trace(tmp_path / "t", events)
    result = curve(path, unit=unit)
    sizes = (1, 10, 50, 100, 200, 400)
    policies = [parse_policy(f"order.lru:exclusive_loads=on,max_pool_pages={size}") for size in sizes]
    for size, row in zip(sizes, compare(path, policies, plan=StormPlan(storms=0)).scores, strict=True):
        assert result.hit_rate(size * 4096) == (row.hit_rate, 0.0)
    best, _ = result.hit_rate(result.largest)
    below, _ = result.hit_rate(result.largest - 4096)
    assert best > below
    assert best == result.hit_rate(1 << 40)[0]


def test_pages_that_the_trace_found_in_the_pool_or_as_zeros_are_there(tmp_path: Path) -> None:
    events = [
        (0, "store", 0, 4096), (1, "load", 1, 4096), (2, "load", 2, 4096, {"where": 1}), (3, "load", 0, None),
        (4, "load", 3, None, {"where": 2}),
    ]  # fmt: skip
    path = make_trace(tmp_path / "t", events)
    result = curve(path)
    row = compare(path, [parse_policy("order.lru:exclusive_loads=on")], plan=StormPlan(storms=0)).scores[0]
    assert result.hit_rate(1 << 30)[0] == row.hit_rate == 0.75


@pytest.mark.parametrize("name", ["redis-frontswap", "redis-zswap", "sqlite-limit", "sqlite-shrinker"])
def test_sizes_are_those_of_a_pool(name: str) -> None:
    result = curve(resolve(Path(name)))
    sizes = result.sizes(10)
    policies = [parse_policy(f"order.lru:exclusive_loads=on,max_pool_pages={size >> 12}") for size in sizes]
    rows = compare(resolve(Path(name)), policies, plan=StormPlan(storms=0)).scores
    for size, row in zip(sizes, rows, strict=True):
        assert row.hit_rate is not None
        assert result.hit_rate(size)[0] == pytest.approx(row.hit_rate, abs=0.02), size
    assert rows[-1].hit_rate == result.hit_rate(1 << 40)[0]
    held = [result.compressed_bytes(result.hit_rate(size)[0]) for size in sizes]
    assert all(bytes_ is not None and bytes_ < size for bytes_, size in zip(held, sizes, strict=True))


def test_an_object_weighs_its_share_of_a_full_zspage() -> None:
    # Of 1300 bytes and their handle of 8 there are three to a page, of 3257 six in five pages; a raw page is one.
    weights = class_weights(Allocator())
    assert [int(weights[length]) for length in (0, 1300, 2040, 3257, 3625, 4096)] == [
        0,
        1366,
        2048,
        3414,
        4096,
        4096,
    ]


@pytest.mark.parametrize("pages", [1, 2, 3, 1000, 4096, 70_001])
def test_a_sample_takes_its_share_and_gives_every_page_an_id_of_its_own(pages: int) -> None:
    every = np.arange(pages, dtype=np.uint32)
    chosen = Sampler(pages, 0.1)
    ids, followed = chosen.ids(every)
    assert followed is not None
    assert len(set(ids.tolist())) == len(ids) == followed.sum()
    assert len(ids) == 0 or ids.max() < chosen.pages
    assert abs(len(ids) - pages / 10) < 5 * (pages / 10) ** 0.5 + 1
    whole, followed = Sampler(pages, 1.0).ids(every)
    assert followed is None
    assert whole is every


@pytest.mark.parametrize("kind", ["access", "swap"])
def test_a_sample_is_as_near_as_it_says(tmp_path: Path, kind: str) -> None:
    dice = np.random.default_rng(7)
    ids = np.array(relabel((20_000 * dice.random(200_000) ** 3).astype(int).tolist()), np.uint32)
    events = np.zeros(len(ids), np.uint8)
    if kind == "swap":
        out: set[int] = set()
        for at, page in enumerate(ids.tolist()):
            events[at] = L if page in out else S
            (out.discard if page in out else out.add)(page)
    else:
        events[:] = L
    zero16 = np.zeros(len(ids), np.uint16)
    path = make_trace(
        tmp_path / "t", manifest={"kind": kind}, samples=[] if kind == "access" else None,
        columns={
            "t": np.arange(len(ids)) * 1000, "op": events, "page": ids, "cgroup": zero16, "task": zero16,
            "where": zero16.astype(np.uint8), "flags": zero16.astype(np.uint8),
        } | ({} if kind == "access" else {"clen": np.full(len(ids), 2000, np.uint16)}),
    )  # fmt: skip
    whole = curve(path)
    part = curve(path, sample=0.1)
    assert part.pages < 0.2 * whole.pages
    differences = []
    for size in whole.sizes(20):
        exact, _ = whole.hit_rate(size)
        near, error = part.hit_rate(size)
        assert abs(near - exact) < 5 * error + 0.01
        differences.append(abs(near - exact))
    assert np.mean(differences) < 0.03


def test_a_sample_of_nothing_is_refused(tmp_path: Path) -> None:
    path = make_trace(tmp_path / "t", [(0, "store", 0, 100), (5, "load", 0, None)])
    with pytest.raises(InvalidInputError, match="follows none of 1 pages"):
        curve(path, sample=1e-9)
    assert Trace.open(path).pages == 1


def test_the_command(tmp_path: Path) -> None:
    path = make_trace(tmp_path / "t", busy_events())
    document = json.loads(run("curve", path, "--sizes", 5, "--json", "-").stdout)
    assert document["schema"] == "tmemlab.curve/1"
    rates = [point["hit_rate"] for point in document["points"]]
    assert rates == sorted(rates)
    assert rates[-1] == 1.0
    assert "compressed bytes" in run("curve", path, "--unit", "bytes").stdout
    assert "standard error" in run("curve", path, "--unit", "pages", "--sample", "50%").stdout
    refused(run("curve", path, "--sample", "0%"), 2, "more than 0%")
    refused(run("curve", path, "--unit", "acres"), 2, "acres")
    refused(run("curve", tmp_path / "gone"), 5, "no such directory")
