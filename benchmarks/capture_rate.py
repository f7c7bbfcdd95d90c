"""A minute of real swapping at full speed: what is recorded, what is lost, what the recorder costs.

    sudo .venv/bin/python benchmarks/capture_rate.py [--seconds 60] [--json FILE]

Sweeps over 110 MB of half-compressible memory in a 40 MB cgroup through zswap, as fast as it goes, and
records it with the command line's own defaults. Makes and removes a swap file under /var/tmp.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from record_bundled import swap_and_zswap  # noqa: E402

from tmemlab.collect.recording.options import Options  # noqa: E402
from tmemlab.collect.recording.run import collect  # noqa: E402


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "?")
    return f"{model}, {os.cpu_count()} CPUs, {os.sysconf('SC_PHYS_PAGES') * 4096 >> 30} GiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--content-cpu", type=float, default=0.05)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, swap_and_zswap(20):
        swapper = Path(scratch) / "swapper"
        subprocess.run(["gcc", "-O2", "-o", swapper, ROOT / "tests" / "live" / "swapper.c"], check=True)
        begin = time.monotonic()
        outcome = collect(
            Path(scratch) / "trace",
            Options(duration=arguments.seconds, content_share=arguments.content_cpu),
            [str(swapper), "sweep", "110", "1000000"],
            40 << 20,
        )
        converted = time.monotonic() - begin - outcome.recorder_seconds
    manifest = outcome.manifest
    swapped = manifest.events.stores + manifest.events.loads
    seconds = manifest.duration_ns / 1e9
    result = {
        "machine": machine(),
        "kernel": platform.release(),
        "command": " ".join(["benchmarks/capture_rate.py", *sys.argv[1:]]),
        "seconds": round(seconds, 1),
        "stores_and_loads": swapped,
        "events_per_s": round(swapped / seconds),
        "dropped": manifest.events.dropped,
        "complete": manifest.certificate.complete,
        "recorder_cpu_us_per_event": round(1e6 * (outcome.recorder_cpu_s - outcome.contents_cpu_s) / swapped, 3),
        "contents_cpu_us_per_event": round(1e6 * outcome.contents_cpu_s / swapped, 3),
        "recorder_cpu_share": round(outcome.recorder_cpu_s / outcome.recorder_seconds, 4),
        "spool_bytes_per_event": round(outcome.progress.spool_bytes / swapped, 2),
        "trace_bytes_per_event": round(outcome.bytes_per_event or 0, 2),
        "conversion_s": round(converted, 1),
        "lengths": manifest.clen.note,
    }
    for name, value in result.items():
        print(f"{name:26} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if manifest.events.dropped or not manifest.certificate.complete:
        sys.exit("events were lost")


if __name__ == "__main__":
    main()
