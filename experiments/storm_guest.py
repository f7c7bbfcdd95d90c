"""Storms in a guest: one boot for each, what the kernel said before and after is left in DIR/CELL/RUN.

    sudo nice .venv/bin/python -m experiments.storm_guest DIR [--minutes 40] [--runs 1] [--only TEXT] [--pool zram]

Needs what `make test-guest` needs. Cells that DIR has already are not run again, so that it can be continued.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.guest.kernel import GuestKernel, lacking, prepare
from tests.guest.machine import GuestError, run

MEMORY_MIB = 512
ZRAM_MEMORY_MIB = 1024
PATIENCE = 90
"""Seconds that a storm may take."""
SOURCE = Path(__file__).resolve().parent / "storm_load.c"

JOB = """
set -e
echo never > /sys/kernel/mm/transparent_hugepage/enabled
total=$(awk '/MemTotal/ {{print $2}}' /proc/meminfo)
dd if=/dev/zero of=/dev/vda bs=1M count=1 status=none
mkswap -q /dev/vda; swapon -p 0 /dev/vda
{pool}
cat /sys/kernel/mm/lru_gen/enabled > /run/share/start.lru_gen
mkdir -p /sys/fs/cgroup{group}; echo $$ > /sys/fs/cgroup{group}/cgroup.procs
echo 3 > /proc/sys/vm/drop_caches
/run/share/storm_load $((total * {filler} / 100)) $((total * {fraction} / 100)) {patience} /run/share {contents}
dmesg > /run/share/dmesg
"""


@dataclass(frozen=True)
class Cell:
    """One configuration and one storm."""

    kernel: str
    zpool: str
    """"off" where there is no zswap, "zram" where there is zram instead, above the disk."""
    percent: int
    """zswap's limit or zram's disksize, of MemTotal."""
    fraction: int = 95
    """What the storm asks for, in percent of MemTotal."""
    swap_mib: int = 4096
    shrinker: bool = False
    group: str = "/work"
    """The memory cgroup in which all of it runs; it has no limit."""
    filler: int = 130
    """Size of the filler, in percent of MemTotal."""
    contents: str = ""
    """Of the filler: "random" does not compress, otherwise about 3:1."""
    memory_mib: int = MEMORY_MIB

    @property
    def name(self) -> str:
        """The folder of its runs."""
        parts = [self.kernel, self.zpool, f"pool{self.percent}", f"swap{self.swap_mib}", f"filler{self.filler}"]
        parts += ["shrinker"] * self.shrinker + ["root"] * (self.group == "/")
        parts += [self.contents] * bool(self.contents)
        parts += [f"ram{self.memory_mib}"] * (self.memory_mib != MEMORY_MIB)
        return "-".join([*parts, f"storm{self.fraction}"])

    @property
    def settings(self) -> str:
        """The shell commands that set zswap or zram up."""
        off = "echo N > /sys/module/zswap/parameters/enabled"
        if self.zpool == "off":
            return off
        if self.zpool == "zram":
            return (
                f"{off}\nmodprobe zram num_devices=1\n"
                f"echo $((total * {self.percent} / 100))K > /sys/block/zram0/disksize\n"
                "mkswap -q /dev/zram0; swapon -p 10 /dev/zram0"
            )
        values = {"zpool": self.zpool, "compressor": "lzo", "max_pool_percent": str(self.percent)}
        if self.shrinker:
            values["shrinker_enabled"] = "Y"
        lines = [f"modprobe {self.zpool} 2>/dev/null || true"]
        lines += [f"echo {value} > /sys/module/zswap/parameters/{name}" for name, value in values.items()]
        return "\n".join([*lines, "echo Y > /sys/module/zswap/parameters/enabled"])


def cells() -> list[Cell]:
    """The grid. Fillers are as large as it takes to bring the pool to its limit."""
    grid = [Cell("6.1", "off", 0)]
    grid += [Cell("6.1", "zbud", percent, filler=filler) for percent, filler in ((20, 150), (10, 130))]
    for percent, filler in ((20, 150), (40, 200)):
        grid += [Cell("6.12", "zsmalloc", percent, filler=filler, shrinker=shrinker) for shrinker in (True, False)]
    grid += [Cell("6.12", "zsmalloc", 20, filler=150, shrinker=True, group="/")]
    grid += [Cell("6.1", zpool, 20, filler=150) for zpool in ("z3fold", "zsmalloc")]
    grid += [Cell("6.1", "zbud", percent, filler=filler) for percent, filler in ((5, 130), (40, 150))]
    grid += [Cell("6.12", "off", 0)]
    grid += [Cell("6.12", "zsmalloc", 10, shrinker=shrinker) for shrinker in (True, False)]
    grid += [Cell("6.1", "off", 0, swap_mib=448), Cell("6.1", "zbud", 20, swap_mib=448)]
    grid += [Cell("6.12", "zsmalloc", 20, swap_mib=448, shrinker=shrinker) for shrinker in (True, False)]
    grid += [Cell("6.12", "zbud", 20, filler=150, shrinker=shrinker) for shrinker in (True, False)]
    grid += [Cell("6.1", zpool, 10) for zpool in ("z3fold", "zsmalloc")]
    grid += [Cell("6.1", "zsmalloc", 40, filler=200), Cell("6.1", "z3fold", 40, filler=150)]
    grid += [Cell("6.1", "zbud", 20, filler=150, swap_mib=576), Cell("6.1", "zsmalloc", 20, swap_mib=448)]
    # Smaller storms for themselves: the larger ones are taken to have shown them on their way.
    for kernel, zpool, percent, filler, fractions in (
        ("6.1", "off", 0, 130, (90,)), ("6.1", "zbud", 20, 150, (65, 75)), ("6.12", "zsmalloc", 20, 150, (65, 80)),
    ):  # fmt: skip
        grid += [Cell(kernel, zpool, percent, fraction, filler=filler) for fraction in fractions]
    return [*grid, Cell("6.12", "zsmalloc", 20, 85, filler=150, shrinker=True)]


def zram_cells() -> list[Cell]:
    """Storms of several sizes with zram above the disk, and with the disk alone.

    A filler of 120 % fills a zram of 20 % before the storm begins; one of 90 % leaves that to the storm.
    """
    grid = []
    for zpool, percent, filler, contents, fractions in (
        ("zram", 20, 120, "random", (74, 75, 76, 50, 60, 70, 80, 85, 90, 95)),
        ("zram", 20, 120, "", (88, 89, 90, 70, 80, 85, 95)),
        ("off", 0, 120, "random", (95, 96, 97, 90)),
        ("zram", 20, 90, "random", (74, 76, 95)),
        ("zram", 50, 90, "random", (44, 46, 95)),
        ("zram", 100, 90, "random", (5, 10, 95)),
    ):
        grid += [
            Cell(
                "6.1", zpool, percent, fraction, 2 * ZRAM_MEMORY_MIB, filler=filler, contents=contents,
                memory_mib=ZRAM_MEMORY_MIB,
            )
            for fraction in fractions
        ]  # fmt: skip
    return grid


def strike(cell: Cell, kernel: GuestKernel, binary: Path, folder: Path) -> str:
    """One boot; the outcome's word."""
    with tempfile.TemporaryDirectory(prefix="tmemlab-storm-", dir="/var/tmp") as scratch:
        share, disk = Path(scratch) / "share", Path(scratch) / "disk"
        share.mkdir()
        shutil.copy(binary, share / "storm_load")
        with disk.open("wb") as stream:
            stream.truncate(cell.swap_mib << 20)
        script = JOB.format(
            pool=cell.settings, group=cell.group, filler=cell.filler, fraction=cell.fraction, patience=PATIENCE,
            contents=cell.contents,
        )  # fmt: skip
        said = ""
        try:
            finished = run(
                kernel, share, script, disks=(disk,), memory_megabytes=cell.memory_mib, timeout=5 * PATIENCE
            )  # fmt: skip
            said = finished.output
        except GuestError as error:
            said = str(error)
        if not (share / "start.meminfo").exists():
            raise GuestError(f"{cell.name}: no storm began:\n{said}")
        outcome = share / "outcome"
        word = outcome.read_text().split()[0] if outcome.exists() else "frozen"
        folder.mkdir(parents=True)
        for file in (*share.glob("start.*"), *share.glob("end.*"), *share.glob("series"), *share.glob("dmesg")):
            shutil.copy(file, folder)
        (folder / "cell.json").write_text(json.dumps({**asdict(cell), "outcome": word, "release": kernel.release}))
    return word


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the runs are left")
    parser.add_argument("--minutes", type=float, default=60, help="begin no storm after so many (60)")
    parser.add_argument("--runs", type=int, default=1, help="of each cell (1)")
    parser.add_argument("--only", default="", metavar="TEXT", help="cells whose names contain it")
    parser.add_argument("--pool", choices=("zswap", "zram"), default="zswap", help="which grid (zswap)")
    wanted = parser.parse_args()
    grid = zram_cells() if wanted.pool == "zram" else cells()
    chosen = [cell for cell in grid if wanted.only in cell.name]
    if not chosen:
        parser.error(f"no cell's name contains {wanted.only}; one is {grid[0].name}")
    if missing := lacking():
        parser.exit(3, f"error: {missing}\n")
    kernels = {version: prepare(version) for version in sorted({cell.kernel for cell in chosen})}
    ends = time.monotonic() + 60 * wanted.minutes
    with tempfile.TemporaryDirectory() as scratch:
        binary = Path(scratch) / "storm_load"
        subprocess.run(["gcc", "-O2", "-Wall", "-static", "-o", binary, SOURCE], check=True)
        for number in range(wanted.runs):
            for cell in chosen:
                folder = wanted.folder / cell.name / str(number)
                if folder.exists():
                    continue
                if time.monotonic() > ends:
                    return
                began = time.monotonic()
                try:
                    word = strike(cell, kernels[cell.kernel], binary, folder)
                except GuestError as error:
                    word = f"failed: {error}"
                took = time.monotonic() - began
                print(f"{cell.name} {number}: {word}, {took:.0f} s", flush=True)


if __name__ == "__main__":
    main()
