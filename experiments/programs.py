"""Real programs, none of them ours, that do more in memory than a small memory cgroup holds.

Each is a shell command of about 20 to 50 s whose pages, gcc's excepted, take more than 1 % of 24 GiB of RAM when
compressed: the limit has to be reached. That is why much of what they keep is random.
"""

from dataclasses import dataclass

MIB = 1 << 20

REDIS = r"""
set -e
redis-server --port 6399 --bind 127.0.0.1 --save '' --appendonly no --daemonize no >/dev/null &
server=$!
trap 'kill $server 2>/dev/null; wait $server' EXIT
until redis-cli -p 6399 ping >/dev/null 2>&1; do sleep 0.1; done
fill="math.randomseed(tonumber(ARGV[1])); for k = tonumber(ARGV[1]), tonumber(ARGV[2]) do \
  local p = {}; for i = 1, 60 do p[i] = struct.pack('I4', math.random(0, 2147483646)) end; \
  redis.call('SET', string.format('key:%012d', k), string.rep(table.concat(p), 2)) end"
for i in $(seq 0 29); do redis-cli -p 6399 eval "$fill" 0 $((i * 36000)) $((i * 36000 + 35999)) >/dev/null; done
hot="math.floor(1080000 * (ARGV[1] / 1000000) ^ 4)"
timeout 14 redis-benchmark -q -p 6399 -r 1000000 -n 400000 -c 8 -P 4 EVAL \
  "local k = string.format('key:%012d', $hot); \
  if ARGV[1] % 4 == 0 then return redis.call('SETRANGE', k, 100, ARGV[1]) end; return redis.call('GET', k)" \
  0 __rand_int__ >/dev/null || true
"""

POSTGRES = r"""
set -e
export PATH=/usr/lib/postgresql/15/bin:$PATH PGHOST=/tmp PGPORT=6432
dir=$(mktemp -d /var/tmp/tmemlab-pg.XXXXXX); chown postgres "$dir"
as() { runuser -u postgres -- env PATH="$PATH" PGHOST=/tmp PGPORT=6432 "$@"; }
trap 'as pg_ctl -D "$dir/d" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
as initdb -D "$dir/d" -A trust >/dev/null
cat >> "$dir/d/postgresql.conf" <<'END'
port = 6432
unix_socket_directories = '/tmp'
listen_addresses = ''
shared_buffers = 800MB
fsync = off
full_page_writes = off
max_wal_size = 4GB
autovacuum = off
work_mem = 256MB
END
as pg_ctl -D "$dir/d" -l "$dir/log" -w start >/dev/null
as createdb bench
as psql -q bench -c "create extension pgcrypto" -c "create unlogged table t as select i, gen_random_bytes(500) a \
  from generate_series(1, 700000) i" -c "create index on t(i)" >/dev/null
as pgbench -i -q -s 4 bench >/dev/null 2>&1
as psql -q -t bench -c "create extension pg_prewarm" -c "select pg_prewarm('t')" >/dev/null
printf '%s\n' '\set i random_zipfian(1, 700000, 1.05)' 'select a from t where i = :i;' > "$dir/z.sql"
chmod 755 "$dir"
as pgbench -n -c 4 -T 10 -f "$dir/z.sql" bench >/dev/null
as pgbench -n -c 4 -T 6 bench >/dev/null
"""

GCC = r"""
set -e
dir=$(mktemp -d /var/tmp/tmemlab-gcc.XXXXXX); trap 'rm -rf "$dir"' EXIT
python3 - "$dir" <<'END'
import random, sys
random.seed(5)
with open(sys.argv[1] + "/big.c", "w") as out:
    for f in range(14000):
        table = ", ".join(str(random.randrange(10**6)) for _ in range(8))
        out.write(f"int f{f}(int a, int b) {{ int x = a; int t[8] = {{{table}}};\n")
        for s in range(random.randrange(6, 20)):
            a, b, c = random.randrange(99999), random.randrange(3, 99), random.randrange(9999)
            out.write(f"  if ((x ^ {a}) % {b} > b) x += t[x & 7] * {c};")
            out.write(f" else x = f{random.randrange(f + 1)}(b, x - {s});\n")
        out.write("  return x; }\n")
END
timeout 45 gcc -O1 -g -fno-inline -c -o "$dir/big.o" "$dir/big.c" || true
"""

SQLITE = r"""
timeout 40 sqlite3 :memory: <<'END' || true
pragma temp_store=memory;
create table item(id integer primary key, customer integer, note blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2600000)
insert into item select i, abs(random()) % 60000, randomblob(150) || hex(randomblob(30)) from n;
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < 40000)
select sum(length(note)) from n join item on item.id = 2200000 + k % 300000;
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < 60000)
select sum(length(note)) from n join item on item.id = 1 + k % 2600000;
select count(*), sum(length(note)) from item where id between 100000 and 1100000;
END
"""

STRESS = "exec timeout 44 stress-ng --timeout 24 --quiet"
STRESS_QSORT = f"{STRESS} --qsort 30 --qsort-size 4194304"
STRESS_HEAPSORT = f"{STRESS} --heapsort 26 --heapsort-size 4194304"

NUMPY = r"""
exec timeout 55 PYTHON - <<'END'
import time
import numpy as np
rng = np.random.default_rng(3)
data = np.concatenate([rng.random(1 << 21, np.float64).view(np.uint8) for _ in range(38)]).view(np.float64)
pages = data.reshape(-1, 512)
hot = rng.permutation(len(pages))
end = time.monotonic() + 18
total = 0.0
while time.monotonic() < end:
    rank = (rng.random(20000) ** 3 * len(pages)).astype(np.int64)
    chosen = hot[rank]
    total += pages[chosen, 7].sum()
    pages[chosen[::5], 9] += 1.0
    start = int(rng.integers(0, len(pages) - 4000))
    total += pages[start : start + 4000].sum()
END
"""


@dataclass(frozen=True)
class Program:
    """A command to be recorded in a memory cgroup of ``memory`` bytes."""

    command: str
    memory: int
    packages: tuple[str, ...]


PROGRAMS = {
    "redis": Program(REDIS, 160 * MIB, ("redis-server", "redis-tools")),
    "postgres": Program(POSTGRES, 128 * MIB, ("postgresql-15",)),
    "gcc": Program(GCC, 160 * MIB, ("gcc-12", "python3")),
    "sqlite": Program(SQLITE, 200 * MIB, ("sqlite3",)),
    "stress-ng-qsort": Program(STRESS_QSORT, 140 * MIB, ("stress-ng",)),
    "stress-ng-heapsort": Program(STRESS_HEAPSORT, 120 * MIB, ("stress-ng",)),
    "numpy": Program(NUMPY, 220 * MIB, ()),
}  # fmt: skip
