"""The flight recorder on the live kernel: the last seconds are there, whole, when something happens."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmemlab.datasets.trace.manifest import Manifest
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.verify import verify

from .conftest import Swap
from .oracle import TMEMLAB
from .test_interrupted import recording_half, running

pytestmark = pytest.mark.live

STARTED: list["subprocess.Popen[str]"] = []
GROUP = Path("/sys/fs/cgroup/memory/tmemlab-flight")


@pytest.fixture
def load(swap: Swap, swapper: Path) -> Iterator[None]:
    """A program that swaps all the time, in a cgroup that is none of the recorder's."""
    swap.pool()
    with limited(40 << 20) as enter:
        process = subprocess.Popen([swapper, "sweep", "110", "100000"], preexec_fn=enter)
        try:
            yield
        finally:
            process.kill()
            process.wait()


@pytest.fixture(autouse=True)
def none_goes_on() -> Iterator[None]:
    yield
    for recorder in STARTED:
        if recorder.poll() is None:
            recorder.kill()
            recorder.wait()
    STARTED.clear()


@contextlib.contextmanager
def limited(limit: int) -> Iterator[object]:
    GROUP.mkdir(exist_ok=True)
    (GROUP / "memory.limit_in_bytes").write_text(str(limit))
    try:
        yield lambda: (GROUP / "cgroup.procs").write_text(str(os.getpid()))
    finally:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                GROUP.rmdir()
                break
            time.sleep(0.05)


