"""``tmemlab datasets list``."""

import re
from pathlib import Path
from typing import Any

from ...printing import say
from ..common import json_option, publish
from ._shared import CATALOGUE, dataset_command


@dataset_command("list")
@CATALOGUE
@json_option
def command(catalogue: Path | None, json_file: str | None) -> None:
    """List the traces that ship with tmemlab, or those of another catalogue."""
    from ...datasets.share.bundled import bundled
    from ...datasets.share.catalogue import bundled_catalogue, read_catalogue
    from ...datasets.trace.typedjson import encode

    found = bundled_catalogue(0) if catalogue is None else read_catalogue(catalogue)
    traces = [
        {
            "name": name,
            "path": str(bundled()[name]) if not entry.url and name in bundled() else None,
            **encode(entry),
        }
        for name, entry in found.traces.items()
    ]
    publish({"schema": "tmemlab.list/1", "traces": traces}, json_file, lambda: _print(traces))


def _print(traces: list[dict[str, Any]]) -> None:
    from ...tables import Column, print_table
    from ...units import format_bytes, format_count, format_duration

    if not traces:
        say("there is no trace in the catalogue", err=True)
        return
    columns: list[Column | str] = [
        "name", Column("events", right=True), Column("pages", right=True), "duration", Column("size", right=True),
        "kernel", Column("workload", text=True),
    ]  # fmt: skip
    rows = [
        (
            trace["name"],
            format_count(trace["events"]),
            format_count(trace["pages"]),
            format_duration(trace["duration_ns"] / 1e9),
            format_bytes(trace["bytes"]),
            trace["kernel"],
            _first_clause(trace["workload"] or trace["how"]),
        )
        for trace in traces
    ]
    print_table(columns, rows)


def _first_clause(text: str) -> str:
    return re.split(r"[;,.:] ", text, maxsplit=1)[0][:80] or "-"
