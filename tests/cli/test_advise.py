"""tmemlab advise as people meet it: an answer, an honest refusal, files that other programs can read."""

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import refused, run
from tests.factory import make_trace, sample
from tmemlab.datasets.trace.manifest import Certificate, Reconciliation

FEW = ("--storms", "10", "--trials", "14")
LIMITED = ("advise", "sqlite-limit", "--ram", "10G", *FEW)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    done = run(*LIMITED, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_answer_comes_first_and_words_agree_with_the_document(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    words = run(*LIMITED).stdout
    assert re.match(r"(Run|Change nothing: keep) ", words)
    flat = " ".join(words.split())
    best, reasons = document["recommended"], document["reasons"][0]
    assert f"{100 * best['scores']['hit_rate']['mean']:.1f}% of loads are hits" in flat
    assert f"locks {100 * best['survives']:.1f}% of RAM" in flat
    assert f"needs {reasons['need_bytes']['mean'] / 2**20:.3g} MiB in the mean" in flat
    assert all(" ".join(sentence.split()) in flat for sentence in best["why"])
    assert flat.count("<- recommended") == 1


def test_the_document_is_consistent(document: dict[str, Any]) -> None:
    for one in [document["now"], document["recommended"], *document["front"]]:
        for spread in one["scores"].values():
            assert spread["low"] <= spread["mean"] <= spread["high"]
    # the host's own zswap of 1 %, replayed
    as_recorded = ("-p", "zswap:max_pool_percent=1", "--storms", "0")
    replayed = run("replay", "sqlite-limit", "--ram", "10G", *as_recorded, "--json")
    now = json.loads(replayed.stdout)["policies"][0]
    assert document["now"]["scores"]["hit_rate"]["mean"] == pytest.approx(now["hit_rate"])
    assert document["confidence"]["validated"][0]["measured"] == pytest.approx(
        json.loads(run("validate", "sqlite-limit", "--json").stdout)["measured"]["hit_rate"]
    )


def quiet(path: Path, loads: int, seconds: float, **more: Any) -> Path:
    """Pages that are stored, and some of them loaded."""
    events = [(page * 1000, "store", page, 1000) for page in range(200)]
    events += [(round(seconds * 1e9) - loads + at, "load", at) for at in range(loads)]
    return make_trace(path, events, samples=[sample(0), sample(10**9)], **more)


def test_a_quiet_trace_is_refused_with_what_to_record(tmp_path: Path) -> None:
    refused(run("advise", quiet(tmp_path / "quiet", 5, 20)), 1, "cannot say, because", "only 5 loads", "record")
    short = run("advise", quiet(tmp_path / "short", 150, 2))
    refused(short, 1, "cannot say, because", "lasts only 2 s", "record")
    empty = make_trace(tmp_path / "empty", [], samples=[sample(0), sample(10**9)])
    refused(run("advise", empty), 1, "cannot say, because", "nothing was swapped")


def test_a_trace_that_lost_events_is_refused_and_taken_when_allowed(tmp_path: Path) -> None:
    lossy = Certificate(False, Reconciliation(200, 1, 201), Reconciliation(150, 0, 150))
    path = quiet(tmp_path / "lossy", 150, 20, manifest={"certificate": lossy})
    refused(run("advise", path, *FEW), 1, "cannot say, because", "is incomplete", "record again")
    done = run("advise", path, *FEW, "--allow-lossy")
    assert done.returncode == 0, done.stderr
    assert "cannot be validated" in " ".join(done.stdout.split())


def test_the_same_trace_long_enough_is_answered(tmp_path: Path) -> None:
    done = run("advise", quiet(tmp_path / "enough", 150, 20), *FEW)
    assert done.returncode == 0, done.stderr


def test_without_samples_of_the_host_no_risk_is_claimed(tmp_path: Path) -> None:
    path = tmp_path / "unsampled"
    events = [(page * 1000, "store", page, 1000) for page in range(200)]
    events += [(20 * 10**9 + at, "load", at) for at in range(150)]
    make_trace(path, events, samples=[])
    done = run("advise", path, *FEW, "--json", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    assert "Risk: not known" in done.stdout
    assert json.loads((tmp_path / "a.json").read_text())["recommended"]["scores"]["p_oom"] is None
    refused(run("advise", path, "--max-oom", "1%"), 2, "--max-oom needs samples")


def test_where_nothing_meets_the_limits_it_says_which_costs_what() -> None:
    done = run("advise", "redis-frontswap", "--max-oom", "1%", "--max-writes", "1K/day", *FEW)
    assert done.returncode == 6
    assert "Nothing that was tried is within the limits" in done.stdout
    assert "--max-oom 1%: the least is 100%" in " ".join(done.stdout.split())  # no pool there survives either


def test_a_pool_smaller_than_any_setting_is_named() -> None:
    done = run("advise", "redis-zswap", "--max-pool", "1M", "--mechanism", "zswap", *FEW)
    assert done.returncode == 6
    assert "--max-pool 1 MiB: no setting of these mechanisms takes as little." in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mechanism", "zcache"], "no list of zswap, zram and none"),
        (["--kernel", "2.6"], "had no zswap"),
        (["--max-writes", "much"], "is not a size"),
        (["--goal", "best"], "--goal"),
    ],
)
def test_what_is_not_understood_is_refused(words: list[str], said: str) -> None:
    refused(run("advise", "redis-frontswap", *words), 2, said)


def test_what_runs_well_is_kept() -> None:
    """A pool of 5 MiB on a host of 24 GiB: nothing that could be saved is worth a change."""
    done = run("advise", "redis-zswap", "--storms", "10", "--trials", "12")
    assert done.stdout.startswith("Change nothing: keep zswap, max_pool_percent 20")


def parameters_of(tmpfiles: str) -> dict[str, str]:
    """What systemd-tmpfiles would write: type, path, four fields, argument [tmpfiles.d(5)]."""
    found = {}
    for line in tmpfiles.splitlines():
        if not line.startswith("#"):
            kind, path, *unset, value = line.split()
            assert (kind, unset) == ("w", ["-"] * 4)
            found[path.removeprefix("/sys/module/zswap/parameters/")] = value
    return found


def test_the_files_of_zswap_say_what_is_recommended(tmp_path: Path) -> None:
    folder = tmp_path / "settings"
    folder.mkdir()
    done = run(
        *LIMITED, "--mechanism", "zswap", "--goal", "hits", "--apply", folder, "--json", tmp_path / "a.json"
    )
    assert done.returncode == 0, done.stderr
    params = json.loads((tmp_path / "a.json").read_text())["recommended"]["params"]
    written = parameters_of((folder / "zswap.conf").read_text())
    words = (folder / "zswap.cmdline").read_text().split()
    line = dict(word.removeprefix("zswap.").split("=") for word in words)
    assert written == line
    assert int(written["max_pool_percent"]) == params["max_pool_percent"]
    assert int(written["accept_threshold_percent"]) == params["accept_threshold_percent"]
    assert written["shrinker_enabled"] == {"on": "Y", "off": "N"}[params["shrinker"]]
    assert written["enabled"] == "Y"
    again = run(*LIMITED, "--apply", folder)
    refused(again, 2, "exists, and nothing is overwritten")


def test_the_files_of_zram_say_what_is_recommended(tmp_path: Path) -> None:
    target = tmp_path / "zram-generator.conf"
    done = run(*LIMITED, "--mechanism", "zram", "--apply", target, "--json", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    params = json.loads((tmp_path / "a.json").read_text())["recommended"]["params"]
    parsed = configparser.ConfigParser()
    parsed.read_string(target.read_text())
    size = re.fullmatch(r"ram \* ([0-9.]+)", parsed["zram0"]["zram-size"])
    assert size is not None
    assert 100 * float(size[1]) == pytest.approx(params["disksize_percent"])
    limit = parsed["zram0"].get("zram-resident-limit", "ram * 0").removeprefix("ram * ")
    assert 100 * float(limit) == pytest.approx(params["mem_limit_percent"])


@pytest.mark.parametrize(("kernel", "has", "lacks"), [
    ("6.18", {"shrinker"}, {"zpool"}), ("6.12", {"shrinker", "zpool"}, set()), ("5.10", {"zpool"}, {"shrinker"}),
    ("4.19", set(), {"shrinker", "accept_threshold_percent"}),
])  # fmt: skip
def test_a_kernel_is_offered_what_it_has(kernel: str, has: set[str], lacks: set[str]) -> None:
    done = run("advise", "redis-frontswap", "--kernel", kernel, "--mechanism", "zswap", *FEW, "--json")
    found = json.loads(done.stdout)
    for name in lacks:
        assert name == "zpool" or any(name in said for said in found["left_out"])
    for one in found["front"]:
        assert has <= set(one["params"])
        assert not lacks & set(one["params"])
        assert one["params"]["max_pool_percent"] == int(one["params"]["max_pool_percent"])
