"""Clocks that step, CPUs that leave, tasks by the thousand, cgroups and folders that vanish: nothing is lost."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tmemlab.collect.spool import SpoolReader
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Op
from tmemlab.datasets.trace.verify import verify
from tmemlab.errors import TraceError

from .conftest import Swap
from .oracle import TMEMLAB, collect, loads_in, stores_in, vmstat
from .test_interrupted import groups, kill_9, recording_half, start, wait_for_stores

pytestmark = pytest.mark.live

MEMORY = Path("/sys/fs/cgroup/memory")


def complete(path: Path, document: dict[str, Any]) -> Any:
    """The trace's events, after checking that they are what the kernel counted and in order."""
    assert document["complete"], document
    assert document["dropped"] == 0
    assert verify(path) == []
    events = Trace.open(path).events("op", "t", "task", "cgroup", "page")
    assert int((events["op"] == Op.STORE).sum()) == stores_in(document["kernel"]) > 0
    assert int((events["op"] == Op.LOAD).sum()) == loads_in(document["kernel"]) > 0
    assert (np.diff(events["t"]) >= 0).all()
    return events


def recorded(recorder: "subprocess.Popen[str]", out: Path) -> Any:
    """End a recording of test_interrupted.start and check it."""
    recorder.send_signal(signal.SIGINT)
    said, errors = recorder.communicate(timeout=120)
    assert recorder.returncode == 0, errors
    trace = Trace.open(out)
    manifest = trace.manifest
    return complete(out, {
        "complete": manifest.certificate.complete, "dropped": manifest.events.dropped,
        "kernel": manifest.kernel_counters, "said": said,
    })  # fmt: skip


@pytest.mark.parametrize("step", [3600, -3600])
def test_a_step_of_the_clock(swap: Swap, swapper: Path, tmp_path: Path, step: int) -> None:
    swap.pool()
    recorder = start(tmp_path / "trace", swapper)
    wait_for_stores(20000, recorder)
    apart = time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    try:
        time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME) + step)
        wait_for_stores(10000, recorder)
    finally:
        time.clock_settime(time.CLOCK_REALTIME, apart + time.clock_gettime(time.CLOCK_MONOTONIC))
    wait_for_stores(10000, recorder)
    events = recorded(recorder, tmp_path / "trace")
    assert (events["op"] == Op.STORE).sum() >= 40000
    # an hour either way would show in the times
    assert events["t"][-1] < 600e9
    assert np.diff(events["t"]).max() < 600e9


