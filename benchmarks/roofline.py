"""How far the engine is from what memory allows: the same ids through a bare loop.

    python benchmarks/roofline.py [--events 5000000] [--rounds 7]

The bare loop makes one dependent random access an event: it reads a 16-byte record at the event's page id, adds
what it read, and the next address waits for it. Nothing that keeps a page's state in memory is faster without
knowing the ids ahead. Both sides have their columns in memory; one core, interleaved, medians of CPU time.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import print_machine
from benchmarks.replay_speed import swap_trace, timed
from tmemlab.datasets.trace.read import Trace
from tmemlab.policies.catalogue import parse_policy
from tmemlab.policies.interface import PAGE
from tmemlab.replay.inputs.columns import prepare
from tmemlab.replay.scores.score import StormPlan, score
from tmemlab.world.host import build_host

POLICIES = (
    "bounds.none", "bounds.unbounded", "tmem.frontswap:max_pool_percent=10", "order.lru:max_pool_percent=10",
    "zswap.v6_18:max_pool_percent=10",
)  # fmt: skip


@njit(cache=True)
def bare(page: Any, records: Any) -> int:
    """One dependent access an event: the address waits for what the one before it read, which is always 0."""
    total = 0
    for i in range(page.shape[0]):
        at = page[i] + total
        total += records[at].mark
        records[at].place = 1
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    folder = Path(tempfile.mkdtemp(prefix="tmemlab-bench-"))
    try:
        trace = Trace.open(swap_trace(folder / "swap", arguments.events))
        columns, host = prepare(trace), build_host(trace)
    finally:
        shutil.rmtree(folder)
    records = np.zeros(columns.pages, PAGE)
    bare(columns.page[:10], records)
    policies = [parse_policy(text) for text in POLICIES]
    for policy in policies:
        score(columns, host, policy, StormPlan(storms=0))  # compile
    spent: dict[str, list[float]] = {name: [] for name in ("bare", *POLICIES)}
    for _ in range(arguments.rounds):
        spent["bare"].append(timed(lambda: bare(columns.page, records))[1])
        for text, policy in zip(POLICIES, policies, strict=True):
            run = timed(lambda: score(columns, host, policy, StormPlan(storms=0)).events_per_s)  # noqa: B023
            spent[text].append(run[1])
    print_machine(sys.argv)
    rounds = f"medians of {arguments.rounds} interleaved rounds, one core"
    print(f"events    {columns.events:,} of {columns.pages:,} pages, {rounds}\n")
    floor = statistics.median(spent["bare"])
    for name, times in spent.items():
        median = statistics.median(times)
        each = 1e9 * median / columns.events
        print(f"{name:36s} {each:6.1f} ns an event   {median / floor:5.1f} x the bare loop")


if __name__ == "__main__":
    main()