def start(out: Path, *extra: str) -> "subprocess.Popen[str]":
    recorder = subprocess.Popen(
        [*TMEMLAB, "collect", out, "--content-cpu", "0", *extra], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    STARTED.append(recorder)
    assert recorder.stderr is not None
    while "keeping" not in (line := recorder.stderr.readline()):
        assert line or recorder.poll() is None, recorder.communicate()
    return recorder


def finish(recorder: "subprocess.Popen[str]") -> str:
    recorder.send_signal(signal.SIGTERM)
    _, errors = recorder.communicate(timeout=120)
    assert "Traceback" not in errors
    return errors


def traces(out: Path) -> list[Path]:
    found = sorted(path for path in out.glob("2*") if (path / "manifest.json").exists())
    for path in found:
        assert verify(path) == []
    return found


def manifests(out: Path) -> list[Manifest]:
    return [Trace.open(path).manifest for path in traces(out)]


def test_the_last_seconds_before_and_after_a_signal(load: None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    recorder = start(out, "--keep", "4s", "--after", "1s", "--until", "signal")
    time.sleep(8)
    recorder.send_signal(signal.SIGUSR1)
    time.sleep(4)
    errors = finish(recorder)
    assert recorder.returncode == 0, errors
    first, last = manifests(out)
    assert not (out / "recording").exists()
    assert (first.extra["window"]["trigger"], last.extra["window"]["trigger"]) == ("signal", "stopped")
    # an eighth more than asked for, and what came after; half a second may pass until a signal is heard
    assert 4.9 < first.duration_ns / 1e9 < 4 + 4 / 8 + 1 + 1.5
    assert 0.9 < (first.duration_ns - first.extra["window"]["triggered_ns"]) / 1e9 < 2.5
    for manifest in (first, last):
        assert manifest.certificate.complete, manifest.certificate.note
        assert manifest.events.stores > 10_000
    # the second begins where the first ends, to the page: no instant is lost while a trace is made
    for name, value in first.kernel_counters.items():
        assert last.extra["vmstat_at_start"][name] == first.extra["vmstat_at_start"][name] + value
    # the program named itself in a part that is long gone
    for path in traces(out):
        assert "swapper" in Trace.open(path).table("tasks")["comm"].to_pylist()


def test_an_oom_kill_of_a_memory_cgroup(load: None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    recorder = start(out, "--keep", "1m", "--after", "0.5s", "--until", "oom")
    time.sleep(1)
    small = GROUP / "small"
    small.mkdir()
    try:
        (small / "memory.limit_in_bytes").write_text(str(16 << 20))
        lock = (
            "import ctypes, mmap, sys; open(sys.argv[1], 'w').write('0'); ctypes.CDLL(None).mlockall(3); "
            "mmap.mmap(-1, 100 << 20)[::4096]"
        )
        killed = subprocess.run([sys.executable, "-c", lock, small / "cgroup.procs"], timeout=60)
        assert killed.returncode == -signal.SIGKILL
    finally:
        time.sleep(0.1)
        small.rmdir()
    deadline = time.monotonic() + 60
    while not (out.exists() and traces(out)) and time.monotonic() < deadline:
        time.sleep(0.2)
    (manifest,) = manifests(out)  # made while the recorder goes on
    assert recorder.poll() is None
    assert manifest.extra["window"]["trigger"] == "oom"
    kinds = Trace.open(traces(out)[0]).table("pressure")["kind"].to_pylist()
    assert 4 in kinds  # OOM_KILL
    finish(recorder)


def test_pressure_on_the_live_kernel(load: None, tmp_path: Path) -> None:
    if not Path("/proc/pressure/memory").exists():
        pytest.skip("this kernel has no PSI")
    out = tmp_path / "out"
    recorder = start(out, "--keep", "1m", "--after", "0.5s", "--until", "psi:some>1%/1s", "--duration", "6s")
    recorder.communicate(timeout=120)
    first, *_ = manifests(out)
    assert first.extra["window"]["trigger"] == "psi:some>1%/1s"


def test_what_a_killed_recorder_had_becomes_a_trace(load: None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    recorder = start(out, "--keep", "2s", "--until", "never")
    time.sleep(5)
    half = recording_half(recorder)
    recorder.kill()
    recorder.wait()
    deadline = time.monotonic() + 10
    while is_alive(half):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    again = start(out, "--keep", "2s", "--until", "never", "--duration", "1s")
    again.communicate(timeout=120)
    first, last = manifests(out)
    assert first.extra["window"]["trigger"] == "the recorder died"
    assert 1.4 < first.duration_ns / 1e9 < 3.5
    assert first.events.stores > 10_000
    assert last.extra["window"]["trigger"] == "stopped"


def test_a_window_whose_trace_was_not_made_is_made_by_the_next_recorder(load: None, tmp_path: Path) -> None:
    """The converter was killed, or the host went down with it."""
    out = tmp_path / "out"
    recorder = start(out, "--keep", "2s", "--until", "never")
    time.sleep(4)
    recorder.kill()
    recorder.wait()
    (out / "recording").rename(out / "2026-11-26T10:15:00Z")
    again = start(out, "--keep", "2s", "--until", "never", "--duration", "1s")
    again.communicate(timeout=120)
    first, _ = manifests(out)
    assert first.events.stores > 10_000


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def test_a_second_recorder_keeps_its_hands_off(tmp_path: Path) -> None:
    out = tmp_path / "out"
    recorder = start(out, "--keep", "2s", "--until", "never")
    done = subprocess.run([*TMEMLAB, "collect", out, "--keep", "2s"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "being recorded into" in done.stderr
    finish(recorder)
    assert len(traces(out)) == 1


@contextlib.contextmanager
def disk(path: Path, size: str) -> Iterator[Path]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_disk_that_is_full_shortens_the_window_and_ends_nothing(load: None, tmp_path: Path) -> None:
    with disk(tmp_path / "small", "4m") as small:
        recorder = start(small / "out", "--keep", "10s", "--until", "never")
        time.sleep(4)
        filler = small / "filler"
        with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
            while True:
                stream.write(b"x" * 4096)
        time.sleep(4)
        assert recorder.poll() is None, recorder.communicate()
        filler.unlink()
        time.sleep(1)
        # the matched rows, which lie beside the trace, need more than 4 MiB
        subprocess.run(["mount", "-o", "remount,size=200m", small], check=True)
        errors = finish(recorder)
        (manifest,) = manifests(small / "out")
        stores = manifest.certificate.stores
        # a cut between parts tries less long for a quiet instant than one at an end
        assert not stores.dropped and abs(stores.recorded - stores.kernel) < 64, errors
        assert manifest.duration_ns < 9e9
        assert manifest.events.stores > 10_000


def test_max_disk_holds_at_every_moment_and_no_trace_is_removed(load: None, tmp_path: Path) -> None:
    out, limit = tmp_path / "out", 7 << 20
    recorder = start(out, "--keep", "1h", "--after", "0.1s", "--until", "signal", "--max-disk", str(limit))
    largest, over = 0, threading.Event()

    def look() -> None:
        nonlocal largest
        while not over.wait(0.02):
            done = subprocess.run(["du", "-sB1", out], capture_output=True, text=True)
            largest = max(largest, int(done.stdout.split()[0]))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(6):
            time.sleep(5)
            recorder.send_signal(signal.SIGUSR1)
    finally:
        errors = finish(recorder)
        over.set()
        watcher.join()
    assert 1 << 20 < largest < limit
    assert "not kept" in errors and "move some away" in errors
    assert 1 <= len(traces(out)) < 7
    assert not (out / "recording").exists()


def test_json_and_refusals(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = subprocess.run(
        [*TMEMLAB, "collect", out, "--keep", "1s", "--duration", "1s", "--json", "-"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    document = json.loads(run.stdout)
    assert run.returncode == 0 and document["schema"] == "tmemlab.collect-window/1"
    assert document["traces"] == [str(path) for path in traces(out)]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for words, says in (
        (["mine", "--keep", "1s"], "no flight recorder made"), (["new", "--until", "oom"], "add --keep"),
        (["new", "--keep", "1s", "--until", "psi:most>4%/1s"], "is no trigger"),
        (["new", "--keep", "1s", "--until", "psi:some>400%/1s"], "100 %"),
        (["new", "--keep", "1s", "--until", "oom,never"], "nothing else"),
        (["new", "--keep", "1s", "--max-size", "1M"], "--max-disk"),
        (["new", "--keep", "1s", "--", "true"], "leave out COMMAND"),
        (["new", "--keep", "1s", "--cgroup", "/not/there"], "not a memory cgroup"),
    ):  # fmt: skip
        done = subprocess.run(
            [*TMEMLAB, "collect", *words], capture_output=True, text=True, timeout=60, cwd=tmp_path
        )
        assert done.returncode == 2, done.stderr
        assert says in done.stderr, done.stderr
        assert not (tmp_path / "new").exists(), words
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    assert not running(Path("/nowhere"))
