"""The trace holds exactly what the kernel counted, wherever the pages went."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tmemlab.collect.kernel.compressors import find_twin
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Op, Where
from tmemlab.datasets.trace.verify import verify

from .conftest import Swap
from .oracle import TMEMLAB, collect, difference, loads_in, stores_in, vmstat

pytestmark = pytest.mark.live


def rows_by_where(path: Path, op: Op) -> dict[Where, int]:
    columns = Trace.open(path).events("op", "where")
    chosen = columns["where"][columns["op"] == op]
    return {where: int((chosen == where).sum()) for where in Where if (chosen == where).any()}


AROUND = 4
"""Pages that something else may swap between the test's readings of vmstat and the recording's ends, each time."""


def undisturbed(folder: Path, *arguments: str | Path) -> tuple[Path, dict, dict[str, int]]:
    """A recording during which nothing else swapped, and what the kernel counted while it ran.

    vmstat as the test read it brackets what the recorder read: never less. Where it is more, something else
    swapped around the recording, which is made again.
    """
    for attempt in range(4):
        path = folder / f"trace-{attempt}"
        document, around = collect(path, *arguments)
        kernel = document["kernel"]
        assert document["complete"], document
        assert document["recorded"] == kernel
        assert kernel.keys() == around.keys()
        assert all(around[name] >= kernel[name] for name in kernel), (kernel, around)
        if around == kernel:
            break
    assert all(around[name] - kernel[name] <= AROUND for name in kernel), (kernel, around)
    return path, document, kernel


def check(path: Path, document: dict, counted: dict[str, int]) -> None:
    """Rows on disk, the document and the manifest against what vmstat did meanwhile."""
    assert verify(path) == []
    assert document["complete"], document
    assert document["dropped"] == 0
    columns = Trace.open(path).events("op")
    assert document["recorded"] == counted
    assert int((columns["op"] == Op.STORE).sum()) == stores_in(counted) > 0
    assert int((columns["op"] == Op.LOAD).sum()) == loads_in(counted) > 0


def test_everything_into_the_pool(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    swap.pool()
    path, document, counted = undisturbed(tmp_path, "--memory-limit", "40M", "--", swapper, "churn", "110", "2")
    check(path, document, counted)
    assert rows_by_where(path, Op.STORE).get(Where.POOL) == counted["zswpout"]
    assert rows_by_where(path, Op.LOAD).get(Where.POOL) == counted["zswpin"]
    assert document["identity"]["share"] < 0.01


def test_a_full_pool_rejects_and_writes_back(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    swap.pool(max_pool_percent=1)
    # half of a page is random, so the pool is full when twice 1 % of RAM is out
    size = str(ram_megabytes() // 45 + 500)
    path, document, counted = undisturbed(tmp_path, "--memory-limit", "200M", "--", swapper, "churn", size, "0")
    columns = Trace.open(path).events("op", "where")
    stores = columns["where"][columns["op"] == Op.STORE]
    assert document["complete"]
    assert document["recorded"] == counted
    assert int((stores == Where.REJECTED).sum()) == counted["pswpout"] - counted["zswpwb"] > 0
    assert int((stores == Where.POOL).sum()) == counted["zswpout"] > 0


def ram_megabytes() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1]) >> 10


def test_plain_disk(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    path, document, counted = undisturbed(tmp_path, "--memory-limit", "40M", "--", swapper, "churn", "80", "1")
    check(path, document, counted)
    assert rows_by_where(path, Op.STORE) == {Where.DISK: counted["pswpout"]}


def test_a_window_cut_out_of_the_traffic_of_others(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    """A load that was swapping before the recording began and goes on after: the cuts make it exact."""
    swap.pool()
    other = subprocess.Popen(
        [*TMEMLAB, "collect", tmp_path / "outer", "--memory-limit", "40M", "--content-cpu", "0", "--",
         swapper, "sweep", "110", "100000"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        begin = vmstat()
        while stores_in(difference(begin, vmstat())) < 5000:
            assert other.poll() is None
        path = tmp_path / "trace"
        document, _ = collect(path, "--duration", "2s")
        assert other.poll() is None, "the load ended early: the test saw no traffic at its ends"
        assert document["recorded"]["zswpout"] > 1000
        assert document["complete"], document
        assert document["kernel"] == document["recorded"]
    finally:
        other.send_signal(signal.SIGINT)
        other.wait(60)


def test_only_the_wanted_cgroup(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    """Pages of other cgroups are counted as outside, so the certificate still closes."""
    swap.pool()
    path = tmp_path / "trace"
    other = Path("/sys/fs/cgroup/memory/tmemlab-other")
    other.mkdir(exist_ok=True)
    try:
        document, counted = collect(
            path, "--cgroup", "/tmemlab-other", "--memory-limit", "40M", "--", swapper, "churn", "60", "0"
        )
        assert counted["zswpout"] > 1000
        assert document["stores"] == document["loads"] == 0
        assert document["complete"]
    finally:
        other.rmdir()


def test_what_is_dropped_is_counted_to_the_page(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    """A ring of a thousand records at tens of thousands a second."""
    swap.pool()
    path = tmp_path / "trace"
    document, _ = collect(
        path, "--ring", "64K", "--content-cpu", "0", "--memory-limit", "40M", "--duration", "4s",
        "--", swapper, "sweep", "110", "100000",
    )  # fmt: skip
    certificate = json.loads((path / "manifest.json").read_text())["certificate"]
    assert document["dropped"] > 0
    assert not document["complete"]
    for kind in ("stores", "loads"):
        part = certificate[kind]
        assert part["recorded"] + part["dropped"] == part["kernel"], certificate
    assert certificate["stores"]["dropped"] + certificate["loads"]["dropped"] > 0
    assert all(gap["from_ns"] <= gap["to_ns"] for gap in certificate["gaps"])
    assert certificate["gaps"]
    assert verify(path) == []


def test_lengths_agree_with_the_pool(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    """Mean length against what the kernel's own pool holds per page."""
    swap.pool()
    path = tmp_path / "trace"
    collect(path, "--memory-limit", "40M", "--", swapper, "churn", "110", "0")
    trace = Trace.open(path)
    columns = trace.events("op", "clen")
    lengths = columns["clen"][(columns["op"] == Op.STORE) & (columns["clen"] != 0xFFFF)]
    samples = trace.table("samples").to_pydict()
    full = int(np.argmax([value or 0 for value in samples["pool_stored_bytes"]]))
    per_page = samples["pool_bytes"][full] / samples["pool_stored_bytes"][full] * 4096
    # zsmalloc's size classes and partly filled pages add a few percent to the lengths themselves
    assert 0.85 * per_page < lengths.mean() < 1.02 * per_page
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["clen"]["method"] == "measured"
    # a store whose entry another CPU was moving in the tree has no length
    assert manifest["clen"]["unknown"] < 5e-4 * manifest["clen"]["measured"]