def test_a_cpu_that_leaves_and_comes_back(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    switch = Path("/sys/devices/system/cpu/cpu1/online")
    if not switch.exists() or not os.access(switch, os.W_OK):
        pytest.skip("cpu1 cannot be taken offline here")
    swap.pool()
    recorder = start(tmp_path / "trace", swapper)
    wait_for_stores(20000, recorder)
    for _ in range(2):
        try:
            switch.write_text("0")
            wait_for_stores(5000, recorder)
        finally:
            switch.write_text("1")
        wait_for_stores(5000, recorder)
    events = recorded(recorder, tmp_path / "trace")
    assert (events["op"] == Op.STORE).sum() >= 40000


def test_ten_thousand_short_tasks(swap: Swap, tmp_path: Path) -> None:
    swap.pool()
    program, said = tmp_path / "storm", tmp_path / "said"
    subprocess.run(["gcc", "-O1", "-o", program, Path(__file__).parent / "storm.c"], check=True)
    path = tmp_path / "trace"
    shell = f"{program} 11000 10000 > {said}"
    document, _ = collect(path, "--memory-limit", "40M", "--", "sh", "-c", shell)
    events = complete(path, document)
    waited = int(said.read_text())
    assert waited > 1000
    # a task that waited for a swap-in has a load of its own; one that found a page read ahead may have none
    tasks = np.unique(events["task"][events["op"] == Op.LOAD])
    assert len(tasks) >= waited
    comms = Trace.open(path).table("tasks")["comm"].to_pylist()
    assert sum(comms[task] == "storm" for task in tasks.tolist()) >= waited


@contextlib.contextmanager
def cgroup(name: str, limit: int) -> Iterator[Path]:
    directory = MEMORY / name
    directory.mkdir(exist_ok=True)
    (directory / "memory.limit_in_bytes").write_text(str(limit))
    try:
        yield directory
    finally:
        deadline = time.monotonic() + 10
        while directory.exists() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                directory.rmdir()
            time.sleep(0.02)


@pytest.mark.parametrize("only", [False, True], ids=["everything", "that cgroup alone"])
def test_a_cgroup_that_disappears(swap: Swap, swapper: Path, tmp_path: Path, only: bool) -> None:
    if not (MEMORY / "memory.limit_in_bytes").exists():
        pytest.skip("this test makes version 1 cgroups")
    swap.pool()
    path = tmp_path / "trace"
    with cgroup("tmemlab-vanishing", 40 << 20) as directory:
        filters = ["--cgroup", "/tmemlab-vanishing"] if only else []
        recorder = subprocess.Popen(
            [*TMEMLAB, "collect", path, *filters], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert recorder.stderr is not None
        while "recording" not in recorder.stderr.readline():
            assert recorder.poll() is None
        subprocess.run(
            ["sh", "-c", f"echo $$ > {directory}/cgroup.procs; exec {swapper} sweep 110 2"], check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    assert not directory.exists()
    # the recording goes on without it
    time.sleep(1)
    events = recorded(recorder, path)
    paths = Trace.open(path).table("cgroups")["path"].to_pylist()
    mine = events["cgroup"] == paths.index("/tmemlab-vanishing")
    assert (events["op"][mine] == Op.STORE).sum() > 20000


def test_the_folder_is_removed_under_it(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    swap.pool()
    out = tmp_path / "below" / "trace"
    recorder = start(out, swapper)
    wait_for_stores(20000, recorder)
    shutil.rmtree(tmp_path / "below")
    wait_for_stores(20000, recorder)
    events = recorded(recorder, out)
    assert (events["op"] == Op.STORE).sum() >= 40000
    assert out.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_again_ends_it_with_the_reason(
    swap: Swap, swapper: Path, tmp_path: Path
) -> None:
    swap.pool()
    out = tmp_path / "below" / "trace"
    recorder = start(out, swapper)
    wait_for_stores(5000, recorder)
    shutil.rmtree(tmp_path / "below")
    (tmp_path / "below").write_text("a file is in the way")
    _, errors = recorder.communicate(timeout=60)
    assert recorder.returncode == 1
    assert "cannot be made again" in errors
    assert "Traceback" not in errors
    assert not groups()


def test_a_recorder_whose_files_wait_for_ten_seconds_loses_nothing(
    swap: Swap, swapper: Path, tmp_path: Path
) -> None:
    """SIGSTOP for the half that keeps files and command: the half that records needs it for nothing."""
    swap.pool()
    recorder = start(tmp_path / "trace", swapper, "--content-cpu", "0")
    wait_for_stores(5000, recorder)
    recorder.send_signal(signal.SIGSTOP)
    time.sleep(10)
    recorder.send_signal(signal.SIGCONT)
    recorder.send_signal(signal.SIGINT)
    _, errors = recorder.communicate(timeout=120)
    assert verify(tmp_path / "trace") == []
    manifest = Trace.open(tmp_path / "trace").manifest
    assert manifest.certificate.complete, errors
    assert manifest.duration_ns > 9e9


def test_a_recorder_that_is_stopped_for_ten_seconds(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    """SIGSTOP, as by a debugger or a frozen cgroup: what the ring did not hold is counted, to the page."""
    swap.pool()
    out = tmp_path / "trace"
    recorder = start(out, swapper, "--ring", "256K", "--content-cpu", "0")
    wait_for_stores(5000, recorder)
    halves = recorder.pid, recording_half(recorder)
    for half in halves:
        os.kill(half, signal.SIGSTOP)
    time.sleep(10)
    for half in halves:
        os.kill(half, signal.SIGCONT)
    wait_for_stores(5000, recorder)
    recorder.send_signal(signal.SIGINT)
    _, errors = recorder.communicate(timeout=120)
    manifest = Trace.open(out).manifest
    stores = manifest.certificate.stores
    assert verify(out) == []
    assert not manifest.certificate.complete and "not complete" in errors
    assert stores.dropped > 0 and stores.kernel == stores.recorded + stores.dropped
    gaps = manifest.certificate.gaps
    assert gaps and max(gap["to_ns"] - gap["from_ns"] for gap in gaps) > 8e9


KILLS = int(os.environ.get("TMEMLAB_KILLS", "5"))
KILLS_TABLE = os.environ.get("TMEMLAB_KILLS_TABLE")
"""A file that gets a line a kill: seed, seconds recorded, events kept, events lost, seconds lost."""


@pytest.mark.parametrize("seed", range(KILLS))
def test_kill_9_at_a_random_moment(swap: Swap, swapper: Path, tmp_path: Path, seed: int) -> None:
    """Whenever the recorder is killed: all that the kernel counted up to a second before is in the trace."""
    swap.pool()
    out = tmp_path / "trace"
    recorder = start(out, swapper)
    wait = random.Random(seed).uniform(0, 5)
    begin = time.monotonic()
    seen: list[tuple[float, dict[str, int]]] = []
    while time.monotonic() - begin < wait:
        seen.append((time.monotonic(), vmstat()))
        time.sleep(0.02)
    assert recorder.poll() is None
    killed = time.monotonic()
    kill_9(recorder, swapper)
    last = vmstat()
    run = subprocess.run([*TMEMLAB, "datasets", "recover", out], capture_output=True, text=True, timeout=120)
    if run.returncode:
        with pytest.raises(TraceError):
            SpoolReader.start(out)
        assert "Traceback" not in run.stderr
        return
    assert verify(out) == []
    manifest = Trace.open(out).manifest
    assert not manifest.certificate.complete
    assert "recorder died" in manifest.certificate.note
    ops = Trace.open(out).events("op")["op"]
    flushed = [counts for at, counts in seen if at <= killed - 1.0]
    first = manifest.extra["vmstat_at_start"]
    if KILLS_TABLE:
        totals = [(at, stores_in(c) + loads_in(c) - stores_in(first) - loads_in(first)) for at, c in seen]
        lost = killed - max((at for at, total in totals if total <= len(ops)), default=begin)
        everything = stores_in(last) + loads_in(last) - stores_in(first) - loads_in(first)
        with Path(KILLS_TABLE).open("a") as table:
            table.write(f"{seed}\t{wait:.2f}\t{len(ops)}\t{everything - len(ops)}\t{lost:.3f}\n")
    for op, total in ((Op.STORE, stores_in), (Op.LOAD, loads_in)):
        kept = int((ops == op).sum())
        assert kept <= total(last) - total(first) + 1
        if flushed and total(flushed[-1]) > total(first):
            assert kept >= total(flushed[-1]) - total(first)
