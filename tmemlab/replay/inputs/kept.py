"""Prepared columns, kept in the cache folder: read, checked and filled in once, then mapped by every process.

A file holds the columns of one trace, under a name made of the trace's manifest, checksums and all, and of the
code that prepared them. It appears under its name only when it is complete, and is never changed. It is believed
because nobody else can write in its folder (cache.py); a checksum of every array finds what a disk or a crash did
to it, and then it is made again. The trace's own files are still compared with their checksums, but not again
while size, times and inode are those of the last time.
"""

import contextlib
import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cache import columns_folder, make_room, size_limit
from ...compiled import sources_digest
from ...datasets.trace.read import Trace
from .columns import Columns, prepare

_MAGIC = b"tmemlab columns\n"
_ALIGNMENT = 64
_PATHS = 32
"""Copies of one trace whose files are remembered as intact."""


def columns_for(trace: Trace) -> Columns:
    """As :func:`.columns.prepare`: from the cache where it has them, and else kept there for the next time."""
    folder = columns_folder()
    if folder is None or not len(trace):
        return prepare(trace)
    entry = folder / f"{_name(trace)}.columns"
    found = _read(entry, trace.path)
    if found is not None:
        _check_trace(trace, entry)
        return found
    size_limit(folder)  # a size that is none is said at once
    stamps = _stamps(trace)
    columns = prepare(trace)
    # Beside the replay, which only reads them. Python waits for such threads at its end.
    Thread(target=_keep, args=(columns, entry), name="tmemlab-keep-columns").start()
    _remember(trace, entry, stamps)
    return columns


def _name(trace: Trace) -> str:
    digest = hashlib.sha256((trace.path / "manifest.json").read_bytes())
    digest.update(sources_digest().encode())
    return digest.hexdigest()[:40]


def _arrays(columns: Columns) -> dict[str, npt.NDArray[Any]]:
    return {f.name: v for f in fields(columns) if isinstance(v := getattr(columns, f.name), np.ndarray)}


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _checksum(array: npt.NDArray[Any]) -> int:
    """The sum of the bytes in words of eight: as fast as memory, and no file of zeros has it."""
    data = array.view(np.uint8)
    whole = len(data) // 8 * 8
    rest = int.from_bytes(data[whole:].tobytes(), "little")
    return (int(data[:whole].view(np.uint64).sum(dtype=np.uint64)) + rest) % 2**64


def _pieces(columns: Columns) -> Iterator[Any]:
    """What a file is made of: bytes and arrays, in order."""
    arrays = _arrays(columns)
    scalars = {f.name: getattr(columns, f.name) for f in fields(columns) if f.name not in ("path", *arrays)}
    layout = [[name, a.dtype.str, len(a), _checksum(a)] for name, a in arrays.items()]
    header = json.dumps({"scalars": scalars, "arrays": layout}).encode()
    begin = _MAGIC + len(header).to_bytes(8, "little") + hashlib.sha256(header).digest() + header
    yield begin.ljust(_padded(len(begin)), b"\0")
    for array in arrays.values():
        yield array.view(np.uint8)
        yield b"\0" * (_padded(array.nbytes) - array.nbytes)


def _keep(columns: Columns, entry: Path) -> None:
    """Write a file beside the others; where that cannot be, do without."""
    size = sum(_padded(array.nbytes) for array in _arrays(columns).values()) + (1 << 12)
    partial = None
    try:
        if not make_room(entry.parent, size):
            return
        descriptor, partial = tempfile.mkstemp(prefix=".columns-", dir=entry.parent)
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            for piece in _pieces(columns):
                view = memoryview(piece)
                while len(view):
                    view = view[stream.write(view[: 1 << 24]) :]
        Path(partial).rename(entry)
    except Exception:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)


def _read(entry: Path, path: Path) -> Columns | None:
    """The columns in a file, mapped; None where there is none that is whole."""
    try:
        with entry.open("rb") as stream:
            # A private mapping: what nobody writes to is shared by all who map it.
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
            os.utime(stream.fileno())
        return _parsed(data, path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        with contextlib.suppress(OSError):
            entry.unlink()
        return None


def _parsed(data: mmap.mmap, path: Path) -> Columns:
    at = len(_MAGIC) + 8 + hashlib.sha256().digest_size
    length = int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 8], "little")
    text = data[at : at + length]
    if data[: len(_MAGIC)] != _MAGIC or hashlib.sha256(text).digest() != data[len(_MAGIC) + 8 : at]:
        raise ValueError("damaged")
    header = json.loads(text)
    offset = _padded(at + length)
    arrays: dict[str, Any] = {}
    sums: dict[str, int] = {}
    for name, dtype, rows, checksum in header["arrays"]:
        arrays[name] = np.frombuffer(data, dtype, rows, offset)
        sums[name] = checksum
        offset += _padded(arrays[name].nbytes)
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        if list(threads.map(_checksum, arrays.values())) != list(sums.values()):
            raise ValueError("damaged")
    return Columns(path=path, **header["scalars"], **arrays)


def _stamps(trace: Trace) -> dict[str, list[int]]:
    """A trace's event files, and what tells that one was touched; the time of change nobody can set."""
    stamps = {}
    for file in trace.event_files:
        found = file.path.lstat()
        stamp = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]
        stamps[os.path.realpath(file.path)] = stamp
    return stamps


def _intact(entry: Path) -> dict[str, list[int]]:
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(entry.with_suffix(".intact").read_text())
        if isinstance(known, dict):
            return known
    return {}


def _check_trace(trace: Trace, entry: Path) -> None:
    """Compare the checksums of files that were touched since they were; TraceError where they differ."""
    stamps, known = _stamps(trace), _intact(entry)
    touched = [f for f in trace.event_files if known.get(p := os.path.realpath(f.path)) != stamps[p]]
    if touched:
        for file in touched:
            file.check_content()
        _remember(trace, entry, stamps)


def _remember(trace: Trace, entry: Path, stamps: dict[str, list[int]]) -> None:
    known = _intact(entry) | stamps
    text = json.dumps(dict(list(known.items())[-_PATHS * max(len(trace.event_files), 1) :]))
    with contextlib.suppress(OSError):
        descriptor, partial = tempfile.mkstemp(prefix=".intact-", dir=entry.parent)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        Path(partial).rename(entry.with_suffix(".intact"))
