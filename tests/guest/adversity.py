"""Runs in the guest: records while something happens to the machine, and leaves the spool and what was counted.

    python -m tests.guest.adversity /run/share storm|suspend
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tmemlab.collect.recording import run as recording
from tmemlab.collect.recording.options import Options

LOCKER = """
import ctypes, mmap, sys
open("/proc/self/oom_score_adj", "w").write("0")  # what starts it may not be killed: it may
libc, want, step, held = ctypes.CDLL(None, use_errno=True), int(sys.argv[1]), 4 << 20, []
while sum(map(len, held)) < want:
    held.append(mmap.mmap(-1, step))
    if libc.mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(held[-1]))), ctypes.c_size_t(step)):
        sys.exit(3)
print("locked", flush=True)
"""


def memory(name: str) -> int:
    (line,) = (line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) << 10


def storm() -> dict[str, Any]:
    """A program locks 95 % of RAM at full speed, twice, while another one swaps."""
    ended = []
    for _ in range(2):
        words = [sys.executable, "-c", LOCKER, str(memory("MemTotal") * 95 // 100)]
        ended.append(subprocess.run(words, stdout=subprocess.PIPE, timeout=300).returncode)
        time.sleep(2)
    return {"lockers": ended}


def suspend() -> dict[str, Any]:
    """All tasks frozen for five seconds, and back: the first step of suspending, as the kernel tests it.

    The next one suspends devices, among them the 9p one that this guest's files are on, which never wakes
    [Documentation/power/basic-pm-debugging.rst].
    """
    Path("/sys/power/pm_test").write_text("freezer")
    begin = time.monotonic()
    Path("/sys/power/state").write_text("freeze")
    return {"slept_s": time.monotonic() - begin}


def counters() -> dict[str, int]:
    return {name: int(value) for name, value in map(str.split, Path("/proc/vmstat").read_text().splitlines())}


def swapped(counts: dict[str, int]) -> int:
    return counts["pswpout"] + counts["zswpout"]


def main() -> None:
    share, what = Path(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).mlockall(3)
    subprocess.run(["bash", "-ec", "mkswap -q /dev/vda; swapon /dev/vda"], check=True)
    Path("/sys/module/zswap/parameters/compressor").write_text("lzo")
    Path("/sys/module/zswap/parameters/enabled").write_text("Y")
    result: dict[str, Any] = {"mem_total": memory("MemTotal")}
    # matching is the host's work: compiling it takes minutes under emulation
    recording.convert_kept = lambda *_: None
    filler: list[subprocess.Popen[bytes]] = []

    def happens() -> None:
        megabytes = memory("MemAvailable") * 12 // 10 >> 20
        shell = f"echo 0 > /proc/self/oom_score_adj; exec {share}/swapper sweep {megabytes} 100000"
        filler.append(subprocess.Popen(["sh", "-c", shell]))
        deadline = time.monotonic() + 300  # emulated, a gigabyte takes a while to fill
        while swapped(counters()) - swapped(result["before"]) < 12_000 and time.monotonic() < deadline:
            time.sleep(0.5)
        try:
            result["happened"] = {"storm": storm, "suspend": suspend}[what]()
        except Exception as error:
            result["error"] = repr(error)
        time.sleep(3)
        os.kill(os.getpid(), signal.SIGINT)

    def ready() -> None:
        result["before"] = counters()
        threading.Thread(target=happens).start()

    try:
        outcome = recording.collect(
            share / "recorded", Options(content_share=0.0), ready=ready, drop_privileges=True
        )
        result["dropped"] = outcome.progress.dropped
    except Exception as error:
        result["recorder"] = repr(error)
    result["after"] = counters()
    for process in filler:
        process.kill()
    (share / "results.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
