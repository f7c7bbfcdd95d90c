"""Ranges, grids and the tables they give."""

import json
from pathlib import Path

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from tests.cli.test_commands import refused, run
from tests.factory import make_trace
from tests.replay.test_compare import busy_events
from tmemlab.errors import InvalidInputError
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.sweep import MOST_POINTS, expand_policies, expand_pools, flat, values

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", ["7"]),
        ("on|off", ["on", "off"]),
        ("5..50/5", [str(n) for n in range(5, 51, 5)]),
        ("5%..50%/5", [f"{n}%" for n in range(5, 51, 5)]),
        ("5..50%/15%", ["5%", "20%", "35%", "50%"]),
        ("0.1..0.5/0.1", ["0.1", "0.2", "0.3", "0.4", "0.5"]),
        ("1..8/3", ["1", "4", "7"]),
        ("3..3/1", ["3"]),
        ("1..100*10", ["1", "10", "100"]),
        ("64M..256M*2", [str(64 << 20), str(128 << 20), str(256 << 20)]),
        ("1..2G/512M", [str(GIB), str(GIB + GIB // 2), str(2 * GIB)]),
        ("1T..4T*2", [str(1 << 40), str(1 << 41), str(1 << 42)]),
    ],
)
def test_a_range_is_what_it_says(text: str, expected: list[str]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("5..50", "low..high/step"), ("50..5/5", "empty"), ("5..50/0", "never ends"), ("5..50*1", "never ends"),
        ("0..50*2", "never ends"), ("a..b/c", "size"), ("..5/1", "size"),
    ],
)  # fmt: skip
def test_a_range_that_is_none_is_refused(text: str, word: str) -> None:
    with pytest.raises(InvalidInputError, match=word):
        values(text)


def test_ranges_of_several_parameters_make_every_combination() -> None:
    grid = expand_policies(["zswap.v6_18:max_pool_percent=5..15/5,shrinker=on|off", "bounds.none"])
    assert [(p.max_pool_percent, p.shrinker) for p in grid[:-1]] == [  # type: ignore[attr-defined]
        (5, "on"), (5, "off"), (10, "on"), (10, "off"), (15, "on"), (15, "off"),
    ]  # fmt: skip
    assert grid[-1].name == "bounds.none"


def test_a_policy_without_a_limit_runs_once_in_a_sweep_of_sizes() -> None:
    grid = expand_pools([parse_policy("bounds.none"), parse_policy("order.lru")], "10%..30%/10", GIB)
    assert [p.name for p in grid] == ["bounds.none", "order.lru", "order.lru", "order.lru"]
    assert [p.max_pool_pages for p in grid[1:]] == [GIB * n // 10 // 4096 for n in (1, 2, 3)]  # type: ignore[attr-defined]


def test_a_grid_that_is_too_large_is_refused_before_it_is_made() -> None:
    with pytest.raises(InvalidInputError, match=f"4,004,001 replays, and a sweep has at most {MOST_POINTS:,}"):
        expand_policies(["order.lru:max_pool_pages=0..2000/1,max_pool_percent=0..20/0.01"])
    with pytest.raises(InvalidInputError, match=r"--pool .* replays"):
        expand_pools([parse_policy("order.lru")], "1K..1G/1K", GIB)
    with pytest.raises(InvalidInputError, match="all of RAM"):
        expand_pools([parse_policy("order.lru")], "1..2G/1G", GIB)


def test_nested_results_become_columns() -> None:
    assert flat({"a": 1, "b": {"c": 2, "d": {"e": None}}, "f": [1, 2], "causes": {"x": 1}}) == {
        "a": 1, "b.c": 2, "b.d.e": None, "f": "[1, 2]", "causes": '{"x": 1}',
    }  # fmt: skip


def test_a_sweep_equals_its_replays_and_is_written_in_every_format(tmp_path: Path) -> None:
    trace = make_trace(tmp_path / "trace", busy_events(), ram_bytes=200 << 20)
    sweep = ["replay", trace, "--storms", 0, "-p", "zswap.v6_18:shrinker=on|off", "--pool", "500K..1500K/500K"]
    done = run(*sweep, "-p", "bounds.none", "--out", tmp_path / "r.parquet", "--json", tmp_path / "r.json")
    assert (done.returncode, done.stderr) == (0, "")
    table = pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert [row["name"] for row in table] == ["zswap.v6_18"] * 6 + ["bounds.none"]
    assert [row["params.shrinker"] for row in table] == ["on"] * 3 + ["off"] * 3 + [None]
    document = json.loads((tmp_path / "r.json").read_text())
    assert [row["hit_rate"] for row in document["policies"]] == [row["hit_rate"] for row in table]
    alone = run("replay", trace, "--storms", 0, "-p", "zswap.v6_18", "--pool", "1000K", "--json", "-")
    assert json.loads(alone.stdout)["policies"][0]["loads"]["pool"] == table[4]["loads.pool"]
    assert len({row["hit_rate"] for row in table[:3]}) == 3
    assert run(*sweep, "--out", tmp_path / "r.csv").returncode == 0
    assert pacsv.read_csv(tmp_path / "r.csv").num_rows == 6
    assert run(*sweep, "--out", tmp_path / "rows.json").returncode == 0
    lines = (tmp_path / "rows.json").read_text().splitlines()
    assert [json.loads(line)["params.shrinker"] for line in lines] == ["on"] * 3 + ["off"] * 3


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    refused(run("replay", "--out", tmp_path / "r.xls"), 2, "no known format")
    refused(run("replay", "--out", tmp_path / "gone" / "r.csv"), 2, "no directory")
    refused(run("replay", "--pool", "50%..5%/5"), 2, "empty")
    refused(run("replay", "-p", "zswap.v6_18:max_pool_percent=5..50"), 2, "low..high/step")
    refused(run("replay", "-p", "zswap.v6_18:max_pool_percent=1..90/0.01"), 2, "8,901 replays")
