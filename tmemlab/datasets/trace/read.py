"""Reading a trace: columns as NumPy arrays, tables as Arrow, nothing before it was checked.

>>> trace = Trace.open("out")
>>> columns = trace.events("op", "page", "t")
>>> columns["page"].dtype
dtype('uint32')
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from ...errors import InvalidInputError, TraceError
from .files import TraceFile
from .manifest import Manifest
from .schema import EVENTS, TABLES, Flag, Op, Where
from .write import SENTINELS

_MAX_ROWS = {"cgroups": 1 << 16, "tasks": 1 << 16, "pages": 1 << 32}


class Trace:
    """One trace on disk. :meth:`open` makes the cheap checks; a file's SHA-256 is compared before its first use.

    ``path`` is its directory, ``manifest`` its manifest. All methods raise TraceError where the trace is damaged
    and InvalidInputError where it has no such column or table. Safe to use from several threads. ``progress`` is
    called with the events that a pass by :meth:`batches` has done and those there are.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self.progress: Callable[[int, int], None] = lambda _done, _total: None
        self._events = [TraceFile(path / name, manifest.files[name], EVENTS) for name in manifest.event_files]
        self._tables = {
            name: TraceFile(path / f"{name}.parquet", manifest.files[f"{name}.parquet"], schema)
            for name, schema in TABLES.items()
        }
        for name, limit in _MAX_ROWS.items():
            if self._tables[name].rows > limit:
                raise TraceError(f"{self._tables[name].path} has more rows than {limit}, which no id can name")

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The trace in directory ``path``, its manifest, sizes, footers, schemas and row counts checked."""
        path = Path(path)
        try:
            is_directory, exists = path.is_dir(), path.exists()
        except (OSError, ValueError):
            is_directory = exists = False
        if not is_directory:
            remedy = "a trace is a directory" if exists else "no such directory"
            raise TraceError(f"{path} is not a trace: {remedy}")
        return cls(path, Manifest.read(path))

    def __len__(self) -> int:
        """Number of events."""
        return self.manifest.events.recorded

    @property
    def pages(self) -> int:
        """Number of page ids."""
        return self._tables["pages"].rows

    @property
    def files(self) -> list[TraceFile]:
        """Every Parquet file of the trace, events first."""
        return [*self._events, *self._tables.values()]

    @property
    def event_files(self) -> list[TraceFile]:
        """The Parquet files of the events, in order."""
        return list(self._events)

    def rows(self, name: str) -> int:
        """Rows of the table ``name``."""
        return self._table_file(name).rows

    def events(self, *columns: str) -> dict[str, np.ndarray]:
        """Whole columns of events (all of them when none is named) as arrays in the types of the schema.

        Nulls are the NO_* sentinels. Columns and row groups are decoded in parallel into their place.
        """
        names = _event_columns(columns)
        self._check_memory(sum(_dtype(EVENTS.field(name)).itemsize for name in names) * len(self))
        out = {name: np.empty(len(self), _dtype(EVENTS.field(name))) for name in names}
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            checks = [pool.submit(file.check_content) for file in self._events]
            decoded: list[Future[None]] = []
            at = 0
            for file in self._events:
                for group, rows in enumerate(file.row_groups):
                    for name in names:
                        part = out[name][at : at + rows]
                        decoded.append(pool.submit(file.read_into, part, group, name, SENTINELS.get(name)))
                    at += rows
            # a wrong checksum says more than what Arrow makes of the damage
            for future in [*checks, *decoded]:
                future.result()
        return self._check_codes(out)

    def batches(
        self, *columns: str, size: int = 1 << 20, reverse: bool = False, checked: bool = True
    ) -> Iterator[dict[str, np.ndarray]]:
        """The same columns in pieces of at most ``size`` events, in order, in bounded memory.

        The next row group is decoded while the caller works on this one; a piece never spans two. With
        ``reverse`` the last piece comes first; the events within a piece stay in time order. ``checked``
        makes an id or code without a meaning a TraceError, as :meth:`events` always does.
        """
        if size < 1:
            raise InvalidInputError("a batch needs a size of at least 1")
        stream = _stream(self._events, _event_columns(columns), size, reverse)
        return self._followed(map(self._check_codes, stream) if checked else stream)

    def _followed(self, stream: Iterator[dict[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
        done = 0
        for batch in stream:
            yield batch
            done += len(next(iter(batch.values())))
            self.progress(done, len(self))

    def table(self, name: str) -> pa.Table:
        """One of the tables beside events, whole."""
        file = self._table_file(name)
        self._check_memory(file.rows * 8 * len(file.schema))
        file.check_content()
        arrays = [
            pa.chunked_array([c for i in range(len(file.row_groups)) for c in file.read(i, f.name).chunks], f.type)
            for f in file.schema
        ]
        return pa.Table.from_arrays(arrays, schema=file.schema)

    def column(self, table: str, name: str, null: int = -1) -> np.ndarray:
        """One integer column of a table as an array in its type, ``null`` in place of nulls."""
        file = self._table_file(table)
        field = _field(file.schema, name, table)
        if not pa.types.is_integer(field.type):
            raise InvalidInputError(f"{table}.{name} holds text: read it with table({table!r})")
        self._check_memory(file.rows * 8)
        file.check_content()
        out = np.empty(file.rows, _dtype(field))
        at = 0
        for group, rows in enumerate(file.row_groups):
            file.read_into(out[at : at + rows], group, name, null)
            at += rows
        return out

    def table_batches(self, table: str, *columns: str, size: int = 1 << 20) -> Iterator[dict[str, np.ndarray]]:
        """Integer columns of a table in pieces of at most ``size`` rows; nulls are -1."""
        file = self._table_file(table)
        return _stream([file], [_field(file.schema, name, table).name for name in columns], size)

    def _table_file(self, name: str) -> TraceFile:
        if name not in self._tables:
            raise InvalidInputError(f"a trace has no table {name!r}: it has {', '.join(TABLES)}")
        return self._tables[name]

    def _check_codes(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compiled code indexes arrays with these values and does not look whether they are inside."""
        limits = {
            "page": self.pages, "cgroup": self.rows("cgroups"), "task": self.rows("tasks"),
            "op": len(Op), "where": len(Where),
        }  # fmt: skip
        for name, limit in limits.items():
            if name in columns and len(columns[name]) and int(columns[name].max()) >= limit:
                raise TraceError(
                    f"{self.path} is damaged: events.{name} has {columns[name].max()}, and nothing beyond "
                    f"{limit - 1} means anything; verify it"
                )
        strange = int(np.bitwise_or.reduce(columns["flags"])) & ~sum(Flag) if "flags" in columns else 0
        if strange:
            raise TraceError(f"{self.path} is damaged: bits {strange} of events.flags mean nothing; verify it")
        return columns

    def _check_memory(self, needed: int) -> None:
        available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if needed > available:
            raise InvalidInputError(
                f"{self.path} needs {needed >> 20} MiB for these columns and the host has {available >> 20}: "
                "read it in batches, or slice it first"
            )


