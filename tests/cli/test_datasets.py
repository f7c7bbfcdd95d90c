"""``tmemlab datasets`` as a user meets it: judged by its output and exit code."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.factory import make_trace
from tmemlab.cli import main

EVENTS = [(0, "store", 0, 1200), (10, "store", 1, 0), (1_000_000_000, "load", 0), (2_000_000_000, "invalidate", 1)]


def run(*arguments, cwd=None):
    """The command in this process: what it prints and the code that it exits with."""
    out, err = io.StringIO(), io.StringIO()
    inside = contextlib.chdir(cwd) if cwd else contextlib.nullcontext()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        inside,
        pytest.raises(SystemExit) as left,
    ):
        main(["datasets", *map(str, arguments)])
    return subprocess.CompletedProcess(arguments, left.value.code, out.getvalue(), err.getvalue())


def run_process(*arguments):
    """The command as it is installed, in a process of its own."""
    command = [Path(sys.executable).with_name("tmemlab"), "datasets", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def trace(tmp_path):
    return make_trace(tmp_path / "t", EVENTS, tasks=[(1, "redis-server", 0)])


@pytest.fixture
def damaged(trace):
    data = bytearray((trace / "events-00000.parquet").read_bytes())
    data[100] ^= 4
    (trace / "events-00000.parquet").write_bytes(data)
    return trace


def test_info_for_people(trace):
    done = run_process("info", trace)
    assert (done.returncode, done.stderr) == (0, "")
    assert "redis-server" in done.stdout
    assert "2 s" in done.stdout
    stores = next(line for line in done.stdout.splitlines() if line.strip().startswith("stores"))
    assert stores.split() == ["stores", "2", "1", "1"]


def test_info_json(trace):
    found = json.loads(run("info", trace, "--json").stdout)
    assert found["schema"] == "tmemlab.info/1"
    assert (found["events"], found["stores"], found["loads"], found["invalidates"]) == (4, 2, 1, 1)
    assert found["where"]["store"] == {"pool": 1, "disk": 0, "zero": 1, "rejected": 0, "unknown": 0, "failed": 0}
    assert (found["duration_s"], found["stores_per_s"], found["loads_per_s"]) == (2.0, 1.0, 0.5)
    assert found["clen"] == {"method": "measured", "algorithm": "lz4", "known": 2 / 3, "mean_bytes": 1200.0}
    assert found["tasks"] == [{"name": "redis-server", "events": 4}]


def test_info_of_nothing_divides_by_nothing(tmp_path):
    found = json.loads(run("info", make_trace(tmp_path / "t"), "--json").stdout)
    assert found["bytes_per_event"] is None
    assert found["clen"]["known"] is None
    assert run("info", tmp_path / "t").returncode == 0


def test_names_from_a_trace_cannot_drive_the_terminal(tmp_path):
    done = run("info", make_trace(tmp_path / "t", EVENTS, tasks=[(1, "\x1b[31mred[bold]", 0)]))
    assert "\x1b" not in done.stdout
    assert r"\x1b[31mred[bold]" in done.stdout


def test_verify_a_sound_trace(trace):
    done = run("verify", trace)
    assert (done.returncode, done.stderr) == (0, "")
    done = run("verify", trace, "--json")
    assert json.loads(done.stdout) == {
        "schema": "tmemlab.verify/1", "path": str(trace), "ok": True, "problems": [],
    }  # fmt: skip


@pytest.mark.parametrize("arguments", [("info",), ("stats",), ("verify",)])
def test_a_damaged_trace_is_one_sentence_and_exit_5(damaged, arguments):
    done = run_process(*arguments, damaged)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("tmemlab: ")
    assert len(done.stderr.splitlines()) == 1
    assert "events-00000.parquet" in done.stderr


def test_verify_json_of_a_damaged_trace(damaged):
    done = run("verify", damaged, "--json")
    assert (done.returncode, done.stderr) == (5, "")
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert len(found["problems"]) == 1


@pytest.mark.parametrize("command", ["info", "verify"])
def test_a_missing_trace(tmp_path, command):
    done = run(command, tmp_path / "absent")
    assert done.returncode == 5
    assert len(done.stderr.splitlines()) == 1


def test_a_packed_trace_is_told_from_a_directory(trace, tmp_path):
    assert run("pack", trace, tmp_path / "x.tar").returncode == 0
    done = run("verify", tmp_path / "x.tar")
    assert done.returncode == 5
    assert "a trace is a directory; unpack it" in done.stderr


@pytest.mark.parametrize("command", ["info", "verify"])
def test_wrong_usage_is_exit_2(command):
    assert run(command).returncode == 2
    done = run(command, "x", "--colour")
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_every_command_explains_itself():
    from tmemlab.commands.datasets import command

    names = command.list_commands(None)
    assert len(names) == 18
    for name in names:
        done = run(name, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) > 3


def test_help_imports_nothing_heavy():
    code = (
        "import sys, tmemlab.cli\n"
        "try: tmemlab.cli.main(['datasets', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'numba', 'pyarrow', 'rich.console'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_terminal_sees_a_bar_and_stdout_stays_clean(tmp_path, monkeypatch):
    monkeypatch.setattr("tmemlab.datasets.trace.write.ROW_GROUP", 100)
    events = [(i * 1000, "store", i) for i in range(1000)]
    trace = make_trace(tmp_path / "t", events)
    ours, theirs = os.openpty()
    command = [Path(sys.executable).with_name("tmemlab"), "datasets", "verify", trace]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
    stdout, _ = process.communicate(timeout=120)
    os.close(theirs)
    seen = os.read(ours, 1 << 16)
    os.close(ours)
    assert (process.returncode, stdout) == (0, f"{trace} is sound\n".encode())
    assert b"verifying" in seen
    assert b"/1000" in seen
