"""Advice put to the test: record under the kernel's default, ask what to set, set it, and run again.

    sudo .venv/bin/python -m experiments.advice DIR [--program NAME]... [--max-pool SIZE]

Of each program: hit rate, bytes written to the swap file and wall time before, as predicted, and after. Only
zswap's settings are asked for: what a running kernel takes without a reboot. Traces stay in DIR and are not
made again.
"""

import argparse
import os
from pathlib import Path

from tmemlab.datasets.trace.read import Trace
from tmemlab.errors import TmemlabError
from tmemlab.replay.advise.advise import Wanted, advise
from tmemlab.replay.advise.limits import Limits
from tmemlab.replay.advise.settings import PARAMETERS
from tmemlab.replay.inputs.columns import prepare
from tmemlab.replay.validate import measured
from tmemlab.units import PAGE_SIZE, format_bytes, format_share, parse_size

from .programs import PROGRAMS
from .record import CONFIGS, Config, record

CHOSEN = ("sqlite", "numpy", "redis")
DEFAULT = "20"


def recorded(folder: Path, name: str, config: Config, run: str) -> Path:
    """The trace of a program under ``config``, recorded where it is not there yet."""
    out = folder / name / run
    if not (out / "manifest.json").exists():
        record(out, PROGRAMS[name], config)
    return out


def seen(path: Path) -> tuple[float | None, int, float]:
    """What the kernel did: hit rate, bytes written to the swap device, seconds."""
    trace = Trace.open(path)
    counters = trace.manifest.kernel_counters
    written = sum(int(counters.get(name) or 0) for name in ("pswpout", "zswpwb")) * PAGE_SIZE
    return measured(trace, prepare(trace))["hit_rate"], written, trace.manifest.duration_ns / 1e9


def compare(folder: Path, name: str, limits: Limits) -> None:
    """One program: before, predicted, after."""
    before = recorded(folder, name, CONFIGS[DEFAULT], f"{DEFAULT}-before")
    advice = advise([(before, 1.0)], Wanted(limits, "balanced", ("zswap",)), seconds=None, trials=40)
    best = advice.recommended
    if best is None:
        print(f"{name}: {' '.join(advice.in_the_way)}")
        return
    values = {s.file.removeprefix(f"{PARAMETERS}/"): s.value for s in advice.settings}
    config = Config(
        int(values["max_pool_percent"]), int(values["accept_threshold_percent"]), values["shrinker_enabled"]
    )
    label = "-".join(str(value) for value in vars(config).values())
    after = recorded(folder, name, config, f"{label}-after")
    written = best.scores[0].device_bytes["written"]
    for what, (hits, count, seconds) in (("before", seen(before)), ("after", seen(after))):
        print(f"{name} {what}: {format_share(hits)} of hits, {format_bytes(count)} written, {seconds:.1f} s")
    print(
        f"{name} predicted: {format_share(best.hit_rate)} of hits, {format_bytes(written)} written, "
        f"with {best.label}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the traces are left")
    parser.add_argument(
        "--program", action="append", choices=PROGRAMS, help=f"may be repeated ({', '.join(CHOSEN)})"
    )
    parser.add_argument("--max-pool", type=parse_size, help="what zswap may take at most (no limit)")
    options = parser.parse_args()
    if os.geteuid():
        parser.exit(3, "error: changing zswap and recording need root: run it with sudo\n")
    try:
        for name in options.program or CHOSEN:
            compare(options.folder, name, Limits(max_pool=options.max_pool))
    except TmemlabError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted: the machine is as it was, and the runs that ended are kept\n")


if __name__ == "__main__":
    main()
