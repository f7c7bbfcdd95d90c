"""What is done to a trace does not change what a replay makes of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_datasets import run
from tests.datasets.test_convert import walk
from tests.factory import make_trace, sample


def replay(trace, out):
    """The scores of a replay, without how fast it was."""
    command = [Path(sys.executable).with_name("tmemlab"), "replay", trace, "--storms", "10", "--json", out]
    policies = ("bounds.clairvoyant", "tmem.frontswap", "zswap.v6_18", "zram.basic", "vm.pressure")
    command += [argument for name in policies for argument in ("-p", name)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    scores = json.loads(out.read_text())["policies"]
    for row in scores:
        row.pop("events_per_s")
    assert len(scores) >= len(policies)
    return scores


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    place = tmp_path_factory.mktemp("replay")
    events = [(*e, {"task": i % 2, "slot": e[2], "cgroup": 1}) for i, e in enumerate(walk(5000, 900))]
    samples = [sample(t * 10**9, 16 << 20, zswpin=5 + t, psi_some_us=9 * t) for t in range(0, 120, 2)]
    trace = make_trace(
        place / "t", events, ram_bytes=16 << 20, samples=samples, tasks=[(7, "a", 1), (8, "b", 1)],
        cgroups=[("/", None), ("/x", 1 << 20)],
        pages=[(3, 10_000 + p, 0) for p in range(max(e[2] for e in events) + 1)],
    )  # fmt: skip
    return trace, replay(trace, place / "scores.json")


@pytest.mark.parametrize("how", [(), ("--k", "4000")])
def test_an_anonymised_trace_scores_the_same(scored, tmp_path, how):
    trace, scores = scored
    assert run("anonymize", trace, tmp_path / "a", "--exact-host", *how).returncode == 0
    assert replay(tmp_path / "a", tmp_path / "scores.json") == scores


def test_a_packed_and_unpacked_trace_scores_the_same(scored, tmp_path):
    trace, scores = scored
    assert run("pack", trace, tmp_path / "x.tar", "--exact-host").returncode == 0
    assert run("unpack", tmp_path / "x.tar", tmp_path / "u").returncode == 0
    assert replay(tmp_path / "u", tmp_path / "scores.json") == scores


def test_a_slice_of_everything_and_a_whole_sample_score_the_same(scored, tmp_path):
    trace, scores = scored
    assert run("slice", trace, tmp_path / "s").returncode == 0
    assert replay(tmp_path / "s", tmp_path / "s.json") == scores
    assert run("sample", trace, tmp_path / "w", "--share", "100%").returncode == 0
    assert replay(tmp_path / "w", tmp_path / "w.json") == scores
