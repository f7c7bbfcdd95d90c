"""What the storms of experiments.storm_guest came to, beside what a replay of the state they met predicts.

    python -m experiments.storms DIR [--out experiments/results/storms.parquet] [--measured]

A storm that ends has met every smaller storm on its way: it took one page after the other and was not killed yet.
So a run is a row (the share of RAM at which the kernel killed, the share that the replay survives), and a cell of
the comparison for each share of RAM in steps of five percent. With --measured nothing is predicted: the kernel's
figures alone, as for storm_guest's runs with zram.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .storm_state import given_at_end, predict, read_began, who_was_killed

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


MM_STAT = ("stored", "memory", "raw")
"""Of a zram's mm_stat, in pages: what it holds, what that takes, and how many of its pages are not compressed."""


def measured(run: Path) -> dict[str, Any]:
    """One run in the kernel's own figures, in pages: where it began, and the last moment before the kill."""
    cell = json.loads((run / "cell.json").read_text())
    began = read_began(run)
    row: dict[str, Any] = cell | {"run": run.name, "ram_pages": began.ram}
    row |= dict(zip(("mark_min", "mark_low", "mark_high"), began.marks, strict=True))
    row |= {"start_free": began.free, "start_anonymous": began.anonymous, "start_swapped": began.attempts}
    stat = (run / "start.zram_mm_stat").read_text().split() if cell["zpool"] == "zram" else []
    row |= {f"start_{name}": None for name in MM_STAT}
    if stat:
        row |= {
            "start_stored": int(stat[0]) // 4096,
            "start_memory": int(stat[2]) // 4096,
            "start_raw": int(stat[7]),
        }
    lines = (run / "series").read_text().splitlines() if (run / "series").exists() else []
    alive = [line.split() for line in lines if line.split()[8] == "0"]
    names = {1: "mlocked", 2: "free", 3: "swapped", 7: "stalls", 9: "inactive", 10: "active"}
    names |= {11 + i: name for i, name in enumerate(MM_STAT)}
    row["end_seconds"] = float(alive[-1][0]) if alive else None
    row |= {
        f"end_{name}": int(alive[-1][i]) if alive and alive[-1][i] != "-1" else None for i, name in names.items()
    }
    given = given_at_end(run, began) if (run / "dmesg").exists() else None
    killed = who_was_killed(run) if given else ""
    return row | {"killed": killed, "killed_at": given and given / began.ram}


def print_measured(rows: list[dict[str, Any]]) -> None:
    """A line for each run."""
    print("| pool | filler | storm | outcome | killed at, % of RAM | stored, memory, raw at start | at the end |")
    print("|---|---|---:|---|---:|---|---|")
    for row in sorted(
        rows, key=lambda row: (row["zpool"], row["percent"], row["filler"], row["contents"], row["fraction"])
    ):
        contents = row["contents"] or "3:1"
        killed = f"{100 * row['killed_at']:.1f}" if row["killed_at"] else "-"
        start, end = (", ".join(str(row[f"{when}_{name}"]) for name in MM_STAT) for when in ("start", "end"))
        print(
            f"| {row['zpool']} {row['percent']} % | {row['filler']} % {contents} | {row['fraction']} | "
            f"{row['outcome']} | {killed} | {start} | {end} |"
        )


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
    parser.add_argument("--measured", action="store_true", help="the kernel's figures, no predictions")
    wanted = parser.parse_args()
    runs = [file.parent for file in sorted(wanted.folder.glob("*/*/cell.json"))]
    if not runs:
        parser.error(f"{wanted.folder} holds no runs: make some with python -m experiments.storm_guest")
    rows = []
    for run in runs:
        try:
            rows.append(measured(run) if wanted.measured else row_of(run))
        except (OSError, ValueError, KeyError) as error:
            parser.exit(5, f"{run} is damaged ({error}): remove it, and experiments.storm_guest runs it again\n")
    if wanted.measured:
        if wanted.out:
            pq.write_table(pa.Table.from_pylist(rows), wanted.out)
        print_measured(rows)
        return
    undecided = [row for row in rows if row["outcome"] not in DECIDED]
    for row in undecided:
        print(f"left out, since it was neither killed nor survived: {name_of(row)}: {row['outcome']}")
    rows = [row for row in rows if row["outcome"] in DECIDED]
    if wanted.out:
        pq.write_table(pa.Table.from_pylist(rows), wanted.out)
    print_table(rows)


if __name__ == "__main__":
    main()
