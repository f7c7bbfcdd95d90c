"""Real programs, none of them ours, that do more in memory than a small memory cgroup holds.

Each is a shell command that does the same work every time: seeds, sizes and numbers of operations are fixed and
nothing stops by the clock, so that what differs between two runs is scheduling, and what the kernel does. Of our
own writing are the few lines that drive them. ``PYTHON`` stands for the interpreter that has numpy.

:data:`PROGRAMS` is for a host with gigabytes, where the pool's smallest limit is 1 % of RAM: the pages of all but
gcc take more than 1 % of 24 GiB when compressed. guest_programs.py has small ones.
"""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Program:
    """A command to be recorded in a memory cgroup of ``memory`` bytes."""

    command: str
    memory: int
    packages: tuple[str, ...]


def _fill_in(text: str, **words: object) -> str:
    """``text`` with its words in capitals replaced."""
    for name, value in words.items():
        text = text.replace(name.upper(), str(value))
    return text


_NUMPY = r"""
exec PYTHON - <<'END'
import numpy as np
rng = np.random.default_rng(3)
data = np.empty(WORDS, np.float64 if FRACTIONS else np.int64)
for start in range(0, len(data), BLOCK):
    part = data[start : start + BLOCK]
    part[:] = rng.random(len(part)) if FRACTIONS else rng.integers(0, 1 << 24, len(part))
pages = data.reshape(-1, 512)
hot = rng.permutation(len(pages))
total = 0.0
for _ in range(ROUNDS):
    chosen = hot[(rng.random(CHOSEN) ** 3 * len(pages)).astype(np.int64)]
    total += pages[chosen, 7].sum()
    pages[chosen[::5], 9] += 1
    start = int(rng.integers(0, len(pages) - CHOSEN))
    total += pages[start : start + CHOSEN].sum()
END
"""


def numpy(mib: int, rounds: int, chosen: int, fractions: bool) -> str:
    """Skewed random reads and writes, and scans of ``chosen`` pages, over an array of ``mib`` MiB.

    fractions: of random fractions, which hardly compress; otherwise of integers of 24 bits in 64.
    """
    block = 1 << 21 if fractions else 1 << 17
    return _fill_in(_NUMPY, words=mib << 17, rounds=rounds, chosen=chosen, fractions=fractions, block=block)


_SQLITE = r"""
sqlite3 :memory: <<'END' >/dev/null
pragma temp_store=memory;
create table item(id integer primary key, customer integer, note blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < ROWS)
insert into item select i, 100000 + i * 48271 % 60000, NOTE from n;
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < LOOKUPS)
select sum(length(note)) from n join item on item.id = RECENT + k % NEARBY;
with recursive n(i, k) as (select 1, 17 union all select i + 1, (k * 48271) % 2147483647 from n where i < LOOKUPS)
select sum(length(note)) from n join item on item.id = 1 + k % ROWS;
select count(*), sum(length(note)) from item where id between FIRST and LAST;
END
"""


def sqlite(rows: int, note: str, lookups: int, recent: tuple[int, int], scan: tuple[int, int]) -> str:
    """A table in memory: random lookups among ``recent`` (first, number) rows, then among all, then a scan."""
    words = {"recent": recent[0], "nearby": recent[1], "first": scan[0], "last": scan[1]}
    return _fill_in(_SQLITE, rows=rows, note=note, lookups=lookups, **words)


