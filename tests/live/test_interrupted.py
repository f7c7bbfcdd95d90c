"""Ctrl-C, kill -9, a full disk, no privilege: nothing that was recorded is lost, and the message helps."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tmemlab.collect import doctor
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Op
from tmemlab.datasets.trace.verify import verify

from .conftest import Swap
from .oracle import NAMES, TMEMLAB, difference, stores_in, vmstat

pytestmark = pytest.mark.live


def start(out: Path, swapper: Path, *extra: str) -> "subprocess.Popen[str]":
    """A recording of a load that would go on for long."""
    return subprocess.Popen(
        [*TMEMLAB, "collect", out, "--memory-limit", "40M", *extra, "--", swapper, "sweep", "110", "100000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_stores(count: int, recorder: "subprocess.Popen[str]") -> None:
    begin, deadline = vmstat(), time.monotonic() + 60
    while stores_in(difference(begin, vmstat())) < count:
        assert recorder.poll() is None, recorder.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def groups() -> set[str]:
    """Cgroups of recorders, once those that are on their way out had time to go: a guard removes them."""
    deadline = time.monotonic() + 20
    while left := {str(path) for path in Path("/sys/fs/cgroup").glob("*/tmemlab-*")}:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return left


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_cleanly(swap: Swap, swapper: Path, tmp_path: Path, number: signal.Signals) -> None:
    swap.pool()
    recorder = start(tmp_path / "trace", swapper, "--json", str(tmp_path / "json"))
    wait_for_stores(20000, recorder)
    recorder.send_signal(number)
    _, errors = recorder.communicate(timeout=120)
    assert recorder.returncode == 0, errors
    document = json.loads((tmp_path / "json").read_text())
    assert document["complete"], errors
    assert document["stores"] >= 20000
    assert verify(tmp_path / "trace") == []
    assert not groups()


def test_kill_9_then_recover(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    swap.pool()
    out = tmp_path / "trace"
    before = vmstat()
    recorder = start(out, swapper)
    wait_for_stores(60000, recorder)
    killed = vmstat()
    kill_9(recorder, swapper)
    run = subprocess.run(
        [*TMEMLAB, "datasets", "recover", out, "--json"], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["complete"] is False
    assert verify(out) == []
    manifest = json.loads((out / "manifest.json").read_text())
    assert "second" in manifest["certificate"]["note"]
    stores = Trace.open(out).events("op", "t")
    kept = int((stores["op"] == Op.STORE).sum())
    total = stores_in(difference(before, killed))
    # the load swaps some 30,000 pages a second: a second's worth may be missing, not more
    assert 0.2 * total < kept <= total + 20000


def kill_9(recorder: "subprocess.Popen[str]", swapper: Path) -> None:
    """The recorder, without warning; its command and its cgroup go with it."""
    recorder.kill()
    recorder.wait(60)
    deadline = time.monotonic() + 30
    while (groups() or running(swapper)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(swapper)
    assert not groups()
    recorder.communicate(timeout=60)


def running(program: Path) -> list[int]:
    """Processes of a program."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and (process / "exe").readlink() == program:
                found.append(int(process.name))
    return found


