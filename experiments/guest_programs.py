"""Programs for a guest that QEMU emulates: those of fixed.py, made small, and two more.

Sizes and seeds are fixed and nothing stops by the clock. Each swaps 30 to 60 MB that compress to about half.
"""

import sys

from .programs import MIB, Program

NUMPY = rf"""
exec {sys.executable} - <<'END'
import numpy as np
rng = np.random.default_rng(3)
data = np.empty(64 << 17, np.int64)
for start in range(0, len(data), 1 << 17):
    data[start : start + (1 << 17)] = rng.integers(0, 1 << 24, 1 << 17)
pages = data.reshape(-1, 512)
hot = rng.permutation(len(pages))
total = 0
for _ in range(60):
    chosen = hot[(rng.random(400) ** 3 * len(pages)).astype(np.int64)]
    total += pages[chosen, 7].sum()
    pages[chosen[::5], 9] += 1
    start = int(rng.integers(0, len(pages) - 400))
    total += pages[start : start + 400].sum()
END
"""

SQLITE = r"""
sqlite3 :memory: <<'END' >/dev/null
pragma temp_store=memory;
create table item(id integer primary key, customer integer, note blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000)
insert into item select i, 100000 + i * 48271 % 60000, hex(randomblob(40)) ||
  printf('order %d of customer %d shipped from warehouse %d on day %d', i, i % 6000, i % 37, i % 366) from n;
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < 8000)
select sum(length(note)) from n join item on item.id = 170000 + k % 30000;
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < 8000)
select sum(length(note)) from n join item on item.id = 1 + k % 200000;
select count(*), sum(length(note)) from item where id between 20000 and 120000;
END
"""

REDIS = r"""
set -e
redis-server --port 6399 --bind 127.0.0.1 --save '' --appendonly no --daemonize no >/dev/null &
server=$!
trap 'kill $server 2>/dev/null; wait $server' EXIT
until redis-cli -p 6399 ping >/dev/null 2>&1; do sleep 0.1; done
fill="math.randomseed(tonumber(ARGV[1])); local p = {}; \
  for i = 1, 16384 do p[i] = struct.pack('I4', math.random(0, 65535)) end; local s = table.concat(p); \
  for k = tonumber(ARGV[1]), tonumber(ARGV[2]) do local o = k * 7919 % 65000; \
  redis.call('SET', string.format('key:%012d', k), string.sub(s, o, o + 479)) end"
for i in $(seq 0 9); do redis-cli -p 6399 eval "$fill" 0 $((i * 10000)) $((i * 10000 + 9999)) >/dev/null; done
use="math.randomseed(tonumber(ARGV[1])); for i = 1, 500 do \
  local k = string.format('key:%012d', math.floor(100000 * math.random() ^ 4)); \
  if i % 4 == 0 then redis.call('SETRANGE', k, 100, ARGV[1]) else redis.call('GET', k) end end"
for i in $(seq 1 25); do redis-cli -p 6399 eval "$use" 0 $i >/dev/null; done
"""

SORT = r"""
seq 1 400000 |
    awk '{ printf "%010d some words of text that all lines have in common %d\n", $1 * 48271 % 2147483647, $1 }' |
    sort -S 120M --parallel=1 >/dev/null
"""

GCC = r"""
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
awk 'BEGIN { srand(5); for (f = 0; f < 70; f++) { printf "int f%d(int a, int b) { int x = a;\n", f
  for (s = 0; s < 12; s++) printf " if ((x ^ %d) %% %d > b) x += b * %d; else x = f%d(b, x - %d);\n", \
    rand() * 99999, 3 + rand() * 96, rand() * 9999, rand() * f, s
  print " return x; }" } }' > "$dir/big.c"
gcc -O1 -g -fno-inline -c -o "$dir/big.o" "$dir/big.c"
"""

PROGRAMS = {
    "redis": Program(REDIS, 24 * MIB, ("redis-server", "redis-tools")),
    "sqlite": Program(SQLITE, 16 * MIB, ("sqlite3",)),
    "sort": Program(SORT, 20 * MIB, ("coreutils", "mawk")),
    "numpy": Program(NUMPY, 40 * MIB, ()),
    "gcc": Program(GCC, 30 * MIB, ("gcc-12", "mawk")),
}
