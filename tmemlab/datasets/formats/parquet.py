"""Somebody else's Parquet file with a column of times and one of pages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...errors import InvalidInputError, TraceError
from ..trace.files import is_mistyped
from ..trace.manifest import Manifest
from ..trace.schema import EVENTS, NO_CLEN, NO_LATENCY, NO_SLOT, Op
from ._columns import column_map
from ._writer import ImportWriter
from .csv import TIME_UNITS

ABOUT = "any integer columns, by a map"
OPTIONS = {
    "--map": ("columns", "our columns by theirs: t=time,page=addr; t=0,page=2 by position"),
    "--time-unit": ("time_unit", "ns (default), us, ms or s"),
}
COLUMNS = ("t", "op", "page", "space", "slot", "clen", "where", "flags", "latency")
_NULLS = {"slot": NO_SLOT, "clen": NO_CLEN, "latency": NO_LATENCY}
_STEP = 1 << 20


def import_parquet(
    path: Path, out: Path, *, columns: Mapping[str, str] | str | None = None, time_unit: str = "ns",
    ram_bytes: int | None = None,
) -> Manifest:  # fmt: skip
    """Convert a Parquet file with integer columns; ``columns`` maps our names (COLUMNS) to its.

    Needed are t and page. Without op every row is a touch. TraceError with the row where a value does not fit.
    """
    mapped = column_map(columns)
    if time_unit not in TIME_UNITS:
        raise InvalidInputError(f"{time_unit!r} is not a unit of time: use {', '.join(TIME_UNITS)}")
    unknown = mapped.keys() - set(COLUMNS)
    if unknown:
        raise InvalidInputError(f"a trace has no column {min(unknown)!r} to map to: it has {', '.join(COLUMNS)}")
    start = last = -1
    row = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True, arrow_extensions_enabled=False) as file:
            found = _match(path, file.schema_arrow, mapped)
            groups, width = file.metadata.num_row_groups, file.metadata.num_columns
            chunks = ((group, column) for group in range(groups) for column in range(width))
            if any(is_mistyped(file.metadata, *chunk) for chunk in chunks):
                raise TraceError(f"{path} is not a sound Parquet file (a column has two types): fetch it again")
            kind = "swap" if "op" in found else "access"
            with ImportWriter(out, kind=kind, what=f"parquet {path.name}") as writer:
                for batch in file.iter_batches(batch_size=_STEP, columns=list(found.values()), use_threads=False):
                    values = {ours: _integers(path, row, ours, batch[theirs]) for ours, theirs in found.items()}
                    beyond = values["t"] > (2**63 - 1) // TIME_UNITS[time_unit]
                    if beyond.any():
                        at = row + int(np.argmax(beyond))
                        raise TraceError(f"{path}, row {at}: t is beyond 2^63 ns: name its --time-unit")
                    t = values["t"].astype(np.int64) * TIME_UNITS[time_unit]
                    start = int(t[0]) if start < 0 else start
                    late = np.flatnonzero(np.diff(t, prepend=max(start, last)) < 0)
                    if len(late):
                        raise TraceError(
                            f"{path}, row {row + int(late[0])} goes back in time: sort it by time first"
                        )
                    last = int(t[-1])
                    _write(path, row, writer, values, t - start)
                    row += len(t)
                return writer.close(ram_bytes=ram_bytes)
    except MemoryError:  # Arrow's own is one, too
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["unreadable"])[0][:200]
        raise TraceError(f"{path} is not a sound Parquet file ({reason}): fetch it again") from None


def _match(path: Path, schema: pa.Schema, columns: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for ours in COLUMNS:
        theirs = columns.get(ours, ours)
        if schema.names.count(theirs) == 1:
            kind = schema.field(theirs).type
            if not (pa.types.is_integer(kind) or pa.types.is_timestamp(kind)):
                raise InvalidInputError(f"{path}: {theirs} is {kind}, and {ours} needs integers: convert it first")
            found[ours] = theirs
        elif ours in columns or ours in ("t", "page"):
            have = ", ".join(schema.names)[:200]
            raise InvalidInputError(
                f"{path} has no single column {theirs!r} for {ours}: it has {have}; map {ours}"
            )
    return found


def _integers(path: Path, row: int, name: str, column: pa.Array) -> np.ndarray:
    """Values that are not negative, as uint64, nulls filled."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ns")).cast(pa.int64())
    if column.null_count:
        if name not in _NULLS:
            raise TraceError(f"{path}, row {row + column.is_null().to_pylist().index(True)}: {name} is null")
        column = pc.fill_null(column, pa.scalar(_NULLS[name], pa.int64()).cast(column.type))
    values: np.ndarray = column.to_numpy(zero_copy_only=False)
    limit = np.iinfo(EVENTS.field(name).type.to_pandas_dtype()).max if name in EVENTS.names else 2**32 - 1
    limit = 2**64 - 1 if name == "page" else 2**53 if name == "t" else int(limit)
    # wide integers of numbers that are small: compare as Python would
    wrong = (values < 0) | (values > min(limit, int(np.iinfo(values.dtype).max)))
    if name == "t":
        wrong = values < 0
    if wrong.any():
        raise TraceError(f"{path}, row {row + int(np.argmax(wrong))}: {name} is out of range")
    return values.astype(np.uint64)


def _write(path: Path, row: int, writer: ImportWriter, values: dict[str, np.ndarray], t: np.ndarray) -> None:
    op = values["op"].astype(np.uint8) if "op" in values else np.full(len(t), Op.LOAD, np.uint8)
    if int(op.max(initial=0)) > max(Op):
        raise TraceError(f"{path}, row {row + int(np.argmax(op > max(Op)))}: op is not 0, 1 or 2")
    space = values["space"].astype(np.uint32) if "space" in values else None
    more: dict[str, Any] = {
        name: values[name].astype(EVENTS.field(name).type.to_pandas_dtype())
        for name in ("slot", "clen", "where", "flags", "latency")
        if name in values
    }
    writer.write(t, op, values["page"], space, **more)
