"""How the tables of a trace are laid out in Parquet: encodings, row groups, page checksums.

Encodings were chosen by size on swap traffic (benchmarks/datasets_encoding.py): delta for what counts or
walks (time, page, slot), a dictionary for codes and lengths, which bit-packs them. Both are in the
Parquet format since 2013, so every reader has them; BYTE_STREAM_SPLIT of integers saves another 0.1 to 0.3
bytes an event and is newer than many of the readers that a trace should open in.
"""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import TmemlabError
from .schema import EVENTS, TABLES

ROW_GROUP = 1 << 20
"""Rows of a row group."""

_DELTA = {"t", "page", "slot", "vpn", "space", "pid", "limit_bytes", "pages"}


class TableWriter:
    """One Parquet file being written in the layout of the format.

    Rows are appended in row groups of ``row_group``; a full disk raises TmemlabError.
    """

    def __init__(self, path: Path, schema: pa.Schema, shown: Path) -> None:
        """path: the file. shown: how errors name it, to people."""
        self.path, self._shown = path, shown
        self.rows = 0
        delta = {f.name for f in schema if f.name in _DELTA or (schema is TABLES["samples"])}
        options: dict[str, Any] = {
            "compression": "zstd",
            "compression_level": 3,
            "use_dictionary": [f.name for f in schema if f.name not in delta],
            "column_encoding": dict.fromkeys(sorted(delta), "DELTA_BINARY_PACKED"),
            "write_statistics": True,
            "write_page_checksum": True,
        }
        if schema is EVENTS:
            options["sorting_columns"] = [pq.SortingColumn(0)]
        self._schema = schema
        with disk_errors(shown):
            path.touch(mode=0o600, exist_ok=False)
            self._writer = pq.ParquetWriter(path, schema, **options)

    def write(self, table: pa.Table | pa.RecordBatch) -> None:
        """Append the rows of ``table``, whose schema must be that of the file."""
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table], self._schema)
        with disk_errors(self._shown):
            self._writer.write_table(table, row_group_size=ROW_GROUP)
        self.rows += table.num_rows

    def close(self) -> None:
        """Write the footer."""
        with disk_errors(self._shown):
            self._writer.close()

    def abandon(self) -> None:
        """Close whatever is open without caring whether it can be completed."""
        try:
            self._writer.close()
        except (OSError, pa.ArrowException):
            return


class disk_errors:  # noqa: N801 - reads as a statement
    """Turns an operating system's refusal to write into one sentence that names ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            remedy = "free some space or write elsewhere" if error.errno in (28, 122) else "write elsewhere"
            raise TmemlabError(f"{self._path} cannot be written ({reason}): {remedy}") from None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
