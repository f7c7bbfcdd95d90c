"""How many events a second the recorder takes on one core: records made in the kernel at a chosen rate.

    sudo .venv/bin/python benchmarks/ring_rate.py [--rate 1000000] [--seconds 20] [--ring 16M] [--json FILE]

No host swaps a million pages a second, so a program on sys_enter makes the records, of the kind, size and entropy
of loads, through the ring, drain and spool of a real recording. The recorder is bound to one CPU and the load to
another. Every record made is counted in the kernel: made = recorded + dropped, to the record, whatever the rate.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "tools")]

import numpy as np  # noqa: E402
from capture_rate import machine  # noqa: E402

from tmemlab.collect.kernel import bpfcc  # noqa: E402
from tmemlab.collect.recording.options import Options  # noqa: E402
from tmemlab.collect.recording.session import Session  # noqa: E402
from tmemlab.collect.records import NAMES, Kind  # noqa: E402
from tmemlab.collect.spool import Frame, SpoolReader, SpoolWriter  # noqa: E402
from tmemlab.directories import OwnDirectory  # noqa: E402
from tmemlab.units import parse_size  # noqa: E402

BATCH = 16
PROGRAM = f"""
RAW_TRACEPOINT_PROBE(sys_enter)
{{
    if (ctx->args[1] != GETPPID || bpf_get_current_pid_tgid() >> 32 != LOAD)
        return 0;
    u64 random = bpf_ktime_get_ns() * 0x9e3779b97f4a7c15ULL;
    for (int i = 0; i < {BATCH}; i++) {{
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        count(SEEN + NAME_PSWPIN, 1);
        struct record *r = reserve(KIND_LOAD, NAME_PSWPIN, 1);
        if (!r)
            continue;
        r->mm = 0xffff888100000000ULL;
        r->address = 0x7f0000000000ULL + (random & 0xfffff000);
        r->entry = random >> 44;
        r->folio = random >> 40 & 0x3fffff;
        r->cgroup = 77;
        r->where = WHERE_DISK;
        r->phase = phase_now();
        submit(r);
    }}
    return 0;
}}
"""
LOAD = """
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
    double rate = atof(argv[1]), seconds = atof(argv[2]), made = 0;
    struct timespec t, begin;
    if (getchar() == EOF) return 1;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        double now = t.tv_sec - begin.tv_sec + (t.tv_nsec - begin.tv_nsec) / 1e9;
        if (now >= seconds) break;
        if (made >= rate * now) { usleep(200); continue; }
        for (int i = 0; i < 64; i++) syscall(SYS_getppid);
        made += 64;
    }
    return 0;
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1e6)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--ring", type=parse_size, default=16 << 20)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        folder = Path(scratch)
        (folder / "load.c").write_text(LOAD)
        subprocess.run(["gcc", "-O2", "-o", folder / "load", folder / "load.c"], check=True)
        load = subprocess.Popen(
            ["taskset", "-c", str(cpus[0]), folder / "load", str(arguments.rate / BATCH), str(arguments.seconds)],
            stdin=subprocess.PIPE,
            # like the recorder itself: else other work on the host decides the rate
            preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)),
        )
        os.sched_setaffinity(0, cpus[-1:])
        result = record(arguments, folder, load)
    for name, value in result.items():
        print(f"{name:26} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if result["made"] != result["recorded"] + result["dropped"]:
        sys.exit("records are unaccounted for")


def record(arguments: argparse.Namespace, folder: Path, load: "subprocess.Popen[bytes]") -> dict[str, object]:
    text = bpfcc.program_text
    numbers = f"#define LOAD {load.pid}\n#define GETPPID 110\n"

    def with_ours(*names: str) -> str:
        return text(*names) + (numbers + PROGRAM if "tracepoint.c" in names else "")

    bpfcc.program_text = with_ours
    out = folder / "trace"
    options = Options(ring_bytes=arguments.ring, content_share=0.0, probe_set="tracepoint")
    with Session(SpoolWriter.into(OwnDirectory.new(out)), options, None) as session:
        assert load.stdin is not None
        begin, cpu = time.monotonic(), time.process_time()
        load.stdin.write(b"go\n")
        load.stdin.close()
        session.run(lambda: load.poll() is not None)
        seconds, spent = time.monotonic() - begin, time.process_time() - cpu
        session.finish()
        cells = session._counters.read()
    column = NAMES.index("pswpin")
    made, dropped = int(cells[0, column]), int(cells[1, column])
    recorded, gaps, before, size = 0, 0, 0, (out / "spool.frames").stat().st_size
    for kind, value in SpoolReader(out):
        if kind is Frame.RECORDS and not isinstance(value, dict):
            recorded += int(np.count_nonzero((value["kind"] == Kind.LOAD) & (value["cgroup"] == 77)))
        elif kind is Frame.SAMPLE and isinstance(value, dict) and value["dropped"] > before:
            before, gaps = value["dropped"], gaps + 1
    return {
        "machine": machine(),
        "kernel": platform.release(),
        "command": " ".join(["benchmarks/ring_rate.py", *sys.argv[1:]]),
        "seconds": round(seconds, 2),
        "made": made,
        "made_per_s": round(made / seconds),
        "recorded": recorded,
        "dropped": dropped,
        "gaps": gaps,
        "recorder_cpu_us_per_event": round(1e6 * spent / max(recorded, 1), 3),
        "recorder_cpu_share": round(spent / seconds, 3),
        "spool_bytes_per_event": round(size / max(recorded, 1), 2),
    }


if __name__ == "__main__":
    main()
