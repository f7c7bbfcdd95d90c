"""``datasets sample``, ``synth``, ``stats`` and ``diff`` as a user meets them."""

import json

import pytest

from tests.cli.test_datasets import damaged, run, trace

__all__ = ["damaged", "trace"]


def test_synth_sample_stats_and_diff(tmp_path, monkeypatch):
    swap = ("--resident", "1M", "--storm", "at=400ms,size=512K,rate=100M", "--zero", "10%")
    done = run(
        "synth",
        tmp_path / "a",
        "-c",
        "zipf:pages=2000,alpha=0.7",
        "-c",
        "loop:pages=500",
        "--events",
        90000,
        *swap,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "90,000 events" in done.stdout
    assert run("verify", tmp_path / "a").returncode == 0
    done = run("sample", tmp_path / "a", tmp_path / "s", "--share", "20%", "--block", "8", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert 0 < json.loads(done.stdout)["events"] < 90000
    done = run("stats", tmp_path / "a", "--interval", "10ms")
    assert (done.returncode, done.stderr) == (0, "")
    assert "stores that come back" in done.stdout
    assert json.loads(run("stats", tmp_path / "a", "--json").stdout)["schema"] == "tmemlab.stats/1"
    monkeypatch.setenv("COLUMNS", "120")
    done = run("diff", tmp_path / "a", tmp_path / "s", "--interval", "10ms")
    assert (done.returncode, done.stderr) == (0, "")
    line = next(line for line in done.stdout.splitlines() if line.strip().startswith("stores_per_s"))
    assert line.split()[-1] == "yes"
    assert json.loads(run("diff", tmp_path / "a", tmp_path / "a", "--json").stdout)["schema"] == "tmemlab.diff/1"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("synth", "{tmp}/o"), 2, "--pattern"),
        (("synth", "{tmp}/o", "-c", "x"), 2, "'x' is not a pattern"),
        (("synth", "{tmp}/o", "-c", "loop", "--events", "0"), 2, "--events"),
        (("synth", "{tmp}/o", "-c", "loop", "--rate", "-1"), 2, "give more than 0 and at most 1e+09"),
        (("synth", "{tmp}/o", "-c", "loop", "--resident", "1M", "--storm", "soon"), 2, "'soon' is not a storm"),
        (("synth", "{tmp}/o", "-c", "loop:pages=100", "--resident", "1G"), 2, "everything fits"),
        (("synth", "{trace}", "-c", "loop"), 2, "already exists"),
        (("sample", "{trace}", "{tmp}/o", "--share", "much"), 2, "'much' is not a share"),
        (("sample", "{trace}", "{tmp}/o", "--share", "200%"), 2, "give more than 0% and at most 100%"),
        (("sample", "{tmp}/none", "{tmp}/o", "--share", "1%"), 5, "none is not a trace"),
        (("stats", "{trace}", "--interval", "0s"), 2, "give at least 1 ns"),
        (("stats", "{tmp}/none"), 5, "none is not a trace"),
        (("diff", "{trace}"), 2, "Missing argument"),
        (("diff", "{trace}", "{tmp}/none"), 5, "none is not a trace"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(trace, tmp_path, arguments, code, message):
    done = run(*(text.format(trace=trace, tmp=tmp_path) for text in arguments))
    assert done.returncode == code
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


@pytest.mark.parametrize(
    "arguments", [("stats", "{t}"), ("sample", "{t}", "{t}-s", "--share", "1"), ("diff", "{t}", "{t}")]
)
def test_damage_is_found_before_anything_is_said(damaged, arguments):
    done = run(*(text.format(t=damaged) for text in arguments))
    assert (done.returncode, done.stdout) == (5, "")
    assert "events-00000.parquet" in done.stderr
