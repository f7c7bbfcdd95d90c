"""How a sweep scales: 40 configurations on one core and on two, interleaved.

    python benchmarks/sweep_scaling.py [--events 1000000] [--rounds 5]

Columns and host are prepared once for each sweep, as in ``tmemlab replay``; the time includes that. Cores are
chosen by affinity, so that "one" and "two" mean what they say. Other work on the machine takes from both; the
median of the rounds' ratios is reported, and the CPU seconds a wall second that each had. Beside it stands what
the machine itself gives: the bare loop of roofline.py, 40 times over on one core and on two.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numba import njit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import print_machine
from benchmarks.replay_speed import swap_trace
from benchmarks.roofline import bare
from tmemlab.datasets.trace.read import Trace
from tmemlab.policies.interface import PAGE
from tmemlab.replay.compare import compare
from tmemlab.replay.inputs.columns import prepare
from tmemlab.replay.scores.score import StormPlan
from tmemlab.replay.sweep import expand_policies

GRID = ["zswap.v6_18:max_pool_percent=2..20/2,shrinker=on|off,accept_threshold_percent=50|90"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        sys.exit("two cores are needed")
    folder = Path(tempfile.mkdtemp(prefix="tmemlab-bench-"))
    try:
        trace = swap_trace(folder / "swap", arguments.events)
        grid = expand_policies(GRID)
        compare(trace, grid[:1], plan=StormPlan(storms=0))  # compile

        def sweep(count: int) -> tuple[float, float]:
            os.sched_setaffinity(0, set(cores[:count]))
            start, spent = time.perf_counter(), time.process_time()
            compare(trace, grid, plan=StormPlan(storms=0), threads=count)
            return time.perf_counter() - start, time.process_time() - spent

        columns = prepare(Trace.open(trace))
        free_running = njit(nogil=True)(bare.py_func)

        def loops(count: int) -> float:
            os.sched_setaffinity(0, set(cores[:count]))
            records = [np.zeros(columns.pages, PAGE) for _ in range(count)]
            start = time.perf_counter()
            with ThreadPoolExecutor(count) as threads:
                list(threads.map(lambda turn: free_running(columns.page, records[turn % count]), range(len(grid))))
            return time.perf_counter() - start

        loops(1)  # compile
        print_machine(sys.argv)
        ratios, machine, shares = [], [], {1: [], 2: []}
        for number in range(arguments.rounds):
            wall = {}
            for count in (1, 2) if number % 2 == 0 else (2, 1):
                wall[count], cpu = sweep(count)
                shares[count].append(cpu / wall[count])
            ratios.append(wall[1] / wall[2])
            machine.append(loops(1) / loops(2))
            print(f"round {number + 1}: {wall[1]:.1f} s on one core, {wall[2]:.1f} s on two: {ratios[-1]:.2f} x, "
                  f"bare loops {machine[-1]:.2f} x", flush=True)  # fmt: skip
    finally:
        shutil.rmtree(folder)
    had = {count: statistics.median(values) for count, values in shares.items()}
    ratio = statistics.median(ratios)
    print(f"{len(grid)} configurations of {arguments.events:,} events: two cores {ratio:.2f} x one")
    print(f"the machine itself, bare loops: two cores {statistics.median(machine):.2f} x one")
    print(f"CPU seconds a wall second: {had[1]:.2f} on one, {had[2]:.2f} on two; {os.getloadavg()[0]:.1f} load")


if __name__ == "__main__":
    main()
