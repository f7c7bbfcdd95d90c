"""Peak memory of a replay: what a million events and a million pages take.

    python benchmarks/memory.py [--policy zswap.v6_18]

Three processes replay built traces of different sizes; the differences of their peak resident sizes are what one
million more events (of the same pages) and one million more pages (in as many events) cost. Without storms, which
run on a second copy of the state: with them the state of the pages, and of the storm's own, counts once more.
"""

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import print_machine

CHILD = """
import resource, sys
import numpy as np
from pathlib import Path
from tests.replay.build import columns, host
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.inputs.columns import Columns
from tmemlab.replay.scores.score import StormPlan, score

policy, events, pages = parse_policy(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
ids = np.arange(pages, dtype=np.uint32)
t, op, page = np.arange(events, dtype=np.int64), np.empty(events, np.uint8), np.empty(events, np.uint32)
t *= 1000
for turn in range(events // pages):  # in place: nothing may be larger than what the replay needs
    part = slice(turn * pages, (turn + 1) * pages)
    op[part], page[part] = turn % 2, ids
small, unknown = np.zeros(events, np.uint8), np.full(events, 4, np.uint8)
cols = Columns(Path("built"), "swap", t, op, page, small, unknown, np.full(events, 1365, np.uint16),
               np.zeros(pages, np.uint16), np.full(pages, 4, np.uint8), pages, events // 2, events // 2, 0, "",
               np.array([1365], np.uint16))
score(cols, host(ram=1 << 22), policy, StormPlan(storms=0))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def peak(policy: str, events: int, pages: int) -> int:
    """Bytes of peak resident size of one replay in a process of its own."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, policy, str(events), str(pages)], check=True, capture_output=True, text=True,
        cwd=Path(__file__).resolve().parent.parent,
    )  # fmt: skip
    return int(child.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", action="append", default=[])
    policies = parser.parse_args().policy or ["zswap.v6_18", "order.lru", "order.arc", "bounds.none"]
    print_machine(sys.argv)
    million = 1_000_000
    print(f"\n{'policy':16s} {'MB a million events':>20s} {'MB a million pages':>20s}")
    for policy in policies:
        peak(policy, 1000, 10)  # compiled from here on
        base = peak(policy, 6 * million, million)
        events = (peak(policy, 16 * million, million) - base) / 10
        pages = (peak(policy, 6 * million, 3 * million) - base) / 2
        print(f"{policy:16s} {events / 1e6:20.1f} {pages / 1e6:20.1f}", flush=True)


if __name__ == "__main__":
    main()
