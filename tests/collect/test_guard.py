"""The guard ends what is in a cgroup and removes it when its recorder dies, and only then."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tmemlab.collect.host.guard import Guard

PROGRAM = """
import sys, time
from pathlib import Path
from tmemlab.collect.host.guard import Guard
guard = Guard(Path(sys.argv[1]))
if sys.argv[2] == "done":
    guard.done()
print("ready", flush=True)
time.sleep(60)
"""


def recorder(group: Path, how: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, group, how], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_what_is_inside_is_killed_with_the_recorder(tmp_path: Path) -> None:
    group = tmp_path / "group"
    group.mkdir()
    inside = subprocess.Popen(["sleep", "600"])
    (group / "cgroup.procs").write_text(f"{inside.pid}\n")
    process = recorder(group, "watch")
    assert inside.poll() is None
    process.kill()
    assert inside.wait(30) == -signal.SIGKILL
    process.wait()
    # an ordinary directory cannot be removed with a file in it, as a cgroup can
    (group / "cgroup.procs").unlink()
    deadline = time.monotonic() + 30
    while group.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not group.exists()


def test_a_recorder_that_tidied_up_itself_is_left_alone(tmp_path: Path) -> None:
    group = tmp_path / "group"
    group.mkdir()
    (group / "cgroup.procs").write_text(f"{os.getpid()}\n")
    process = recorder(group, "done")
    process.kill()
    process.wait()
    assert group.exists()


def test_done_returns_when_the_shell_is_gone(tmp_path: Path) -> None:
    guard = Guard(tmp_path)
    guard.done()
    assert guard._shell.returncode == 0
    assert tmp_path.exists()
