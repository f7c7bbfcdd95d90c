"""Whole comparisons over traces on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.factory import make_trace, relabel, sample
from tmemlab.datasets.trace.manifest import Certificate, Reconciliation
from tmemlab.datasets.trace.schema import Where
from tmemlab.errors import InvalidInputError, TraceError
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.compare import compare
from tmemlab.replay.scores.score import StormPlan
from tmemlab.replay.validate import validate

MIB = 1 << 20


def busy_events(count: int = 4000, pages: int = 500, seed: int = 1) -> list[tuple[Any, ...]]:
    """Stores and loads at random, 50 us apart, lengths between 200 and 3000."""
    rng = np.random.default_rng(seed)
    stored: set[int] = set()
    rows = []
    for number, page in enumerate(rng.integers(0, pages, count).tolist()):
        op = "load" if page in stored else "store"
        (stored.add if op == "store" else stored.discard)(page)
        rows.append((number * 50_000, op, page, int(rng.integers(200, 3000))))
    ids = relabel(row[2] for row in rows)
    return [(t, op, page, clen) for (t, op, _, clen), page in zip(rows, ids, strict=True)]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return make_trace(tmp_path / "trace", busy_events(), ram_bytes=200 * MIB)


def scores(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what measures this machine."""
    return document | {
        "policies": [{k: v for k, v in p.items() if k != "events_per_s"} for p in document["policies"]]
    }


def test_the_same_seed_gives_the_same_digits_on_any_number_of_threads(trace: Path) -> None:
    plan = StormPlan(storms=15, seed=42)
    one, many = (scores(compare(trace, plan=plan, pool="1M", threads=n).as_json()) for n in (1, 4))
    assert one == many
    other = scores(compare(trace, plan=StormPlan(storms=15, seed=43), pool="1M").as_json())
    assert other["config"] != one["config"]


def test_counts_agree_with_the_trace(trace: Path) -> None:
    document = compare(trace, plan=StormPlan(storms=0), pool="300K").as_json()
    events = busy_events()
    loads = sum(op == "load" for _, op, *_ in events)
    assert document["trace"]["loads"] == loads
    for row in document["policies"]:
        assert sum(row["loads"].values()) == loads
        assert sum(row["stores"].values()) == len(events) - loads
        assert row["oom"]["p"] is None
    by_name = {row["name"]: row for row in document["policies"]}
    assert by_name["bounds.none"]["hit_rate"] == 0
    assert by_name["bounds.unbounded"]["hit_rate"] == 1
    best = by_name["bounds.clairvoyant"]["hit_rate"]
    assert best >= max(by_name["tmem.frontswap"]["hit_rate"], by_name["zswap.v6_18"]["hit_rate"])


def test_a_trace_split_in_two_and_replayed_in_order_equals_the_whole(trace: Path) -> None:
    # Storms pause the replay; any number of pauses must leave the scores alone.
    whole = scores(compare(trace, plan=StormPlan(storms=0), pool="500K").as_json())
    paused = scores(compare(trace, plan=StormPlan(storms=60), pool="500K").as_json())
    for a, b in zip(whole["policies"], paused["policies"], strict=True):
        assert {k: v for k, v in a.items() if k != "oom"} == {k: v for k, v in b.items() if k != "oom"}


@pytest.mark.parametrize("policy", ["order.lru", "bounds.clairvoyant"])
def test_a_larger_pool_never_serves_fewer_loads(tmp_path: Path, policy: str) -> None:
    events = [(t, op, page, 4096) for t, op, page, _ in busy_events()]
    trace = make_trace(tmp_path / "t", events)
    sizes = [parse_policy(f"{policy}:max_pool_pages={pages}") for pages in (1, 10, 50, 100, 200, 400)]
    rates = [row.hit_rate for row in compare(trace, sizes, plan=StormPlan(storms=0)).scores]
    assert rates == sorted(rates)
    assert rates[0] < rates[-1]


def test_less_ram_raises_the_risk(trace: Path) -> None:
    plan = StormPlan(storms=20, fraction=0.75)
    policy = [parse_policy("bounds.unbounded")]
    large, small = (compare(trace, policy, plan=plan, ram_bytes=mib * MIB).scores[0] for mib in (400, 160))
    assert large.oom.max_survivable > small.oom.max_survivable