def _stream(
    files: list[TraceFile], names: list[str], size: int, reverse: bool = False
) -> Iterator[dict[str, np.ndarray]]:
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:

        def start(file: TraceFile, group: int, rows: int) -> tuple[dict[str, np.ndarray], list[Future[None]]]:
            out = {name: np.empty(rows, _dtype(file.schema.field(name))) for name in names}
            null = SENTINELS if file.schema is EVENTS else dict.fromkeys(names, -1)
            return out, [pool.submit(file.read_into, out[n], group, n, null.get(n)) for n in names]

        def groups() -> Iterator[tuple[dict[str, np.ndarray], list[Future[None]]]]:
            for file in reversed(files) if reverse else files:
                file.check_content()
                order = list(enumerate(file.row_groups))
                for group, rows in reversed(order) if reverse else order:
                    yield start(file, group, rows)

        source = groups()
        current = next(source, None)
        while current is not None:
            following = next(source, None)
            out, futures = current
            for future in futures:
                future.result()
            rows = len(next(iter(out.values()))) if out else 0
            starts = range(0, rows, size)
            for at in reversed(starts) if reverse else starts:
                yield {name: array[at : at + size] for name, array in out.items()}
            current = following


def _event_columns(columns: tuple[str, ...]) -> list[str]:
    return [_field(EVENTS, name, "events").name for name in columns or EVENTS.names]


def _field(schema: pa.Schema, name: str, table: str) -> Any:
    if name not in schema.names:
        raise InvalidInputError(f"{table} has no column {name!r}: it has {', '.join(schema.names)}")
    return schema.field(name)


def _dtype(field: pa.Field) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(field.type.to_pandas_dtype())
    return dtype
