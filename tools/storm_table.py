"""The table of docs/storms.md, from the JSON of a replay.

tmemlab datasets synth seed -c uniform:pages=604000 --resident 1500M --events 3000000 --clen 2200 --seed 1
tmemlab replay seed -p NAME ... --json seed.json
python tools/storm_table.py seed.json
"""

import json
import sys
from pathlib import Path
from typing import Any

from tmemlab.policies.registry import find_policy


def label(row: dict[str, Any]) -> str:
    """The policy with the parameters that are not its defaults."""
    changed = [
        f"{p.name}={row['params'][p.name]}"
        for p in find_policy(row["name"]).params()
        if row["params"].get(p.name, p.default) != p.default
    ]
    return row["name"] + (":" + ",".join(changed) if changed else "")


def main() -> None:
    result = json.loads(Path(sys.argv[1]).read_text())
    print("| policy | hit rate | pool, mean | P(OOM) | 95 % | survives | longest stall | causes |")
    print("|---|---:|---:|---:|---:|---:|---:|---|")
    for row in result["policies"]:
        oom = row["oom"]
        causes = ", ".join(f"{name} {count}" for name, count in oom["causes"].items()) or "-"
        low, high = (100 * end for end in oom["ci95"])
        print(
            f"| `{label(row)}` | {100 * row['hit_rate']:.1f} % | {row['pool_bytes']['mean'] / 2**20:.0f} MiB "
            f"| {100 * oom['p']:.0f} % | {low:.0f} to {high:.0f} % "
            f"| {100 * oom['max_survivable']:.1f} % | {oom['longest_stall_s'] * 1e3:.3g} ms | {causes} |"
        )


if __name__ == "__main__":
    main()
