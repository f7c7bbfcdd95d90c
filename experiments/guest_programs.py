"""Programs for a guest that QEMU emulates: those of programs.py, made small, and two more.

Each swaps 30 to 60 MB that compress to about half.
"""

from .programs import MIB, Program, numpy, redis, sqlite

NOTE = (
    "hex(randomblob(40)) || printf('order %d of customer %d shipped from warehouse %d on day %d', "
    "i, i % 6000, i % 37, i % 366)"
)

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
    "redis": Program(redis(10, 10_000, 25, 500, 65_535), 24 * MIB, ("redis-server", "redis-tools")),
    "sqlite": Program(sqlite(200_000, NOTE, 8000, (170_000, 30_000), (20_000, 120_000)), 16 * MIB, ("sqlite3",)),
    "sort": Program(SORT, 20 * MIB, ("coreutils", "mawk")),
    "numpy": Program(numpy(64, 60, 400, False), 40 * MIB, ()),
    "gcc": Program(GCC, 30 * MIB, ("gcc-12", "mawk")),
}
