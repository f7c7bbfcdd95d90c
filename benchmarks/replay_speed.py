"""How fast a replay is, from Parquet on disk to scores, beside libCacheSim on the same requests.

    python benchmarks/replay_speed.py [--events 20000000] [--rounds 5]

Three measurements, interleaved, the median of at least five rounds each, on one core:

zswap    a swap trace (stores, loads, invalidates, mixed compressed lengths) through zswap.v6_18 with its limit
         at work, the host model, memory balance and watermarks included; from files to scores
lru      a trace of page accesses through order.lru; from files to scores
peer     the same requests through libCacheSim's LRU (C, through its Python package), from its own binary
         format to the miss ratio, which must be the same to the last request
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.factory import make_trace, sample
from tmemlab.datasets.trace.schema import Op
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.compare import compare
from tmemlab.replay.scores.score import StormPlan

GIB = 1 << 30


def relabelled(ids: np.ndarray) -> np.ndarray:
    """Dense ids in order of first appearance."""
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.uint32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.uint32)
    return rank[inverse]


def columns(op: np.ndarray, page: np.ndarray, clen: np.ndarray | None) -> dict[str, np.ndarray]:
    count = len(op)
    zero8, zero16 = np.zeros(count, np.uint8), np.zeros(count, np.uint16)
    result = {
        "t": np.cumsum(np.random.default_rng(5).integers(2_000, 20_000, count)),
        "op": op, "page": page, "cgroup": zero16, "task": zero16, "where": zero8, "flags": zero8,
    }  # fmt: skip
    return result | ({} if clen is None else {"clen": clen})


def swap_trace(path: Path, count: int) -> Path:
    """Zipf-chosen pages, each stored when it is resident and loaded when it is not; one in 50 is freed."""
    rng = np.random.default_rng(1)
    pages = relabelled((rng.zipf(1.05, count) * 2654435761) % 400_000)
    order = np.argsort(pages, kind="stable")
    ordered = pages[order]
    starts = np.r_[0, np.flatnonzero(np.diff(ordered)) + 1]
    turn = np.arange(count) - np.repeat(starts, np.diff(np.r_[starts, count]))
    op = np.empty(count, np.uint8)
    op[order] = np.where(turn % 2 == 0, Op.STORE, np.where(turn % 100 == 99, Op.INVALIDATE, Op.LOAD))
    clen = rng.integers(300, 3600, int(pages.max()) + 1).astype(np.uint16)[pages]
    cols = columns(op, pages, clen)
    last = int(cols["t"][-1])
    return make_trace(
        path, columns=cols, ram_bytes=GIB, samples=[sample(t, GIB) for t in range(0, last, 10**8)]
    )  # fmt: skip


def access_trace(path: Path, count: int) -> tuple[Path, Path]:
    """The same requests as a trace and in libCacheSim's oracleGeneral."""
    rng = np.random.default_rng(2)
    pages = relabelled((rng.zipf(1.1, count) * 2654435761) % 500_000)
    trace = make_trace(path / "access", columns=columns(np.full(count, Op.LOAD, np.uint8), pages, None),
                       manifest={"kind": "access"}, samples=[])  # fmt: skip
    records = np.zeros(count, np.dtype([("t", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")]))
    records["id"], records["size"], records["next"] = pages.astype(np.uint64) + 1, 1, -1
    records.tofile(path / "access.bin")
    return trace, path / "access.bin"


def timed(function: Callable[[], float]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds, result."""
    start, spent = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - start, time.process_time() - spent, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    import libcachesim as lcs

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core, for all three
    folder = Path(tempfile.mkdtemp(prefix="tmemlab-bench-"))
    try:
        swap = swap_trace(folder / "swap", arguments.events)
        access, binary = access_trace(folder, arguments.events)
        capacity = 50_000
        zswap = [parse_policy("zswap.v6_18:max_pool_percent=10")]
        lru = [parse_policy(f"order.lru:max_pool_pages={capacity}")]
        plan = StormPlan(storms=0)

        def run_zswap() -> float:
            return compare(swap, zswap, plan=plan, threads=1).scores[0].writeback["pages"]

        def run_lru() -> float:
            return compare(access, lru, plan=plan, threads=1).scores[0].loads["disk"]

        def run_peer() -> float:
            reader = lcs.TraceReader(
                str(binary), lcs.TraceType.ORACLE_GENERAL_TRACE, lcs.ReaderInitParam(ignore_obj_size=True)
            )
            return round(lcs.LRU(cache_size=capacity).process_trace(reader)[0] * arguments.events)

        run_zswap(), run_lru()  # compile, and warm the page cache
        seconds: dict[str, list[float]] = {"zswap": [], "lru": [], "peer": []}
        spent: dict[str, list[float]] = {"zswap": [], "lru": [], "peer": []}
        for _ in range(arguments.rounds):
            for name, function in (("zswap", run_zswap), ("lru", run_lru), ("peer", run_peer)):
                elapsed, cpu, result = timed(function)
                seconds[name].append(elapsed)
                spent[name].append(cpu)
                if name == "lru":
                    misses = result
                if name == "peer":
                    assert misses == result, f"{misses} misses against libCacheSim's {result}"
    finally:
        shutil.rmtree(folder)
    rate, cpu_rate = (
        {name: arguments.events / statistics.median(times) / 1e6 for name, times in measured.items()}
        for measured in (seconds, spent)
    )
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "?")
    print(f"machine   {model}, {os.cpu_count()} cores, Linux {platform.release()}")
    print(
        "versions  "
        + ", ".join(f"{p} {version(p)}" for p in ("tmemlab", "numba", "numpy", "pyarrow", "libcachesim"))
    )
    print(f"command   python {' '.join(sys.argv)}")
    print(f"events    {arguments.events:,}, median of {arguments.rounds} interleaved rounds, one core\n")
    print("                                           wall        CPU (other load on the machine does not count)")
    for name, label in (
        ("zswap", "zswap.v6_18, full model, files to scores"),
        ("lru", "order.lru, files to scores"),
        ("peer", "libCacheSim LRU, file to miss ratio"),
    ):
        print(f"{label:40s} {rate[name]:6.1f}  {cpu_rate[name]:6.1f}  M events/s")
    wall_ratio, cpu_ratio = (r["lru"] / r["peer"] for r in (rate, cpu_rate))
    label = "order.lru : libCacheSim LRU"
    print(f"{label:40s} {wall_ratio:6.1f}  {cpu_ratio:6.1f}  times; misses equal: {misses:,}")


if __name__ == "__main__":
    main()