ALIKE = """
import mmap, random, sys, time
page = random.Random(7).randbytes(1500) + bytes(range(256)) * 10 + bytes(36)
area = mmap.mmap(-1, 3000 * 4096)
area.madvise(mmap.MADV_NOHUGEPAGE)
area[:] = page * 3000
for _ in range(10):
    area.madvise(21)  # MADV_PAGEOUT
    time.sleep(0.02)
"""


@pytest.mark.parametrize("pool", [True, False], ids=["by the kernel", "sampled"])
def test_pages_of_one_content_have_its_length(swap: Swap, tmp_path: Path, pool: bool) -> None:
    """Two ways to a length, the kernel's own entry and contents compressed here, against the library itself."""
    if pool:
        swap.pool()
    path = tmp_path / "trace"
    collect(path, "--content-cpu", "0.9", "--", sys.executable, "-c", ALIKE)
    page = random.Random(7).randbytes(1500) + bytes(range(256)) * 10 + bytes(36)
    trace = Trace.open(path)
    twin = find_twin(trace.manifest.clen.algorithm)
    columns = trace.events("op", "clen", "where")
    lengths = columns["clen"][(columns["op"] == Op.STORE) & (columns["clen"] != 0xFFFF)]
    value, times = np.unique(lengths, return_counts=True)
    assert times.max() >= (2900 if pool else 1000)  # sampling stays within its CPU budget on a busy host
    assert abs(int(value[times.argmax()]) - twin.length(page)) <= (0 if twin.exact else 100)
    by_kernel = json.loads((path / "manifest.json").read_text())["clen"]["stores_by_kernel"]
    assert by_kernel >= 2900 if pool else by_kernel == 0
    assert pool or trace.manifest.clen.method == "sampled"
