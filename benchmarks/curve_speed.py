"""What a curve of 100 sizes costs beside one replay of one size, interleaved on one core.

    python benchmarks/curve_speed.py [--events 5000000] [--rounds 5]

Both read the same files. The replay runs ``order.lru`` at one size; the curve has every size from one pass, and
100 of them are asked for. At the size of the replay the two must agree to the last load.
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
from benchmarks.replay_speed import access_trace, swap_trace, timed
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.compare import compare
from tmemlab.replay.curve.curve import curve
from tmemlab.replay.scores.score import StormPlan

SIZES = 100
CAPACITY = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    folder = Path(tempfile.mkdtemp(prefix="tmemlab-bench-"))
    try:
        traces = {"accesses": access_trace(folder, arguments.events)[0],
                  "swap traffic": swap_trace(folder / "swap", arguments.events)}  # fmt: skip
        print_machine(sys.argv)
        print(f"events    {arguments.events:,}, medians of {arguments.rounds} interleaved rounds, one core\n")
        print(f"{'trace':14s} {'one run':>8s} {'curve':>8s} {'ratio':>6s}   (seconds of CPU time)")
        for name, trace in traces.items():
            exclusive = "" if name == "accesses" else ",exclusive_loads=on"
            policy = parse_policy(f"order.lru:max_pool_pages={CAPACITY}{exclusive}")

            def one_run() -> float:
                return compare(trace, [policy], plan=StormPlan(storms=0), threads=1).scores[0].hit_rate or 0.0  # noqa: B023

            def all_sizes() -> float:
                result = curve(trace, unit="pages")  # noqa: B023
                result.as_json(result.sizes(SIZES))
                return result.hit_rate(CAPACITY * 4096)[0]

            spent: dict[str, list[float]] = {"run": [], "curve": []}
            found = one_run(), all_sizes()  # compile
            if name == "accesses" and abs(found[0] - found[1]) > 1e-9:
                sys.exit(f"the two differ: {found}")
            for _ in range(arguments.rounds):
                for side, function in (("run", one_run), ("curve", all_sizes)):
                    spent[side].append(timed(function)[1])
            medians = [statistics.median(times) for times in spent.values()]
            print(f"{name:14s} {medians[0]:8.2f} {medians[1]:8.2f} {medians[1] / medians[0]:5.2f}x", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
