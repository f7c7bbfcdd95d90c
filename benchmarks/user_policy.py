"""Whether a policy from a file of one's own runs as fast as a built-in one: the same rules both ways, interleaved.

    python benchmarks/user_policy.py [--events 5000000] [--rounds 5]

A built-in policy is copied into a file under another name, with nothing changed but its imports, and both replay
the same trace, from files to scores, on one core. Their results must be equal; the ratio is of CPU time.
"""

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import print_machine
from benchmarks.replay_speed import swap_trace, timed
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.compare import compare
from tmemlab.replay.scores.score import StormPlan

POLICIES = ("order.lru", "zswap.v6_18", "vm.pressure")
SETTINGS = "max_pool_percent=10"


def copied(name: str, folder: Path) -> Path:
    """The built-in policy as a file of a user's."""
    import tmemlab.policies

    family, _, module = name.partition(".")
    text = (Path(tmemlab.policies.__path__[0]) / family / f"{module}.py").read_text()
    text = re.sub(r"from \.\. import", "from tmemlab.policies import", text)
    text = re.sub(r"from \.\.\.(\w)", r"from tmemlab.\1", text)
    text = re.sub(r"from \.\.(\w)", r"from tmemlab.policies.\1", text)
    text = text.replace(f'@register("{name}")', f'@register("mine.{module}")')
    file = folder / f"{module}.py"
    file.write_text(text)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    folder = Path(tempfile.mkdtemp(prefix="tmemlab-bench-"))
    try:
        trace = swap_trace(folder / "swap", arguments.events)

        def run(text: str) -> str:
            score = compare(trace, [parse_policy(text)], plan=StormPlan(storms=0), threads=1).scores[0]
            return repr((score.loads, score.writeback))

        print_machine(sys.argv)
        print(f"events    {arguments.events:,}, medians of {arguments.rounds} interleaved rounds, one core\n")
        print(f"{'policy':14s} {'built in':>9s} {'own file':>9s} {'ratio':>6s}   (M events/s of CPU time)")
        for name in POLICIES:
            texts = (f"{name}:{SETTINGS}", f"{copied(name, folder)}:{SETTINGS}")
            results = [run(text) for text in texts]  # compile
            if results[0] != results[1]:
                sys.exit(f"{name}: the two differ: {results}")
            spent: tuple[list[float], list[float]] = ([], [])
            for number in range(arguments.rounds):
                for side in (0, 1) if number % 2 == 0 else (1, 0):
                    _, cpu, _ = timed(lambda: float(bool(run(texts[side]))))  # noqa: B023
                    spent[side].append(cpu)
            rates = [arguments.events / statistics.median(times) / 1e6 for times in spent]
            ratio = statistics.median(a / b for a, b in zip(*spent, strict=True))
            print(f"{name:14s} {rates[0]:9.1f} {rates[1]:9.1f} {ratio:5.2f}x", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
