"""What the storms of experiments.storm_guest came to, beside what a replay of the state they met predicts.

    python -m experiments.storms DIR [--out experiments/results/storms.parquet]

A storm that ends has met every smaller storm on its way: it took one page after the other and was not killed yet.
So a run is a row (the share of RAM at which the kernel killed, the share that the replay survives), and a cell of
the comparison for each share of RAM in steps of five percent.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .storm_state import given_at_end, predict, who_was_killed

DECIDED = ("oom", "survived")
"""Outcomes that say something; a storm may also be slow or refused, or freeze its guest."""
STEPS = [step / 100 for step in range(30, 96, 5)]


def row_of(run: Path) -> dict[str, Any]:
    """One run: its cell, the kernel's end of it and the replay's."""
    cell = json.loads((run / "cell.json").read_text())
    if cell["outcome"] not in DECIDED:
        return cell
    began, score, pool = predict(run)
    given = given_at_end(run, began)
    return cell | {
        "run": run.name,
        "ram_pages": began.ram,
        "pool_pages": began.pool,
        "pool_pages_predicted": pool,
        "killed": who_was_killed(run),
        "killed_at": None if given is None else given / began.ram,
        "survives_predicted": score.oom.max_survivable,
        "cause_predicted": ", ".join(score.oom.causes),
    }


def agreement(row: dict[str, Any]) -> list[tuple[float, bool, bool]]:
    """(share of RAM, survived, predicted to survive) for each storm that the run decides."""
    asked = row["fraction"] / 100
    steps = [step for step in STEPS if step < asked] + [asked]
    end = row["killed_at"] if row["killed_at"] is not None else 1.0
    return [(step, step <= end, step <= row["survives_predicted"]) for step in steps]


def name_of(row: dict[str, Any]) -> str:
    """The configuration in words."""
    if row["zpool"] == "off":
        return f"{row['kernel']}, no zswap"
    extra = [", shrinker"] * row["shrinker"] + [" off for the root cgroup"] * (row["group"] == "/")
    return f"{row['kernel']}, {row['zpool']}, {row['percent']} %{''.join(extra)}"


def print_table(rows: list[dict[str, Any]]) -> None:
    """The table of docs/experiments.md, and the sums."""
    print("| kernel, pool, limit | swap | storm | killed at, % of RAM | predicted | cause, predicted |")
    print("|---|---:|---:|---:|---:|---|")
    for row in rows:
        killed = "survived" if row["killed_at"] is None else f"{100 * row['killed_at']:.1f}"
        print(
            f"| {name_of(row)} | {row['swap_mib']} MiB | {row['fraction']} | {killed} | "
            f"{100 * row['survives_predicted']:.1f} | {row['cause_predicted'] or '-'} |"
        )
    cells = [cell for row in rows for cell in agreement(row)]
    agree = sum(real == predicted for _, real, predicted in cells)
    off = sorted(abs(r["killed_at"] - r["survives_predicted"]) for r in rows if r["killed_at"] is not None)
    print(f"\n{len(rows)} runs, {agree} of {len(cells)} cells agree ({agree / len(cells):.1%})")
    middle, worst = 100 * off[len(off) // 2], 100 * off[-1]
    print(f"share of RAM at the kill: {middle:.1f} points off in the median, {worst:.1f} at worst")
    for row in rows:
        for share, real, _ in (cell for cell in agreement(row) if cell[1] != cell[2]):
            print(f"disagrees: {name_of(row)}, {share:.0%}: the kernel {'survived' if real else 'killed'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    runs = [file.parent for file in sorted(wanted.folder.glob("*/*/cell.json"))]
    if not runs:
        parser.error(f"{wanted.folder} holds no runs: make some with python -m experiments.storm_guest")
    rows = []
    for run in runs:
        try:
            rows.append(row_of(run))
        except (OSError, ValueError, KeyError) as error:
            parser.exit(5, f"{run} is damaged ({error}): remove it, and experiments.storm_guest runs it again\n")
    undecided = [row for row in rows if row["outcome"] not in DECIDED]
    for row in undecided:
        print(f"left out, since it was neither killed nor survived: {name_of(row)}: {row['outcome']}")
    rows = [row for row in rows if row["outcome"] in DECIDED]
    if wanted.out:
        pq.write_table(pa.Table.from_pylist(rows), wanted.out)
    print_table(rows)


if __name__ == "__main__":
    main()
