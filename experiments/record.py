"""Record programs under zswap configurations: the raw material of hit_rate.py and what_if.py.

    sudo .venv/bin/python experiments/record.py DIR [--program NAME]... [--config NAME]... [--runs 1]

Traces go to DIR/PROGRAM/CONFIG-RUN; those that are there are kept. A minute a run.
"""

import argparse
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from machine import swap_and_zswap
from programs import PROGRAMS, Program

from tmemlab.collect.run import collect
from tmemlab.collect.session import Options
from tmemlab.datasets.read import Trace


@dataclass(frozen=True)
class Config:
    """Parameters of zswap by the kernel's names."""

    max_pool_percent: int
    accept_threshold_percent: int = 90
    shrinker_enabled: str = "N"

    def settings(self) -> dict[str, str]:
        """As the kernel takes them."""
        return {name: str(value) for name, value in vars(self).items()}


CONFIGS = {
    "1": Config(1),
    "1-shrinker": Config(1, shrinker_enabled="Y"),
    "1-accept-50": Config(1, accept_threshold_percent=50),
    "2": Config(2),
    "20": Config(20),
    "20-shrinker": Config(20, shrinker_enabled="Y"),
}


WATCH = """
tracepoint:workqueue:workqueue_queue_work /str(args->workqueue) == "zswap-shrink"/ {
    @queued[args->work] = nsecs; @queues = count(); }
tracepoint:workqueue:workqueue_execute_start /@queued[args->work]/ {
    @delay_us = lhist((nsecs - @queued[args->work]) / 1000, 0, 512, 4);
    @delay_ns = sum(nsecs - @queued[args->work]);
    @began[args->work] = nsecs; @runs = count(); delete(@queued[args->work]); }
tracepoint:workqueue:workqueue_execute_end /@began[args->work]/ {
    @run_us = lhist((nsecs - @began[args->work]) / 1000, 0, 600, 4); @run_ns = sum(nsecs - @began[args->work]);
    delete(@began[args->work]); }
"""


LATE_US = 512
"""A run that begins later than this waited for a CPU."""


@contextlib.contextmanager
def watch_worker(out: Path) -> Iterator[None]:
    """What bpftrace sees of zswap's worker meanwhile, JSON lines at ``out``: runs, their delay and length."""
    with out.open("w") as stream:
        command = ["bpftrace", "-f", "json", "-e", WATCH]
        watcher = subprocess.Popen(command, stdout=stream, stderr=subprocess.DEVNULL)
        time.sleep(2)
        try:
            yield
        finally:
            watcher.send_signal(signal.SIGINT)
            watcher.wait()


def worker_times(report: Path, written_back: int) -> dict[str, float] | None:
    """The worker's times out of the watcher's report; None where it never ran.

    A run that gives up has looked at MAX_RECLAIM_RETRIES = 16 entries, and most runs do: the median run, by 16,
    is what a visit takes. What all runs took beyond that went into writing back. Delays are the median of those
    below 512 us and, of the others, when all CPUs are busy, the share and the mean.
    """
    lines = [json.loads(line) for line in report.read_text().splitlines() if line.strip()]
    data = {name: value for line in lines for name, value in line["data"].items()}
    runs = data.get("@runs", 0)
    if not runs:
        return None
    visit_us = median(data["@run_us"]) / 16
    beyond_us = max(0.0, data["@run_ns"] / 1000 - runs * 16 * visit_us)
    soon = [bucket for bucket in data["@delay_us"] if bucket.get("max", LATE_US) < LATE_US]
    late = runs - sum(bucket["count"] for bucket in soon)
    in_time_us = sum(bucket["count"] * (bucket["min"] + bucket["max"] + 1) / 2 for bucket in soon)
    return {
        "runs": runs,
        "delay_us": median(soon),
        "late_share": late / runs,
        "late_us": max(0.0, data["@delay_ns"] / 1000 - in_time_us) / max(late, 1),
        "visit_us": visit_us,
        **({"page_us": beyond_us / written_back} if written_back > 1000 else {}),
    }


def median(histogram: list[dict[str, int]]) -> float:
    """Of a histogram of bpftrace, within its bucket by interpolation."""
    half, below = sum(bucket["count"] for bucket in histogram) / 2, 0
    for bucket in histogram:
        if below + bucket["count"] >= half:
            low, high = bucket.get("min", 0), bucket.get("max", bucket.get("min", 0)) + 1
            return low + (high - low) * (half - below) / bucket["count"]
        below += bucket["count"]
    return 0.0


def note_worker(trace: Path, report: Path) -> None:
    """Put the worker's times into the manifest, where ``tmemlab validate`` looks for them."""
    manifest = Trace.open(trace).manifest
    times = worker_times(report, manifest.kernel_counters.get("zswpwb") or 0)
    if times:
        changed = manifest.replace(extra={**manifest.extra, "zswap_worker": times})
        (trace / "manifest.json").write_text(changed.to_json())


def record(out: Path, program: Program, config: Config) -> None:
    """One run; the trace at ``out``, which is made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    report = out.with_name(f"{out.name}.worker.json")
    with swap_and_zswap(config.settings()), watch_worker(report):
        command = ["bash", "-c", program.command.replace("PYTHON", sys.executable)]
        done = collect(
            out, Options(content_share=0.4), command, program.memory,
            provenance={"packages": list(program.packages)}, command_stdout=subprocess.DEVNULL,
        )  # fmt: skip
    note_worker(out, report)
    manifest = done.manifest
    print(
        f"{out}: exit {done.command_exit}, {manifest.duration_ns / 1e9:.0f} s, {manifest.events.stores:,} stores, "
        f"{manifest.events.loads:,} loads, complete {manifest.certificate.complete}, {manifest.kernel_counters}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--program", action="append", choices=PROGRAMS)
    parser.add_argument("--config", action="append", choices=CONFIGS)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    for run in range(options.runs):
        for config in options.config or CONFIGS:
            for program in options.program or PROGRAMS:
                out = options.directory / program / f"{config}-{run}"
                if not (out / "manifest.json").exists():
                    record(out, PROGRAMS[program], CONFIGS[config])


if __name__ == "__main__":
    main()
