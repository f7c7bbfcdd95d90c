"""A program that swaps a prime number of pages out and another back: exactly those pages are in the trace."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Op, PageKind

from .conftest import Swap
from .oracle import collect

pytestmark = pytest.mark.live

OUT, BACK, STRIDE = 4999, 1201, 4

RECLAIM = """
v1=$(grep :memory: /proc/self/cgroup | cut -d: -f3); v2=$(grep ^0:: /proc/self/cgroup | cut -d: -f3)
if [ -n "$v1" ]; then export RECLAIM=/sys/fs/cgroup/memory$v1/memory.force_empty
else export RECLAIM=/sys/fs/cgroup$v2/memory.reclaim; fi
"""
"""The program's own cgroup, as the mounts usually are."""


@pytest.mark.parametrize("pool", [True, False], ids=["pool", "disk"])
def test_exactly_the_known_pages(swap: Swap, swapper: Path, tmp_path: Path, pool: bool) -> None:
    if pool:
        swap.pool()
    cluster = Path("/proc/sys/vm/page-cluster")
    before = cluster.read_text()
    # without read-ahead a load is a touch
    cluster.write_text("0")
    try:
        said = tmp_path / "said"
        shell = f"{RECLAIM} {swapper} known {OUT} {BACK} {STRIDE} > {said}"
        document, _ = collect(tmp_path / "trace", "--", "sh", "-c", shell)
    finally:
        cluster.write_text(before)
    first, out, back, stride, faults, _ = map(int, said.read_text().split())
    assert (out, back, stride, faults) == (OUT, BACK, STRIDE, BACK)
    assert document["complete"]

    trace = Trace.open(tmp_path / "trace")
    events, pages = trace.events("op", "page"), trace.table("pages")
    space, vpn, kind = (pages[name].to_numpy() for name in ("space", "vpn", "kind"))
    # the program locks everything but the region, so its address space holds nothing else; the shell's is another
    largest = np.bincount(space).argmax()
    ours = space[events["page"]] == largest
    stored = events["page"][ours & (events["op"] == Op.STORE)]
    loaded = events["page"][ours & (events["op"] == Op.LOAD)]
    assert len(stored) == OUT
    assert len(loaded) == BACK
    assert set(kind[stored]) == {PageKind.ANONYMOUS}
    # page numbers in a trace count from the lowest of their space
    numbers = vpn[stored].astype(np.int64)
    base = int(numbers.min())
    assert sorted((numbers - base).tolist()) == list(range(OUT))
    assert sorted((vpn[loaded].astype(np.int64) - base).tolist()) == [i * STRIDE for i in range(BACK)]
    assert first > 0


def test_pages_die_with_their_process(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    """What was not touched again is invalidated when the program ends."""
    swap.pool()
    collect(tmp_path / "trace", "--", swapper, "known", "1009", "0", "1")
    events = Trace.open(tmp_path / "trace").events("op", "page")
    stored = set(events["page"][events["op"] == Op.STORE].tolist())
    gone = set(events["page"][events["op"] == Op.INVALIDATE].tolist())
    assert len(stored) >= 1000  # how many it is exactly is the test above
    assert stored <= gone


def test_children_share_a_layout_and_are_told_apart(swap: Swap, tmp_path: Path) -> None:
    """Parent and child write the same addresses after a fork and swap both out: twice the pages.

    Both stay on one CPU, since MADV_PAGEOUT leaves what is still in another CPU's batch on its way to the LRU
    (mm/swap.c), and go on until their page tables say that all is out.
    """
    source = tmp_path / "fork.c"
    source.write_text(
        """
        #define _GNU_SOURCE
        #include <fcntl.h>
        #include <sched.h>
        #include <stdint.h>
        #include <sys/mman.h>
        #include <sys/wait.h>
        #include <unistd.h>
        enum { PAGES = 512, PAGE = 4096, TRIES = 1000 };
        static int out(const char *p) {
            static uint64_t entries[PAGES];
            int swapped = 0, map = open("/proc/self/pagemap", O_RDONLY);
            pread(map, entries, sizeof entries, (uintptr_t)p / PAGE * sizeof *entries);
            close(map);
            for (int i = 0; i < PAGES; i++) swapped += entries[i] >> 62 & 1;
            return swapped;
        }
        int main(void) {
            size_t n = PAGES * PAGE;
            int status = 0, k = 0;
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(sched_getcpu(), &one);
            sched_setaffinity(0, sizeof one, &one);
            char *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            madvise(p, n, MADV_NOHUGEPAGE);
            pid_t child = fork();
            for (size_t i = 0; i < n; i++) p[i] = i * 7 + (child ? 1 : 2) + (i >> 12);
            while (out(p) < PAGES && k++ < TRIES) { madvise(p, n, MADV_PAGEOUT); usleep(10000); }
            if (k > TRIES) return 1;
            for (size_t i = 0; i < n; i += PAGE) p[i]++;
            if (child) wait(&status);
            return status != 0;
        }
        """
    )
    subprocess.run(["gcc", "-O1", "-o", tmp_path / "fork", source], check=True)
    swap.pool()
    collect(tmp_path / "trace", "--", "sh", "-c", f"{tmp_path / 'fork'} || touch {tmp_path / 'stayed'}")
    assert not (tmp_path / "stayed").exists()
    trace = Trace.open(tmp_path / "trace")
    events, space = trace.events("op", "page"), trace.table("pages")["space"].to_numpy()
    loaded = events["page"][events["op"] == Op.LOAD]
    sizes = np.bincount(space[np.unique(loaded)])
    assert sorted(sizes[sizes >= 512].tolist()) == [512, 512]
