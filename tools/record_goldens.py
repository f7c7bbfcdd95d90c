"""Record the importers' golden files again, with the real tools, from a small swap device of its own.

    sudo .venv/bin/python tools/record_goldens.py

Needs root, a kernel with tracepoints, and the packages trace-cmd, bpftrace, linux-perf and stress-ng. Makes a loop
device of 64 MiB, swaps to it for a few seconds from a memory cgroup of 16 MiB, and undoes both. What each tool
prints of that device is kept as it is, LINES lines from the middle, but for the names of programs other than the
load, which become "other". perf-damon.txt is perf's recording of damon:damon_aggregated, as damo makes it.
"""

import contextlib
import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tmemlab.collect.host.cgroup import OwnCgroup

GOLDEN = Path(__file__).resolve().parent.parent / "tests/datasets/golden"
ZSWAP = Path("/sys/module/zswap/parameters/enabled")
LINES = 240
BPFTRACE = """tracepoint:block:block_rq_issue /args->dev == %d/ {
    printf("%%llu %%s %%llu %%u %%d %%s\\n", nsecs, args->rwbs, args->sector, args->nr_sector, pid, comm); }"""
LOAD = "stress-ng --quiet --vm 1 --vm-bytes 24M --vm-keep --vm-method walk-1a --timeout 2"


@contextlib.contextmanager
def swap_device(place: Path) -> Iterator[str]:
    """A loop device that is the only swap, without zswap in front of it."""
    with contextlib.ExitStack() as undo:
        lock = undo.enter_context(Path("/tmp/swap.lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = ZSWAP.read_text().strip()
        undo.callback(ZSWAP.write_text, before)
        ZSWAP.write_text("N")
        file = place / "swap"
        subprocess.run(["fallocate", "-l", "64M", file], check=True)
        device = subprocess.check_output(["losetup", "--find", "--show", file], text=True).strip()
        undo.callback(subprocess.run, ["losetup", "-d", device], check=True)
        subprocess.run(["mkswap", "-q", device], check=True)
        subprocess.run(["swapon", "--discard", device], check=True)
        undo.callback(subprocess.run, ["swapoff", device], check=True)
        yield device


def swap_some() -> None:
    """The load, in its cgroup, until it ends by itself."""
    with OwnCgroup(16 << 20) as group:
        subprocess.run(LOAD.split(), check=False, cwd="/", preexec_fn=group.join)


def during(command: list[str], **options: object) -> None:
    """Run the recorder ``command`` around the load."""
    recorder = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    time.sleep(3)
    swap_some()
    time.sleep(1)
    recorder.send_signal(2)
    if recorder.wait() not in (0, -2, 130):
        sys.exit(f"{command[0]} failed")


def anonymous(line: str) -> str:
    """The line without the name of a program that is not the load's, in the same width."""
    known = ("stress-ng", "kswapd", "kworker", "Attaching", "cpus=")
    found = re.match(r"(\s*)([^\d\s][^\s]*?)([- ]\d+ +\[)", line)
    if not found or found[2].startswith(known):
        return line
    return f"{found[1]}{'other':>{len(found[2])}}{found[3]}{line[found.end() :]}"


def keep(name: str, lines: list[str], wanted: str = "") -> None:
    """The heading, and LINES lines from the middle of those that have ``wanted`` in them."""
    heading = [line for line in lines[:1] if line.startswith(("cpus=", "Attaching"))]
    chosen = [line for line in lines[len(heading) :] if wanted in line]
    if len(chosen) < LINES:
        sys.exit(f"{name}: the tool printed only {len(chosen)} lines of use")
    middle = (len(chosen) - LINES) // 2
    kept = [*heading, *map(anonymous, chosen[middle : middle + LINES])]
    (GOLDEN / name).write_text("\n".join(kept) + "\n")
    print(f"{name}: {len(kept)} of {len(lines)} lines")


def trace_cmd_report(place: Path, *events: str) -> list[str]:
    """``trace-cmd report`` of ``events`` during the load.

    The kernel's own binary buffers, of a tracing instance of ours, through ``trace-cmd restore``: ``record``
    insists on function tracing, which hardened kernels refuse, and which has no part in this.
    """
    instance = Path("/sys/kernel/tracing/instances/tmemlab-goldens")
    instance.mkdir()
    readers = []
    try:
        for event in events:
            (instance / "events" / event.replace(":", "/") / "enable").write_text("1")
        raw = [place / f"cpu{n}" for n in range(os.cpu_count() or 1)]
        for n, file in enumerate(raw):
            pipe = instance / f"per_cpu/cpu{n}/trace_pipe_raw"
            with file.open("wb") as stream:
                readers.append(subprocess.Popen(["cat", pipe], stdout=stream))
        swap_some()
        time.sleep(1)
        (instance / "events/enable").write_text("0")
        time.sleep(1)
    finally:
        for reader in readers:
            reader.terminate()
            reader.wait()
        instance.rmdir()
    output("trace-cmd", "restore", "-c", "-o", place / "head")
    output("trace-cmd", "restore", "-i", place / "head", "-o", place / "whole", *raw)
    return output("trace-cmd", "report", "-i", place / "whole")


def output(*command: str | Path) -> list[str]:
    """The lines that ``command`` prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def main() -> None:
    events = ["block:block_rq_issue", "block:block_bio_queue"]
    with tempfile.TemporaryDirectory() as name, swap_device(place := Path(name)) as device:
        number = Path(device).stat().st_rdev
        major, minor = os.major(number), os.minor(number)
        pair = f"{major},{minor}"
        chosen = [part for event in events for part in ("-e", event)]
        during(["perf", "record", "-q", "-a", *chosen, "-o", str(place / "perf")])
        keep("perf-swap.txt", output("perf", "script", "-i", place / "perf"), f" {pair} ")
        keep("trace-cmd-block.txt", trace_cmd_report(place, *events), f" {pair} ")
        keep("trace-cmd-faults.txt", trace_cmd_report(place, "exceptions:page_fault_user"))
        with (place / "bpftrace").open("w") as stream:
            during(["bpftrace", "-e", BPFTRACE % (major << 20 | minor)], stdout=stream)
        keep("bpftrace.txt", (place / "bpftrace").read_text().splitlines())


if __name__ == "__main__":
    main()
