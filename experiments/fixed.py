"""Programs that do the same work every time, for predictions that another run is to confirm.

Seeds, sizes and numbers of operations are fixed and nothing stops by the clock; what differs between two runs is
scheduling, and what the kernel does. None is of our own writing but for the few lines that drive it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from programs import MIB, Program

NUMPY = r"""
exec PYTHON - <<'END'
import numpy as np
rng = np.random.default_rng(3)
data = np.empty(GIB_PAGES * 512)
for start in range(0, len(data), 1 << 21):
    rng.random(out=data[start : start + (1 << 21)])
pages = data.reshape(-1, 512)
hot = rng.permutation(len(pages))
total = 0.0
for _ in range(ROUNDS):
    rank = (rng.random(4000) ** 3 * len(pages)).astype(np.int64)
    chosen = hot[rank]
    total += pages[chosen, 7].sum()
    pages[chosen[::5], 9] += 1.0
    start = int(rng.integers(0, len(pages) - 4000))
    total += pages[start : start + 4000].sum()
END
"""


def numpy(mib: int, rounds: int) -> str:
    """Skewed random reads and writes and short scans over an array of ``mib`` MiB that hardly compresses."""
    return NUMPY.replace("GIB_PAGES", str(mib * 256)).replace("ROUNDS", str(rounds))


SQLITE = r"""
sqlite3 :memory: <<'END' >/dev/null
pragma temp_store=memory;
create table item(id integer primary key, customer integer, note blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000000)
insert into item select i, 100000 + i * 48271 % 60000, randomblob(150) || hex(randomblob(30)) from n;
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < 30000)
select sum(length(note)) from n join item on item.id = 2600000 + k % 300000;
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < 30000)
select sum(length(note)) from n join item on item.id = 1 + k % 3000000;
select count(*), sum(length(note)) from item where id between 100000 and 1100000;
END
"""

REDIS = r"""
set -e
redis-server --port 6399 --bind 127.0.0.1 --save '' --appendonly no --daemonize no >/dev/null &
server=$!
trap 'kill $server 2>/dev/null; wait $server' EXIT
until redis-cli -p 6399 ping >/dev/null 2>&1; do sleep 0.1; done
fill="math.randomseed(tonumber(ARGV[1])); local p = {}; \
  for i = 1, 16384 do p[i] = struct.pack('I4', math.random(0, 2147483646)) end; local s = table.concat(p); \
  for k = tonumber(ARGV[1]), tonumber(ARGV[2]) do local o = k * 7919 % 65000; \
  redis.call('SET', string.format('key:%012d', k), string.sub(s, o, o + 479)) end"
for i in $(seq 0 23); do redis-cli -p 6399 eval "$fill" 0 $((i * 50000)) $((i * 50000 + 49999)) >/dev/null; done
use="math.randomseed(tonumber(ARGV[1])); for i = 1, 2000 do \
  local k = string.format('key:%012d', math.floor(1200000 * math.random() ^ 4)); \
  if i % 4 == 0 then redis.call('SETRANGE', k, 100, ARGV[1]) else redis.call('GET', k) end end"
for i in $(seq 1 60); do redis-cli -p 6399 eval "$use" 0 $i >/dev/null; done
"""

HEAPSORT = "exec stress-ng --quiet --seed 5 --heapsort 26 --heapsort-size 4194304 --heapsort-ops 26"

FIXED = {
    "numpy": Program(numpy(1000, 100), 220 * MIB, ()),
    "numpy-large": Program(numpy(1800, 80), 320 * MIB, ()),
    "sqlite": Program(SQLITE, 200 * MIB, ("sqlite3",)),
    "redis": Program(REDIS, 160 * MIB, ("redis-server", "redis-tools")),
    "heapsort": Program(HEAPSORT, 120 * MIB, ("stress-ng",)),
}  # fmt: skip
