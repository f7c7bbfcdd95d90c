"""Writing a trace: streaming, complete or not there at all.

>>> with TraceWriter("out") as writer:
...     writer.write_events({"t": t, "op": op, "page": page, "cgroup": cgroup, "task": task,
...                          "where": where, "flags": flags})
...     writer.write_table("pages", pages)
...     writer.close(manifest)
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from ...directories import OwnDirectory
from ...errors import InvalidInputError
from .manifest import FileEntry, Manifest
from .output import refuse_used
from .parquet import ROW_GROUP, TableWriter, disk_errors, file_sha256
from .schema import EVENTS, MANIFEST_NAME, NO_CLEN, NO_LATENCY, NO_SLOT, TABLES, events_file

EVENTS_PER_FILE = 64 * ROW_GROUP

SENTINELS = {"slot": NO_SLOT, "clen": NO_CLEN, "latency": NO_LATENCY}
"""The value that stands for null in each nullable column of events."""


class TraceWriter:
    """Writes a trace into ``path``, which must not exist or be an empty directory.

    Everything is written into a hidden directory beside ``path`` and renamed at :meth:`close`: a writer that
    is killed, fails or is left without close never leaves something that looks like a trace. Files are
    0600, the directory 0700. ``durable`` flushes to the device before the rename.
    """

    def __init__(self, path: str | Path, *, events_per_file: int = EVENTS_PER_FILE, durable: bool = True) -> None:
        self.path = Path(path)
        refuse_used(self.path)
        with disk_errors(self.path):
            self._partial = OwnDirectory.beside(self.path, "partial")
        self._events_per_file = max(1, events_per_file)
        self._durable = durable
        self._files: list[TableWriter] = []
        self._events: TableWriter | None = None
        self._tables: dict[str, TableWriter] = {}
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._counts = np.zeros(3, np.int64)
        self._last_t = 0
        self._closed = False

    @property
    def events_written(self) -> int:
        """Events handed in so far."""
        return int(self._counts.sum())

    def write_events(self, columns: Mapping[str, np.ndarray]) -> None:
        """Append events: arrays of one length by column name, in time order.

        Nullable columns (slot, clen, latency) hold the NO_* sentinels of the schema where they are null, or
        are left out. InvalidInputError where a column is missing, unknown, out of its type's range, of
        another length, or goes back in time.
        """
        unknown = columns.keys() - set(EVENTS.names)
        if unknown:
            raise InvalidInputError(f"events have no column {min(unknown)!r}: they have {', '.join(EVENTS.names)}")
        rows = len(columns["t"]) if "t" in columns else 0
        batch = pa.RecordBatch.from_arrays([_arrow(f, columns.get(f.name), rows) for f in EVENTS], schema=EVENTS)
        if rows == 0:
            return
        self._check_order(np.asarray(columns["t"]))
        op = np.asarray(columns["op"])
        if int(op.max()) > 2:
            raise InvalidInputError(f"op {int(op.max())} is not a code of the schema: use 0, 1 or 2")
        self._counts += np.bincount(op, minlength=3)
        self._waiting.append(batch)
        self._waiting_rows += rows
        while self._waiting_rows >= ROW_GROUP:
            self._write_row_group(ROW_GROUP)

    def write_table(self, name: str, table: pa.Table | pa.RecordBatch) -> None:
        """Append rows to the table ``name``; a table never written is empty in the trace."""
        if name not in TABLES:
            raise InvalidInputError(f"a trace has no table {name!r}: it has {', '.join(TABLES)}")
        if not table.schema.equals(TABLES[name]):
            raise InvalidInputError(f"the rows of {name} must have exactly the columns of the schema, in order")
        for column, declared in zip(table.columns, TABLES[name], strict=True):
            if column.null_count and not declared.nullable:
                raise InvalidInputError(f"{name}.{declared.name} must not be null")
        self._table(name).write(table)

    def close(self, manifest: Manifest) -> Manifest:
        """Finish the trace; the manifest as written, with ``files`` and the counts of ``events`` filled in."""
        if self._closed:
            raise InvalidInputError(f"the writer of {self.path} is closed")
        if self.events_written and self._last_t > manifest.duration_ns:
            raise InvalidInputError(
                f"the last event is at {self._last_t} ns, after the trace's duration of {manifest.duration_ns} ns"
            )
        while self._waiting_rows or not self._files:
            self._write_row_group(min(self._waiting_rows, ROW_GROUP))
        for name in TABLES:
            self._table(name)
        for file in [*self._files, *self._tables.values()]:
            file.close()
        manifest = self._complete(manifest)
        with disk_errors(self.path):
            with os.fdopen(self._partial.create(MANIFEST_NAME), "w") as stream:
                stream.write(manifest.to_json())
            if self._durable:
                for name in [*manifest.files, MANIFEST_NAME]:
                    _flush(self._partial.at / name)
                self._partial.flush()
            # renaming onto an empty directory replaces it, onto anything else fails
            self._partial.become(self.path, durable=self._durable)
        self._closed = True
        self._partial.close()
        return manifest

    def discard(self) -> None:
        """Remove everything written so far; nothing after close."""
        if not self._closed:
            self._closed = True
            for file in [*self._files, *self._tables.values()]:
                file.abandon()
            self._partial.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def _check_order(self, t: np.ndarray) -> None:
        first = int(t[0])
        if first < self._last_t or (len(t) > 1 and bool((t[1:] < t[:-1]).any())):
            raise InvalidInputError("events must be written in time order: sort them by t")
        self._last_t = int(t[-1])

    def _table(self, name: str) -> TableWriter:
        if name not in self._tables:
            self._tables[name] = TableWriter(self._partial.at / f"{name}.parquet", TABLES[name], self.path)
        return self._tables[name]

    def _write_row_group(self, rows: int) -> None:
        taken: list[pa.RecordBatch] = []
        while rows:
            batch = self._waiting[0]
            if batch.num_rows <= rows:
                taken.append(self._waiting.pop(0))
            else:
                taken.append(batch.slice(0, rows))
                self._waiting[0] = batch.slice(rows)
            rows -= taken[-1].num_rows
            self._waiting_rows -= taken[-1].num_rows
        if self._events is None or self._events.rows >= self._events_per_file:
            if self._events is not None:
                self._events.close()
            self._events = TableWriter(self._partial.at / events_file(len(self._files)), EVENTS, self.path)
            self._files.append(self._events)
        if taken:
            # one chunk a column, so that the rows become one row group
            self._events.write(pa.Table.from_batches(taken, EVENTS).combine_chunks())

    def _complete(self, manifest: Manifest) -> Manifest:
        stores, loads, invalidates = (int(n) for n in self._counts)
        counts = dataclasses.replace(
            manifest.events,
            recorded=self.events_written, stores=stores, loads=loads, invalidates=invalidates,
        )  # fmt: skip
        files = {
            file.path.name: FileEntry(file_sha256(file.path), file.rows, file.path.stat().st_size)
            for file in [*self._files, *self._tables.values()]
        }
        return manifest.replace(events=counts, files=files)


def _arrow(field: pa.Field, values: Any, rows: int) -> pa.Array:
    """One column of events from NumPy, its sentinels turned into nulls."""
    if values is None:
        if not field.nullable:
            raise InvalidInputError(f"events need the column {field.name!r}")
        return pa.nulls(rows, field.type)
    array = np.asarray(values)
    wanted = np.dtype(field.type.to_pandas_dtype())
    if array.ndim != 1 or len(array) != rows or array.dtype.kind not in "iub":
        raise InvalidInputError(f"events.{field.name} must be {rows} integers in one dimension")
    if array.dtype != wanted:
        limits = np.iinfo(wanted)
        if rows and (int(array.min()) < limits.min or int(array.max()) > limits.max):
            raise InvalidInputError(f"events.{field.name} has a value outside {wanted.name}")
    # Arrow would keep a view, and the caller may reuse its buffer before the row group is full
    array = array.astype(wanted)
    if not field.nullable:
        return pa.array(array, field.type)
    return pa.array(array, field.type, mask=array == SENTINELS[field.name])


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
