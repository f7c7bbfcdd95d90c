"""Record programs under zswap configurations: the raw material of hit_rate.py and what_if.py.

    sudo .venv/bin/python -m experiments.record DIR [--program NAME]... [--config NAME]... [--runs 1]

Traces go to DIR/PROGRAM/CONFIG-RUN; those that are there are kept. A minute a run.
"""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tmemlab.collect.recording.options import Options
from tmemlab.collect.recording.run import collect
from tmemlab.errors import TmemlabError

from .machine import swap_and_zswap
from .programs import PROGRAMS, Program


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
    if done.command and done.command.by_recorder:  # the recorder was told to stop, and told the command
        shutil.rmtree(out)
        raise KeyboardInterrupt
    manifest = done.manifest
    print(
        f"{out}: exit {done.exit_code}, {manifest.duration_ns / 1e9:.0f} s, {manifest.events.stores:,} stores, "
        f"{manifest.events.loads:,} loads, complete {manifest.certificate.complete}, {manifest.kernel_counters}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the traces are left")
    parser.add_argument("--program", action="append", choices=PROGRAMS, help="may be repeated (all)")
    parser.add_argument("--config", action="append", choices=CONFIGS, help="may be repeated (all)")
    parser.add_argument("--runs", type=int, default=1, help="of each (1)")
    options = parser.parse_args()
    if os.geteuid():
        parser.exit(3, "error: changing zswap and recording need root: run it with sudo\n")
    try:
        for run in range(options.runs):
            for config in options.config or CONFIGS:
                for program in options.program or PROGRAMS:
                    out = options.folder / program / f"{config}-{run}"
                    if not (out / "manifest.json").exists():
                        record(out, PROGRAMS[program], CONFIGS[config])
    except TmemlabError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted: the machine is as it was, and the runs that ended are kept\n")


if __name__ == "__main__":
    main()
