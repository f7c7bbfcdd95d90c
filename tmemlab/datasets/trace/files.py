"""Opening one Parquet file of a trace without believing a word of it.

A file is used only when its size, footer, schema and row count are what the manifest says, and its data only
when its SHA-256 is. What Arrow then still refuses becomes a TraceError that names the file. Files are read, never
mapped: one that another process cuts short while it is mapped ends this process with SIGBUS.
"""

import os
import stat
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import TraceError
from .manifest import FileEntry
from .pageheaders import unpacked_bytes
from .parquet import file_sha256

MAX_ROW_GROUP = 1 << 24
_REFUSALS = (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException)


class CheckedFile:
    """A regular file of the size that the manifest says; :meth:`check_content` compares its SHA-256."""

    def __init__(self, path: Path, entry: FileEntry) -> None:
        self.path = path
        self.entry = entry
        self._lock = threading.Lock()
        self._intact = False
        try:
            found = path.lstat()
        except OSError as error:
            raise TraceError(f"{path} cannot be read ({error.strerror}): the trace is incomplete") from None
        if not stat.S_ISREG(found.st_mode):
            raise TraceError(f"{path} is not a regular file: a trace holds its files itself, without links")
        if found.st_size != entry.bytes:
            raise TraceError(
                f"{path} has {found.st_size} bytes where the manifest says {entry.bytes}: fetch or copy it again"
            )

    def check_content(self) -> None:
        """Compare the SHA-256 with the manifest's, once; TraceError where it differs."""
        with self._lock:
            if self._intact:
                return
            if self.sha256() != self.entry.sha256:
                raise TraceError(
                    f"{self.path} does not match its checksum: it was damaged or edited; fetch it again"
                )
            self._intact = True

    def sha256(self) -> str:
        """SHA-256 of the file's bytes as hexadecimal digits."""
        try:
            # read rather than mapped: a mapped file of any size would count as this process's memory
            return file_sha256(self.path)
        except _REFUSALS as error:
            raise self._damaged(error) from None

    def _damaged(self, error: BaseException) -> TraceError:
        if isinstance(error, OSError) and error.errno is not None:
            reason = os.strerror(error.errno)
            return TraceError(f"{self.path} cannot be read ({reason}): check the file and its disk")
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[0].rstrip(".")[:200]
        return TraceError(f"{self.path} is damaged ({reason}): fetch or record the trace again")


def is_mistyped(metadata: Any, row_group: int, column: int) -> bool:
    """Whether a footer says one type of a column chunk and another of its column.

    Arrow ends the process when it is asked for such a chunk's statistics [C++ 21: ParquetException in a noexcept].
    """
    chunk = metadata.row_group(row_group).column(column)
    return bool(chunk.physical_type != metadata.schema.column(column).physical_type)


