"""Bytes an event of every column of events under every encoding that Parquet has for integers.

    .venv/bin/python benchmarks/datasets_encoding.py [TRACE ...]      the bundled traces by default

What tmemlab/datasets/trace/parquet.py uses is marked with a star.
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.trace.parquet import ROW_GROUP
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import EVENTS

ENCODINGS = ("DICTIONARY", "PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT")


def size(column: pa.Table, encoding: str) -> int:
    """Bytes of a file that holds only this column."""
    name = column.column_names[0]
    chosen = {"use_dictionary": True} if encoding == "DICTIONARY" else {"column_encoding": {name: encoding}}
    sink = pa.BufferOutputStream()
    options = {"use_dictionary": False, "compression": "zstd", "compression_level": 3} | chosen
    pq.write_table(column, sink, row_group_size=ROW_GROUP, **options)
    return sink.getvalue().size


def used(path: Path, index: int) -> str:
    """The encoding of a column as the package wrote it."""
    found = pq.read_metadata(path).row_group(0).column(index).encodings
    return next((name for name in ENCODINGS[2:] if name in found), "DICTIONARY")


def main() -> None:
    traces = [Path(argument) for argument in sys.argv[1:]] or list(bundled().values())
    for path in traces:
        Trace.open(path)
        file = path / "events-00000.parquet"
        table = pq.read_table(file)
        total = sum(f.stat().st_size for f in path.glob("*.parquet"))
        print(f"{path.name}: {len(table):,} events, {total / len(table):.2f} bytes an event with all tables")
        print(f"  {'':<10}" + "".join(f"{name:>22}" for name in ENCODINGS))
        for index, name in enumerate(EVENTS.names):
            sizes = [size(table.select([name]), encoding) / len(table) for encoding in ENCODINGS]
            marks = ["*" if encoding == used(file, index) else " " for encoding in ENCODINGS]
            print(f"  {name:<10}" + "".join(f"{s:>21.3f}{m}" for s, m in zip(sizes, marks, strict=True)))


if __name__ == "__main__":
    main()
