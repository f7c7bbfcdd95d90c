"""Runs in the guest: sets swap up as plan.json says, records each of its commands, leaves spools and counters.

    python inside.py /run/share

A plan: {"swap": "device" | "file" | "zram", "zswap": {parameter: value} | null, "recordings": [recording]}
A recording: {"name", "probe_set" | null, "command": [str], "limit": bytes | null, "before": shell, "after": shell,
"share": of all pages | absent, "comm": command to record | absent, "contents": CPU share for lengths | absent}
"""

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tmemlab.collect.host.cgroup import OwnCgroup, find_hierarchy
from tmemlab.collect.recording.options import Options
from tmemlab.collect.recording.session import Session
from tmemlab.collect.spool import SpoolWriter
from tmemlab.directories import OwnDirectory

ZSWAP = Path("/sys/module/zswap/parameters")
COUNTED = ("pswpin", "pswpout", "zswpin", "zswpout", "zswpwb", "swpin_zero", "swpout_zero")


def shell(text: str) -> None:
    subprocess.run(["bash", "-ec", text], check=True)


def set_up(plan: dict[str, Any]) -> None:
    kind = plan["swap"]
    if kind == "device":
        shell("mkswap -q /dev/vda; swapon /dev/vda")
    elif kind == "file":
        shell(
            "modprobe ext4; mkfs.ext4 -q /dev/vda; mkdir -p /run/disk; mount -t ext4 /dev/vda /run/disk; "
            "dd if=/dev/zero of=/run/disk/swap bs=1M count=400 status=none; chmod 600 /run/disk/swap; "
            "mkswap -q /run/disk/swap; swapon /run/disk/swap"
        )
    elif kind == "zram":
        shell(
            "modprobe zram num_devices=1; echo /dev/vda > /sys/block/zram0/backing_dev; "
            "echo 400M > /sys/block/zram0/disksize; mkswap -q /dev/zram0; swapon /dev/zram0"
        )
    for name, value in (plan["zswap"] or {}).items():
        if name == "zpool":
            subprocess.run(["modprobe", value], check=False)
        (ZSWAP / name).write_text(value)


def counters() -> dict[str, int]:
    """vmstat's swap counters and, where there are any, zswap's and zram's own."""
    rows = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    found = {name: int(rows[name]) for name in COUNTED if name in rows}
    for path in Path("/sys/kernel/debug/zswap").glob("*"):
        found[path.name] = int(path.read_text())
    for path in Path("/sys/block").glob("zram0/bd_stat"):
        found["zram_bd_writes"] = int(path.read_text().split()[2])
    return found


def record(recording: dict[str, Any], share: Path) -> dict[str, Any]:
    spool = Path("/tmp") / recording["name"]
    spool.mkdir()
    begin = time.monotonic()
    with OwnCgroup(recording["limit"]) as group:
        options = Options(
            probe_set=recording["probe_set"], content_share=recording.get("contents", 0.0),
            sample_pages=recording.get("share"), command_name=recording.get("comm"),
        )  # fmt: skip
        session = Session(SpoolWriter.into(OwnDirectory.new(spool)), options, find_hierarchy())
        session.usage_file = group.usage_file
        with session:
            attached = time.monotonic()
            before = counters()
            shell(recording.get("before", ":"))
            said = spool.with_suffix(".said")
            with said.open("w") as stream:
                child = subprocess.Popen(recording["command"], preexec_fn=group.join, stdout=stream)
                session.run(lambda: child.poll() is not None)
            loaded = time.monotonic()
            shell(recording.get("after", ":"))
            after = counters()
            session.finish()
    subprocess.run(["cp", "-r", spool, share / recording["name"]], check=True)
    return {
        "exit": child.returncode,
        "said": said.read_text(),
        "before": before,
        "after": after,
        "dropped": session.progress.dropped,
        "seconds": {"attach": attached - begin, "load": loaded - attached},
    }


def main() -> None:
    share = Path(sys.argv[1])
    plan = json.loads((share / "plan.json").read_text())
    set_up(plan)
    results = {"release": os.uname().release, "recordings": {}}
    for recording in plan["recordings"]:
        try:
            results["recordings"][recording["name"]] = record(recording, share)
        except Exception:
            results["recordings"][recording["name"]] = {"error": traceback.format_exc()}
        (share / "results.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
