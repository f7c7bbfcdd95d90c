"""What recording costs the load: the same real swapping untraced and under tmemlab, interleaved.

    sudo .venv/bin/python benchmarks/capture_overhead.py [--pairs 7] [--json FILE]

Each round sweeps over 110 MB in a 40 MB cgroup through zswap, a fixed amount of work, once untraced, once recorded
without contents, once with the command line's defaults. Reports medians of the load's own wall time and CPU time,
relative to the untraced run of the same round, and the tool's CPU. A CPU shared with the load counts as slowdown.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(ROOT / "benchmarks")]

from capture_rate import machine  # noqa: E402
from record_bundled import swap_and_zswap  # noqa: E402

from tmemlab.collect.cgroup import OwnCgroup  # noqa: E402
from tmemlab.collect.run import collect  # noqa: E402
from tmemlab.collect.session import Options  # noqa: E402

ROUNDS, LIMIT = "12", 40 << 20
VARIANTS = {"no contents": 0.0, "defaults": 0.05}


def untraced(swapper: Path) -> tuple[float, float]:
    with OwnCgroup(LIMIT) as group:
        run = subprocess.run(
            [swapper, "sweep", "110", ROUNDS], preexec_fn=group.join, check=True, capture_output=True, text=True
        )
    wall, cpu = map(float, run.stdout.split())
    return wall, cpu


def traced(swapper: Path, folder: Path, share: float) -> tuple[float, float, Any]:
    said = folder / "said"
    with said.open("w") as stream:
        outcome = collect(
            folder / "trace", Options(content_share=share), [str(swapper), "sweep", "110", ROUNDS], LIMIT,
            command_stdout=stream.fileno(),
        )  # fmt: skip
    wall, cpu = map(float, said.read_text().split())
    return wall, cpu, outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in VARIANTS}
    events = []
    with tempfile.TemporaryDirectory() as scratch, swap_and_zswap(20):
        swapper = Path(scratch) / "swapper"
        subprocess.run(["gcc", "-O2", "-o", swapper, ROOT / "tests" / "live" / "swapper.c"], check=True)
        untraced(swapper)
        for _ in range(arguments.pairs):
            wall, cpu = untraced(swapper)
            for name, share in VARIANTS.items():
                with tempfile.TemporaryDirectory(dir=scratch) as folder:
                    traced_wall, traced_cpu, outcome = traced(swapper, Path(folder), share)
                assert outcome.manifest.certificate.complete, outcome.manifest.certificate
                counts = outcome.manifest.events
                events.append((counts.stores + counts.loads) / traced_wall)
                tool = outcome.recorder_cpu_s / outcome.recorder_seconds
                rows[name].append((traced_wall / wall - 1, traced_cpu / cpu - 1, tool))
    result = {
        "machine": machine(),
        "kernel": platform.release(),
        "command": " ".join(["benchmarks/capture_overhead.py", *sys.argv[1:]]),
        "pairs": arguments.pairs,
        "events_per_s": round(statistics.median(events)),
        **{
            name: {
                "slowdown_wall": round(statistics.median(r[0] for r in found), 4),
                "slowdown_cpu": round(statistics.median(r[1] for r in found), 4),
                "recorder_cpu_share": round(statistics.median(r[2] for r in found), 4),
            }
            for name, found in rows.items()
        },
    }
    for name, value in result.items():
        print(f"{name:14} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
