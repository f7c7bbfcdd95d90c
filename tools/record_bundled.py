"""Record the bundled traces again: real programs under a memory limit, on the running kernel.

    sudo .venv/bin/python -m tools.record_bundled redis-zswap
    sudo .venv/bin/python -m tools.record_bundled redis-limit
    sudo .venv/bin/python -m tools.record_bundled sqlite-limit

Needs root, an otherwise idle host, and the packages redis-server and sqlite3. Makes a swap file under /var/tmp,
switches zswap on for the time, and restores both. What it records goes to tmemlab/datasets/bundled/NAME or,
where it is too large to ship, experiments/traces/NAME, in place of what was there. The host's paths, process ids
and kernel build are taken out; contents are never recorded.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.programs import PROGRAMS
from tmemlab.collect.recording.options import Options
from tmemlab.collect.recording.run import collect

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "tmemlab" / "datasets" / "bundled"
KEPT = ROOT / "experiments" / "traces"
"""Recordings that the repository has and the package has not."""
SWAP_FILE = Path("/var/tmp/tmemlab-bundled.swap")
ZSWAP = Path("/sys/module/zswap/parameters")

REDIS = """
set -e
redis-server --port 6399 --bind 127.0.0.1 --save '' --appendonly no --daemonize no >/dev/null &
server=$!
until redis-cli -p 6399 ping >/dev/null 2>&1; do sleep 0.1; done
bench() { redis-benchmark -q -p 6399 "$@" >/dev/null; }
hot="math.floor(250000 * (ARGV[1] / 250000) ^ 4)"
bench -t set -r 250000 -n 330000 -d 480 -c 8
sleep 5
bench -t get -r 250000 -n 120000 -c 8
sleep 5
bench -r 250000 -n 300000 -c 8 EVAL "local k = string.format('key:%012d', $hot); \
  if ARGV[1] % 4 == 0 then return redis.call('SETRANGE', k, 100, ARGV[1]) end; return redis.call('GET', k)" \
  0 __rand_int__
sleep 5
bench -t set -r 250000 -n 180000 -d 480 -c 8
sleep 5
bench -t get -r 250000 -n 60000 -c 8
redis-cli -p 6399 shutdown nosave >/dev/null 2>&1 || true
wait $server || true
"""

SQLITE = """
exec sqlite3 :memory: <<'END'
pragma temp_store=memory;
create table item(id integer primary key, customer integer, day integer, note text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 1550000)
insert into item select i, abs(random()) % 60000, abs(random()) % 3650,
  hex(randomblob(60)) || printf('order %d of customer %d shipped from warehouse %d', i, i % 60000, i % 37) from n;
.shell sleep 10
with recursive n(i) as (select 1550001 union all select i + 1 from n where i < 3100000)
insert into item select i, abs(random()) % 60000, abs(random()) % 3650,
  hex(randomblob(60)) || printf('order %d of customer %d shipped from warehouse %d', i, i % 60000, i % 37) from n;
