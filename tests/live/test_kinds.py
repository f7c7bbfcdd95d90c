"""Kinds of memory other than plain anonymous pages: large folios, shared memory, mapped files, zeros."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Flag, Op, PageKind, Where
from tmemlab.datasets.trace.verify import verify

from .conftest import Swap
from .oracle import collect

pytestmark = pytest.mark.live

PROGRAM = """
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define PAGES %(pages)d
#define SIZE ((size_t)PAGES * 4096)
int main(void) {
    char *whole = mmap(0, SIZE + (2 << 20), PROT_READ | PROT_WRITE, %(how)s | MAP_ANONYMOUS, -1, 0);
    char *p = (char *)(((uintptr_t)whole + (2 << 20) - 1) & ~(uintptr_t)((2 << 20) - 1));
    madvise(p, SIZE, %(advice)s);
    uint64_t x = 88172645463325252ULL;
    for (size_t i = 0; i < SIZE; i += 8) {
        x ^= x << 13; x ^= x >> 7; x ^= x << 17;
        *(uint64_t *)(p + i) = %(zero)d ? 0 : i %% 4096 < 2048 ? x : 42;
    }
    for (int k = 0; k < 20; k++) { madvise(p, SIZE, 21); usleep(20000); }
    for (size_t i = 0; i < SIZE; i += 4096) p[i]++;
    return 0;
}
"""


def swap_out_and_in(
    tmp_path: Path, pages: int, how: str, advice: str, zero: bool = False
) -> tuple[Trace, Any, Any]:
    source, program = tmp_path / "kind.c", tmp_path / "kind"
    source.write_text(PROGRAM % {"pages": pages, "how": how, "advice": advice, "zero": zero})
    subprocess.run(["gcc", "-O1", "-o", program, source], check=True)
    document, _ = collect(tmp_path / "trace", "--content-cpu", "0.5", "--", program)
    assert document["complete"], document
    assert verify(tmp_path / "trace") == []
    trace = Trace.open(tmp_path / "trace")
    return trace, trace.events("op", "page", "where", "flags", "clen"), trace.table("pages")


@pytest.fixture
def zram(swap: Swap, zram_device: Callable[[str], Path]) -> Iterator[None]:
    """A zram device as the preferred swap area: large folios go out whole only to block devices."""
    device = zram_device("256M")
    subprocess.run(["swapon", "-p", "100", device], check=True)
    yield
    subprocess.run(["swapoff", device], check=True)


def test_a_large_folio_is_one_row_a_page(zram: None, tmp_path: Path) -> None:
    _, events, pages = swap_out_and_in(tmp_path, 4096, "MAP_PRIVATE", "MADV_HUGEPAGE")
    large = (events["op"] == Op.STORE) & (events["flags"] & Flag.LARGE_FOLIO != 0)
    assert large.sum() % 512 == 0
    assert large.sum() >= 512, "the kernel gave the program no huge page: is transparent_hugepage off?"
    stored = np.unique(events["page"][large])
    assert len(stored) == large.sum()
    loaded = np.unique(events["page"][events["op"] == Op.LOAD])
    assert np.isin(stored, loaded).all()
    numbers = np.sort(pages["vpn"].to_numpy()[stored].astype(np.int64))
    assert (np.diff(numbers[:512]) == 1).all()


def test_shared_memory_is_stored_and_loaded_as_itself(swap: Swap, tmp_path: Path) -> None:
    swap.pool()
    _, events, pages = swap_out_and_in(tmp_path, 1500, "MAP_SHARED", "MADV_NOHUGEPAGE")
    kind = pages["kind"].to_numpy()
    stored = events["page"][(events["op"] == Op.STORE) & (kind[events["page"]] == PageKind.SHMEM)]
    loaded = events["page"][(events["op"] == Op.LOAD) & (kind[events["page"]] == PageKind.SHMEM)]
    assert len(np.unique(stored)) >= 1400
    assert len(np.unique(loaded)) >= 1400
    assert np.isin(loaded, stored).all()


def test_zero_pages_take_no_pool(swap: Swap, tmp_path: Path) -> None:
    swap.pool()
    _, events, _ = swap_out_and_in(tmp_path, 1500, "MAP_PRIVATE", "MADV_NOHUGEPAGE", zero=True)
    for op in (Op.STORE, Op.LOAD):
        zero = (events["op"] == op) & (events["where"] == Where.ZERO)
        assert zero.sum() >= 1400
        assert set(events["clen"][zero].tolist()) == {0}
