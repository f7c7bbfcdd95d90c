"""Every order beside libCacheSim's on the same requests: file to miss count, one core, interleaved.

    python benchmarks/orders_speed.py [--events 5000000] [--rounds 5]

Each side reads its own binary format from the page cache and counts misses; where the two implement the same
algorithm to the letter, the counts must be equal to the last request. Wall time suffers from other load on the
machine, CPU time less so; both medians are printed.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import print_machine
from benchmarks.replay_speed import access_trace, timed
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.compare import compare
from tmemlab.replay.scores.score import StormPlan

PEERS = {
    "order.lru": "LRU",
    "order.fifo": "FIFO",
    "order.clock": "Clock",
    "order.sieve": "Sieve",
    "order.s3fifo": "S3FIFO",
    "order.twoq": "TwoQ",
    "order.arc": "ARC",
    "order.lfu": "LFU",
    "order.lirs": "LIRS",
}
TARGETS = {"order.lru": 5, "order.fifo": 5, "order.clock": 5, "order.sieve": 5,
           "order.s3fifo": 3, "order.twoq": 3, "order.arc": 3}  # fmt: skip
CAPACITY = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    import libcachesim as lcs

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    folder = Path(tempfile.mkdtemp(prefix="tmemlab-bench-"))
    try:
        trace, binary = access_trace(folder, arguments.events)

        def ours(name: str) -> float:
            policy = parse_policy(f"{name}:max_pool_pages={CAPACITY}")
            return compare(trace, [policy], plan=StormPlan(storms=0), threads=1).scores[0].loads["disk"]

        def theirs(name: str) -> float:
            reader = lcs.TraceReader(
                str(binary), lcs.TraceType.ORACLE_GENERAL_TRACE, lcs.ReaderInitParam(ignore_obj_size=True)
            )
            cache = getattr(lcs, PEERS[name])(cache_size=CAPACITY)
            return round(cache.process_trace(reader)[0] * arguments.events)

        print_machine(sys.argv, "libcachesim")
        rounds = f"medians of {arguments.rounds} interleaved rounds, one core"
        print(f"events    {arguments.events:,}, {CAPACITY:,} pages, {rounds}\n")
        print(f"{'order':14s} {'M events/s':>10s} {'peer':>6s} {'wall':>6s} {'CPU':>6s} {'target':>7s}   misses")
        for name in PEERS:
            ours(name)  # compile
            wall: tuple[list[float], list[float]] = ([], [])
            cpu: tuple[list[float], list[float]] = ([], [])
            for _ in range(arguments.rounds):
                for side, function in enumerate((ours, theirs)):
                    elapsed, spent, misses = timed(lambda: function(name))  # noqa: B023
                    wall[side].append(elapsed)
                    cpu[side].append(spent)
                    if side == 0:
                        mine = misses
            rates = [arguments.events / statistics.median(times) / 1e6 for times in cpu]
            ratios = [statistics.median(side[1]) / statistics.median(side[0]) for side in (wall, cpu)]
            same = f"{mine:,.0f} equal" if mine == misses else f"{mine:,.0f} against {misses:,.0f}"
            target = f"{TARGETS[name]}x" if name in TARGETS else "-"
            figures = f"{rates[0]:10.1f} {rates[1]:6.1f} {ratios[0]:5.1f}x {ratios[1]:5.1f}x {target:>7s}"
            print(f"{name:14s} {figures}   {same}", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
