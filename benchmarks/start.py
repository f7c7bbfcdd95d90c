"""What a command takes before and beside its work: warm, with nothing prepared, and with nothing compiled.

    python benchmarks/start.py [--rounds 5]

Each round runs every command once, in turn. "warm" has compiled code and prepared columns; "unprepared" reads the
trace anew (TMEMLAB_CACHE_SIZE=1); "cold" has an empty cache folder, as after an installation.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import print_machine

COMMANDS = {
    "tmemlab --version": ["--version"],
    "tmemlab datasets info sqlite-limit": ["datasets", "info", "sqlite-limit"],
    "tmemlab policies list": ["policies", "list"],
    "tmemlab replay --ram 12G --storms 0": ["replay", "--ram", "12G", "--storms", "0"],
    "tmemlab replay --ram 12G": ["replay", "--ram", "12G"],
    "tmemlab replay --ram 12G --storms 1000 --exact-storms": ["replay", "--ram", "12G", "--exact-storms"],
}
UNPREPARED = "tmemlab replay --ram 12G --storms 0"


def seconds(arguments: list[str], **environment: str) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-c", "from tmemlab.cli import main; main()", *arguments]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=os.environ | environment)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print_machine(sys.argv)
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):  # the first makes all warm
            for name, arguments in COMMANDS.items():
                times.setdefault(f"{name}, warm", []).append(seconds(arguments))
            arguments = COMMANDS[UNPREPARED]
            times.setdefault(f"{UNPREPARED}, unprepared", []).append(seconds(arguments, TMEMLAB_CACHE_SIZE="1"))
            if number:
                empty = f"{folder}/{number}"
                times.setdefault("tmemlab replay --ram 12G, cold", []).append(
                    seconds(COMMANDS["tmemlab replay --ram 12G"], TMEMLAB_CACHE=empty)
                )
    for name, found in times.items():
        warm = found if name.endswith("cold") else found[1:]
        print(
            f"{statistics.median(warm):7.2f} s  {name}  (median of {len(warm)}: {min(warm):.2f}-{max(warm):.2f})"
        )
    default, without = (
        statistics.median(times[f"{name}, warm"][1:]) for name in ("tmemlab replay --ram 12G", UNPREPARED)
    )
    print(f"{default / without:7.2f}    default : the same without storms")


if __name__ == "__main__":
    main()
