"""Other tools recording the tracepoints that tmemlab records, for capture_overhead.py.

All get the counters of swapping alone (a filter in the kernel) and buffers of 16 MiB a CPU. What they write is one
record a tracepoint: putting events together from it is left to somebody else.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tmemlab.collect.kernel.btf import KernelTypes

TRACING = Path("/sys/kernel/tracing")
EVENTS = ("vmscan:mm_vmscan_write_folio", "kmem:mm_page_alloc", "exceptions:page_fault_user",
          "exceptions:page_fault_kernel")  # fmt: skip
COUNTER = "memcg:count_memcg_events"
STORES, LOADS = ("ZSWPOUT", "PSWPOUT", "SWPOUT_ZERO"), ("ZSWPIN", "PSWPIN", "SWPIN_ZERO")


@dataclass
class Cost:
    """Of one recording: CPU seconds of the tool, bytes written, stores and loads seen."""

    cpu_s: float = 0.0
    bytes: int = 0
    seen: int = 0


def items(names: tuple[str, ...]) -> list[int]:
    types = KernelTypes.load()
    return [value for name in names if (value := types.enumerator(name)) is not None]


def event_filter(field: str) -> str:
    return " || ".join(f"{field} == {item}" for item in items(STORES + LOADS))


def _finish(process: "subprocess.Popen[bytes]", cost: Cost) -> None:
    os.kill(process.pid, signal.SIGINT)  # Popen's own would reap it, and with it the times
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    cost.cpu_s = used.ru_utime + used.ru_stime


@contextlib.contextmanager
def perf(folder: Path) -> Iterator[Cost]:
    cost, file = Cost(), folder / "perf.data"
    command = ["perf", "record", "-q", "-a", "-m", "4096", "-o", str(file)]
    for name in EVENTS:
        command += ["-e", name]
    command += ["-e", COUNTER, "--filter", event_filter("item")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.5)
    yield cost
    time.sleep(0.3)
    _finish(process, cost)
    cost.bytes = file.stat().st_size
    with subprocess.Popen(
        ["perf", "script", "-i", file, "-F", "event,trace"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as script:
        assert script.stdout is not None
        loads = {b"item=%d" % item for item in items(LOADS)} | {name.encode() for name in LOADS}
        for line in script.stdout:
            cost.seen += b"mm_vmscan_write_folio" in line or (
                b"count_memcg" in line and not loads.isdisjoint(line.replace(b",", b" ").split())
            )


@contextlib.contextmanager
def bpftrace(folder: Path) -> Iterator[Cost]:
    cost, file = Cost(), folder / "bpftrace.txt"
    body = 'printf("%llu {} %d %lx\\n", nsecs, tid, {});'
    program = [
        f"tracepoint:vmscan:mm_vmscan_write_folio {{ {body.format('W', 'args->pfn')} }}",
        f"tracepoint:kmem:mm_page_alloc {{ {body.format('A', 'args->pfn')} }}",
        f"tracepoint:exceptions:page_fault_user {{ {body.format('F', 'args->address')} }}",
        f"tracepoint:exceptions:page_fault_kernel {{ {body.format('K', 'args->address')} }}",
        f"tracepoint:{COUNTER} /{event_filter('args->item')}/ {{ {body.format('C', 'args->item')} }}",
    ]
    environment = {**os.environ, "BPFTRACE_PERF_RB_PAGES": "4096"}
    process = subprocess.Popen(
        ["bpftrace", "-q", "-o", str(file), "-e", "\n".join(program)], env=environment, stderr=subprocess.DEVNULL
    )
    time.sleep(4)
    yield cost
    time.sleep(0.5)
    _finish(process, cost)
    cost.bytes = file.stat().st_size
    loads = {b"%x" % item for item in items(LOADS)}
    with file.open("rb") as stream:
        for line in stream:
            words = line.split()
            cost.seen += len(words) == 4 and (words[1] == b"W" or (words[1] == b"C" and words[3] in loads))


# Whole pages at a time, once the ring is half full, the kernel's default for splice [trace.c: buffer_percent].
_SPLICER = """
import os, sys
source, (out, into) = os.open(sys.argv[1], os.O_RDONLY), os.pipe()
while count := os.splice(source, into, 16 * 4096):
    os.splice(out, 1, count)
"""


@contextlib.contextmanager
def ftrace(folder: Path) -> Iterator[Cost]:
    """The kernel's own ring, as trace-cmd's recorders read it: a process a CPU that copies raw pages to a file."""
    cost, instance = Cost(), TRACING / "instances" / "tmemlab-bench"
    instance.mkdir()
    readers: list[subprocess.Popen[bytes]] = []
    try:
        (instance / "buffer_size_kb").write_text("16384")
        for name in (*EVENTS, COUNTER):
            (instance / "events" / name.replace(":", "/") / "enable").write_text("1")
        (instance / "events" / COUNTER.replace(":", "/") / "filter").write_text(event_filter("item"))
        for cpu in sorted((instance / "per_cpu").iterdir()):
            with (folder / f"{cpu.name}.raw").open("wb") as out:
                reader = [sys.executable, "-c", _SPLICER, cpu / "trace_pipe_raw"]
                readers.append(subprocess.Popen(reader, stdout=out))
        time.sleep(0.3)
        yield cost
        for name in (*EVENTS, COUNTER):
            (instance / "events" / name.replace(":", "/") / "enable").write_text("0")
        (instance / "buffer_percent").write_text("0")  # what is left, too
        time.sleep(0.5)
        cost.bytes = sum(file.stat().st_size for file in folder.glob("cpu*.raw"))
        counts = {"overrun": 0, "dropped events": 0, "read events": 0, "entries": 0}
        for stats in (instance / "per_cpu").glob("cpu*/stats"):
            for name, value in re.findall(r"^([a-z ]+): (\d+)$", stats.read_text(), re.MULTILINE):
                if name in counts:
                    counts[name] += int(value)
        lost = counts["overrun"] + counts["dropped events"]
        # Of all its events, not of stores and loads alone.
        cost.seen = -round(1e6 * lost / max(counts["read events"] + counts["entries"] + lost, 1))
    finally:
        for reader in readers:
            os.kill(reader.pid, signal.SIGTERM)
            _, _, used = os.wait4(reader.pid, 0)
            reader.returncode = 0
            cost.cpu_s += used.ru_utime + used.ru_stime
        instance.rmdir()


PEERS = {"perf record": perf, "bpftrace": bpftrace, "ftrace ring": ftrace}


def present() -> dict[str, object]:
    """Those that this host has."""
    needs = {"perf record": "perf", "bpftrace": "bpftrace", "ftrace ring": "sh"}
    return {name: peer for name, peer in PEERS.items() if shutil.which(needs[name])}
