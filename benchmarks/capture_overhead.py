"""What recording costs the load: real swapping untraced, under tmemlab and under other tools, interleaved.

    sudo .venv/bin/python benchmarks/capture_overhead.py [--runs 5] [--pause-us N] [--rounds N] [--json FILE]

Each run sweeps over 110 MB in a 40 MB cgroup through zswap, a fixed amount of work, once untraced and once under
each tool, which records the same tracepoints (peers.py). --pause-us slows the load down: most hosts swap at
a moderate rate. Reports medians: the load's wall and CPU time against the untraced one of the run, the tool's CPU,
what part of the stores and loads that /proc/vmstat counted was seen, and bytes written an event. A CPU shared with
the load counts as slowdown. trace-cmd insists on files of function tracing that some kernels refuse: "ftrace ring"
is what its recorders do.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(ROOT / "benchmarks")]

import peers  # noqa: E402
from capture_rate import machine  # noqa: E402
from record_bundled import swap_and_zswap  # noqa: E402

from tmemlab.collect.host.cgroup import OwnCgroup  # noqa: E402
from tmemlab.collect.host.samples import Vmstat  # noqa: E402
from tmemlab.collect.recording.options import Options  # noqa: E402
from tmemlab.collect.recording.run import collect  # noqa: E402

LIMIT = 40 << 20
COUNTED = ("zswpin", "zswpout", "pswpin", "pswpout", "swpin_zero", "swpout_zero")


def swapped() -> int:
    now = Vmstat().counters()
    return sum(now.get(name, 0) for name in COUNTED)


def load(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of the load."""
    with OwnCgroup(LIMIT) as group:
        run = subprocess.run(command, preexec_fn=group.join, check=True, capture_output=True, text=True)
    wall, cpu = map(float, run.stdout.split())
    return wall, cpu


def under_tmemlab(command: list[str], folder: Path) -> dict[str, float]:
    said = folder / "said"
    with said.open("w") as stream:
        options = Options(content_share=0.05)
        outcome = collect(folder / "trace", options, command, LIMIT, command_stdout=stream.fileno())
    wall, cpu = map(float, said.read_text().split())
    manifest = outcome.manifest
    assert manifest.certificate.complete, manifest.certificate
    events = manifest.events.stores + manifest.events.loads
    return {
        "wall": wall, "cpu": cpu, "tool_cpu_s": outcome.recorder_cpu_s, "events": events, "seen": 1.0,
        "bytes": outcome.progress.spool_bytes / events, "trace_bytes": outcome.bytes_per_event or 0.0,
    }  # fmt: skip


def under_peer(peer: Any, command: list[str], folder: Path) -> dict[str, float]:
    before = swapped()
    with peer(folder) as cost:
        wall, cpu = load(command)
        events = swapped() - before
    seen = cost.seen / events if cost.seen > 0 else 1 + cost.seen / 1e6
    return {
        "wall": wall, "cpu": cpu, "tool_cpu_s": cost.cpu_s, "events": events, "seen": seen,
        "bytes": cost.bytes / events,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=8, help="sweeps over the memory")
    parser.add_argument("--pause-us", type=int, default=0, help="sleep of the load after every 64 pages")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ["PAUSE_US"] = str(arguments.pause_us)
    tools = peers.present()
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in ("untraced", "tmemlab", *tools)}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch, swap_and_zswap(20):
        swapper = Path(scratch) / "swapper"
        subprocess.run(["gcc", "-O2", "-o", swapper, ROOT / "tests" / "live" / "swapper.c"], check=True)
        command = [str(swapper), "sweep", "110", str(arguments.rounds)]
        load(command)
        for run in range(arguments.runs):
            # the order turns, so that whatever follows whatever does so in turn
            names = list(rows)
            for name in names[run % len(names) :] + names[: run % len(names)]:
                with tempfile.TemporaryDirectory(dir=scratch) as folder:
                    if name == "untraced":
                        before = swapped()
                        wall, cpu = load(command)
                        row = {"wall": wall, "cpu": cpu, "events": swapped() - before}
                    elif name == "tmemlab":
                        row = under_tmemlab(command, Path(folder))
                    else:
                        row = under_peer(tools[name], command, Path(folder))
                    rows[name].append(row)
    report(arguments, rows)


def report(arguments: argparse.Namespace, rows: dict[str, list[dict[str, float]]]) -> None:
    plain = rows["untraced"]

    def median(name: str, value: Any) -> float:
        return round(statistics.median(value(row, base) for row, base in zip(rows[name], plain, strict=True)), 4)

    result: dict[str, Any] = {
        "machine": machine(),
        "kernel": platform.release(),
        "command": " ".join(["benchmarks/capture_overhead.py", *sys.argv[1:]]),
        "events_per_s": median("untraced", lambda row, _: row["events"] / row["wall"]),
        "untraced_cpu_us_per_event": median("untraced", lambda row, _: 1e6 * row["cpu"] / row["events"]),
        "noise_cpu": [round(row["cpu"] / plain[0]["cpu"] - 1, 3) for row in plain],
    }
    for name in list(rows)[1:]:
        result[name] = {
            "slowdown_wall": median(name, lambda row, base: row["wall"] / base["wall"] - 1),
            "slowdown_cpu": median(name, lambda row, base: row["cpu"] / base["cpu"] - 1),
            "tool_cpu_us_per_event": median(name, lambda row, _: 1e6 * row["tool_cpu_s"] / row["events"]),
            "seen": median(name, lambda row, _: row["seen"]),
            "bytes_per_event": median(name, lambda row, _: row["bytes"]),
        }
    result["tmemlab"]["trace_bytes_per_event"] = median("tmemlab", lambda row, _: row["trace_bytes"])
    for name, value in result.items():
        print(f"{name:26} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