class TraceFile(CheckedFile):
    """One Parquet file whose footer, schema and rows are what the manifest and the format say."""

    def __init__(self, path: Path, entry: FileEntry, schema: pa.Schema) -> None:
        super().__init__(path, entry)
        self.schema = schema
        self.trusts_footer = True
        if entry.bytes < 12:
            raise TraceError(f"{path} is damaged: {entry.bytes} bytes are too few for a Parquet file")
        try:
            with pq.ParquetFile(path, **self._options()) as file:
                self.metadata: Any = file.metadata
                actual = file.schema_arrow
        except _REFUSALS as error:
            raise self._damaged(error) from None
        if not actual.equals(schema):
            raise TraceError(f"{path} is not of format v1: {_schema_difference(actual, schema)}")
        self._check_sizes()

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return self.entry.rows

    @property
    def row_groups(self) -> list[int]:
        """Rows of each row group."""
        return [self.metadata.row_group(i).num_rows for i in range(self.metadata.num_row_groups)]

    def read(self, row_group: int, column: str) -> pa.ChunkedArray:
        """One column of one row group, page checksums verified."""
        rows = self.metadata.row_group(row_group).num_rows
        self._check_pages(row_group, column)
        try:
            with pq.ParquetFile(self.path, metadata=self.metadata, **self._options()) as file:
                found = file.read_row_group(row_group, columns=[column], use_threads=False).column(0)
        except _REFUSALS as error:
            raise self._damaged(error) from None
        if len(found) != rows or found.type != self.schema.field(column).type:
            raise TraceError(f"{self.path} is damaged: row group {row_group} has {len(found)} of {rows} {column}")
        if found.null_count and not self.schema.field(column).nullable:
            raise TraceError(f"{self.path} is damaged: {column} has nulls in row group {row_group}")
        return found

    def read_into(self, out: np.ndarray, row_group: int, column: str, null: int | None) -> None:
        """As :meth:`read`, into ``out`` (the row group's rows), with ``null`` in place of nulls.

        A column that is one value in all rows is not decoded: the footer has it, under the same checksum. Whoever
        wants to hear whether that is true sets ``trusts_footer`` to false.
        """
        constant = self._constant(row_group, column, null)
        fits = constant is not None and np.iinfo(out.dtype).min <= constant <= np.iinfo(out.dtype).max
        if fits and self.trusts_footer:
            out[:] = constant
            return
        at = 0
        for chunk in self.read(row_group, column).chunks:
            _fill(out[at : at + len(chunk)], chunk, null)
            at += len(chunk)
        if constant is not None and (not fits or (out != constant).any()):
            raise TraceError(
                f"{self.path} is damaged: its footer says that {column} is {constant} in all of row group "
                f"{row_group}, and it is not"
            )

    def _constant(self, row_group: int, column: str, null: int | None) -> int | None:
        """The one value of a column chunk, by its statistics; None where it has several, or nobody knows."""
        chunk = self.metadata.row_group(row_group).column(self.schema.names.index(column))
        found = chunk.statistics
        if found is None or not found.has_null_count or not chunk.num_values + found.null_count:
            return None
        if found.null_count:
            rows = self.metadata.row_group(row_group).num_rows
            return null if found.null_count == rows and self.schema.field(column).nullable else None
        same = found.has_min_max and found.min == found.max and isinstance(found.min, int)
        return int(found.min) if same else None

    @staticmethod
    def _options() -> dict[str, Any]:
        return {
            "page_checksum_verification": True,
            "arrow_extensions_enabled": False,
            "thrift_string_size_limit": 1 << 24,
            "thrift_container_size_limit": 1 << 20,
        }

    def _check_pages(self, row_group: int, column: str) -> None:
        """What the footer says a column unpacks to binds nobody: ask the pages."""
        group = self.metadata.row_group(row_group)
        chunk = group.column(self.schema.names.index(column))
        start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
        try:
            with self.path.open("rb") as stream:
                stream.seek(start)
                pages = stream.read(chunk.total_compressed_size)
            unpacked = unpacked_bytes(pages)
        except _REFUSALS as error:
            raise self._damaged(error) from None
        if unpacked > _most_bytes(group.num_rows, self.schema.field(column)):
            raise TraceError(
                f"{self.path} is not believable: {column} unpacks to more than {group.num_rows} rows need"
            )

    def _check_sizes(self) -> None:
        """Row counts as the manifest has them, and no column that unpacks to more than its rows can need."""
        if self.metadata.num_rows != self.entry.rows or sum(self.row_groups) != self.entry.rows:
            raise TraceError(
                f"{self.path} has {self.metadata.num_rows} rows where the manifest says {self.entry.rows}"
            )
        for i, rows in enumerate(self.row_groups):
            group = self.metadata.row_group(i)
            if not 0 <= rows <= MAX_ROW_GROUP:
                raise TraceError(f"{self.path} has a row group of {rows} rows, more than {MAX_ROW_GROUP}")
            for c, field in enumerate(self.schema):
                if is_mistyped(self.metadata, i, c):
                    raise TraceError(f"{self.path} is damaged: its footer gives {field.name} two types")
                if group.column(c).total_uncompressed_size > _most_bytes(rows, field):
                    raise TraceError(
                        f"{self.path} is not believable: {field.name} unpacks to more than {rows} rows need"
                    )


def _fill(out: np.ndarray, chunk: pa.Array, null: int | None) -> None:
    """Integers of an Arrow array out of its buffers: its own to_numpy imports pandas where that is installed."""
    validity, data = chunk.buffers()
    start, rows = chunk.offset, len(chunk)
    if chunk.null_count == rows:
        if rows:
            out[:] = null
        return
    out[:] = np.frombuffer(data, out.dtype)[start : start + rows]
    if chunk.null_count:
        valid = np.unpackbits(np.frombuffer(validity, np.uint8), count=start + rows, bitorder="little")[start:]
        out[valid == 0] = null


def _most_bytes(rows: int, field: pa.Field) -> int:
    """What that many values can need unpacked, in any encoding, with room for headers and a dictionary."""
    return rows * (16 if pa.types.is_integer(field.type) else 8192) + (1 << 20)


def _schema_difference(actual: pa.Schema, wanted: pa.Schema) -> str:
    if actual.names != wanted.names:
        return f"its columns are {', '.join(actual.names)[:200]}, not {', '.join(wanted.names)}"
    for found, field in zip(actual, wanted, strict=True):
        if found.type != field.type:
            return f"{field.name} is {found.type}, not {field.type}"
        if found.nullable != field.nullable:
            return f"{field.name} must be {'optional' if field.nullable else 'required'}"
    return "its schema differs"
