"""``tmemlab datasets stats``."""

from pathlib import Path
from typing import Any

from ..common import json_option, publish
from ._shared import INTERVAL, TRACE, dataset_command, open_trace


@dataset_command("stats")
@TRACE
@INTERVAL
@json_option
def command(trace: Path, interval: float, json_file: str | None) -> None:
    """Show what TRACE is like: rates and how even they are, how long pages stay away, what never comes back."""
    from ...datasets.describe.statistics import stats

    found = stats(open_trace(trace), round(interval * 1e9))
    publish(found, json_file, lambda: _print(found))


def _print(found: dict[str, Any]) -> None:
    from ...tables import Column, console, print_facts, print_table
    from ...units import format_duration, format_number, format_share

    headings = [Column(heading, right=True) for heading in ("mean", "p50", "p99", "max")]
    rates = [(name, *map(format_number, spread.values())) for name, spread in found["rates"].items()]
    print_table([f"per {format_duration(found['interval_s'])}", *headings], rates)
    console().print()
    spans = (f"{k} {'-' if v is None else format_duration(v)}" for k, v in found["away_s"].items())
    print_facts(
        [
            ("pages stored", format_number(found["stored_pages"])),
            ("stores a page", format_number(found["stores_per_page"])),
            ("pages never loaded", format_share(found["never_loaded_share"])),
            ("stores that come back", format_share(found["refault_share"])),
            ("stores of zeros", format_share(found["zero_share"])),
            ("loads by readahead", format_share(found["readahead_share"])),
            ("compressed length", ", ".join(f"{k} {format_number(v)}" for k, v in found["clen"].items())),
            ("time away", ", ".join(spans) + " (to a power of two)"),
        ]
    )