.shell sleep 10
select count(*), sum(length(note)) from item where id between 2550000 and 2620000;
.shell sleep 10
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < 30000)
select sum(length(note)) from n join item on item.id = 2900000 + k % 100000;
.shell sleep 10
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < 12000)
select sum(length(note)) from n join item on item.id = 1 + k % 3100000;
END
"""


@dataclass(frozen=True)
class Recipe:
    """One bundled trace."""

    command: list[str]
    memory_limit: int
    max_pool_percent: int
    packages: list[str]
    story: str
    folder: Path = BUNDLED


RECIPES = {
    "redis-zswap": Recipe(
        ["bash", "-c", REDIS], 92 << 20, 20, ["redis-server", "redis-tools"],
        "redis-server filled by redis-benchmark with up to 250,000 keys of 480 bytes, then uniform reads, skewed "
        "reads and writes (rank ~ uniform^4, one in four a write), overwrites, uniform reads, with pauses; 92 MiB "
        "of memory, zswap with a pool that never fills",
    ),
    "redis-limit": Recipe(
        ["bash", "-c", PROGRAMS["redis"].command], 160 << 20, 1, ["redis-server", "redis-tools"],
        "redis-server filled by scripts with 1.2 million keys of 480 bytes, then 120,000 skewed reads (rank ~ "
        "uniform^4), one in four a write; 160 MiB of memory, zswap limited to 1 % of RAM, so that it rejects and "
        "writes back; each run of its worker is in the trace",
        KEPT,
    ),
    "sqlite-limit": Recipe(
        ["bash", "-c", SQLITE], 300 << 20, 1, ["sqlite3"],
        "sqlite3 building a table of 3.1 million rows in memory, then a range scan, skewed and uniform point "
        "queries, with pauses; 300 MiB of memory, zswap limited to 1 % of RAM, so that it rejects and writes back",
    ),
}  # fmt: skip


@contextlib.contextmanager
def swap_and_zswap(max_pool_percent: int) -> Iterator[None]:
    """A swap file in use and zswap on with a limit; both as before afterwards."""
    with Path("/tmp/swap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = {name: (ZSWAP / name).read_text().strip() for name in ("enabled", "max_pool_percent")}
        SWAP_FILE.unlink(missing_ok=True)
        subprocess.run(["fallocate", "-l", "4G", SWAP_FILE], check=True)
        SWAP_FILE.chmod(0o600)
        subprocess.run(["mkswap", "-q", SWAP_FILE], check=True)
        subprocess.run(["swapon", SWAP_FILE], check=True)
        (ZSWAP / "max_pool_percent").write_text(str(max_pool_percent))
        (ZSWAP / "enabled").write_text("Y")
        try:
            yield
        finally:
            (ZSWAP / "enabled").write_text(before["enabled"])
            (ZSWAP / "max_pool_percent").write_text(before["max_pool_percent"])
            subprocess.run(["swapoff", SWAP_FILE], check=True)
            SWAP_FILE.unlink()


def scrub(document: dict[str, Any]) -> dict[str, Any]:
    """The START or END document without what names this host."""
    cleaned = dict(document)
    if "kernel" in cleaned:
        release = re.match(r"[0-9.]+[0-9]", cleaned["kernel"]["release"])
        cleaned["kernel"] = {**cleaned["kernel"], "release": release[0] if release else "unknown"}
    if "swap" in cleaned:
        cleaned["swap"] = [{**area, "device": f"swap{i}"} for i, area in enumerate(cleaned["swap"])]
    if "cgroups" in cleaned:
        cleaned["cgroups"] = {
            number: ["/" if path == "/" else "/workload" if "/tmemlab-" in path else f"/other-{i}", limit]
            for i, (number, (path, limit)) in enumerate(sorted(cleaned["cgroups"].items()))
        }
    return cleaned


def record(name: str, recipe: Recipe) -> None:
    for package in recipe.packages:
        subprocess.run(["dpkg", "-s", package], check=True, stdout=subprocess.DEVNULL)
    query = ["dpkg-query", "-W", "-f=${Package} ${Version}\n", *recipe.packages]
    versions = subprocess.run(query, check=True, capture_output=True, text=True).stdout.split("\n")
    out = recipe.folder / f"{name}.new"
    shutil.rmtree(out, ignore_errors=True)
    recipe.folder.mkdir(exist_ok=True)
    provenance = {
        "how": recipe.story,
        "program": " | ".join(recipe.command),
        "packages": [line for line in versions if line],
        "script": f"python -m tools.record_bundled {name}",
        "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
        "removed": "host paths, process ids, kernel build suffix, names of other cgroups",
    }
    with swap_and_zswap(recipe.max_pool_percent):
        outcome = collect(
            out, Options(content_share=0.6), recipe.command, recipe.memory_limit,
            provenance=provenance, trace_license="CC0-1.0", scrub=scrub, command_stdout=subprocess.DEVNULL,
        )  # fmt: skip
    manifest = outcome.manifest
    print(f"{name}: exit {outcome.exit_code}, {manifest.duration_ns / 1e9:.0f} s, {manifest.events}")
    print(f"  {manifest.certificate.note}; {manifest.kernel_counters}")
    print(f"  clen {manifest.clen.note}")
    print(f"  {sum(file.bytes for file in manifest.files.values())} bytes, identity {manifest.extra['identity']}")
    if os.uname().release in (out / "manifest.json").read_text():
        sys.exit(f"{name}: the manifest names this host's kernel build; left in {out}")
    if outcome.exit_code != 0 or not manifest.certificate.complete:
        sys.exit(f"{name}: not fit to be bundled; left in {out}")
    shutil.rmtree(recipe.folder / name, ignore_errors=True)
    out.chmod(0o755)
    for file in out.iterdir():
        file.chmod(0o644)
    out.rename(recipe.folder / name)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or RECIPES:
        record(wanted, RECIPES[wanted])
