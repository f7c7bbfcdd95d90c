"""The traces that record.py and guest_rate.py leave, DIR/PROGRAM/CONFIG-RUN, and how scripts over them end."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tmemlab.errors import TmemlabError

RESULTS = Path(__file__).resolve().parent / "results"

Runs = Mapping[tuple[str, str], Path]
"""Traces by program and CONFIG-RUN."""


def configuration(run: str) -> str:
    """CONFIG of CONFIG-RUN."""
    return run.rpartition("-")[0]


def judge(description: str | None, result: str, rows_of: Callable[[Runs], Sequence[Mapping[str, Any]]]) -> None:
    """What the scripts have in common: ``DIR [--out FILE]``, and ``rows_of`` its traces as a Parquet file.

    A damaged trace is one sentence and the exit code that ``tmemlab`` has for it.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="what record.py or guest_rate.py filled")
    parser.add_argument("--out", type=Path, metavar="FILE", default=RESULTS / result, help="Parquet (%(default)s)")
    options = parser.parse_args()
    traces = sorted(manifest.parent for manifest in options.folder.glob("*/*/manifest.json"))
    if not traces:
        parser.error(f"{options.folder} holds no traces: record some with record.py or guest_rate.py")
    if not options.out.parent.is_dir():
        parser.error(f"there is no folder {options.out.parent} to write to")
    try:
        rows = rows_of({(trace.parent.name, trace.name): trace for trace in traces})
    except TmemlabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), options.out, compression="zstd")
