"""Record the bundled traces that need function probes: Debian's own kernels under QEMU's emulation.

    sudo .venv/bin/python -m tools.record_guest redis-frontswap
    sudo .venv/bin/python -m tools.record_guest sqlite-shrinker

Needs root, the packages qemu-system-x86, busybox-static, kmod, redis-server and sqlite3, and some ten minutes
each. The kernels are downloaded, not installed. Recorded in the guest, converted here; what makes it goes to
tmemlab/datasets/bundled/NAME. Emulation stretches the times, of the programs and of the kernel alike.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.guest.kernel import lacking, prepare
from tests.guest.machine import run
from tmemlab.collect.matching.spool_to_trace import convert
from tools.record_bundled import BUNDLED, scrub

REPOSITORY = Path(__file__).resolve().parent.parent

REDIS = """
set -e
redis-server --port 6399 --bind 127.0.0.1 --save '' --appendonly no --daemonize no >/dev/null &
server=$!
until redis-cli -p 6399 ping >/dev/null 2>&1; do sleep 0.2; done
bench() { redis-benchmark -q -p 6399 "$@" >/dev/null; }
hot="math.floor(60000 * (ARGV[1] / 60000) ^ 4)"
bench -t set -r 60000 -n 80000 -d 480 -c 4 -P 8
sleep 2
bench -t get -r 60000 -n 40000 -c 4 -P 4
sleep 2
bench -r 60000 -n 60000 -c 4 -P 4 EVAL "local k = string.format('key:%012d', $hot); \\
  if ARGV[1] % 4 == 0 then return redis.call('SETRANGE', k, 100, ARGV[1]) end; return redis.call('GET', k)" \\
  0 __rand_int__
sleep 2
bench -t set -r 60000 -n 40000 -d 480 -c 4 -P 8
redis-cli -p 6399 shutdown nosave >/dev/null 2>&1 || true
wait $server || true
"""

SQLITE = """
exec sqlite3 :memory: <<'END'
pragma temp_store=memory;
create table item(id integer primary key, customer integer, day integer, note text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000)
insert into item select i, abs(random()) % 6000, abs(random()) % 3650,
  hex(randomblob(60)) || printf('order %d of customer %d shipped from warehouse %d', i, i % 6000, i % 37) from n;
.shell sleep 3
with recursive n(i) as (select 150001 union all select i + 1 from n where i < 300000)
insert into item select i, abs(random()) % 6000, abs(random()) % 3650,
  hex(randomblob(60)) || printf('order %d of customer %d shipped from warehouse %d', i, i % 6000, i % 37) from n;
.shell sleep 3
select count(*), sum(length(note)) from item where id between 100000 and 160000;
.shell sleep 3
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < 40000)
select sum(length(note)) from n join item on item.id = 250000 + k % 50000;
.shell sleep 3
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < 30000)
select sum(length(note)) from n join item on item.id = 1 + k % 300000;
END
"""


@dataclass(frozen=True)
class Recipe:
    """One trace."""

    kernel: str
    zswap: dict[str, str]
    command: list[str]
    memory_limit: int
    packages: list[str]
    story: str


RECIPES = {
    "redis-frontswap": Recipe(
        "6.1", {"zpool": "zbud", "compressor": "lzo", "max_pool_percent": "20", "enabled": "Y"},
        ["bash", "-c", REDIS], 24 << 20, ["redis-server", "redis-tools"],
        "redis-server filled by redis-benchmark with up to 60,000 keys of 480 bytes, then uniform reads, skewed "
        "reads and writes (rank ~ uniform^4, one in four a write) and overwrites, with pauses; 24 MiB of memory, "
        "frontswap with zswap on zbud that never fills",
    ),
    "sqlite-shrinker": Recipe(
        "6.12", {"compressor": "lzo", "max_pool_percent": "20", "shrinker_enabled": "Y", "enabled": "Y"},
        ["bash", "-c", SQLITE], 36 << 20, ["sqlite3"],
        "sqlite3 building a table of 300,000 rows in memory, then a range scan, skewed and uniform point queries, "
        "with pauses; 36 MiB of memory, zswap on zsmalloc with its dynamic shrinker, which writes back",
    ),
}  # fmt: skip


def record(name: str, recipe: Recipe) -> None:
    query = ["dpkg-query", "-W", "-f=${Package} ${Version}\n", *recipe.packages]
    versions = subprocess.run(query, check=True, capture_output=True, text=True).stdout.split("\n")
    kernel = prepare(recipe.kernel)
    with tempfile.TemporaryDirectory(prefix="tmemlab-guest-", dir="/var/tmp") as scratch:
        share, disk, out = Path(scratch) / "share", Path(scratch) / "disk", BUNDLED / f"{name}.new"
        share.mkdir()
        with disk.open("wb") as stream:
            stream.truncate(1 << 30)
        recording = {
            "name": name, "probe_set": None, "command": recipe.command, "limit": recipe.memory_limit,
        }  # fmt: skip
        (share / "plan.json").write_text(
            json.dumps({"swap": "device", "zswap": recipe.zswap, "recordings": [recording]})
        )
        script = (
            f"cd {REPOSITORY}; export PYTHONDONTWRITEBYTECODE=1\n{sys.executable} -m tests.guest.inside /run/share"
        )
        finished = run(kernel, share, script, disks=(disk,), timeout=2400)
        result = json.loads((share / "results.json").read_text())["recordings"][name]
        if "error" in result or result["exit"]:
            sys.exit(f"{name}: {result.get('error', result)}\n{finished.output}")
        shutil.rmtree(out, ignore_errors=True)
        extra: dict[str, Any] = {
            "license": "CC0-1.0",
            "command": {"argv": recipe.command, "memory_limit": recipe.memory_limit, "exit_code": result["exit"]},
            "provenance": {
                "how": recipe.story,
                "program": " | ".join(recipe.command),
                "packages": [line for line in versions if line],
                "script": f"tools/record_guest.py {name}",
                "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
                "machine": f"QEMU's emulation of two CPUs and 1 GiB, Debian's kernel {kernel.release}",
                "removed": "process ids, names of other cgroups",
            },
        }
        manifest = convert(share / name, out, extra=extra, scrub=_scrub)
    print(f"{name}: {manifest.duration_ns / 1e9:.0f} s, {manifest.events}")
    print(f"  {manifest.certificate.note}; {manifest.kernel_counters}; kernel {result['after']}")
    print(f"  clen {manifest.clen.note}")
    print(f"  {sum(file.bytes for file in manifest.files.values())} bytes, identity {manifest.extra['identity']}")
    if not manifest.certificate.complete:
        sys.exit(f"{name}: not fit to be bundled; left in {out}")
    shutil.rmtree(BUNDLED / name, ignore_errors=True)
    out.chmod(0o755)
    for file in out.iterdir():
        file.chmod(0o644)
    out.rename(BUNDLED / name)


def _scrub(document: dict[str, Any]) -> dict[str, Any]:
    """As for recordings of a host, but a distribution's own kernel may be named."""
    kernel = {"kernel": document["kernel"]} if "kernel" in document else {}
    return {**scrub(document), **kernel}


if __name__ == "__main__":
    if lacking():
        sys.exit(lacking())
    for wanted in sys.argv[1:] or RECIPES:
        record(wanted, RECIPES[wanted])