_REDIS = r"""
set -e
redis-server --port 6399 --bind 127.0.0.1 --save '' --appendonly no --daemonize no >/dev/null &
server=$!
trap 'kill $server 2>/dev/null; wait $server' EXIT
until redis-cli -p 6399 ping >/dev/null 2>&1; do sleep 0.1; done
fill="math.randomseed(tonumber(ARGV[1])); local p = {}; \
  for i = 1, 16384 do p[i] = struct.pack('I4', math.random(0, LARGEST)) end; local s = table.concat(p); \
  for k = tonumber(ARGV[1]), tonumber(ARGV[2]) do local o = k * 7919 % 65000; \
  redis.call('SET', string.format('key:%012d', k), string.sub(s, o, o + 479)) end"
for i in $(seq 0 $((FILLS - 1))); do
  redis-cli -p 6399 eval "$fill" 0 $((i * BATCH)) $((i * BATCH + BATCH - 1)) >/dev/null
done
use="math.randomseed(tonumber(ARGV[1])); for i = 1, READS do \
  local k = string.format('key:%012d', math.floor(FILLS * BATCH * math.random() ^ 4)); \
  if i % 4 == 0 then redis.call('SETRANGE', k, 100, ARGV[1]) else redis.call('GET', k) end end"
for i in $(seq 1 CALLS); do redis-cli -p 6399 eval "$use" 0 $i >/dev/null; done
"""


def redis(fills: int, batch: int, calls: int, reads: int, largest: int) -> str:
    """``fills * batch`` keys of 480 bytes, then ``calls * reads`` skewed reads, each fourth of them a write.

    largest: of the random numbers of 32 bits that values are made of, which is how well they compress.
    """
    return _fill_in(_REDIS, fills=fills, batch=batch, calls=calls, reads=reads, largest=largest)


POSTGRES = r"""
set -e
export PATH=/usr/lib/postgresql/15/bin:$PATH PGHOST=/tmp PGPORT=6432
dir=$(mktemp -d /var/tmp/tmemlab-pg.XXXXXX); chown postgres "$dir"; chmod 755 "$dir"
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
chmod 644 "$dir/z.sql"
as pgbench -n -c 4 -t 6000 --random-seed=5 -f "$dir/z.sql" bench >/dev/null
as pgbench -n -c 4 -t 500 --random-seed=5 bench >/dev/null
"""

GCC = r"""
set -e
dir=$(mktemp -d /var/tmp/tmemlab-gcc.XXXXXX); trap 'rm -rf "$dir"' EXIT
PYTHON - "$dir" <<'END'
import random, sys
random.seed(5)
with open(sys.argv[1] + "/big.c", "w") as out:
    for f in range(9000):
        table = ", ".join(str(random.randrange(10**6)) for _ in range(8))
        out.write(f"int f{f}(int a, int b) {{ int x = a; int t[8] = {{{table}}};\n")
        for s in range(random.randrange(6, 20)):
            a, b, c = random.randrange(99999), random.randrange(3, 99), random.randrange(9999)
            out.write(f"  if ((x ^ {a}) % {b} > b) x += t[x & 7] * {c};")
            out.write(f" else x = f{random.randrange(f + 1)}(b, x - {s});\n")
        out.write("  return x; }\n")
END
gcc -O1 -g -fno-inline -c -o "$dir/big.o" "$dir/big.c"
"""

_STRESS = "exec stress-ng --quiet --seed 5"
_NOTE = "randomblob(150) || hex(randomblob(30))"

PROGRAMS = {
    "redis": Program(redis(24, 50_000, 60, 2000, 2**31 - 2), 160 * MIB, ("redis-server", "redis-tools")),
    "sqlite": Program(
        sqlite(3_000_000, _NOTE, 30_000, (2_600_000, 300_000), (100_000, 1_100_000)), 200 * MIB, ("sqlite3",)
    ),
    "numpy": Program(numpy(1000, 100, 4000, True), 220 * MIB, ()),
    "numpy-large": Program(numpy(1800, 80, 4000, True), 320 * MIB, ()),
    "postgres": Program(POSTGRES, 128 * MIB, ("postgresql-15",)),
    "gcc": Program(GCC, 240 * MIB, ("gcc-12",)),
    "heapsort": Program(
        f"{_STRESS} --heapsort 26 --heapsort-size 4194304 --heapsort-ops 26", 120 * MIB, ("stress-ng",)
    ),
}