def test_recover_keeps_everything_up_to_a_torn_frame(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    swap.pool()
    out = tmp_path / "trace"
    recorder = start(out, swapper)
    wait_for_stores(60000, recorder)
    kill_9(recorder, swapper)
    spool = out / "spool.frames"
    os.truncate(spool, spool.stat().st_size - 7)
    run = subprocess.run([*TMEMLAB, "datasets", "recover", out], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "cut off" in run.stdout + run.stderr
    assert verify(out) == []


def test_a_full_disk_keeps_what_it_had(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    swap.pool()
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    try:
        recorder = start(small / "trace", swapper)
        _, errors = recorder.communicate(timeout=120)
        assert recorder.returncode == 1
        assert "no space left" in errors
        assert "datasets recover" in errors
        assert "Traceback" not in errors
        elsewhere = tmp_path / "saved"
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        run = subprocess.run(
            [*TMEMLAB, "datasets", "recover", small / "trace", "--out", elsewhere],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert verify(elsewhere) == []
        assert len(Trace.open(elsewhere)) > 10000
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_size_limit_ends_it(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    swap.pool()
    recorder = start(tmp_path / "trace", swapper, "--max-size", "300K", "--json", str(tmp_path / "json"))
    _, errors = recorder.communicate(timeout=120)
    assert recorder.returncode == 0, errors
    document = json.loads((tmp_path / "json").read_text())
    assert document["complete"], errors
    # a flush is half a second of records, at some ten bytes each
    assert 10_000 < document["stores"] + document["loads"] < 600_000
    assert not groups()


def may_be_spared() -> bool:
    """Whether this host lets a process ask not to be killed: it needs CAP_SYS_RESOURCE."""
    script = "echo -1000 > /proc/self/oom_score_adj"
    return subprocess.run(["sh", "-c", script], stderr=subprocess.DEVNULL).returncode == 0


def test_it_gives_up_its_privileges_once_it_records(tmp_path: Path) -> None:
    recorder = subprocess.Popen([*TMEMLAB, "collect", tmp_path / "trace"], stderr=subprocess.PIPE, text=True)
    assert recorder.stderr is not None
    try:
        while "recording" not in recorder.stderr.readline():
            assert recorder.poll() is None
        deadline = time.monotonic() + 30
        while capabilities(recorder.pid) != {1 << 5} and time.monotonic() < deadline:  # CAP_KILL
            time.sleep(0.05)
        assert capabilities(recorder.pid) == {1 << 5}
        half = recording_half(recorder)
        for thread in Path(f"/proc/{half}/task").iterdir():
            status = (thread / "status").read_text()
            assert re.search(r"^Uid:(\t65534){4}$", status, re.MULTILINE), status
            assert re.search(r"^Gid:(\t65534){4}$", status, re.MULTILINE), status
            assert re.search(r"^Groups:\s*$", status, re.MULTILINE), status
            for held in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                assert int(status.split(f"{held}:")[1].split()[0], 16) == 0, status
            assert "NoNewPrivs:\t1" in status
        # no terminal to type into: a session of its own
        state = Path(f"/proc/{half}/stat").read_text().rpartition(")")[2].split()
        assert (int(state[3]), int(state[4])) == (half, 0)
        assert Path(f"/proc/{half}/fd/0").readlink() == Path("/dev/null")
        # not even others who are nobody may look into it: it maps what the kernel does
        look = f"import os; os.setgid(65534); os.setuid(65534); open('/proc/{half}/mem')"
        assert (
            "Permission denied"
            in subprocess.run([sys.executable, "-c", look], capture_output=True, text=True).stderr
        )
        wanted = "-1000" if may_be_spared() else Path("/proc/self/oom_score_adj").read_text().strip()
        for pid in (recorder.pid, half):
            assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == wanted
        assert int(re.search(r"VmRSS:\s+(\d+)", status)[1]) < 150 << 10  # of which the ring is 48
        assert int(re.search(r"VmLck:\s+(\d+)", status)[1]) > 20 << 10
        # the trace is finished without them
        recorder.send_signal(signal.SIGINT)
        assert recorder.wait(120) == 0
        assert verify(tmp_path / "trace") == []
    finally:
        if recorder.poll() is None:
            recorder.kill()


def capabilities(pid: int) -> set[int]:
    """What the threads of a process may do, effective and permitted."""
    texts = [(thread / "status").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    return {int(text.split(f"{name}:")[1].split()[0], 16) for text in texts for name in ("CapEff", "CapPrm")}


def recording_half(recorder: "subprocess.Popen[str]") -> int:
    """The process that sees the kernel: a fork of the recorder."""
    children = Path(f"/proc/{recorder.pid}/task/{recorder.pid}/children").read_text().split()
    python = Path(f"/proc/{recorder.pid}/exe").readlink()
    (half,) = (int(pid) for pid in children if Path(f"/proc/{pid}/exe").readlink() == python)
    return half


def test_it_becomes_who_ran_sudo(tmp_path: Path) -> None:
    """Not nobody, whose other programs could end it."""
    environment = {**os.environ, "SUDO_UID": "12345", "SUDO_GID": "54321"}
    recorder = subprocess.Popen(
        [*TMEMLAB, "collect", tmp_path / "trace"], stderr=subprocess.PIPE, text=True, env=environment
    )
    assert recorder.stderr is not None
    try:
        while "recording" not in recorder.stderr.readline():
            assert recorder.poll() is None
        status = Path(f"/proc/{recording_half(recorder)}/status").read_text()
        assert re.search(r"^Uid:(\t12345){4}$", status, re.MULTILINE), status
        assert re.search(r"^Gid:(\t54321){4}$", status, re.MULTILINE), status
        recorder.send_signal(signal.SIGTERM)
        assert recorder.wait(120) == 0
        assert verify(tmp_path / "trace") == []
        assert {path.stat().st_uid for path in (tmp_path / "trace").iterdir()} == {0}
    finally:
        if recorder.poll() is None:
            recorder.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_recording_half_that_is_killed_leaves_a_trace(
    swap: Swap, swapper: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """The other half lives, ends the command and makes a trace of what there is."""
    swap.pool()
    recorder = start(tmp_path / "trace", swapper)
    wait_for_stores(60000, recorder)
    os.kill(recording_half(recorder), number)
    _, errors = recorder.communicate(timeout=120)
    assert "the recorder died" in errors, errors
    assert "Traceback" not in errors
    assert verify(tmp_path / "trace") == []
    assert len(Trace.open(tmp_path / "trace")) > 10000
    assert not running(swapper)
    assert not groups()


def test_its_command_can_be_killed_for_memory(swap: Swap, tmp_path: Path) -> None:
    """The recorder is spared, not what it runs."""
    swap.pool()
    out = tmp_path / "score"
    done = subprocess.run(
        [*TMEMLAB, "collect", tmp_path / "trace", "--", "sh", "-c", f"cat /proc/self/oom_score_adj > {out}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert out.read_text() == Path("/proc/self/oom_score_adj").read_text()


def test_without_root_it_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for command, wanted in ((["collect", "/tmp/never"], "root"), (["doctor"], "sudo")):
        # os.setuid in the child itself: the interpreter and the packages need not be readable by nobody
        program = (
            "import os, tmemlab.cli, tmemlab.commands.collect, tmemlab.commands.doctor\n"
            "import tmemlab.collect.recording.run, tmemlab.collect.doctor\n"
            f"os.setuid(65534)\ntmemlab.cli.main({command})"
        )
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert run.returncode == 3, run.stderr
        assert wanted in run.stdout + run.stderr
        assert "Traceback" not in run.stderr
    assert not Path("/tmp/never").exists()


def test_root_without_capabilities_and_a_kernel_that_lacks_the_probe_set_are_told_apart(tmp_path: Path) -> None:
    without = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
    cases = [(without, "tracepoint", 3, "needs root")]
    if doctor.probe_set(doctor.examine()) == "tracepoint":  # the best of this host
        cases.append(([], "fentry", 4, "use another probe set"))
    for prefix, probe_set, code, wanted in cases:
        command = [*prefix, *TMEMLAB, "collect", tmp_path / "never", "--probe-set", probe_set, "--", "true"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert run.returncode == code, run.stderr
        assert wanted in run.stderr
        assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--memory-limit", "10M"], "needs a command"),
        (["--cgroup", "/does/not/exist"], "not a memory cgroup"),
        (["--duration", "soon"], "not a duration"),
        (["--ring", "3M"], "power of two"),
        (["--probe-set", "magic"], "no probe set"),
    ],
)
def test_wrong_arguments_are_usage_errors(tmp_path: Path, arguments: list[str], says: str) -> None:
    run = subprocess.run(
        [*TMEMLAB, "collect", tmp_path / "trace", *arguments], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 2, run.stderr
    assert says in run.stderr
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("command", "code", "killed_by", "says"),
    [
        (["sh", "-c", "echo hello; exit 7"], 7, None, "sh ended with exit code 7"),
        (["sh", "-c", "kill -KILL $$"], 137, "signal", "sh was killed by SIGKILL"),
        (["true"], 0, None, ""),
    ],
    ids=["a code", "a signal", "success"],
)
def test_the_commands_exit_code_is_the_answer(
    tmp_path: Path, command: list[str], code: int, killed_by: str | None, says: str
) -> None:
    """As the shell says of the same command."""
    assert subprocess.run(["sh", "-c", '"$@"; exit $?', "sh", *command], capture_output=True).returncode == code
    run = subprocess.run(
        [*TMEMLAB, "collect", tmp_path / "trace", "--json", "-", "--", *command],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == code, run.stderr
    document = json.loads(run.stdout)
    assert document["command_exit"] == code
    assert document["command"]["killed_by"] == killed_by
    assert says in run.stderr
    assert set(document["kernel"]) <= set(NAMES)


def test_a_kill_by_the_memory_cgroup_is_named(swap: Swap, tmp_path: Path) -> None:
    """Memory that is locked cannot be swapped: the cgroup's limit ends the program."""
    eat = "import ctypes, mmap; ctypes.CDLL(None).mlockall(3); mmap.mmap(-1, 200 << 20)[::4096]; print('alive')"
    run = subprocess.run(
        [*TMEMLAB, "collect", tmp_path / "trace", "--memory-limit", "40M", "--json", "-", "--",
         sys.executable, "-c", eat],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 137, run.stderr
    command = json.loads(run.stdout)["command"]
    assert (command["killed_by"], command["signal"]) == ("memory cgroup", "SIGKILL")
    assert command["oom_kills"] >= 1
    assert "was killed by its memory cgroup, limited to 40 MiB: out of memory" in run.stderr


def test_a_recording_that_is_over_first_ends_the_command_and_succeeds(tmp_path: Path) -> None:
    run = subprocess.run(
        [*TMEMLAB, "collect", tmp_path / "trace", "--duration", "1s", "--json", "-", "--", "sleep", "600"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["command"]["killed_by"] == "recorder"


@pytest.mark.parametrize(
    ("make", "code"), [(None, 127), ("no shebang, not ELF", 126)], ids=["absent", "no program"]
)
def test_a_command_that_cannot_run_leaves_nothing(tmp_path: Path, make: str | None, code: int) -> None:
    program = tmp_path / "program"
    if make is not None:
        program.write_text(make)
        program.chmod(0o755)
    run = subprocess.run(
        [*TMEMLAB, "collect", tmp_path / "trace", "--", program], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "trace").exists()
