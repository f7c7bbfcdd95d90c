"""The recorder's own memory: what its cgroup must leave it, and a cgroup of its own."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmemlab.collect.host.cgroup import find_hierarchy
from tmemlab.collect.host.room import NEEDED, room_left
from tmemlab.datasets.trace.verify import verify

from .oracle import TMEMLAB
from .test_interrupted import groups, recording_half

pytestmark = pytest.mark.live


@contextlib.contextmanager
def narrow(limit: int) -> Iterator[Path]:
    hierarchy = find_hierarchy()
    group = hierarchy.mount / "narrow"
    group.mkdir()
    try:
        (group / hierarchy.limit_name).write_text(str(limit))
        yield group
    finally:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.05)


def collect_in(group: Path, *words: str | Path) -> "subprocess.Popen[str]":
    def enter() -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))

    return subprocess.Popen(
        [*TMEMLAB, "collect", *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=enter
    )


@pytest.mark.parametrize("keep", [(), ("--keep", "10s")], ids=["", "flight recorder"])
def test_too_little_is_said_before_anything_starts(tmp_path: Path, keep: tuple[str, ...]) -> None:
    with narrow(120 << 20) as group:
        recorder = collect_in(group, tmp_path / "trace", "--ring", "64M", *keep)
        _, errors = recorder.communicate(timeout=60)
    assert recorder.returncode == 1
    assert f"needs some {(NEEDED >> 20) + 64} MiB, and its memory cgroup {group} leaves" in errors
    assert "--own-cgroup" in errors and "Traceback" not in errors
    assert not (tmp_path / "trace").exists()


def test_enough_is_enough(tmp_path: Path) -> None:
    """What it is said to need is what it needs: in just so much memory it is not killed while it records."""
    with narrow(NEEDED + (16 << 20) + (48 << 20)) as group:  # 48: the interpreter, before it is asked
        recorder = collect_in(group, tmp_path / "trace", "--duration", "3s")
        _, errors = recorder.communicate(timeout=120)
        assert "recording half was killed" not in errors and "recorder died" not in errors
    assert recorder.returncode == 0, errors
    assert verify(tmp_path / "trace") == []


def test_a_cgroup_of_its_own(tmp_path: Path) -> None:
    with narrow(120 << 20) as group:
        recorder = collect_in(group, tmp_path / "trace", "--own-cgroup")
        assert recorder.stderr is not None
        while "recording" not in (line := recorder.stderr.readline()):
            assert line, recorder.communicate()
        for pid in (recorder.pid, recording_half(recorder)):
            assert f"tmemlab-{recorder.pid}-recorder" in Path(f"/proc/{pid}/cgroup").read_text()
        recorder.send_signal(signal.SIGINT)
        _, errors = recorder.communicate(timeout=120)
        assert recorder.returncode == 0, errors
    assert verify(tmp_path / "trace") == []
    assert not groups()


def test_a_killed_recorder_leaves_no_cgroup_of_its_own(tmp_path: Path) -> None:
    recorder = subprocess.Popen(
        [*TMEMLAB, "collect", tmp_path / "trace", "--own-cgroup"], stderr=subprocess.PIPE, text=True
    )
    assert recorder.stderr is not None
    while "recording" not in recorder.stderr.readline():
        assert recorder.poll() is None
    recorder.kill()
    recorder.wait()
    assert not groups()


def test_room_is_the_least_of_all_levels_and_counts_clean_cache() -> None:
    hierarchy = find_hierarchy()
    before = room_left(hierarchy)
    with narrow(1 << 30) as group:
        inner = group / "inner"
        inner.mkdir()
        script = (
            "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid()))\n"
            "from tmemlab.collect.host.cgroup import find_hierarchy\n"
            "from tmemlab.collect.host.room import room_left\n"
            "print(*room_left(find_hierarchy()))"
        )
        done = subprocess.run(
            [TMEMLAB[0], "-c", script, inner / "cgroup.procs"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        inner.rmdir()
    path, room = done.stdout.split()
    assert path == str(group)
    assert (1 << 30) - (64 << 20) < int(room) <= 1 << 30
    assert before is None or before[1] > 1 << 30
