"""Events as CSV, out with every column in words, and in with any columns by a map."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from ...errors import InvalidInputError, TraceError
from ..trace.manifest import Manifest
from ..trace.output import new_file
from ..trace.read import Trace
from ..trace.schema import EVENTS, NO_CLEN, NO_LATENCY, NO_SLOT, Op, Where
from ._columns import column_map
from ._requests import wanted_ops
from ._writer import ImportWriter

ABOUT = "any columns, by a map"
OPTIONS = {
    "--map": ("columns", "our columns by theirs: t=time,page=addr; t=0,page=2 by position"),
    "--time-unit": ("time_unit", "ns (default), us, ms or s"),
    "--requests": ("requests", "which events to write: all (default), loads or stores"),
}
COLUMNS = ("t", "op", "page", "slot", "clen", "cgroup", "pid", "comm", "where", "flags", "latency")
TIME_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}

_OP_WORDS = {
    Op.STORE: ("store", "out", "swapout", "swpout", "write", "w", "0"),
    Op.LOAD: ("load", "in", "swapin", "swpin", "read", "r", "access", "1"),
    Op.INVALIDATE: ("invalidate", "free", "discard", "d", "2"),
}
_NULLS = {"slot": NO_SLOT, "clen": NO_CLEN, "latency": NO_LATENCY}
_BLOCK = 1 << 22


def export_csv(trace: Trace, path: Path, *, requests: str = "") -> int:
    """Write the events of ``trace`` to ``path`` with a header; how many.

    Ops, places, cgroups and commands are written out, nulls are empty. ``requests`` leaves out the others, as in
    :func:`~tmemlab.datasets.formats.libcachesim.export_libcachesim`; empty keeps every event.
    """
    keep = wanted_ops(requests) if requests else np.ones(256, bool)
    cgroups, tasks = trace.table("cgroups")["path"], trace.table("tasks")
    names = {
        "op": pa.array([op.name.lower() for op in Op]),
        "where": pa.array([where.name.lower() for where in Where]),
        "cgroup": cgroups,
        "pid": tasks["pid"],
        "comm": tasks["comm"],
    }
    written = 0
    with new_file(path) as stream:
        writer = None
        for batch in trace.batches():
            chosen = keep[batch["op"]]
            columns: dict[str, Any] = {}
            for name in COLUMNS:
                values = batch["task" if name in ("pid", "comm") else name][chosen]
                if name in names:
                    columns[name] = pc.take(names[name], pa.array(values))
                elif name in _NULLS:
                    columns[name] = pa.array(values, mask=values == _NULLS[name])
                else:
                    columns[name] = pa.array(values)
            table = pa.table(columns)
            writer = writer or arrow_csv.CSVWriter(stream, table.schema)
            writer.write_table(table)
            written += len(table)
        if writer is None:
            stream.write((",".join(f'"{name}"' for name in COLUMNS) + "\n").encode())
        else:
            writer.close()
    return written


def import_csv(
    path: Path,
    out: Path,
    *,
    columns: Mapping[str, str] | str | None = None,
    time_unit: str = "ns",
    ram_bytes: int | None = None,
) -> Manifest:
    """Convert the CSV file ``path`` to a trace at ``out``.

    ``columns`` maps our names (COLUMNS) to the file's; names that are all numbers are positions, counted from 0,
    in a file without a header. Needed are t and page, which may be decimal or 0x hexadecimal. Without op every
    line is a touch and the trace an access trace. TraceError with the line where a value does not fit.
    """
    if time_unit not in TIME_UNITS:
        raise InvalidInputError(f"{time_unit!r} is not a unit of time: use {', '.join(TIME_UNITS)}")
    mapped = column_map(columns)
    unknown = mapped.keys() - set(COLUMNS)
    if unknown:
        raise InvalidInputError(f"a trace has no column {min(unknown)!r} to map to: it has {', '.join(COLUMNS)}")
    positions = bool(mapped) and all(name.isdecimal() for name in mapped.values())
    reader = _open(path, positions)
    found = _match(path, reader.schema.names, mapped, positions)
    start = last = -1
    line = 1 if positions else 2
    with ImportWriter(out, kind="swap" if "op" in found else "access", what=f"csv {path.name}") as writer:
        while (batch := _next(path, reader)) is not None:
            if len(batch):
                texts = {name: batch.column(at) for name, at in found.items()}
                t = _times(path, line, texts["t"], TIME_UNITS[time_unit])
                start = int(t[0]) if start < 0 else start
                late = np.flatnonzero(np.diff(t, prepend=max(start, last)) < 0)
                if len(late):
                    raise TraceError(
                        f"{path}, line {line + int(late[0])} goes back in time: sort it by time first"
                    )
                last = int(t[-1])
                _write(path, line, writer, texts, t - start)
                line += len(batch)
        return writer.close(ram_bytes=ram_bytes)


def _open(path: Path, positions: bool) -> Any:
    """A streaming reader that gives every field as text."""
    try:
        options = {
            "read_options": arrow_csv.ReadOptions(
                block_size=_BLOCK, use_threads=False, autogenerate_column_names=positions
            ),
            "parse_options": arrow_csv.ParseOptions(ignore_empty_lines=False),
        }
        with arrow_csv.open_csv(path, **options) as first:
            names = first.schema.names
        convert = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        )
        return arrow_csv.open_csv(path, convert_options=convert, **options)
    except MemoryError:  # Arrow's own is one, too
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _next(path: Path, reader: Any) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except MemoryError:  # Arrow's own is one, too
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> TraceError:
    reason = (str(error).splitlines() or ["unreadable"])[0][:200].replace("Row #", "line ")
    return TraceError(f"{path} is not sound CSV ({reason})")


def _match(path: Path, names: list[str], columns: Mapping[str, str], positions: bool) -> dict[str, int]:
    """Our column names by position in the file."""
    found: dict[str, int] = {}
    for ours in COLUMNS:
        theirs = columns.get(ours, ours)
        if positions and ours in columns and int(theirs) < len(names):
            found[ours] = int(theirs)
        elif not positions and names.count(theirs) == 1:
            found[ours] = names.index(theirs)
        elif ours in columns or ours in ("t", "page"):
            have = f"{len(names)} columns without names" if positions else ", ".join(names)[:200]
            raise InvalidInputError(
                f"{path} has no single column {theirs!r} for {ours}: it has {have}; map {ours}"
            )
    return found


def _write(path: Path, line: int, writer: ImportWriter, texts: dict[str, Any], t: np.ndarray) -> None:
    rows = len(t)
    op = np.full(rows, Op.LOAD, np.uint8)
    if "op" in texts:
        words = {word: int(code) for code, synonyms in _OP_WORDS.items() for word in synonyms}
        op = _words(path, line, "op", pc.utf8_lower(texts["op"]), words)
    more: dict[str, np.ndarray] = {}
    if "where" in texts:
        more["where"] = _words(path, line, "where", texts["where"], {w.name.lower(): int(w) for w in Where})
    for name in ("slot", "clen", "latency", "flags"):
        if name in texts:
            dtype = EVENTS.field(name).type.to_pandas_dtype()
            values = _integers(path, line, name, texts[name], empty=_NULLS.get(name))
            if int(values.max(initial=0)) > np.iinfo(dtype).max:
                raise _bad(path, line, int(np.argmax(values > np.iinfo(dtype).max)), name, "is too large")
            more[name] = values.astype(dtype)
    if "cgroup" in texts:
        more["cgroup"] = _groups(texts["cgroup"], writer.cgroup)
    if "pid" in texts or "comm" in texts:
        blank = pa.array([""] * rows)
        pids, comms = texts.get("pid", blank), texts.get("comm", blank)
        both = pc.binary_join_element_wise(pids, comms, "\x00")

        def task(text: str) -> int:
            pid, _, comm = text.partition("\x00")
            return writer.task(int(pid) if pid.isdecimal() and len(pid) < 10 else 0, comm or "unknown")

        more["task"] = _groups(both, task)
    writer.write(t, op, _integers(path, line, "page", texts["page"]).astype(np.uint64), **more)


def _times(path: Path, line: int, texts: Any, scale: int) -> np.ndarray:
    """Nanoseconds: exact for whole numbers and for decimals, whatever their size."""
    _expect(path, line, "t", texts, r"^[0-9]{1,19}(\.[0-9]*)?$", "is not a time")
    whole = pc.replace_substring_regex(texts, r"\..*$", "")
    decimals = pc.utf8_slice_codeunits(pc.replace_substring_regex(texts, r"^[0-9]+\.?", ""), 0, 9)
    nanos = pc.cast(pc.utf8_rpad(decimals, 9, "0"), pa.int64()).to_numpy(zero_copy_only=False)
    units = pc.cast(whole, pa.uint64()).to_numpy(zero_copy_only=False)
    if int(units.max(initial=0)) > (2**63 - 1) // scale - 1:
        raise _bad(path, line, int(np.argmax(units)), "t", "is too large")
    result: np.ndarray = units.astype(np.int64) * scale + nanos * scale // 1_000_000_000
    return result


def _integers(path: Path, line: int, name: str, texts: Any, empty: int | None = None) -> np.ndarray:
    """Decimal or 0x hexadecimal numbers as uint64; ``empty`` in place of nothing."""
    if empty is not None:
        texts = pc.if_else(pc.equal(texts, ""), str(empty), texts)
    _expect(path, line, name, texts, r"^([0-9]{1,19}|0[xX][0-9a-fA-F]{1,16})$", "is not a number")
    result: np.ndarray
    if pc.any(pc.match_substring_regex(texts, "^0[xX]")).as_py():
        result = np.array([int(text, 16 if text[1:2] in "xX" else 10) for text in texts.to_pylist()], np.uint64)
    else:
        result = pc.cast(texts, pa.uint64()).to_numpy(zero_copy_only=False)
    return result


def _words(path: Path, line: int, name: str, texts: Any, codes: dict[str, int]) -> np.ndarray:
    found = pc.index_in(texts, value_set=pa.array(list(codes)))
    if found.null_count:
        raise _bad(path, line, found.is_null().to_pylist().index(True), name, f"is none of {', '.join(codes)}")
    result: np.ndarray = np.array(list(codes.values()), np.uint8)[found.to_numpy()]
    return result


def _groups(texts: Any, number: Callable[[str], int]) -> np.ndarray:
    encoded = pc.dictionary_encode(texts)
    rows = np.array([number(text) for text in encoded.dictionary.to_pylist()], np.uint16)
    result: np.ndarray = rows[encoded.indices.to_numpy()]
    return result


def _expect(path: Path, line: int, name: str, texts: Any, pattern: str, problem: str) -> None:
    fits = pc.match_substring_regex(texts, pattern)
    if not pc.all(fits, min_count=0).as_py():
        raise _bad(path, line, fits.to_pylist().index(False), name, problem)


def _bad(path: Path, line: int, row: int, name: str, problem: str) -> TraceError:
    return TraceError(f"{path}, line {line + row}: {name} {problem}")
