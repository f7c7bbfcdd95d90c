"""Record programs under zswap configurations: the raw material of hit_rate.py and what_if.py.

    sudo .venv/bin/python experiments/record.py DIR [--program NAME]... [--config NAME]... [--runs 1]

Traces go to DIR/PROGRAM/CONFIG-RUN; those that are there are kept. A minute a run.
"""

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fixed import FIXED
from machine import swap_and_zswap
from programs import PROGRAMS as TIMED
from programs import Program

from tmemlab.collect.run import collect
from tmemlab.collect.session import Options

PROGRAMS = {**TIMED, **{f"fixed-{name}": program for name, program in FIXED.items()}}


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
    "2-accept-50": Config(2, accept_threshold_percent=50),
    "5": Config(5),
    "20": Config(20),
    "20-shrinker": Config(20, shrinker_enabled="Y"),
}
def record(out: Path, program: Program, config: Config) -> None:
    """One run; the trace at ``out``, which is made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    with swap_and_zswap(config.settings()):
        command = ["bash", "-c", program.command.replace("PYTHON", sys.executable)]
        done = collect(
            out, Options(content_share=0.4), command, program.memory,
            provenance={"packages": list(program.packages)}, command_stdout=subprocess.DEVNULL,
        )  # fmt: skip
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