def test_ram_that_could_not_hold_what_was_there_is_refused(trace: Path) -> None:
    with pytest.raises(InvalidInputError, match="too small for this trace"):
        compare(trace, ram_bytes=20 * MIB)


def test_an_incomplete_trace_is_refused_unless_allowed(tmp_path: Path) -> None:
    certificate = Certificate(False, Reconciliation(2, 1, 3), Reconciliation(0, 0, 0), [], "")
    path = make_trace(
        tmp_path / "t", [(0, "store", 0, 100), (5, "store", 1, 100)], manifest={"certificate": certificate}
    )
    with pytest.raises(TraceError, match="--allow-lossy"):
        compare(path)
    assert compare(path, allow_lossy=True, plan=StormPlan(storms=0)).columns.stores == 2


def test_a_trace_without_lengths_and_without_a_pool_is_refused(tmp_path: Path) -> None:
    path = make_trace(tmp_path / "t", [(0, "store", 0), (5, "load", 0)])
    with pytest.raises(TraceError, match="clen"):
        compare(path)


def test_a_trace_without_lengths_uses_the_recorded_pool(tmp_path: Path) -> None:
    samples = [sample(t, 200 * MIB, pool_bytes=MIB, pool_stored_bytes=4 * MIB) for t in (0, 10)]
    path = make_trace(tmp_path / "t", [(0, "store", 0), (5, "load", 0)], samples=samples)
    result = compare(path, plan=StormPlan(storms=0))
    assert result.columns.clen.tolist() == [1024, 1024]


def test_swap_policies_refuse_an_access_trace(tmp_path: Path) -> None:
    path = make_trace(
        tmp_path / "t", [(0, "load", 0), (5, "load", 1), (9, "load", 0)], manifest={"kind": "access"}
    )
    with pytest.raises(InvalidInputError, match=r"zswap\.v6_18"):
        compare(path, [parse_policy("zswap.v6_18")], loop="open")
    assert [row.name for row in compare(path).scores] == ["bounds.clairvoyant", "order.lru", "order.fifo"]


def test_validate_measures_what_the_trace_says(tmp_path: Path) -> None:
    # The kernel found page 1 on disk; the replay, with an ample pool, finds it in RAM.
    events = [
        (0, "store", 0, 900),
        (10, "store", 1, 900),
        (20, "load", 0, None),
        (30, "load", 1, None, {"where": 1}),
    ]
    samples = [sample(t, 200 * MIB, pool_bytes=4096, pool_stored_bytes=8192) for t in (0, 25)]
    path = make_trace(tmp_path / "t", events, samples=samples, manifest={"kernel_counters": {"zswpwb": 1}})
    result = validate(path).as_json()
    assert result["measured"]["hit_rate"] == 0.5
    assert result["predicted"]["hit_rate"] == 1.0
    assert result["error"]["loads_disk"] == -1
    assert result["measured"]["written_back"] == 1
    assert result["agreement"] == 0.75
    assert result["confusion"]["disk"] == {"pool": 1, "disk": 0, "zero": 0, "failed": 0}
    assert result["policy"]["name"] == "zswap.v6_18"


def test_a_length_that_no_page_has_is_refused_before_compiled_code_sees_it(tmp_path: Path) -> None:
    path = make_trace(tmp_path / "t", [(0, "store", 0, 9000), (1, "load", 0, None)])
    with pytest.raises(TraceError, match="compressed length of 9000 bytes"):
        compare(path, plan=StormPlan(storms=0))


def test_a_trace_of_zero_pages_alone_is_replayed(tmp_path: Path) -> None:
    zero = {"where": int(Where.ZERO)}
    path = make_trace(tmp_path / "t", [(0, "store", 0, 0, zero), (1, "load", 0, 0, zero)])
    row = compare(path, [parse_policy("zswap.v6_18")], plan=StormPlan(storms=0)).scores[0]
    assert (row.hit_rate, row.stores["zero"], row.pool_bytes["peak"]) == (1.0, 1, 0)


@pytest.mark.parametrize("value", ["9" * 400, "-" + "9" * 400, "1e999", str(1 << 63)])
def test_a_number_that_no_hook_can_read_is_refused(value: str) -> None:
    for text in ("order.lru:max_pool_pages", "zram.recompress:max_pages", "zswap.v6_18:max_pool_percent"):
        with pytest.raises(InvalidInputError):
            parse_policy(f"{text}={value}")
