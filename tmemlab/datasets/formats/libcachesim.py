"""libCacheSim's oracleGeneral traces, in and out, plain or zstd.

A record is 24 bytes, little endian and packed: ``u32 clock_time`` in seconds, ``u64 obj_id``, ``u32 obj_size``,
``i64 next_access_vtime``, the number of the object's next request counted from 1, or -1 (libCacheSim
traceReader/customizedReader/oracle/oracleGeneralBin.h and its traceConv).
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from ...compiled import njit
from ...errors import InvalidInputError, TraceError
from ...units import PAGE_SIZE
from ..trace.manifest import Manifest
from ..trace.output import new_file
from ..trace.read import Trace
from ..trace.schema import NO_CLEN, Op
from ._input import read_chunks
from ._requests import count_requests, wanted_ops
from ._writer import ImportWriter

ABOUT = "oracleGeneral requests, 24-byte records; .zst too"
OPTIONS = {
    "--requests": ("requests", "which events are requests: all (default), loads or stores"),
    "--size": ("size", "out: size of an object, page (default) or clen; in: ignore (default) or clen"),
}
RECORD = np.dtype([("clock", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
_STEP = 1 << 18  # records


def export_libcachesim(trace: Trace, path: Path, *, requests: str = "all", size: str = "page") -> int:
    """Write the requests of ``trace`` to ``path`` (compressed where it ends in .zst); their number.

    ``requests`` is all, loads or stores. Every object has the size of a page, or its compressed length with
    ``size="clen"`` (a page where that is not known, at least 1: libCacheSim skips objects without a size). The
    events are read backwards, so memory is bounded by 8 bytes a page.
    """
    if size not in ("page", "clen"):
        raise InvalidInputError(f"{size!r} is not a size: use page or clen")
    total = count_requests(trace, requests)
    keep = wanted_ops(requests)
    following = np.full(trace.pages, -1, np.int64)
    columns = ("t", "op", "page", "clen") if size == "clen" else ("t", "op", "page")
    link: Any = _link
    with new_file(path) as stream:
        # without a name: nobody else can put a link where it would be
        raw = stream if path.suffix != ".zst" else tempfile.TemporaryFile("w+b", dir=path.absolute().parent)  # noqa: SIM115
        try:
            end = total
            for batch in trace.batches(*columns, reverse=True):
                chosen = keep[batch["op"]]
                page = batch["page"][chosen]
                records = np.empty(len(page), RECORD)
                records["clock"] = batch["t"][chosen] // 1_000_000_000
                records["id"] = page
                records["size"] = PAGE_SIZE
                if size == "clen":
                    clen = batch["clen"][chosen]
                    records["size"] = np.where(clen == NO_CLEN, PAGE_SIZE, np.maximum(clen, 1))
                end -= len(page)
                nexts = np.empty(len(page), np.int64)
                link(page, following, nexts, end)
                records["next"] = nexts
                raw.seek(end * RECORD.itemsize)
                raw.write(records.tobytes())
            if raw is not stream:
                raw.seek(0)
                zstandard.ZstdCompressor(level=3).copy_stream(raw, stream)
        finally:
            if raw is not stream:
                raw.close()
    return total


def import_libcachesim(path: Path, out: Path, *, ram_bytes: int | None = None, size: str = "ignore") -> Manifest:
    """Convert the requests in ``path`` to an access trace at ``out``.

    Times are seconds from the first request. With ``size="clen"`` the sizes of the objects become compressed
    lengths. TraceError with the offset where the file ends inside a record or goes back in time.
    """
    if size not in ("ignore", "clen"):
        raise InvalidInputError(f"{size!r} is not a size: use ignore or clen")
    first = last = -1
    at = 0
    with ImportWriter(out, kind="access", what=f"libcachesim {path.name}") as writer:
        for records in _records(path):
            clock = records["clock"].astype(np.int64)
            first = int(clock[0]) if first < 0 else first
            late = np.flatnonzero(np.diff(clock, prepend=max(last, first)) < 0)
            if len(late):
                offset = (at + int(late[0])) * RECORD.itemsize
                raise TraceError(f"{path} goes back in time at byte {offset}: sort it by time first")
            last = int(clock[-1])
            more = {}
            if size == "clen":
                more["clen"] = np.where(records["size"] < NO_CLEN, records["size"], NO_CLEN).astype(np.uint16)
            ops = np.full(len(records), Op.LOAD, np.uint8)
            writer.write((clock - first) * 1_000_000_000, ops, np.ascontiguousarray(records["id"]), **more)
            at += len(records)
        return writer.close(ram_bytes=ram_bytes, clock="seconds of the source")


def _records(path: Path) -> Iterator[np.ndarray]:
    """The records of a file in pieces; the whole file must be whole records."""
    at = 0
    for data in read_chunks(path, _STEP * RECORD.itemsize):
        if len(data) % RECORD.itemsize:
            whole = at + len(data) - len(data) % RECORD.itemsize
            raise TraceError(f"{path} ends inside a record at byte {whole}: it was cut short; fetch it again")
        yield np.frombuffer(data, RECORD)
        at += len(data)


@njit(cache=True, nogil=True)
def _link(page: Any, following: Any, out: Any, start: Any) -> None:
    for i in range(len(page) - 1, -1, -1):
        out[i] = following[page[i]]
        following[page[i]] = start + i + 1  # libCacheSim counts requests from 1
