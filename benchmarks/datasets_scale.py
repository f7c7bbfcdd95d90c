"""A hundred million events through slice, stats, anonymize, pack, unpack and verify: throughput and memory.

    .venv/bin/python benchmarks/datasets_scale.py [--events 100000000] [--directory DIR] [--json FILE]

Every step is a process of its own, so that its peak of memory is its own. The baseline is pyarrow.parquet reading
and writing the same columns alone, one row group after the other, single-threaded as its writer is.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

TMEMLAB = Path(sys.executable).with_name("tmemlab")

WORKLOAD = [
    "--pattern=zipf:pages=1500000,alpha=0.7", "--pattern=scan:pages=1000000,weight=0.3",
    "--pattern=phase:pages=500000", "--resident=2G", "--rate=200000", "--seed=1",
]  # fmt: skip

READ = """
import sys, pyarrow.parquet as pq
from pathlib import Path
for path in sorted(Path(sys.argv[1]).glob("events-*.parquet")):
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        file.read_row_group(group, use_threads=False)
"""

COPY = """
import sys, pyarrow.parquet as pq
from pathlib import Path
for path in sorted(Path(sys.argv[1]).glob("events-*.parquet")):
    file = pq.ParquetFile(path)
    delta = dict.fromkeys(["t", "page", "slot", "latency"], "DELTA_BINARY_PACKED")
    plain = [name for name in file.schema_arrow.names if name not in delta]
    options = dict(compression="zstd", compression_level=3, use_dictionary=plain, column_encoding=delta)
    out = pq.ParquetWriter(Path(sys.argv[2]) / path.name, file.schema_arrow, **options)
    for group in range(file.num_row_groups):
        out.write_table(file.read_row_group(group, use_threads=False), row_group_size=1 << 20)
    out.close()
"""


def run(name: str, events: int, command: list[str]) -> dict[str, object]:
    """Run ``command``; its wall time, its events a second and its peak of memory."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{name} failed with exit code {process.returncode}: {' '.join(map(str, command))}")
    return {
        "step": name,
        "seconds": round(seconds, 2),
        "events_per_s": round(events / seconds),
        "peak_mib": round(usage.ru_maxrss / 1024),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000_000)
    parser.add_argument("--directory", type=Path, default=None, help="where there is room for three copies")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        results = measure(options.events, Path(scratch))
    print(f"{'step':<22}{'seconds':>10}{'events/s':>14}{'peak MiB':>10}")
    for row in results["steps"]:
        print(f"{row['step']:<22}{row['seconds']:>10}{row['events_per_s']:>14,}{row['peak_mib']:>10}")
    print(f"{results['bytes_per_event']} bytes an event, {results['pages']:,} pages")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def measure(events: int, place: Path) -> dict[str, object]:
    """All steps over one synthetic trace of swap traffic."""
    datasets, trace = [TMEMLAB, "datasets"], place / "trace"
    steps = [
        run("synth", events, [*datasets, "synth", trace, "--events", str(events), *WORKLOAD]),
        run("pyarrow read", events, [sys.executable, "-c", READ, trace]),
    ]  # fmt: skip
    (place / "copy").mkdir()
    steps.append(run("pyarrow read + write", events, [sys.executable, "-c", COPY, trace, place / "copy"]))
    shutil.rmtree(place / "copy")
    info = json.loads(subprocess.check_output([*datasets, "info", trace, "--json"]))
    steps.append(run("verify", events, [*datasets, "verify", trace]))
    steps.append(run("stats", events, [*datasets, "stats", trace]))
    half = f"{info['duration_s'] / 2:.3f}s"
    steps.append(run("slice (half)", events, [*datasets, "slice", trace, place / "half", "--to", half]))
    shutil.rmtree(place / "half")
    steps.append(run("anonymize", events, [*datasets, "anonymize", trace, place / "anonymous"]))
    steps.append(run("pack", events, [*datasets, "pack", place / "anonymous", place / "packed.tar"]))
    shutil.rmtree(place / "anonymous")
    steps.append(run("unpack", events, [*datasets, "unpack", place / "packed.tar", place / "back"]))
    steps.append(run("verify unpacked", events, [*datasets, "verify", place / "back"]))
    return {
        "events": events,
        "pages": info["pages"],
        "bytes_per_event": round(info["bytes_per_event"], 2),
        "cpus": os.cpu_count(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "steps": steps,
    }


if __name__ == "__main__":
    main()
