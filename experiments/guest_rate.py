"""Allocators and the shrinker in guests of Linux 6.1 and 6.12: record programs, for hit_rate.py to judge.

    sudo .venv/bin/python -m experiments.guest_rate DIR [--runs 1] [--only TEXT]

One boot per allocator and limit records every program of guest_programs.py. Traces go to DIR/PROGRAM/CONFIG-RUN;
boots whose traces are all there are not run again. Needs what `make test-guest` needs. About ten minutes a boot.
"""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.guest.kernel import GuestKernel, lacking, prepare
from tests.guest.machine import GuestError, run
from tmemlab.collect.matching.spool_to_trace import convert

from .guest_programs import PROGRAMS

ROOT = Path(__file__).resolve().parents[1]
MEMORY_MIB = 768
SWAP_MIB = 512
TIMEOUT = 2400


@dataclass(frozen=True)
class Config:
    """A kernel, and zswap's parameters by the kernel's names."""

    kernel: str
    zpool: str
    max_pool_percent: int
    accept_threshold_percent: int = 90
    shrinker_enabled: str = "N"

    @property
    def name(self) -> str:
        """As the folders of its runs begin."""
        shrinker = "-shrinker" if self.shrinker_enabled == "Y" else ""
        return f"{self.kernel}-{self.zpool}-{self.max_pool_percent}{shrinker}"

    def settings(self) -> dict[str, str]:
        """As the kernel takes them, switched on last."""
        own = {name: str(value) for name, value in vars(self).items() if name != "kernel"}
        if self.kernel == "6.1":
            del own["shrinker_enabled"]
        return {"compressor": "lzo", **own, "enabled": "Y"}


CONFIGS = [
    *(Config("6.1", zpool, percent) for percent in (2, 1) for zpool in ("zbud", "z3fold", "zsmalloc")),
    Config("6.12", "zsmalloc", 20, shrinker_enabled="Y"),
    Config("6.12", "zsmalloc", 2),
]


def boot(config: Config, kernel: GuestKernel, wanted: dict[str, Path], scratch: Path) -> None:
    """Record the programs of ``wanted`` in one guest and leave each one's trace at its path."""
    share, disk = scratch / "share", scratch / "disk"
    share.mkdir()
    recordings = [
        {
            "name": name, "probe_set": "fentry", "limit": PROGRAMS[name].memory, "contents": 0.4,
            "command": ["bash", "-c", PROGRAMS[name].command.replace("PYTHON", sys.executable)],
        }
        for name in wanted
    ]  # fmt: skip
    plan = {"swap": "device", "zswap": config.settings(), "recordings": recordings}
    (share / "plan.json").write_text(json.dumps(plan))
    with disk.open("wb") as stream:
        stream.truncate(SWAP_MIB << 20)
    script = f"cd {ROOT}; export PYTHONDONTWRITEBYTECODE=1\n{sys.executable} -m tests.guest.inside /run/share"
    finished = run(kernel, share, script, disks=(disk,), memory_megabytes=MEMORY_MIB, timeout=TIMEOUT)
    if finished.exit_code:
        raise GuestError(finished.output)
    results = json.loads((share / "results.json").read_text())["recordings"]
    for name, path in wanted.items():
        result = results[name]
        if "error" in result or result["exit"]:
            print(f"{config.name} {name}: {result.get('error', result)}", flush=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f".{path.name}")
        shutil.rmtree(made, ignore_errors=True)
        argv = ["bash", "-c", PROGRAMS[name].command]
        command = {"argv": argv, "memory_limit": PROGRAMS[name].memory, "exit_code": result["exit"]}
        manifest = convert(share / name, made, extra={"command": command})
        made.rename(path)
        print(
            f"{config.name} {name}: {manifest.duration_ns / 1e9:.0f} s, {manifest.events.stores:,} stores, "
            f"{manifest.events.loads:,} loads, complete {manifest.certificate.complete}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the traces are left")
    parser.add_argument("--runs", type=int, default=1, help="of each boot (1)")
    parser.add_argument("--only", default="", metavar="TEXT", help="configurations whose names contain it")
    options = parser.parse_args()
    chosen = [config for config in CONFIGS if options.only in config.name]
    if not chosen:
        parser.error(f"no configuration's name contains {options.only}; one is {CONFIGS[0].name}")
    if missing := lacking():
        parser.exit(3, f"error: {missing}\n")
    kernels = {version: prepare(version) for version in sorted({config.kernel for config in chosen})}
    for number in range(options.runs):
        for config in chosen:
            paths = {name: options.folder / name / f"{config.name}-{number}" for name in PROGRAMS}
            wanted = {name: path for name, path in paths.items() if not path.exists()}
            if wanted:
                with tempfile.TemporaryDirectory(prefix="tmemlab-rate-", dir="/var/tmp") as scratch:
                    try:
                        boot(config, kernels[config.kernel], wanted, Path(scratch))
                    except GuestError as error:
                        print(f"{config.name} {number}: failed: {error}", flush=True)


if __name__ == "__main__":
    main()
