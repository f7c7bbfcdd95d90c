"""tmemlab size as people and scripts meet it: words, chart and document agree, and what is unknown is said."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import refused, run
from tests.factory import make_trace, sample
from tmemlab.units import format_bytes

MIB = 1 << 20


def document(*words: object) -> dict[str, Any]:
    done = run("size", *words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def crossed() -> dict[str, Any]:
    """The trace and host of docs/size.md, where need and room cross."""
    return document("sqlite-limit", "--ram", "10G")


def events(pages: int) -> list[tuple[int, str, int, int]]:
    """Every page is stored, and then every page is loaded, a millisecond apart; none compresses."""
    ops = [("store", page) for page in range(pages)] + [("load", page) for page in range(pages)]
    return [(t * 1_000_000, op, page, 4096) for t, (op, page) in enumerate(ops)]


def test_sentences_have_the_numbers_of_the_document(
    crossed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    words = " ".join(run("size", "sqlite-limit", "--ram", "10G").stdout.split())
    summary, fixed = crossed["summary"], crossed["fixed"]
    need = summary["need_bytes"]
    assert f"needs {format_bytes(need['mean'])} in the mean and {format_bytes(need['max'])} at the peak" in words
    assert f"for 99% of hits; a fixed one {format_bytes(summary['fixed_bytes'])}." in words
    assert f"Up to {format_bytes(summary['room_bytes']['min'])} may stay at every moment" in words
    assert f"must give back {format_bytes(summary['release_bytes'])} within 2.6 s" in words
    assert f"{format_bytes(summary['release_bytes_per_s'])} a second" in words
    assert f"best fixed size for the whole trace is {format_bytes(fixed['best']['pool_bytes'])}" in words
    assert "memory cgroup of 300 MiB" in words
    for row in crossed["policies"]:
        assert row["name"] in words
        assert format_bytes(row["smallest_bytes"]) in words


def test_the_document_is_consistent(crossed: dict[str, Any]) -> None:
    summary, windows = crossed["summary"], crossed["windows"]
    assert len(windows) == 60
    assert sum(window["loads"] for window in windows) == crossed["trace"]["loads"] == 310_955
    assert max(window["need_bytes"] for window in windows) == summary["need_bytes"]["max"]
    assert min(window["room_bytes"] for window in windows) == summary["room_bytes"]["min"]
    crossing = [window for window in windows if window["release_bytes"]]
    assert crossing
    for window in crossing:
        assert 0 < window["release_bytes"] <= window["need_bytes"] - window["room_bytes"]
        assert window["release_bytes"] / window["release_s"] <= summary["release_bytes_per_s"] * 1.000001
    assert all(w["need_bytes"] <= w["room_bytes"] for w in windows if not w["release_bytes"])
    assert 0 < summary["conflict_share"] <= len(crossing) / 60
    # What has room at every moment survives every storm; what has not, and is filled, does not.
    assert crossed["fixed"]["best"]["oom_p"] == 0
    assert crossed["fixed"]["best"]["pool_bytes"] == summary["room_bytes"]["min"]
    assert crossed["fixed"]["smallest"]["oom_p"] > 0
    assert crossed["fixed"]["smallest"]["hit_rate"] >= 0.99 > crossed["fixed"]["best"]["hit_rate"]


def test_the_static_pool_has_the_most_regret(crossed: dict[str, Any]) -> None:
    regret = {row["name"]: row["regret"] for row in crossed["policies"]}
    assert list(regret) == ["tmem.frontswap", "zswap.v6_18", "vm.pressure"]
    assert regret["tmem.frontswap"]["over_share"] > 0.5 > 0.1 > regret["zswap.v6_18"]["over_share"]
    oom = {row["name"]: row["oom_p"] for row in crossed["policies"]}
    assert oom["vm.pressure"] == 0
    assert oom["zswap.v6_18"] > 0.8


def test_the_smallest_size_is_one(crossed: dict[str, Any]) -> None:
    """A replay with --pool of that size has the hits, one with a part in 64 less has not."""
    sizes = {row["name"]: row["smallest_bytes"] for row in crossed["policies"]}
    for name, pool in sizes.items():
        rates = [
            json.loads(
                run(
                    "replay", "sqlite-limit", "--ram", "10G", "-p", name, "--pool", size, "--storms", 0, "--json"
                ).stdout
            )["policies"][0]["hit_rate"]
            for size in (pool, pool - pool // 64)
        ]
        assert rates[0] >= 0.99 > rates[1], name


def test_threads_change_nothing() -> None:
    words = ("redis-zswap", "--storms", 20)
    assert document(*words, "--threads", 1) == document(*words, "--threads", 2)


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_chart_fits(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = run("size", "sqlite-limit", "--ram", "10G", "--storms", 0, "-p", "bounds.none")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert done.stdout.isascii()
    chart = [line for line in lines if re.match(r" {0,9}[\d.]* ?[KMG]?i?B? *\|", line)]
    assert len(chart) == 12
    assert all(any(mark in line for line in chart) for mark in "#-!")
    assert max(map(len, chart)) > min(columns, 100) - 10


def test_windows_are_counted_or_timed() -> None:
    nine = document("redis-frontswap", "--storms", 0, "--windows", 9)
    assert len(nine["windows"]) == 9
    timed = document("redis-frontswap", "--storms", 0, "--window", "100s")
    assert timed["config"]["window_s"] == 100
    assert [window["t_s"] for window in timed["windows"]] == [0, 100, 200, 300, 400, 500]
    # Neither need nor room depends on them.
    assert nine["summary"]["need_bytes"] == timed["summary"]["need_bytes"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--windows", "0"], "--windows"), (["--windows", "3x"], "--windows"), (["--hits", "0"], "--hits"),
        (["--hits", "101%"], "--hits"), (["--storm-fraction", "-1"], "--storm-fraction"),
        (["--ram", "x"], "--ram"), (["--window", "1ms"], "windows of 1 ms are 516,963"),
    ],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(words: list[str], said: str) -> None:
    refused(run("size", "redis-frontswap", *words), 2, said)


def test_without_samples_need_is_said_and_room_is_unknown(tmp_path: Path) -> None:
    make_trace(tmp_path / "t", events(30), samples=[])
    done = run("size", tmp_path / "t", "--hits", "100%", "-p", "tmem.frontswap")
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    # Thirty pages are held for 30 ms each, of 59.
    assert "needs 61 KiB in the mean and 120 KiB at the peak for 100% of hits; a fixed one 120 KiB." in words
    assert "Room is unknown: the trace has no samples" in words
    found = document(tmp_path / "t", "-p", "tmem.frontswap")
    assert found["summary"]["room_bytes"] == {"min": None, "p50": None}
    assert found["summary"]["conflict_share"] is None
    (row,) = found["policies"]
    assert row["oom_p"] is None
    assert row["regret"]["over_share"] is None
    assert row["regret"]["under_share"] == 0


def test_page_accesses_have_a_need_and_no_room(tmp_path: Path) -> None:
    run("datasets", "synth", tmp_path / "t", "-c", "loop:pages=100", "--events", 10000)
    found = document(tmp_path / "t", "-p", "order.lru")
    assert found["summary"]["need_bytes"]["max"] == 100 * 4096  # a loop needs all of it
    assert found["summary"]["fixed_bytes"] == 100 * 4096
    assert found["summary"]["hit_rate"] == 0.99  # the first round are no hits
    assert "Room is unknown" in found["unknown"][0]
    refused(run("size", tmp_path / "t", "-p", "zswap.v6_18"), 2, "needs swap traffic", "-p order.lru")


def test_a_host_that_no_pool_saves_is_said(tmp_path: Path) -> None:
    done = run("size", "redis-frontswap", "--storms", 0)
    words = " ".join(done.stdout.split())
    assert "does not survive, pool or none: it can lock 61.4% at the worst moment" in words
    found = document("redis-frontswap", "--storms", 0)["summary"]
    assert (found["lost_share"], found["conflict_share"]) == (1, 0)


def test_a_trace_that_loads_nothing_needs_nothing(tmp_path: Path) -> None:
    make_trace(tmp_path / "t", events(30)[:30], samples=[sample(0), sample(10**7)])
    done = run("size", tmp_path / "t", "-p", "bounds.none")
    assert done.returncode == 0, done.stderr
    assert "Nothing was loaded: no pool is needed." in done.stdout
    assert document(tmp_path / "t")["summary"]["need_bytes"] == {"mean": 0, "max": 0}


def test_more_ram_than_a_short_host_had_is_said(tmp_path: Path) -> None:
    short = [sample(t * 10**7, mem_free=5 * MIB) for t in range(7)]
    make_trace(tmp_path / "t", events(30), samples=short)
    (sentence,) = document(tmp_path / "t", "--ram", "2G")["unknown"]
    assert sentence.startswith("Need is that of the recorded stores")
    assert document(tmp_path / "t")["unknown"] == []


def test_a_lossy_trace_is_refused_unless_allowed(tmp_path: Path) -> None:
    from tmemlab.datasets.trace.manifest import Certificate, Reconciliation

    lossy = Certificate(False, Reconciliation(30, 1, 31), Reconciliation(30, 0, 30))
    make_trace(tmp_path / "t", events(30), manifest={"certificate": lossy})
    refused(run("size", tmp_path / "t"), 5, "incomplete", "--allow-lossy")
    assert run("size", tmp_path / "t", "--allow-lossy").returncode == 0


def test_help_has_three_examples() -> None:
    assert run("size", "--help").stdout.count("  tmemlab size ") == 3
