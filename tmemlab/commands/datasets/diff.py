"""``tmemlab datasets diff``."""

from pathlib import Path
from typing import Any

import click

from ..common import TracePath, json_option, publish
from ..numbers import Count
from ._shared import INTERVAL, dataset_command, open_trace


@dataset_command("diff")
@click.argument("a", type=TracePath())
@click.argument("b", type=TracePath())
@INTERVAL
@click.option("--seed", default=0, type=Count(), help="Of the bootstrap.")
@json_option
def command(a: Path, b: Path, interval: float, seed: int, json_file: str | None) -> None:
    """Compare two traces: means, differences with 95 % intervals, and whether chance could explain them."""
    from ...datasets.describe.diff import diff

    found = diff(open_trace(a), open_trace(b), interval_ns=round(interval * 1e9), seed=seed)
    publish(found, json_file, lambda: _print(found))


def _print(found: dict[str, Any]) -> None:
    from ...tables import Column, console, print_facts, print_table
    from ...units import format_number

    print_facts([("a", found["a"]), ("b", found["b"])])
    console().print()
    verdicts = {True: "yes", False: "no", None: "cannot say"}
    rows = []
    for row in found["rows"]:
        interval = "-" if row["ci95"] is None else " to ".join(map(format_number, row["ci95"]))
        values = (format_number(row[key]) for key in ("a", "b", "difference"))
        rows.append((row["name"], *values, interval, verdicts[row["significant"]]))
    headings = [Column(heading, right=True) for heading in ("a", "b", "b - a", "95 % interval")]
    print_table(["", *headings, "more than chance"], rows)
