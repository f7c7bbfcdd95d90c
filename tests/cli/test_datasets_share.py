"""``datasets slice``, ``merge``, ``anonymize``, ``pack`` and ``unpack`` as a user meets them."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_datasets import EVENTS, damaged, run, trace
from tests.factory import event_columns, make_trace

__all__ = ["damaged", "trace"]


def test_slice(trace, tmp_path):
    done = run("slice", trace, tmp_path / "s", "--from", "1s", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found == {
        "schema": "tmemlab.slice/1", "path": str(tmp_path / "s"), "events": 1, "pages": 1, "duration_s": 1.0,
    }  # fmt: skip
    assert run("verify", tmp_path / "s").returncode == 0


def test_merge(trace, tmp_path):
    done = run("merge", trace, trace, trace, tmp_path / "m")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'm'}: 12 events on 6 pages in 2.000 s\n"
    assert run("verify", tmp_path / "m").returncode == 0


def test_anonymize_with_a_kept_key(trace, tmp_path):
    for name in ("a", "b"):
        assert run("anonymize", trace, tmp_path / name, "--key", tmp_path / "key").returncode == 0
    tasks = [json.loads(run("info", tmp_path / name, "--json").stdout)["tasks"] for name in ("a", "b")]
    assert tasks[0] == tasks[1]
    assert tasks[0][0]["name"].startswith("t-")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex((tmp_path / "key").read_text())) == 32


def test_pack_anonymises_by_default(trace, tmp_path):
    done = run("pack", trace, tmp_path / "x.tar", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    data = (tmp_path / "x.tar").read_bytes()
    assert found["sha256"] == hashlib.sha256(data).hexdigest()
    assert (found["bytes"], found["anonymised"]) == (len(data), True)
    assert b"redis-server" not in data
    assert run("unpack", tmp_path / "x.tar", tmp_path / "back").returncode == 0
    assert run("verify", tmp_path / "back").returncode == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back", "t", "x.tar"]
    # what is anonymous already is packed as it is: the same bytes
    run("pack", tmp_path / "back", tmp_path / "y.tar")
    assert (tmp_path / "y.tar").read_bytes() == data


def test_pack_as_recorded(trace, tmp_path):
    assert "as recorded" in run("pack", trace, tmp_path / "x.tar", "--as-recorded").stdout
    assert run("unpack", tmp_path / "x.tar", tmp_path / "back").returncode == 0
    for file in trace.iterdir():
        assert (tmp_path / "back" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("slice", "{trace}", "{tmp}/s", "--from", "5s"), 2, "the trace lasts 2 s"),
        (("slice", "{trace}", "{tmp}/s", "--from", "soon"), 2, "'soon' is not a duration"),
        (("slice", "{trace}", "{tmp}/s", "--task", "x"), 2, "no task 'x': it has redis-server"),
        (("slice", "{tmp}/none", "{tmp}/s"), 5, "none is not a trace"),
        (("slice", "{trace}", "{trace}"), 2, "already exists"),
        (("slice", "{trace}"), 2, "Missing argument"),
        (("merge", "{trace}", "{tmp}/m"), 2, "at least two"),
        (("merge", "{trace}", "{tmp}/none", "{tmp}/m"), 5, "none is not a trace"),
        (("anonymize", "{trace}", "{tmp}/a", "--k", "0"), 2, "--k"),
        (("anonymize", "{trace}", "{tmp}/a", "--key", "{trace}/manifest.json"), 2, "is not a key"),
        (("anonymize", "{trace}", "{tmp}/a", "--key", "{tmp}"), 2, "cannot be read"),
        (("pack", "{trace}", "{trace}/manifest.json"), 2, "already exists"),
        (("pack", "{trace}", "/proc/none/x.tar"), 1, "cannot be written"),
        (("unpack", "{tmp}/none", "{tmp}/u"), 5, "cannot be read"),
        (("unpack", "{trace}/manifest.json", "{tmp}/u"), 5, "is not a packed trace"),
        (("unpack", "{trace}/manifest.json", "{trace}"), 2, "already exists"),
        (("unpack", "{trace}/manifest.json", "{tmp}/u", "--max-size", "big"), 2, "is not a size"),
        (("recover", "{tmp}/none"), 5, "none"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(trace, tmp_path, arguments, code, message):
    done = run(*(text.format(trace=trace, tmp=tmp_path) for text in arguments))
    assert done.returncode == code
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


@pytest.mark.parametrize("command", ["slice", "anonymize", "pack"])
def test_a_damaged_trace_is_never_made_into_another(damaged, tmp_path, command):
    done = run(command, damaged, tmp_path / "x")
    assert done.returncode == 5
    assert "events-00000.parquet" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


def test_an_interrupt_leaves_nothing(tmp_path):
    rows = 3_000_000
    columns = {name: np.zeros(rows, array.dtype) for name, array in event_columns(EVENTS).items()}
    rng = np.random.default_rng(1)
    columns["t"] = np.sort(rng.integers(0, 10**9, rows))
    columns["slot"] = rng.integers(0, 2**31, rows).astype(np.uint32)
    big = make_trace(tmp_path / "t", columns=columns)
    command = [Path(sys.executable).with_name("tmemlab"), "datasets", "anonymize", big, tmp_path / "out"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".out.partial-*/events-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr.strip()) == (130, "", "interrupted")
    assert [p.name for p in tmp_path.iterdir()] == ["t"]
