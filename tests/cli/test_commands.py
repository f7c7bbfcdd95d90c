"""Every command as a user meets it: help, JSON, bad values, missing and damaged files, no terminal, Ctrl-C."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.factory import make_trace
from tests.replay.test_compare import busy_events
from tmemlab.cli import main
from tmemlab.policies.registry import all_policies

TMEMLAB = Path(sys.executable).with_name("tmemlab")
COMMANDS = ["collect", "replay", "size", "advise", "curve", "validate", "policies", "datasets", "doctor"]

REPLAY_KEYS = {
    "name", "params", "hit_rate", "loads", "stores", "writeback", "pool_bytes", "ram_saved_bytes", "device_bytes",
    "load_latency_us", "cpu_s", "oom", "events_per_s",
}  # fmt: skip


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """The command in this process, which has imported and compiled what it needs."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        main([*map(str, arguments)])
    code = left.value.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def run_process(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """The command as it is installed."""
    command = [TMEMLAB, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trace(tmp_path_factory.mktemp("cli") / "trace", busy_events(), ram_bytes=200 << 20)


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One clear sentence, the right exit code, nothing on stdout, no traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    "command", [[], *[[name] for name in COMMANDS], ["policies", "show"], ["policies", "list"]]
)
def test_help(command: list[str]) -> None:
    done = run_process(*command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: tmemlab {' '.join(command)}".rstrip())
    assert done.stderr == ""


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from tmemlab.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numba', 'numpy', 'pyarrow', 'rich', 'bcc'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "heavy: []\n"


def test_replay_prints_a_table_and_writes_json_and_html(trace: Path, tmp_path: Path) -> None:
    done = run("replay", trace, "--storms", 5, "--json", tmp_path / "r.json", "--html", tmp_path / "r.html")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("bounds.none", "zswap.v6_18", "vm.pressure", "P(OOM)"):
        assert name in done.stdout
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["schema"] == "tmemlab.replay/1"
    assert document["trace"].keys() >= {
        "path", "events", "stores", "loads", "invalidates", "pages", "duration_s", "kernel", "ram_bytes",
        "complete",
    }  # fmt: skip
    assert document["config"].keys() >= {"ram_bytes", "pool_bytes", "seed", "storms"}
    assert len(document["policies"]) == 7
    for row in document["policies"]:
        assert row.keys() >= REPLAY_KEYS
        assert row["loads"].keys() >= {"pool", "remote", "disk", "zero"}
        assert row["stores"].keys() >= {"accepted", "rejected", "zero"}
        assert row["oom"].keys() >= {"fraction", "p", "ci95", "max_survivable", "longest_stall_s", "storms"}
        low, high = row["oom"]["ci95"]
        assert 0 <= low <= row["oom"]["p"] <= high <= 1
    page = (tmp_path / "r.html").read_text()
    assert page.count("<polyline") >= 14
    assert "<script" not in page


def test_json_on_stdout_is_nothing_but_json(trace: Path) -> None:
    done = run("replay", trace, "-p", "zswap.v6_18:shrinker=on,max_pool_percent=5", "--storms", 0, "--json", "-")
    document = json.loads(done.stdout)
    (row,) = document["policies"]
    assert row["params"]["shrinker"] == "on"
    assert row["params"]["max_pool_percent"] == 5
    assert row["oom"]["p"] is None


def test_validate(trace: Path) -> None:
    document = json.loads(run("validate", trace, "--json", "-").stdout)
    assert document["schema"] == "tmemlab.validate/1"
    keys = {
        "hit_rate", "loads_pool", "loads_disk", "stores_rejected", "written_back", "pool_bytes_mean",
    }  # fmt: skip
    for part in ("measured", "predicted", "error"):
        assert document[part].keys() >= keys
    assert 0 <= document["agreement"] <= 1
    assert "hit rate" in run("validate", trace).stdout


def test_a_bundled_trace_goes_by_its_name() -> None:
    done = run_process("replay", "redis-zswap", "-p", "bounds.none", "--storms", 0, "--json", "-")
    assert json.loads(done.stdout)["trace"]["path"].endswith("redis-zswap")
    refused(run("validate", "redis-nowhere"), 5, "redis-nowhere")


def test_policies_list_and_show() -> None:
    listed = json.loads(run("policies", "list", "--json", "-").stdout)
    assert {row["name"] for row in listed["policies"]} == set(all_policies())
    assert "zswap.v6_18" in run("policies", "list").stdout
    for name in all_policies():
        shown = json.loads(run("policies", "show", name, "--json", "-").stdout) if name == "zswap.v6_18" else None
        policy = all_policies()[name]
        assert policy.sources, f"{name} cites nothing"
        assert len(policy.rules()) > 100, f"{name} does not state its rules"
        for param in policy.params():
            assert param.about, f"{name}.{param.name} says nothing about itself"
        if shown:
            assert [p["name"] for p in shown["params"]] == [p.name for p in policy.params()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay", "--nonsense"], ["No such option"]),
        (["replay", "-p", "zswap.v9"], ["zswap.v9", "zswap.v6_18"]),
        (["replay", "-p", "zswap.v6_18:size=3"], ["no parameter 'size'", "max_pool_percent"]),
        (["replay", "-p", "zswap.v6_18:max_pool_percent=lots"], ["not a number"]),
        (["replay", "-p", "zswap.v6_18:max_pool_percent=101"], ["outside 0 to 100"]),
        (["replay", "-p", "zswap.v6_18:shrinker=maybe"], ["not one of off, on"]),
        (["replay", "-p", "zswap.v6_18:shrinker"], ["key=value"]),
        (["replay", "--ram", "plenty"], ["not a size"]),
        (["replay", "--storms", "-1"], ["-1"]),
        (["policies", "show", "zran"], ["zram.basic"]),
        (["nonsense"], ["there is no command 'nonsense'"]),
    ],
)
def test_a_wrong_argument_is_a_usage_error(trace: Path, arguments: list[str], words: list[str]) -> None:
    if arguments[0] == "replay":
        arguments = ["replay", str(trace), *arguments[1:]]
    refused(run(*arguments), 2, *words)


@pytest.mark.parametrize("command", ["replay", "validate"])
def test_a_missing_or_damaged_trace_is_exit_5(command: str, tmp_path: Path) -> None:
    refused(run(command, tmp_path / "nothing"), 5, "nothing")
    (tmp_path / "empty").mkdir()
    refused(run(command, tmp_path / "empty"), 5)
    path = make_trace(tmp_path / "t", busy_events(400))
    events = next(path.glob("events-*.parquet"))
    events.write_bytes(events.read_bytes()[:-100])
    refused(run(command, path), 5, "events-00000.parquet")


def test_a_result_that_cannot_be_written_is_one_sentence(trace: Path) -> None:
    done = run_process("replay", trace, "-p", "bounds.none", "--storms", 0, "--json", "/nonexistent/r.json")
    assert done.returncode == 2
    assert "there is no directory '/nonexistent'" in done.stderr
    assert done.stdout == ""  # found out before any work
    full = run("replay", trace, "-p", "bounds.none", "--storms", 0, "--json", "/dev/full")
    assert full.returncode == 1
    assert "bounds.none" in full.stdout  # the table is not lost
    assert full.stderr.startswith("tmemlab: cannot write /dev/full (No space left on device)")


def test_pool_and_ram_take_units_and_shares(trace: Path) -> None:
    document = json.loads(
        run(
            "replay", trace, "-p", "tmem.frontswap", "--ram", "400M", "--pool", "10%", "--storms", 0, "--json", "-"
        ).stdout
    )
    assert document["config"]["ram_bytes"] == 400 << 20
    assert document["config"]["pool_bytes"] == 40 << 20


def test_a_threshold_that_is_exceeded_is_exit_6_after_the_result(trace: Path) -> None:
    base = ["replay", trace, "-p", "bounds.none", "--storms", 0, "--json", "-", "--fail-if"]
    done = run(*base, "hit_rate<50%")
    assert done.returncode == 6
    assert json.loads(done.stdout)["policies"][0]["hit_rate"] == 0
    assert done.stderr == "tmemlab: bounds.none meets the condition 'hit_rate<50%' of --fail-if\n"
    assert run(*base, "hit_rate>50%").returncode == 0
    refused(run(*base, "hit_rate"), 2, "not a condition")
    assert run(*base, "hit.rate>1").returncode == 2
    assert run("validate", trace, "--fail-if", "error.hit_rate>0.9").returncode == 0


def test_an_interrupt_ends_a_replay_at_once(tmp_path: Path) -> None:
    path = make_trace(tmp_path / "t", busy_events(300_000, 20_000), ram_bytes=1 << 30)
    assert run("replay", path, "--storms", "1").returncode == 0  # compiles; it is the replay that is interrupted
    process = subprocess.Popen(
        [TMEMLAB, "replay", path, "--storms", "20000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in error


def test_a_closed_pipe_is_not_a_traceback(trace: Path) -> None:
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        f"{TMEMLAB} replay {trace} -p bounds.none --storms 0 | head -c 1",
        shell=True, capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


def test_what_was_not_measured_passes_no_condition(tmp_path: Path) -> None:
    trace = make_trace(tmp_path / "t", [(0, "store", 0, 2000), (1, "load", 0, None)])
    arguments = ["replay", trace, "-p", "zswap.v6_18", "--storms", "0"]
    asked = run(*arguments, "--fail-if", "oom.p>0.01")
    assert asked.returncode == 2
    assert "'oom.p' has no value in this result" in asked.stderr
    assert run(*arguments, "--fail-if", "hit_rate<50%").returncode == 0
